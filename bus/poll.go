package bus

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/defect"
)

// How far polling may be ahead of the handlers: above the first it stops, below the second it goes on.
const (
	backlogHigh = 20_000
	backlogLow  = 10_000
	pollRecords = 4_000
)

// poll hands records over until ctx ends. Hand-over never waits; what waits is the next poll, while too much is in hand.
func (c *consumer) poll(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	for ctx.Err() == nil {
		c.mu.Lock()
		if c.lanes.waiting > backlogHigh {
			for c.lanes.waiting > backlogLow && ctx.Err() == nil {
				c.changed.Wait()
			}
		}
		c.mu.Unlock()
		fetches := c.client.PollRecords(ctx, pollRecords)
		failed := false
		fetches.EachError(func(topic string, partition int32, err error) {
			failed = true
			c.fetchFailed(ctx, topic, partition, err)
		})
		if fetches.NumRecords() > 0 {
			c.handOver(fetches)
		}
		c.client.AllowRebalance()
		if failed && fetches.NumRecords() == 0 {
			waitFor(ctx, fetchAgain)
		}
	}
}

func waitFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// fetchFailed decides what an error of a fetch means: the client retries what can heal.
func (c *consumer) fetchFailed(ctx context.Context, topic string, partition int32, err error) {
	if ctx.Err() != nil || errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, context.Canceled) {
		return
	}
	at := &Error{Op: "fetch", Topic: event.Topic(topic), Partition: partition, Offset: -1, Err: err}
	switch {
	case isOutOfRange(err):
		at.Err = fmt.Errorf("%w: %s: %w", ErrTruncated, c.outside(ctx, partitionID{topic, partition}), err)
		c.fatal(at)
	case isTopicDoubt(err):
		c.doubtTopics()
	case kerr.IsRetriable(err): // leaders move
		c.bus.log.DebugContext(ctx, "fetch failed, trying again",
			slog.String("topic", topic), slog.Int("partition", int(partition)), slog.String("error", err.Error()))
	case isRefusal(err):
		at.Err = fmt.Errorf("%w: %w", ErrUnauthorized, err)
		c.fatal(at)
	default:
		c.bus.log.WarnContext(ctx, "fetch failed, trying again",
			slog.String("topic", topic), slog.Int("partition", int(partition)), slog.String("error", err.Error()))
	}
}

func (c *consumer) handOver(fetches kgo.Fetches) {
	now := time.Now()
	var pause []*partition
	c.mu.Lock()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if len(f.Records) == 0 {
			return
		}
		id := partitionID{f.Topic, f.Partition}
		p := c.lanes.parts[id]
		if p == nil { // cannot be: partitions begin before they are fetched. To go on would be to lose these records silently.
			c.fatal(&Error{Op: "consume", Topic: event.Topic(id.topic), Partition: id.partition, Offset: f.Records[0].Offset, Err: errors.New("records of a partition that was not assigned")})
			return
		}
		for _, r := range f.Records {
			c.lanes.add(p, delivered{offset: r.Offset, key: c.laneKey(p, r), marker: r.Attrs.IsControl(), record: r}, now)
		}
		if p.stalled() && !c.paused[p] {
			c.paused[p] = true
			pause = append(pause, p)
		}
	})
	c.spawn()
	c.mu.Unlock()
	for _, p := range pause {
		c.pauseFetch(p)
	}
	poke(c.kick)
}

// pauseFetch pauses a partition that was marked as paused. A worker may have made room, taken the mark away and resumed
// between the mark and the pause; then nobody else would resume it.
func (c *consumer) pauseFetch(p *partition) {
	one := map[string][]int32{p.id.topic: {p.id.partition}}
	c.client.PauseFetchPartitions(one)
	c.mu.Lock()
	still := c.paused[p]
	c.mu.Unlock()
	if !still {
		c.client.ResumeFetchPartitions(one)
	}
}

// laneKey is the lane of a record. A batch handler and records without a key have one lane per partition. Two keys of equal
// hash share a lane, which only orders them more strictly.
func (c *consumer) laneKey(p *partition, r *kgo.Record) uint64 {
	if p.batch.Max > 0 || r.Key == nil {
		return 0
	}
	if defect.On(defect.TwoLanes) {
		return uint64(r.Offset % 2)
	}
	return maphash.Bytes(c.seed, r.Key)
}
