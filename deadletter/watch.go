package deadletter

import (
	"context"
	"errors"
	"fmt"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// watch looks for what a run sent among the dead letters that appear while it runs.
type watch struct {
	topics []event.Topic // of dead letters
	next   map[bus.Coordinates]int64
	sent   map[string]int  // redrive count that each was sent with
	back   map[string]bool // those that failed again
}

// open begins at the end of the dead-letter topics of targets.
func (w *watch) open(ctx context.Context, d *Desk, targets []event.Topic) error {
	w.next, w.sent, w.back = map[bus.Coordinates]int64{}, map[string]int{}, map[string]bool{}
	for _, t := range targets {
		w.topics = append(w.topics, t.DLQ())
	}
	return w.ends(ctx, d, func(topic event.Topic, p bus.PartitionInfo) error {
		w.next[bus.Coordinates{Topic: topic, Partition: p.Partition}] = max(p.End, 0)
		return nil
	})
}

// ends calls each for the partitions of those topics that are there. One that is not will be when something fails, and all of it
// is new then.
func (w *watch) ends(ctx context.Context, d *Desk, each func(event.Topic, bus.PartitionInfo) error) error {
	for _, t := range w.topics {
		infos, err := d.bus.Topics(ctx, event.Glob(t))
		if errors.Is(err, bus.ErrUnknownTopic) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", t, err)
		}
		for _, i := range infos {
			for _, p := range i.Partitions {
				if err := each(i.Name, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// read takes in what is new.
func (w *watch) read(ctx context.Context, d *Desk) error {
	return w.ends(ctx, d, func(topic event.Topic, p bus.PartitionInfo) error {
		at := bus.Coordinates{Topic: topic, Partition: p.Partition}
		from := max(w.next[at], p.Start)
		if p.End <= from {
			return nil
		}
		if err := d.between(ctx, topic, p.Partition, from, p.End, w.seen); err != nil {
			return err
		}
		w.next[at] = p.End
		return nil
	})
}

func (w *watch) expect(i item) { w.sent[i.id()] = i.edition.Redrives + 1 }

func (w *watch) seen(dead bus.DeadLetter) {
	id := IdentityOf(dead).key()
	if n, ok := w.sent[id]; ok && dead.Redrives >= n {
		w.back[id] = true
	}
}
