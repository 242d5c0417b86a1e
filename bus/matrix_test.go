package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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

// kafkaErrors are all errors that a Kafka broker may answer.
func kafkaErrors() []*kerr.Error {
	var all []*kerr.Error
	for code := int16(-1); code < 200; code++ {
		if e := kerr.TypedErrorForCode(code); code != 0 && e.Code == code {
			all = append(all, e)
		}
	}
	return all
}

// How long an error lasts, and how many requests of its kind a client may send meanwhile: it waits before it tries again. Where
// the error is FENCED_LEADER_EPOCH the client asks for the epoch in between, and waits 10 ms only.
const (
	lasting     = 5 * time.Second
	mostOfOnce  = 60
	mostOfFives = 600
)

// matrix runs a scenario for every error, once and for five seconds. wrong makes requests fail until it is called again.
func matrix(t *testing.T, key kmsg.Key, run func(t *testing.T, r *stage, e *kerr.Error, fail func() (heal func()))) {
	t.Helper()
	for i, e := range kafkaErrors() {
		if i%oneErrorOf != 0 {
			continue
		}
		for how, count := range map[string]int{"once": 1, "5s": -1} {
			t.Run(e.Message+"/"+how, func(t *testing.T) {
				t.Parallel()
				faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
					var requests atomic.Int64
					c.Control(key, func(kmsg.Request) (kmsg.Response, error, bool) {
						requests.Add(1)
						return nil, nil, false
					})
					run(t, r, e, func() func() {
						before := requests.Load()
						f := c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: e, Count: count})
						began := time.Now()
						return func() {
							if count < 0 {
								pause(t.Context(), lasting-time.Since(began))
							} else {
								pause(t.Context(), time.Second)
							}
							f.Remove()
							if f.Hits() == 0 {
								t.Error("no request met the error")
							}
							most := int64(mostOfOnce)
							if count < 0 {
								most = mostOfFives
							}
							if n := requests.Load() - before; n > most {
								t.Errorf("%d requests within %v, want %d at most", n, time.Since(began), most)
							}
						}
					})
				})
			})
		}
	}
}

// inLog counts the events in the log by id.
func (r *stage) inLog() map[event.ID]int {
	r.t.Helper()
	found := make(map[event.ID]int)
	for rec, err := range r.Scan(r.t.Context(), bus.Range{Topics: []event.Glob{event.Glob(r.topic)}}) {
		if err != nil {
			r.t.Fatal(err)
		}
		e, err := event.Decode(rec.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		found[e.ID]++
	}
	return found
}

// TestEveryErrorOfAProduceIsToldTruly: what was acknowledged is in the log once, what was not sent is not, and nobody knows more
// of the rest than that it is there once at most.
func TestEveryErrorOfAProduceIsToldTruly(t *testing.T) {
	matrix(t, kmsg.Produce, func(t *testing.T, r *stage, e *kerr.Error, fail func() func()) {
		r.note("a", 0)
		heal := fail()
		outcomes := make(map[event.ID]error)
		publish := func(n int) error {
			env := r.envelope("a", n)
			_, err := r.PublishAll(t.Context(), bus.Outgoing{Envelope: &env})
			outcomes[env.ID] = err
			if err != nil && errors.Is(err, bus.ErrNotSent) == errors.Is(err, bus.ErrUnknown) {
				t.Errorf("%v is neither of an event that was not sent nor of one that may have been, or both", err)
			}
			return err
		}
		err := publish(1)
		if definite := errors.Is(e, kerr.MessageTooLarge); definite != errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("publish: %v", err)
		}
		heal()
		pause(t.Context(), 5*time.Second) // what waits for its next attempt has had it
		if err := publish(2); err != nil {
			t.Errorf("publish after the error: %v", err)
		}
		log := r.inLog()
		for id, err := range outcomes {
			switch n := log[id]; {
			case err == nil && errors.Is(e, kerr.DuplicateSequenceNumber): // by which a broker says that it has the event already
			case err == nil && n != 1:
				t.Errorf("an acknowledged event is %d times in the log", n)
			case errors.Is(err, bus.ErrNotSent) && n != 0:
				t.Errorf("an event of %v is %d times in the log", err, n)
			case n > 1:
				t.Errorf("an event of %v is %d times in the log", err, n)
			}
		}
	})
}

// steady runs a consumer, again where it ends with an error, as a supervisor would. It notes what is handled.
type steady struct {
	diary
	mu     sync.Mutex
	failed []error
}

func (s *steady) run(t *testing.T, r *stage) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	group := r.group("g")
	running.Go(func() {
		for ctx.Err() == nil {
			err := r.Consume(ctx, group, bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error {
				key, n := keyN(d)
				s.add("%s %s", key, n)
				return nil
			}))
			if err != nil && ctx.Err() == nil {
				s.mu.Lock()
				s.failed = append(s.failed, err)
				s.mu.Unlock()
				pause(ctx, time.Second)
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func (s *steady) errs() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]error(nil), s.failed...)
}

// settled waits until the group has committed everything.
func (r *stage) settled(group string) bool {
	for range 120 {
		lags, err := r.Lag(r.t.Context(), group)
		if err == nil && len(lags) == 1 && lags[0].Known && lags[0].Messages == 0 && lags[0].Committed > 0 {
			return true
		}
		pause(r.t.Context(), 500*time.Millisecond)
	}
	return false
}

// consumed is the scenario of a consumer that meets an error: it goes on, or ends aloud and goes on when it is started again.
// Nothing is passed over, and order is kept.
func consumed(t *testing.T, r *stage, fail func() func()) {
	var s steady
	stop := s.run(t, r)
	defer stop()
	for n := range 3 {
		r.note("a", n)
	}
	if !r.settled(r.group("g").Group) {
		t.Fatalf("not settled before the error: %q %v", s.all(), s.errs())
	}
	heal := fail()
	for n := 3; n < 6; n++ {
		r.note("a", n)
	}
	heal()
	if !r.settled(r.group("g").Group) {
		t.Errorf("not settled after the error: %q %v", s.all(), s.errs())
	}
	next := 0
	for _, line := range s.all() {
		var n int
		if _, err := fmt.Sscanf(line, "a %d", &n); err != nil {
			t.Fatal(err)
		}
		if n > next {
			t.Errorf("event %d was handled where %d is next: %q", n, next, s.all())
		}
		next = max(next, n+1)
	}
	if next != 6 {
		t.Errorf("%d events were handled, want 6: %q %v", next, s.all(), s.errs())
	}
	for _, err := range s.errs() {
		if !strings.Contains(err.Error(), string(r.topic)) && !strings.Contains(err.Error(), "group") && !strings.Contains(err.Error(), "consume") {
			t.Errorf("the consumer ended with %v, which does not tell where", err)
		}
	}
}

func TestEveryErrorOfAFetchLosesNothing(t *testing.T) {
	matrix(t, kmsg.Fetch, func(t *testing.T, r *stage, _ *kerr.Error, fail func() func()) { consumed(t, r, fail) })
}

func TestEveryErrorOfACommitLosesNothing(t *testing.T) {
	matrix(t, kmsg.OffsetCommit, func(t *testing.T, r *stage, _ *kerr.Error, fail func() func()) { consumed(t, r, fail) })
}
