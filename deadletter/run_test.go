package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

func letters(from, to int, change ...func(*bus.Record)) []bus.Record {
	var rs []bus.Record
	for i := from; i < to; i++ {
		rs = append(rs, letter(i, change...))
	}
	return rs
}

func TestTenThousandDeadLettersCanceledAndResumed(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		const n = 10_000 / slow
		for i := range 3 {
			s.bury(letters(i*n/3, (i+1)*n/3, with("omnibus-dlq-error-fingerprint", fmt.Sprint("cause", i)))...)
		}
		s.bury(letter(n-1, with("omnibus-dlq-error-fingerprint", "cause2")))
		began := time.Now()
		groups := s.list(deadletter.Selector{}).Groups()
		equal(t, "groups", len(groups), 3)
		if took := time.Since(began); took > time.Second {
			t.Errorf("groups took %v", took)
		}
		one := groups[0]
		j := s.plan(deadletter.Retry, deadletter.Selector{Fingerprints: []string{one.Fingerprint}}, deadletter.Options{PerSecond: 500 / slow})
		equal(t, "planned", j.Total, one.Count)
		bob := deadletter.Open(s.again().Bus, "bob@test")
		began = time.Now()
		var last deadletter.Progress
		for p, err := range s.desk.Run(t.Context(), j.ID) {
			last = p
			if err == nil && p.Done > one.Count/3 {
				if err := bob.Cancel(t.Context(), j.ID); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil && !errors.Is(err, deadletter.ErrCanceled) {
				t.Fatal(err)
			}
		}
		equal(t, "state", last.State, deadletter.Canceled)
		if last.Done < one.Count/3 || last.Done > one.Count*3/4 {
			t.Errorf("%d of %d were sent before it was canceled", last.Done, one.Count)
		}
		again, err := s.finish(bob, j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "done", again.Done, one.Count)
		if took, least := time.Since(began), time.Duration(one.Count)*time.Second/(500/slow); took < least-time.Second {
			t.Errorf("%d took %v, less than %v", one.Count, took, least)
		}
		sent := s.sent()
		equal(t, "sent", len(sent), one.Count)
		for at, times := range sent {
			if times != 1 {
				t.Errorf("the event at %s was sent %d times", at, times)
			}
		}
		if _, err := s.finish(bob, j.ID); !errors.Is(err, deadletter.ErrEnded) {
			t.Errorf("run it again: %v, want ErrEnded", err)
		}
		stored, err := s.desk.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "stored", stored.State, deadletter.Done)
	})
}

func TestRateIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letters(0, 20)...)
		began := time.Now()
		s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 0.5})
		if took := time.Since(began); took < 38*time.Second || took > 45*time.Second {
			t.Errorf("20 at one in two seconds took %v", took)
		}
	})
}

func TestKeepOrderWithinAKey(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		for i := 199; i >= 0; i-- { // they failed in the wrong order
			s.bury(letter(i, func(r *bus.Record) { r.Key = []byte(fmt.Sprint("k", i%7)) }))
		}
		s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{KeepOrder: true, PerSecond: -1})
		last := map[string]string{}
		n := 0
		for rec, err := range s.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(orders)}}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			at := fmt.Sprintf("%03s", rec.Header("omnibus-dlq-original-offset"))
			if at <= last[string(rec.Key)] {
				t.Errorf("key %s: %s after %s", rec.Key, at, last[string(rec.Key)])
			}
			last[string(rec.Key)] = at
		}
		equal(t, "sent", n, 200)
	})
}

func TestInOrderNothingOvertakesAnEventThatCouldNotBeSent(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letters(0, 30)...) // three of each key
		f := s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(orders), Err: kerr.MessageTooLarge, Count: 1})
		last := s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{KeepOrder: true, PerSecond: 10})
		if f.Hits() != 1 || last.Failed == 0 || last.Failed%3 != 0 || last.Done+last.Failed != 30 {
			t.Errorf("%d faults, %+v: want all three of a key failed", f.Hits(), last)
		}
		equal(t, "errors", len(last.Errors) > 0 && strings.Contains(last.Errors[0], "too large"), true)
		equal(t, "pending", s.states()[deadletter.Pending], last.Failed)
	})
}

