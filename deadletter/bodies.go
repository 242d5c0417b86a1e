package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// bodies reads the copies that items mean, where they are still there.
func (d *Desk) bodies(ctx context.Context, items []item) (map[bus.Coordinates]bus.DeadLetter, error) {
	type partition struct {
		topic event.Topic
		n     int32
	}
	offsets := map[partition][]int64{}
	wanted := map[bus.Coordinates]bool{}
	for _, i := range items {
		at := partition{i.edition.Topic, i.edition.Partition}
		offsets[at] = append(offsets[at], i.edition.Offset)
		wanted[i.edition.coordinates()] = true
	}
	found := make(map[bus.Coordinates]bus.DeadLetter, len(items))
	for at, of := range offsets {
		slices.Sort(of)
		for len(of) > 0 {
			n := 1
			for n < len(of) && of[n]-of[n-1] < 1000 { // reading over a gap is cheaper than another read, up to a point
				n++
			}
			if err := d.between(ctx, at.topic, at.n, of[0], of[n-1]+1, func(dead bus.DeadLetter) {
				if wanted[dead.Coordinates()] {
					found[dead.Coordinates()] = dead
				}
			}); err != nil {
				return nil, err
			}
			of = of[n:]
		}
	}
	return found, nil
}

// between reads dead letters of one partition, those that retention has not taken.
func (d *Desk) between(ctx context.Context, t event.Topic, partition int32, from, to int64, each func(bus.DeadLetter)) error {
	r := bus.Range{Topics: []event.Glob{event.Glob(t)}, Partitions: []int32{partition}, From: bus.AtOffset(from), To: bus.AtOffset(to)}
	for dead, err := range d.bus.DeadLetters(ctx, r) {
		if errors.Is(err, bus.ErrTruncated) { // the log begins later than from: then from its beginning
			if r.From == (bus.Bound{}) {
				return fmt.Errorf("read %s: %w", t, err)
			}
			return d.remaining(ctx, r, each)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", t, err)
		}
		each(dead)
	}
	return nil
}

func (d *Desk) remaining(ctx context.Context, r bus.Range, each func(bus.DeadLetter)) error {
	r.From = bus.Bound{}
	for dead, err := range d.bus.DeadLetters(ctx, r) {
		if err != nil {
			return fmt.Errorf("read %s: %w", r.Topics[0], err)
		}
		each(dead)
	}
	return nil
}
