package cli

import (
	"context"
	"errors"
	"sync"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// errEnough settles nothing: what was not printed stays with the group.
var errEnough = errors.New("enough was printed")

type partitionKey struct {
	topic     event.Topic
	partition int32
}

// group reads as a member of the group. A record is settled once it is printed, or passed over by the filters. Without --follow
// it ends when the group has passed the newest record that each partition had at the start.
func (c *consuming) group(ctx context.Context, b *bus.Bus) error {
	o := c.o
	left, err := c.a.ahead(ctx, b, o)
	if err != nil {
		return err
	}
	if !o.follow && len(left) == 0 {
		return nil
	}
	reading, enough := context.WithCancel(ctx)
	defer enough()
	var mu sync.Mutex
	var failed error
	show := func(rec bus.Record) error {
		mu.Lock()
		defer mu.Unlock()
		if reading.Err() != nil {
			return errEnough
		}
		last, err := c.show(ctx, rec)
		if err != nil {
			failed = err
			enough()
			return errEnough
		}
		at := partitionKey{rec.Topic, rec.Partition}
		if newest, ok := left[at]; ok && rec.Offset >= newest {
			delete(left, at)
		}
		if last || !o.follow && len(left) == 0 {
			enough()
		}
		return nil
	}
	from := bus.Earliest
	if o.from+o.since+o.offset == "latest" {
		from = bus.Latest
	}
	var handlers []bus.Handler
	for _, g := range o.topics {
		handlers = append(handlers, bus.HandleBatch(g, bus.Batch{Max: 1}, func(_ context.Context, rs []bus.Record) error {
			for _, rec := range rs {
				if err := show(rec); err != nil {
					return bus.Unavailable(err)
				}
			}
			return nil
		}))
	}
	err = b.Consume(reading, bus.Consumer{Group: o.group, From: from, MaxInFlight: 1}, handlers...)
	if failed != nil {
		return failed
	}
	return err
}

// ahead is the newest offset of every partition that the group has not passed.
func (a *app) ahead(ctx context.Context, b *bus.Bus, o consumeOptions) (map[partitionKey]int64, error) {
	left := map[partitionKey]int64{}
	if o.follow {
		return left, nil
	}
	committed, err := a.committed(ctx, b, o.group)
	if err != nil {
		return nil, err
	}
	infos, err := b.Topics(ctx, o.topics...)
	if err != nil {
		return nil, err
	}
	fresh := len(committed) == 0 && o.from+o.since+o.offset == "latest"
	for _, t := range infos {
		for _, part := range t.Partitions {
			at := partitionKey{t.Name, part.Partition}
			if fresh || part.End <= committed[at] || part.End == part.Start {
				continue
			}
			// The end may lie behind markers and holes: ask for the newest record that is really there.
			newest := bus.Range{Topics: []event.Glob{event.Glob(t.Name)}, Partitions: []int32{part.Partition}, Last: 1}
			for rec, err := range b.Scan(ctx, newest) {
				if err != nil {
					return nil, err
				}
				if rec.Offset >= committed[at] {
					left[at] = rec.Offset
				}
			}
		}
	}
	return left, nil
}

// committed is where the group is; nothing for one that does not exist yet.
func (a *app) committed(ctx context.Context, b *bus.Bus, group string) (map[partitionKey]int64, error) {
	out := map[partitionKey]int64{}
	err := a.within(ctx, func(ctx context.Context) error {
		lags, err := b.Lag(ctx, group)
		if errors.Is(err, bus.ErrUnknownGroup) {
			return nil
		}
		for _, l := range lags {
			if l.Committed >= 0 {
				out[partitionKey{l.Topic, l.Partition}] = l.Committed
			}
		}
		return err
	})
	return out, err
}

// peek shows what the group has not settled, without joining it.
func (c *consuming) peek(ctx context.Context, b *bus.Bus) error {
	committed, err := c.a.committed(ctx, b, c.o.group)
	if err != nil {
		return err
	}
	infos, err := b.Topics(ctx, c.o.topics...)
	if err != nil {
		return err
	}
	for _, t := range infos {
		for _, part := range t.Partitions {
			next := max(committed[partitionKey{t.Name, part.Partition}], part.Start)
			if next >= part.End {
				continue
			}
			r := bus.Range{Topics: []event.Glob{event.Glob(t.Name)}, Partitions: []int32{part.Partition}, From: bus.AtOffset(next)}
			for rec, err := range b.Scan(ctx, r) {
				if err != nil {
					return err
				}
				enough, err := c.show(ctx, rec)
				if err != nil || enough {
					return err
				}
			}
		}
	}
	return nil
}
