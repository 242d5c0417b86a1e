package bus

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
)

// lookForTopics is how often a broadcast looks for topics and partitions that appeared.
const lookForTopics = 10 * time.Second

// openBroadcast reads every partition of the topics by itself: no group, no commits. Partitions that appear later are read
// from their beginning.
func (c *consumer) openBroadcast(ctx context.Context) error {
	opts, err := c.bus.options()
	if err != nil {
		return err
	}
	c.client, err = kgo.NewClient(append(
		opts,
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(time.Second),
		kgo.KeepRetryableFetchErrors(),
	)...)
	if err != nil {
		return err
	}
	have := map[partitionID]bool{}
	if err := c.addPartitions(ctx, have, c.cfg.From == Latest); err != nil {
		c.client.Close()
		return err
	}
	c.wg.Go(func() {
		tick := time.NewTicker(lookForTopics)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := c.addPartitions(ctx, have, false); err != nil && ctx.Err() == nil {
				c.bus.log.WarnContext(ctx, "look for new topics", slog.String("error", err.Error()))
			}
		}
	})
	return nil
}

// addPartitions begins what have lacks, at the end or at the start of the log.
func (c *consumer) addPartitions(ctx context.Context, have map[partitionID]bool, latest bool) error {
	found, _, err := clusterMetadata(ctx, c.bus.client)
	if err != nil {
		return c.bus.reach(err)
	}
	var fresh []partitionID
	for name, t := range found {
		if !c.wants(event.Topic(name)) || t.Err != nil {
			continue
		}
		c.topics.learn(name, t.ID)
		for p := range t.Partitions {
			if id := (partitionID{name, p}); !have[id] {
				fresh = append(fresh, id)
			}
		}
	}
	ends := map[partitionID]int64{}
	if latest {
		if ends, err = c.endsOf(ctx, fresh); err != nil {
			return err
		}
	}
	add := map[string]map[int32]kgo.Offset{}
	c.mu.Lock()
	for _, id := range fresh {
		have[id] = true
		if add[id.topic] == nil {
			add[id.topic] = map[int32]kgo.Offset{}
		}
		add[id.topic][id.partition] = kgo.NewOffset().AtStart()
		if end, ok := ends[id]; ok {
			add[id.topic][id.partition] = kgo.NewOffset().At(end)
		}
		c.begin(id)
	}
	c.mu.Unlock()
	c.client.AddConsumePartitions(add)
	return nil
}

// endsOf finds the ends of the log. A partition that was made a moment ago may have no leader yet, or be unknown to the
// broker that is asked: it asks again for a while.
func (c *consumer) endsOf(ctx context.Context, ids []partitionID) (map[partitionID]int64, error) {
	const within, every = 10 * time.Second, 250 * time.Millisecond
	for waited := time.Duration(0); ; waited += every {
		ends, err := resolve(ctx, ids, c.bus.admin.ListEndOffsets)
		if err == nil || waited >= within {
			return ends, err
		}
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

func (c *consumer) wants(topic event.Topic) bool {
	for _, h := range c.dispatch.handlers {
		if h.reads(c.bus, topic) {
			return true
		}
	}
	return false
}
