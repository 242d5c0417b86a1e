package bus

import (
	"context"
	"fmt"
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
	list := c.bus.admin.ListStartOffsets
	if latest {
		list = c.bus.admin.ListEndOffsets
	}
	found, _, err := clusterMetadata(ctx, c.bus.client)
	if err != nil {
		return c.bus.reach(err)
	}
	var names []string
	for name, t := range found {
		if !c.wants(event.Topic(name)) {
			continue
		}
		for p := range t.Partitions {
			if !have[partitionID{name, p}] {
				names = append(names, name)
				break
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	offsets, err := list(ctx, names...)
	if err != nil {
		return c.bus.reach(err)
	}
	add := map[string]map[int32]kgo.Offset{}
	c.mu.Lock()
	for topic, parts := range offsets {
		for p, at := range parts {
			id := partitionID{topic, p}
			if have[id] {
				continue
			}
			if at.Err != nil {
				c.mu.Unlock()
				return fmt.Errorf("find where %s[%d] begins: %w", topic, p, at.Err)
			}
			have[id] = true
			if add[topic] == nil {
				add[topic] = map[int32]kgo.Offset{}
			}
			add[topic][p] = kgo.NewOffset().At(at.Offset)
			c.fetched[id] = fetchedOffset{offset: -1, start: at.Offset}
			c.begin(id)
		}
	}
	c.mu.Unlock()
	c.client.AddConsumePartitions(add)
	return nil
}

func (c *consumer) wants(topic event.Topic) bool {
	for _, h := range c.dispatch.handlers {
		if h.reads(c.bus, topic) {
			return true
		}
	}
	return false
}
