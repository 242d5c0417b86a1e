package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
	"github.com/omninode-ai/omnibus/event"
)

// Turn is one moment of a handler: it failed at an event, or handled it.
type Turn struct {
	After   time.Duration // since the first began
	Key     string
	Number  int // of the events of this key, from 1
	Attempt int
	Handled bool
}

// Order is what [Ordering] published, and where.
type Order struct {
	Topic      event.Topic
	Partitions []int32  // one, where the number of partitions is not unusual
	Published  []string // in the order of the log: "pia 1"
}

// keys share a partition, whichever number of partitions up to 6, or 8, 9, 10, 12, 15, 16 … the topic has: their hashes are equal
// modulo 720. Pia is the one who fails.
func keys() []string { return []string{"pia", "zoe", "pia", "joy", "zoe"} }

// attempts is how often the first event of Pia has to be tried.
const attempts = 3

// Ordering publishes five events of three keys to one partition, for a handler that fails twice at the first of them, and calls tell
// for every attempt as it ends. The group is one of its own and is removed.
func Ordering(ctx context.Context, open Open, tell func(Turn)) (order Order, err error) {
	group := "demo-ordering-" + event.NewID().String()[:8]
	order.Topic = topicOf[intelligence.QualityAssessed]()
	b, err := open(ctx, Asker, nil)
	if err != nil {
		return order, err
	}
	defer func() {
		deleted := b.DeleteGroups(context.WithoutCancel(ctx), group)
		err = errors.Join(err, deleted, b.Close())
	}()
	if _, err := b.EnsureTopics(ctx, order.Topic); err != nil {
		return order, err
	}
	turns := &turns{flow: newFlow(), tell: tell, done: make(chan struct{})}
	return order, serve(ctx, open, []toy{{group, turns.handler}}, func(ctx context.Context) error {
		events := make([]bus.Outgoing, len(keys()))
		for i, key := range keys() {
			events[i] = bus.Outgoing{Payload: intelligence.QualityAssessed{EntityID: key, QualityScore: 1}, ID: event.NewID()}
			order.Published = append(order.Published, turns.number(events[i].ID, key))
		}
		results, err := b.PublishAll(event.WithCorrelation(ctx, turns.flow), events...)
		if err != nil {
			return err
		}
		seen := map[int32]bool{}
		for _, r := range results {
			if !seen[r.Partition] {
				seen[r.Partition] = true
				order.Partitions = append(order.Partitions, r.Partition)
			}
		}
		select {
		case <-turns.done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// turns is what the handler of [Ordering] has done.
type turns struct {
	flow event.CorrelationID
	tell func(Turn)
	done chan struct{} // closed when all are handled

	mu      sync.Mutex
	began   time.Time
	numbers map[event.ID]int
	keys    map[string]int // how many events each has
	handled int
}

// number gives the next event of a key its number.
func (t *turns) number(id event.ID, key string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.numbers == nil {
		t.numbers, t.keys = map[event.ID]int{}, map[string]int{}
	}
	t.keys[key]++
	t.numbers[id] = t.keys[key]
	return fmt.Sprintf("%s %d", key, t.keys[key])
}

func (t *turns) handler(*bus.Bus) bus.Handler {
	return bus.Handle(func(_ context.Context, e bus.Event[intelligence.QualityAssessed]) error {
		if e.Envelope.CorrelationID != t.flow {
			return bus.Skip("not of this demonstration")
		}
		return t.turn(e.Envelope.ID, e.Payload.EntityID, e.Attempt)
	}, bus.Retry(300*time.Millisecond, 600*time.Millisecond))
}

// turn handles one attempt. Turns are told one at a time, in the order of their times.
func (t *turns) turn(id event.ID, key string, attempt int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.began.IsZero() {
		t.began = now
	}
	turn := Turn{After: now.Sub(t.began), Key: key, Number: t.numbers[id], Attempt: attempt, Handled: true}
	if key == keys()[0] && turn.Number == 1 && attempt < attempts {
		turn.Handled = false
		t.tell(turn)
		return errors.New("not yet")
	}
	t.tell(turn)
	if t.handled++; t.handled == len(keys()) {
		close(t.done)
	}
	return nil
}
