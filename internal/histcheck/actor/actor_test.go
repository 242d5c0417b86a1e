package actor_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	"github.com/omninode-ai/omnibus/internal/histcheck/actor"
)

const topic = event.Topic("omninode.hist.event.noted.v1")

func TestActorWritesWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog, err := event.NewCatalog(actor.Spec(topic, 1))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "ledger")
		ledger, err := histcheck.Open(path, "one")
		if err != nil {
			t.Fatal(err)
		}
		a := &actor.Actor{Ledger: ledger}
		b := bustest.Start(t, catalog, func(c *bus.Config) { c.Trace = a.Trace() })
		var events []histcheck.Event
		for i, fate := range []histcheck.Fate{histcheck.Fine, histcheck.Dead, histcheck.Fine} {
			events = append(events, histcheck.Event{
				Run: "r", Producer: "p", Seq: int64(i + 1), Key: "k", KeySeq: int64(i + 1), ID: event.NewID().String(), Fate: fate, Body: "body",
			})
		}
		for i, r := range a.Publish(t.Context(), b.Bus, topic, events...) {
			if r.Err != nil {
				t.Fatalf("event %d: %v", i, r.Err)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		a.Publish(gone, b.Bus, "omninode.hist.event.unknown.v1", events[0])

		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		failed := false
		go func() {
			done <- a.Consume(ctx, b.Bus, bus.Consumer{Group: "g"}, bus.HandleType(topic, func(_ context.Context, d bus.Delivery) error {
				switch {
				case d.Offset == 0 && !failed:
					failed = true
					panic("once")
				case d.Offset == 1:
					return bus.Permanent(errors.New("poison"))
				case d.Offset == 2:
					return bus.Skip("as agreed")
				}
				return nil
			}))
		}()
		b.Elapse(10 * time.Second)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := ledger.Close(); err != nil {
			t.Fatal(err)
		}

		var got []string
		for l, err := range histcheck.File(path).Lines() {
			if err != nil {
				t.Fatal(err)
			}
			if l.Event != nil && (l.Event.CRC == 0 || l.Event.Body != "") {
				t.Errorf("%s: event %+v", l, *l.Event)
			}
			got = append(got, string(l.Kind)+" "+strconv.FormatInt(l.Offset, 10))
		}
		want := []string{
			"pub.invoke 0", "pub.invoke 0", "pub.invoke 0", "pub.ok 0", "pub.ok 1", "pub.ok 2", "pub.invoke 0", "pub.fail -1",
			"assign 0", "commit 0", "start 0", "retry 0", "start 0", "done 0", "start 1", "retry 1", "dlq.ack 1", "start 2", "skip 2",
			"commit 3", "commit 3", "exit 0", // the last one says that the stop was clean
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ledger (-want +got):\n%s", diff)
		}

		var sums []uint32
		for r, err := range actor.Log(t.Context(), b.Bus, topic, topic.DLQ()) {
			if err != nil {
				t.Fatal(err)
			}
			if !r.Valid || r.Event.CRC != events[r.Event.Seq-1].Sum() {
				t.Errorf("record %+v", r)
			}
			if r.Dead != nil {
				want := histcheck.DeadLetter{Group: "g", Topic: string(topic), Offset: 1}
				if diff := cmp.Diff(want, *r.Dead); diff != "" {
					t.Errorf("dead letter (-want +got):\n%s", diff)
				}
			}
			sums = append(sums, r.Sum)
		}
		if len(sums) != 4 || sums[3] != sums[1] {
			t.Errorf("sums %v, want the last, of the dead letter, as the second", sums)
		}
	})
}