func TestRetryElsewhereAndToAll(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		const elsewhere event.Topic = "omninode.shop.event.reordered.v1"
		s.bury(letter(1))
		for _, to := range []event.Topic{"omninode.shop.event.ordered.v1.dlq", "_omnibus.jobs"} {
			if _, err := s.desk.Plan(t.Context(), deadletter.Retry, deadletter.Selector{}, deadletter.Options{To: to}); err == nil {
				t.Errorf("a retry to %s was planned", to)
			}
		}
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{To: elsewhere, AllGroups: true})
		equal(t, "warned", strings.Contains(strings.Join(j.Warnings, " "), "1 of 1 go to "+string(elsewhere)+", which is not there"), true)
		last, err := s.finish(s.desk, j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "failed", last.Failed, 1)
		if _, err := s.EnsureTopics(t.Context(), elsewhere); err != nil {
			t.Fatal(err)
		}
		s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{To: elsewhere, AllGroups: true})
		for rec, err := range s.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(elsewhere)}}) {
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "target group", rec.Header("omnibus-target-group"), nil)
			equal(t, "who failed", string(rec.Header("omnibus-dlq-consumer-group")), failing)
		}
		equal(t, "state", s.states(), map[deadletter.State]int{deadletter.Sent: 1})
	})
}

func TestBytesThatAreNoEventAreSentAsTheyAre(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		odd := []bus.Record{
			letter(0, func(r *bus.Record) { r.Key, r.Value = nil, nil }),
			letter(1, func(r *bus.Record) { r.Key, r.Value = []byte{}, []byte{0xff, 0xfe} }),
		}
		s.bury(odd...)
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		equal(t, "warned", strings.HasPrefix(j.Warnings[0], "2 of 2 are not what their schema allows"), true)
		if _, err := s.finish(s.desk, j.ID); err != nil {
			t.Fatal(err)
		}
		for rec, err := range s.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(orders)}}) {
			if err != nil {
				t.Fatal(err)
			}
			want := odd[0]
			if string(rec.Header("omnibus-dlq-original-offset")) == "1" {
				want = odd[1]
			}
			equal(t, "key", rec.Key, want.Key)
			equal(t, "value", rec.Value, want.Value)
			equal(t, "own header", string(rec.Header("own")), "kept")
		}
		equal(t, "sent", s.sent(), map[string]int{"0": 1, "1": 1})
	})
}

func TestForeignDeadLettersGoOnlyToAll(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(bus.Record{Topic: orders.DLQ(), Key: []byte("k"), Value: []byte("v"), Headers: []bus.Header{{Name: "not", Value: []byte("ours")}}})
		last := s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		equal(t, "failed", last.Failed, 1)
		last = s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{AllGroups: true})
		equal(t, "done", last.Done, 1)
		equal(t, "class", s.list(deadletter.Selector{Classes: []string{"foreign"}}).Letters[0].State, deadletter.Sent)
	})
}

func TestLeavingTheLoopCancelsAndLeavesNothingClaimed(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letters(0, 100)...)
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 10})
		for _, err := range s.desk.Run(t.Context(), j.ID) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		began := time.Now()
		if _, err := s.finish(s.desk, j.ID); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("the rest took %v: something was still claimed", took)
		}
		equal(t, "sent", s.sent(), once(100))
	})
}

// The state cannot be written after the events were sent: the run fails, and the next one finds what was sent.
func TestStateNotWrittenIsFoundInTheLog(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letters(0, 50)...)
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 100})
		var broken *kfake.FaultHandle
		cfg := s.cfg
		cfg.Trace = &bus.Trace{Published: func(_ context.Context, _ event.Envelope, r bus.Result) {
			if r.Topic == orders && broken == nil { // the first wave has been sent
				broken = s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "_omnibus.deadletters", Err: kerr.InvalidRecord, Count: -1})
			}
		}}
		b, err := bus.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		_, err = s.finish(deadletter.Open(b, ""), j.ID)
		if err == nil || !strings.Contains(err.Error(), "could not be written down") {
			t.Fatalf("the run: %v", err)
		}
		if broken == nil || broken.Hits() == 0 {
			t.Fatal("the fault was not met")
		}
		stored, err := s.desk.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "state", stored.State, deadletter.Failed)
		broken.Remove()
		if _, err := s.finish(s.desk, j.ID); err != nil {
			t.Fatal(err)
		}
		equal(t, "sent", s.sent(), once(50))
	})
}

func TestWhatCannotBeRecordedIsNotDone(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1))
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		l := s.list(deadletter.Selector{}).Letters[0]
		f := s.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "omninode.audit.operator_action.v1", Err: kerr.InvalidRecord, Count: -1})
		if _, err := s.finish(s.desk, j.ID); err == nil || !strings.Contains(err.Error(), "audit") {
			t.Errorf("run: %v", err)
		}
		if _, err := s.desk.Edit(t.Context(), l.ID, []byte(`{}`), nil, ""); err == nil {
			t.Error("an edit that is no event")
		}
		full, err := s.desk.Show(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.desk.Edit(t.Context(), l.ID, full.Value, nil, ""); err == nil || !strings.Contains(err.Error(), "audit") {
			t.Errorf("edit: %v", err)
		}
		f.Remove()
		equal(t, "sent", s.sent(), map[string]int{})
		equal(t, "states", s.states(), map[deadletter.State]int{deadletter.Pending: 1})
	})
}
