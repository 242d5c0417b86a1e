package bus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// sendAgain writes what a retry writes of a dead letter.
func (r *stage) sendAgain(d bus.DeadLetter) {
	r.t.Helper()
	rec := bus.Record{Topic: r.topic, Key: d.Key, Value: d.Value, Headers: d.OriginalHeaders()}
	for _, h := range d.Headers {
		if h.Name == "omnibus-dlq-original-topic" || h.Name == "omnibus-dlq-original-topic-id" || h.Name == "omnibus-dlq-original-partition" ||
			h.Name == "omnibus-dlq-original-offset" || h.Name == "omnibus-dlq-original-timestamp" {
			rec.Headers = append(rec.Headers, h)
		}
	}
	rec.Headers = append(rec.Headers, bus.Header{Name: "omnibus-dlq-redrive-count", Value: []byte("1")}, bus.Header{Name: "omnibus-target-group", Value: []byte(d.Group)})
	if _, err := r.Append(r.t.Context(), rec); err != nil {
		r.t.Fatal(err)
	}
}

func TestEventSentAgainIsForOneGroupAndStaysTheSameDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStage(t, "")
		var picky, other, batched diary
		r.Go(r.group("picky"), bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error {
			key, n := keyN(d)
			picky.add("%s %s", key, n)
			return bus.Permanent(errors.New("no"))
		}))
		r.Go(r.group("other"), bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error {
			key, n := keyN(d)
			other.add("%s %s", key, n)
			return nil
		}))
		r.Go(r.group("batch"), bus.HandleBatch(event.Glob(r.topic), bus.Batch{}, func(_ context.Context, rs []bus.Record) error {
			for _, rec := range rs {
				batched.add("%s", rec.Key)
			}
			if string(rs[len(rs)-1].Key) == "c" {
				return bus.BatchError{len(rs) - 1: bus.Skip("not mine")}
			}
			return nil
		}))
		r.note("a", 1)
		r.Settle()
		first := r.Dead(r.topic)[0]
		r.sendAgain(first)
		r.note("c", 2)
		r.Settle()
		equal(t, "picky", picky.of("a"), []string{"1", "1"})
		equal(t, "other", other.of("a"), []string{"1"})
		equal(t, "batch", batched.all(), []string{"a", "c"})
		var again bus.DeadLetter
		for _, d := range r.Dead(r.topic) {
			if d.Redrives == 1 {
				again = d
			}
		}
		equal(t, "origin", again.Origin, first.Origin)
		equal(t, "origin's topic", again.OriginID, first.OriginID)
		equal(t, "origin's time", again.OriginTime, first.OriginTime)
		infos, err := r.Topics(t.Context(), event.Glob(r.topic))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "id of the topic", first.OriginID, infos[0].ID)
		if again.Coordinates() == first.Coordinates() {
			t.Error("there is no second dead letter")
		}
	})
}
