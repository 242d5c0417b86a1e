package selftest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// suite is one run.
type suite struct {
	cfg Config
	run Run
	b   *bus.Bus

	kill *killing // what the kill left for the check after it
}

// operations name the topics, one for each check that needs one of its own.
var operations = []string{"published", "ordered", "restarted", "killed", "poisoned", "copied", "shared"}

const probeSchema = `{"type":"object","properties":{"key":{"type":"string","minLength":1},"n":{"type":"integer","minimum":0}},"required":["key","n"]}`

func (r Run) topic(operation string) event.Topic {
	return event.Topic(r.Prefix() + "event." + operation + ".v1")
}

func (r Run) group(operation string) string { return r.Name + "-" + operation }

func (r Run) catalog() (*event.Catalog, error) {
	var specs []event.Spec
	for _, o := range operations {
		specs = append(specs, event.Spec{
			Topic: r.topic(o), Version: "1.0.0", Key: "key", Partitions: r.Partitions, Retention: 24 * time.Hour, Schema: []byte(probeSchema),
		})
	}
	return event.NewCatalog(specs...)
}

// probe is the payload of the events of a run: event n of a key.
type probe struct {
	topic event.Topic
	Key   string `json:"key"`
	N     int    `json:"n"`
}

// EventTopic is the topic that the probe is for.
func (p probe) EventTopic() event.Topic { return p.topic }

// mark is what tells one event of a topic from the others.
type mark struct {
	key string
	n   int
}

func (m mark) String() string { return fmt.Sprintf("event %d of key %s", m.n, m.key) }

func markOf(d bus.Delivery) (mark, error) {
	var p probe
	err := jsonx.Unmarshal(d.Envelope.Payload, &p)
	return mark{p.Key, p.N}, err
}

// keys is into how many keys events are spread.
const keys = 50

func keyName(i int) string { return fmt.Sprintf("k%02d", i) }

// series are n events spread over the keys, each key from first on.
func series(n, first int) []mark {
	out := make([]mark, n)
	for i := range out {
		out[i] = mark{keyName(i % keys), first + i/keys}
	}
	return out
}

// send publishes the marks and returns where each lies.
func (s *suite) send(ctx context.Context, operation string, marks []mark) (map[mark]bus.Coordinates, error) {
	at := make(map[mark]bus.Coordinates, len(marks))
	for chunk := range slices.Chunk(marks, 500) {
		out := make([]bus.Outgoing, len(chunk))
		for i, m := range chunk {
			out[i] = bus.Outgoing{Payload: probe{s.run.topic(operation), m.key, m.n}}
		}
		results, err := s.b.PublishAll(ctx, out...)
		if err != nil {
			return nil, err
		}
		for i, r := range results {
			at[chunk[i]] = bus.Coordinates{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
		}
	}
	return at, nil
}

// handlerOf gives the events of a topic to fn as marks.
func handlerOf(fn func(ctx context.Context, m mark, d bus.Delivery) error) bus.HandlerFunc {
	return func(ctx context.Context, d bus.Delivery) error {
		m, err := markOf(d)
		if err != nil {
			return bus.Permanent(err)
		}
		return fn(ctx, m, d)
	}
}

// consume runs a consumer until stop is called, which waits for its end; fail is told where it ends by itself.
func (s *suite) consume(ctx context.Context, fail context.CancelCauseFunc, operation string, inFlight int, fn bus.HandlerFunc) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		err := s.b.Consume(ctx, s.run.consumer(operation, inFlight), bus.HandleType(s.run.topic(operation), fn, bus.Retry(20*time.Millisecond, 20*time.Millisecond)))
		if err != nil {
			fail(err)
		}
		done <- err
	}()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// consumer has the short session timeout only where a member is killed: on a machine that stalls it would lose members that are
// well, and their events would come again.
func (r Run) consumer(operation string, inFlight int) bus.Consumer {
	c := bus.Consumer{Group: r.group(operation), MaxInFlight: inFlight}
	if operation == "killed" {
		c.SessionTimeout = r.SessionTimeout
	}
	return c
}

// settled returns once the group has committed everything in its topic.
func (s *suite) settled(ctx context.Context, operation string) error {
	group := s.run.group(operation)
	for {
		lags, err := s.b.Lag(ctx, group)
		behind := int64(0)
		for _, l := range lags {
			if !l.Known || l.Messages > 0 {
				behind += max(1, l.Messages)
			}
		}
		if err == nil && len(lags) > 0 && behind == 0 {
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			if err != nil {
				return err
			}
			return fmt.Errorf("group %s is %d events behind: %w", group, behind, context.Cause(ctx))
		}
	}
}

// pause waits and tells whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
