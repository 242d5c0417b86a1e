package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// The partition of the event that fails stands still, and says so; the other goes on. The next consumer tries it again.
func exhaustedEventStopsItsPartition(t *testing.T, r *stage) {
	var d diary
	var failing atomic.Bool
	var at atomic.Int32 // the partition that stops
	failing.Store(true)
	c := r.group("g")
	c.Retry = []time.Duration{r.unit}
	c.OnExhausted = bus.StopPartition
	stopped := make(chan struct{})
	handler := bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		if key == "k00" && n == "1" && failing.Load() {
			d.add("failed %d", e.Attempt)
			at.Store(e.Partition)
			if e.Attempt == 2 {
				close(stopped)
			}
			return errors.New("cannot handle it")
		}
		d.add("%s %s", key, n)
		d.add("p%d %s", e.Partition, n)
		return nil
	})
	stop := r.Go(c, handler)
	r.notes(10, 3)
	<-stopped
	for len(r.Degraded()) == 0 {
		pause(t.Context(), r.unit/10)
	}
	before := len(d.of(fmt.Sprintf("p%d", at.Load())))
	other := len(d.of(fmt.Sprintf("p%d", 1-at.Load())))
	for k := range 20 {
		r.note(fmt.Sprintf("k%02d", k), 3)
	}
	for len(d.of(fmt.Sprintf("p%d", 1-at.Load()))) == other { // its neighbour has come to what is new
		pause(t.Context(), r.unit/10)
	}
	equal(t, "events of the partition that was stopped", len(d.of(fmt.Sprintf("p%d", at.Load()))), before)
	equal(t, "attempts", d.of("failed"), []string{"1", "2"})
	equal(t, "its key", d.of("k00"), []string{"0"})
	degraded := strings.Join(r.Degraded(), "\n")
	for _, want := range []string{fmt.Sprintf("%s[%d]", r.topic, at.Load()), c.Group, "offset", bus.ClassExhausted, "start the consumer anew"} {
		if !strings.Contains(degraded, want) {
			t.Errorf("degraded %q: want one that names %q", degraded, want)
		}
	}
	stop()
	equal(t, "faults", len(r.Faults()), 0)
	equal(t, "degraded after the end", len(r.Degraded()), 0)
	failing.Store(false)
	r.Go(c, handler)
	r.Settle()
	equal(t, "its key", d.of("k00"), numbers(4))
	equal(t, "dead letters", len(r.Dead(r.topic)), 0)
}

// Four keys may as well be bad data: below five only the handler can say that it is an outage.
func fourKeysAlikeAreNoOutage(t *testing.T, r *stage) {
	r.Go(r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return errors.New("refused") }))
	r.notes(4, 1)
	r.Settle()
	dead := r.Dead(r.topic)
	equal(t, "dead letters", len(dead), 4)
	for _, l := range dead {
		equal(t, "class", l.Class, bus.ClassExhausted)
	}
}

func eventForOneGroupIsPassedOverByOthers(t *testing.T, r *stage) {
	var d diary
	one, two := r.group("one"), r.group("two")
	take := func(name string) bus.Handler {
		return bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
			_, n := keyN(e)
			d.add("%s %s", name, n)
			return nil
		})
	}
	traced := r.again(func(c *bus.Config) {
		c.Trace = &bus.Trace{Handled: func(_ context.Context, e bus.Delivery, v bus.Verdict, _ time.Duration, err error) {
			d.add("%s %s %s %v", e.Group, e.Envelope.Payload, v, err)
		}}
	})
	r.Go(one, take("one"))
	traced.Go(two, take("two"))
	r.Go(bus.Consumer{Group: "sink-" + r.topic.Domain()}, bus.HandleBatch(event.Glob(r.topic), bus.Batch{Linger: r.unit / 10}, func(_ context.Context, rs []bus.Record) error {
		for _, rec := range rs {
			d.add("sink %s", rec.Value[strings.Index(string(rec.Value), `"n":`)+len(`"n":`):][:1])
		}
		return nil
	}))
	value := func(n int) []byte {
		e := r.envelope("a", n)
		b, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	targeted := bus.Record{Topic: r.topic, Key: []byte("a"), Value: value(1), Headers: []bus.Header{{Name: "omnibus-target-group", Value: []byte(one.Group)}}}
	if _, err := r.Append(t.Context(), targeted, bus.Record{Topic: r.topic, Key: []byte("a"), Value: value(2)}); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	traced.Settle()
	equal(t, "the group that is meant", d.of("one"), []string{"1", "2"})
	equal(t, "another group", d.of("two"), []string{"2"})
	equal(t, "a batch handler", d.of("sink"), []string{"2"})
	equal(t, "what the trace says", d.of(two.Group), []string{`{"key":"a","n":1} skipped <nil>`, `{"key":"a","n":2} done <nil>`})
	if _, err := r.PublishAll(t.Context(), bus.Outgoing{Envelope: new(r.envelope("a", 3)), Headers: []bus.Header{{Name: "omnibus-target-group", Value: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	equal(t, "a header that a publisher may not set", d.of("one"), []string{"1", "2", "3"})
}

func deadLetterSentAgainKeepsItsOrigin(t *testing.T, r *stage) {
	c := r.group("g")
	c.Retry = []time.Duration{}
	r.Go(c, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return errors.New("no") }))
	r.note("a", 1)
	r.Settle()
	first := r.Dead(r.topic)[0]
	redriven := func(redrives string, change map[string]string) bus.Record {
		rec := bus.Record{Topic: r.topic, Key: first.Key, Value: first.Value, Headers: first.OriginalHeaders()}
		for _, h := range first.Headers {
			if strings.HasPrefix(h.Name, "omnibus-dlq-original-") {
				if v, ok := change[h.Name]; ok {
					h.Value = []byte(v)
				}
				rec.Headers = append(rec.Headers, h)
			}
		}
		return bus.Record{Topic: rec.Topic, Key: rec.Key, Value: rec.Value, Headers: append(rec.Headers,
			bus.Header{Name: "omnibus-dlq-redrive-count", Value: []byte(redrives)}, bus.Header{Name: "omnibus-target-group", Value: []byte(c.Group)})}
	}
	if _, err := r.Append(t.Context(), redriven("1", nil)); err != nil {
		t.Fatal(err)
	}
	r.Settle()
	again := r.Dead(r.topic)[1]
	equal(t, "origin", again.Origin, first.Origin)
	equal(t, "topic id", again.OriginID, first.OriginID)
	equal(t, "time", again.OriginTime, first.OriginTime)
	equal(t, "redrives", again.Redrives, 1)
	equal(t, "headers", len(again.OriginalHeaders()), len(first.OriginalHeaders()))
	if again.FailedAt.Before(first.FailedAt) || again.Offset == first.Offset {
		t.Errorf("failed at %v, before at %v", again.FailedAt, first.FailedAt)
	}

	// What only claims to have been sent again gets the origin where it lies.
	forged := []bus.Record{
		redriven("0", nil),
		redriven("1", map[string]string{"omnibus-dlq-original-offset": "999999"}),
		redriven("1", map[string]string{"omnibus-dlq-original-partition": "-1"}),
		redriven("many", nil),
	}
	res, err := r.Append(t.Context(), forged...)
	if err != nil {
		t.Fatal(err)
	}
	r.Settle()
	for i, l := range r.Dead(r.topic)[2:] {
		equal(t, fmt.Sprintf("origin of forgery %d", i), l.Origin, bus.Coordinates{Topic: r.topic, Partition: res[i].Partition, Offset: res[i].Offset})
	}
}
