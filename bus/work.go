package bus

import (
	"context"
	"runtime/pprof"
	"time"
)

// spawn starts workers for what is ready. Under mu.
func (c *consumer) spawn() {
	if c.lanes.withheld(time.Now()) {
		return // the commit that ends this spawns
	}
	for n := c.lanes.ready.len(); n > 0 && c.workers < c.cfg.MaxInFlight; n-- {
		c.hire()
	}
}

// work handles runs until nothing is ready.
func (c *consumer) work(w *worker) {
	pprof.SetGoroutineLabels(w.labels)
	var l *lane
	var r result
	for {
		now := time.Now()
		c.mu.Lock()
		var resume []partitionID
		var halted *partition
		if l != nil {
			c.lanes.finish(l, r, now)
			resume = c.unstall(l.part)
			if l.part.halted != nil && !l.part.gone && !c.paused[l.part] {
				c.paused[l.part] = true
				halted = l.part
			}
			if c.lanes.waiting <= backlogLow || l.part.revoked || c.lanes.stopped {
				c.changed.Broadcast()
			}
		}
		parked := l != nil && len(r.retry) > 0
		l = c.lanes.next(now)
		w.lane = l
		urgent := c.lanes.claims > 0
		var ctx context.Context
		if l == nil {
			c.workers--
			c.idle = append(c.idle, w)
		} else {
			ctx = c.contexts[l.part].ctx
			if c.lanes.ready.len() > 0 && c.workers < c.cfg.MaxInFlight {
				c.hire()
			}
		}
		c.mu.Unlock()
		if parked || l == nil {
			poke(c.kick)
		}
		if urgent {
			poke(c.urgent)
		}
		if halted != nil {
			c.pauseFetch(halted)
		}
		for _, id := range resume {
			c.client.ResumeFetchPartitions(map[string][]int32{id.topic: {id.partition}})
		}
		if l == nil {
			return
		}
		r = c.handle(ctx, l)
	}
}

// unstall says which partition may be fetched again. Under mu.
func (c *consumer) unstall(p *partition) []partitionID {
	if !c.paused[p] || p.stalled() {
		return nil
	}
	delete(c.paused, p)
	return []partitionID{p.id}
}

// poke wakes who waits for ch, the timekeeper or the committer.
func poke(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// keepTime makes parked lanes ready when their time has come.
func (c *consumer) keepTime(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		c.mu.Lock()
		c.lanes.due(now)
		c.spawn()
		wake := c.lanes.wake()
		c.mu.Unlock()
		if wake.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(wake))
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.kick:
		}
	}
}
