// Package actor knows how a process that works with a bus writes its ledger.
package actor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Actor writes what a process does to its ledger.
type Actor struct {
	Ledger *histcheck.Ledger
	runs   atomic.Int64
}

// Spec is the catalogue entry of a topic of test events.
func Spec(topic event.Topic, partitions int) event.Spec {
	return event.Spec{Topic: topic, Key: "key", Schema: []byte(histcheck.Schema), Partitions: partitions}
}

// Trace is for the [bus.Config] of a process that consumes.
func (a *Actor) Trace() *bus.Trace {
	return &bus.Trace{
		Dead: func(_ context.Context, d bus.DeadLetter) {
			a.Ledger.Append(at(histcheck.DeadAck, d.Group, d.Origin))
		},
		Assigned: func(group string, from bus.Coordinates) { a.Ledger.Append(at(histcheck.Assign, group, from)) },
		Revoked:  func(group string, p bus.Coordinates) { a.Ledger.Append(at(histcheck.Revoke, group, p)) },
		Lost:     func(group string, p bus.Coordinates) { a.Ledger.Append(at(histcheck.Lost, group, p)) },
		Committed: func(c bus.Commit) {
			l := at(histcheck.Commit, c.Group, c.Position)
			l.Taken, l.Note = c.Taken.UnixNano(), note(c.Err)
			a.Ledger.Append(l)
		},
	}
}

func at(k histcheck.Kind, group string, c bus.Coordinates) histcheck.Line {
	return histcheck.Line{Kind: k, Group: group, Topic: string(c.Topic), Partition: c.Partition, Offset: c.Offset}
}

// note is an error in few words.
func note(err error) string {
	if err == nil {
		return ""
	}
	const most = 300
	s := err.Error()
	return s[:min(len(s), most)]
}

// Consume is [bus.Bus.Consume] with every start and end of a handler in the ledger, and at last the end of the process. The bus
// has to be opened with [Actor.Trace].
func (a *Actor) Consume(ctx context.Context, b *bus.Bus, c bus.Consumer, handlers ...bus.Handler) error {
	c.Use = append([]bus.Middleware{a.watch(c.Group)}, c.Use...)
	err := b.Consume(ctx, c, handlers...)
	a.Ledger.Append(histcheck.Line{Kind: histcheck.Exit, Note: note(err)})
	return err
}

// watch writes the runs of the handlers of group.
func (a *Actor) watch(group string) bus.Middleware {
	return func(next bus.HandlerFunc) bus.HandlerFunc {
		return func(ctx context.Context, d bus.Delivery) error {
			e, err := Event(d)
			if err != nil {
				return err
			}
			e.CRC, e.Body = e.Sum(), "" // of what arrived, whatever it says of itself
			run := a.runs.Add(1)
			start := at(histcheck.Start, group, d.Coordinates())
			start.Event, start.Attempt, start.Run = &e, d.Attempt, run
			a.Ledger.Append(start)
			end := at(histcheck.Retry, group, d.Coordinates())
			end.Attempt, end.Run, end.Note = d.Attempt, run, "panic"
			defer func() { a.Ledger.Append(end) }()
			err = next(ctx, d)
			switch bus.Judge(err) {
			case bus.Done:
				end.Kind = histcheck.Done
			case bus.Skipped:
				end.Kind = histcheck.Skip
			case bus.WillRetry, bus.WillPause, bus.Dead:
			}
			end.Note = note(err)
			return err
		}
	}
}

// Event is the test event of a delivery.
func Event(d bus.Delivery) (histcheck.Event, error) {
	var e histcheck.Event
	if err := jsonx.Unmarshal(d.Envelope.Payload, &e); err != nil {
		return e, bus.Permanent(fmt.Errorf("not a test event: %w", err))
	}
	return e, nil
}

// Publish publishes test events to topic, in one batch, and writes what became of each. The events need their ID, and are
// sealed here.
func (a *Actor) Publish(ctx context.Context, b *bus.Bus, topic event.Topic, events ...histcheck.Event) []bus.Result {
	out := make([]bus.Outgoing, len(events))
	refs := make([]histcheck.Event, len(events))
	for i, e := range events {
		e = e.Sealed()
		id, err := event.ParseID(e.ID)
		if err != nil {
			id = event.ID{} // the bus makes one, and the checker will tell that it is another
		}
		out[i] = bus.Outgoing{Payload: payload{e, topic}, ID: id}
		refs[i] = e
		refs[i].Body = ""
		a.Ledger.Append(histcheck.Line{Kind: histcheck.Invoke, Topic: string(topic), Event: &refs[i]})
	}
	results, _ := b.PublishAll(ctx, out...) // each result has its own error
	for i, r := range results {
		l := histcheck.Line{Kind: histcheck.OK, Topic: string(topic), Partition: max(r.Partition, 0), Offset: r.Offset, Event: &refs[i], Note: note(r.Err)}
		switch {
		case r.Err == nil:
		case errors.Is(r.Err, bus.ErrNotSent):
			l.Kind = histcheck.Fail
		default:
			l.Kind = histcheck.Unknown
		}
		if errors.Is(r.Err, context.Canceled) && ctx.Err() == nil {
			l.Note = histcheck.Foreign
		}
		a.Ledger.Append(l)
	}
	return results
}

// payload is an event on its way to a topic of the run's choice.
type payload struct {
	histcheck.Event
	topic event.Topic
}

func (p payload) EventTopic() event.Topic      { return p.topic }
func (p payload) MarshalJSON() ([]byte, error) { return jsonx.Marshal(p.Event) }
