package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// again is a dead letter as it is sent to the group that failed once more.
func again(l bus.DeadLetter) bus.Record {
	rec := bus.Record{Topic: l.Origin.Topic, Key: l.Key, Value: l.Value, Headers: l.OriginalHeaders()}
	for _, h := range l.Headers {
		if strings.HasPrefix(h.Name, "omnibus-dlq-original-") {
			rec.Headers = append(rec.Headers, h)
		}
	}
	rec.Headers = append(rec.Headers,
		bus.Header{Name: "omnibus-dlq-redrive-count", Value: []byte("1")}, bus.Header{Name: "omnibus-target-group", Value: []byte(l.Group)})
	return rec
}

// The key of a dead letter is parked, also for the next consumer, while others go on. Sent again, its events run; then it is released,
// but not while one went to the dead letters that the releaser does not know of. In the end all of them ran, in order.
func parkedKeyFollowsIntoTheDeadLetters(t *testing.T, r *stage) {
	var d diary
	var failing atomic.Bool
	failing.Store(true)
	c := r.group("g")
	c.Retry = []time.Duration{}
	c.OnExhausted = bus.ParkKey
	handler := bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		if key == "k00" && failing.Load() {
			if n == "0" {
				return errors.New("not this one")
			}
			t.Errorf("event %s of a parked key was run", n)
		}
		d.add("%s %s", key, n)
		return nil
	})
	stop := r.Go(c, handler)
	r.notes(5, 2)
	r.Settle()
	stop()
	back, err := r.PlanReset(t.Context(), bus.Reset{Group: c.Group, To: bus.FromStart(0)})
	if err != nil || back.Parked != 1 {
		t.Errorf("a plan to move the group back knows of %d parked keys, %v; want 1", back.Parked, err)
	}
	r.Go(c, handler)
	r.note("k00", 2)
	r.note("k01", 2)
	r.Settle()
	equal(t, "another key", d.of("k01"), numbers(3))
	equal(t, "the parked key", len(d.of("k00")), 0)
	dead := r.Dead(r.topic)
	var classes []string
	for _, l := range dead {
		equal(t, "key of a dead letter", string(l.Key), "k00")
		classes = append(classes, l.Class)
	}
	equal(t, "classes", classes, []string{bus.ClassExhausted, bus.ClassKeyParked, bus.ClassKeyParked})

	parked, err := r.ParkedKeys(t.Context(), c.Group)
	if err != nil || len(parked) != 1 {
		t.Fatalf("parked %v, %v, want one key", parked, err)
	}
	k := parked[0]
	equal(t, "since", k.Since, dead[0].Origin.Offset)
	equal(t, "last", k.Last, dead[2].Origin.Offset)
	equal(t, "key", string(k.Key), "k00")

	failing.Store(false)
	if _, err := r.Append(t.Context(), again(dead[0]), again(dead[1]), again(dead[2])); err != nil {
		t.Fatal(err)
	}
	r.note("k00", 3) // behind what was sent again, and before the release
	r.Settle()
	equal(t, "sent again", d.of("k00"), numbers(3))
	var still *bus.StillParkedError
	if err := r.ReleaseKey(t.Context(), k); !errors.As(err, &still) || still.Last <= k.Last {
		t.Errorf("release: %v, want a StillParkedError that names the later event", err)
	}

	// The same, where the event comes between the look and the wish.
	parked, err = r.ParkedKeys(t.Context(), c.Group)
	if err != nil {
		t.Fatal(err)
	}
	k = parked[0]
	if _, err := r.Append(t.Context(), again(r.Dead(r.topic)[3])); err != nil {
		t.Fatal(err)
	}
	if err := r.ReleaseKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	r.note("k00", 4)
	r.Settle()
	equal(t, "released", d.of("k00"), numbers(5))
	if parked, err := r.ParkedKeys(t.Context(), c.Group); err != nil || len(parked) > 0 {
		t.Errorf("parked %v, %v, want none", parked, err)
	}
	equal(t, "dead letters", len(r.Dead(r.topic)), 4)
	if err := r.ReleaseKey(t.Context(), k); err != nil {
		t.Errorf("release of what is released: %v", err)
	}
}

// The wish comes through the log behind an event that its writer could not know of: the owner refuses it and says so.
func TestReleaseBehindALaterEventIsRefused(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, _ *brokertest.Cluster) {
		c := r.group("g")
		c.Retry = []time.Duration{}
		c.OnExhausted = bus.ParkKey
		handler := bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return bus.Permanent(errors.New("no")) })
		stop := r.Go(c, handler)
		r.note("a", 0)
		r.Settle()
		stop()
		parked, err := r.ParkedKeys(t.Context(), c.Group)
		if err != nil || len(parked) != 1 {
			t.Fatalf("parked %v, %v", parked, err)
		}
		r.note("a", 1) // nobody has come to it yet, so the key's record does not know of it
		done := make(chan error, 1)
		go func() { done <- r.ReleaseKey(t.Context(), parked[0]) }()
		pause(t.Context(), 5*time.Second)
		r.Go(c, handler)
		var still *bus.StillParkedError
		if err := <-done; !errors.As(err, &still) || still.Last != 1 || still.Known != 0 {
			t.Errorf("release: %v, want a StillParkedError: offset 1 followed 0", err)
		}
		r.Settle()
		equal(t, "dead letters", len(r.Dead(r.topic)), 2)

		waiting, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.ReleaseKey(waiting, still.ParkedKey); err != nil {
			t.Errorf("release with what is known now: %v", err)
		}
	})
}

func TestParkedKeyNeedsHandlersOfOneEvent(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, _ *brokertest.Cluster) {
		c := r.group("g")
		c.OnExhausted = bus.ParkKey
		err := r.Consume(t.Context(), c, bus.HandleBatch(event.Glob(r.topic), bus.Batch{}, func(context.Context, []bus.Record) error { return nil }))
		if !errors.Is(err, bus.ErrHandlers) {
			t.Errorf("a batch handler: %v, want ErrHandlers", err)
		}
		b := bus.Consumer{Broadcast: true, OnExhausted: bus.ParkKey}
		if err := r.Consume(t.Context(), b, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil })); err == nil {
			t.Error("a broadcast was not refused")
		}
	})
}

// Killed between the record of the key and the commit, the next consumer sends the same events to the dead letters and runs none.
func TestKillAfterParkingKeepsTheKeyParked(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		var runs atomic.Int32
		group := r.group("g")
		group.Retry = []time.Duration{}
		group.OnExhausted = bus.ParkKey
		handler := bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
			runs.Add(1)
			return errors.New("no")
		})
		r.note("a", 0)
		r.note("a", 1)
		ctx, kill := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Consume(ctx, group, handler) }()
		for runs.Load() == 0 {
			pause(t.Context(), time.Millisecond)
		}
		dead := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit, kmsg.LeaveGroup}, Err: kerr.UnknownMemberID, Count: -1})
		pause(t.Context(), 300*time.Millisecond)
		kill()
		<-done //nolint:errcheck // it was not to commit
		dead.Remove()
		r.Go(group, handler)
		r.Settle()
		equal(t, "runs", runs.Load(), int32(1))
		counts := map[string]int{}
		for _, l := range r.Dead(r.topic) {
			counts[l.Class] = max(counts[l.Class], int(l.Origin.Offset)+1)
		}
		equal(t, "dead letters", counts, map[string]int{bus.ClassExhausted: 1, bus.ClassKeyParked: 2})
	})
}
