package bus

import (
	"maps"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// drain stops what has not begun and waits for what runs, at most DrainWithin. It returns what is still running then.
func (c *consumer) drain() []Coordinates {
	c.mu.Lock()
	c.lanes.stopped = true
	for _, p := range c.lanes.parts {
		c.lanes.revoke(p)
	}
	c.mu.Unlock()
	if c.await(c.cfg.DrainWithin, func() bool { return c.lanes.running == 0 }) {
		return nil
	}
	c.mu.Lock()
	for _, pc := range c.contexts {
		pc.cancel(errDrained)
	}
	c.mu.Unlock()
	if c.await(time.Second, func() bool { return c.lanes.running == 0 }) {
		// They gave up when they were told to: their events are not settled and come again.
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []Coordinates
	for _, p := range c.lanes.parts {
		for _, l := range p.lanes {
			for _, d := range l.run {
				left = append(left, Coordinates{event.Topic(p.id.topic), p.id.partition, d.offset})
			}
		}
	}
	return left
}

// await waits until ok holds, at most d, and reports whether it does. ok is asked under mu.
func (c *consumer) await(d time.Duration, ok func() bool) bool {
	over := false
	timer := time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		over = true
		c.changed.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() && !over {
		c.changed.Wait()
	}
	return ok()
}

// forget drops partitions (nil: all) and cancels what still runs for them.
func (c *consumer) forget(ids []partitionID, cause error) {
	resume := map[string][]int32{}
	c.mu.Lock()
	if ids == nil {
		ids = slices.Collect(maps.Keys(c.lanes.parts))
	}
	for _, id := range ids {
		if p := c.lanes.parts[id]; p != nil {
			if c.paused[p] {
				resume[id.topic] = append(resume[id.topic], id.partition)
			}
			c.end(p, cause)
		}
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	if len(resume) > 0 { // the client keeps a pause over assignments
		c.client.ResumeFetchPartitions(resume)
	}
}
