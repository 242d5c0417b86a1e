// Package bustest gives a test its own broker and bus, and delivers single events to handlers with no broker at all.
package bustest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Patience is how long the waits of a Bench last before they fail the test.
const Patience = 2 * time.Minute

// Bench is a bus on a broker of its own, with every topic of its catalogue. It ends with the test.
type Bench struct {
	*bus.Bus

	tb     testing.TB
	groups map[string][]bus.Handler
}

// Start gives a broker and a bus. They talk over a network inside the process, so that in a testing/synctest bubble hours pass
// in milliseconds.
func Start(tb testing.TB, c *event.Catalog, change ...func(*bus.Config)) *Bench {
	tb.Helper()
	network := new(broker.Network)
	br, err := broker.Start(tb.Context(), broker.Config{Addr: "127.0.0.1:9092", Network: network})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := br.Close(); err != nil {
			tb.Error(err)
		}
	})
	cfg := bus.Config{Brokers: br.Addrs(), Service: "bustest", Catalog: c, Dial: network.Dial}
	for _, f := range change {
		f(&cfg)
	}
	return Over(tb, cfg)
}

// Over gives a bench over a broker that is there already. It creates the catalogue's topics.
func Over(tb testing.TB, cfg bus.Config) *Bench {
	tb.Helper()
	b, err := bus.Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	bench := &Bench{Bus: b, tb: tb, groups: map[string][]bus.Handler{}}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	if _, err := b.EnsureTopics(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return bench
}

// Go consumes until the test ends, or until the function that it returns is called, which waits until the consumer has
// drained. An error of the consumer fails the test.
func (b *Bench) Go(c bus.Consumer, h ...bus.Handler) (stop func()) {
	b.tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.tb.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Consume(ctx, c, h...); err != nil {
			b.tb.Errorf("consumer of group %q: %v", c.Group, err)
		}
	}()
	if c.Group != "" {
		b.groups[c.Group] = h
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		<-done
	}
	b.tb.Cleanup(stop)
	return stop
}

// Settle returns once every event published so far is settled and committed in every group that [Bench.Go] started. It fails
// the test after [Patience].
func (b *Bench) Settle() {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.tb.Context(), Patience)
	defer cancel()
	last := ""
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		open, err := b.unsettled(ctx)
		switch {
		case ctx.Err() != nil:
			b.tb.Fatalf("not settled after %v: %s", Patience, last)
		case err != nil:
			b.tb.Fatal(err)
		case open == "":
			return
		}
		last = open
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// unsettled says what is not settled yet, "" where everything is.
func (b *Bench) unsettled(ctx context.Context) (string, error) {
	for group, handlers := range b.groups {
		var globs []event.Glob
		for _, h := range handlers {
			globs = append(globs, h.Reads(b.Bus)...)
		}
		topics, err := b.Topics(ctx, globs...)
		if err != nil {
			return "the topics are not known", err
		}
		lags, err := b.Lag(ctx, group)
		if errors.Is(err, bus.ErrUnknownGroup) {
			lags, err = nil, nil // not joined yet
		}
		if err != nil {
			return "the positions are not known", err
		}
		at := map[bus.Coordinates]bool{}
		for _, l := range lags {
			if l.Known {
				at[bus.Coordinates{Topic: l.Topic, Partition: l.Partition, Offset: l.Committed}] = true
			}
		}
		for _, t := range topics {
			for _, p := range t.Partitions {
				end := bus.Coordinates{Topic: t.Name, Partition: p.Partition, Offset: p.End}
				if p.End > p.Start && !at[end] {
					return "group " + group + " is behind " + end.String(), nil
				}
			}
		}
	}
	return "", nil
}

// Elapse lets time pass: in a bubble at once.
func (b *Bench) Elapse(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // inside a bubble this is the way to pass time
}

// Dead returns the dead letters of t, oldest first.
func (b *Bench) Dead(t event.Topic) []bus.DeadLetter {
	b.tb.Helper()
	var out []bus.DeadLetter
	for d, err := range b.DeadLetters(b.tb.Context(), bus.Range{Topics: []event.Glob{event.Glob(t.DLQ())}}) {
		if err != nil {
			b.tb.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

// Await returns the first event of the flow id in topic t, and fails the test when none comes within [Patience].
func (b *Bench) Await(t event.Topic, id event.CorrelationID) bus.Delivery {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.tb.Context(), Patience)
	defer cancel()
	for rec, err := range b.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(t)}, Follow: true}) {
		if err != nil {
			b.tb.Fatal(err)
		}
		if e, err := event.Decode(rec.Value); err == nil && e.CorrelationID == id {
			e.Complete(event.At{Topic: t, Partition: rec.Partition, Offset: rec.Offset, Time: rec.Timestamp})
			return bus.Delivery{Record: rec, Envelope: e, Attempt: 1}
		}
	}
	b.tb.Fatalf("no event of flow %s in %s within %v", id, t, Patience)
	return bus.Delivery{}
}

// Published returns every event so far whose payload is a T, oldest first.
func Published[T event.Payload](b *Bench) []bus.Event[T] {
	b.tb.Helper()
	var zero T
	var out []bus.Event[T]
	for rec, err := range b.Scan(b.tb.Context(), bus.Range{Topics: []event.Glob{event.Glob(zero.EventTopic())}}) {
		if err != nil {
			b.tb.Fatal(err)
		}
		e := bus.Event[T]{Delivery: bus.Delivery{Record: rec, Attempt: 1}}
		if e.Envelope, err = event.Decode(rec.Value); err != nil {
			b.tb.Fatal(err)
		}
		if err := jsonx.Unmarshal(e.Envelope.Payload, &e.Payload); err != nil {
			b.tb.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// Deliver calls one handler with one event, with no broker. The handler's context carries the event as the cause.
func Deliver(tb testing.TB, h bus.Handler, p event.Payload) error {
	tb.Helper()
	payload, err := jsonx.Marshal(p)
	if err != nil {
		tb.Fatal(err)
	}
	e := event.New(tb.Context(), p.EventTopic(), payload, event.Source{Service: "bustest", Instance: "test"}, time.Now())
	value, err := e.AppendJSON(nil)
	if err != nil {
		tb.Fatal(err)
	}
	d := bus.Delivery{Record: bus.Record{Topic: e.Type, Timestamp: e.Time, Value: value}, Envelope: e, Attempt: 1}
	return h.Deliver(event.WithCause(tb.Context(), e, "bustest"), d)
}
