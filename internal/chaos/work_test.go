package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/histcheck"
)

func TestMixIsDrawnAsItSays(t *testing.T) {
	m := mix{Fail: 10_000, Poison: 10_000, Reject: 10_000, Skip: 10_000, Panic: 10_000, Slow: 10_000, Stuck: 10_000, Takes: 100, Sticks: 2000}
	rng := rand.New(rand.NewPCG(1, 2))
	got := map[string]int{}
	for range 100_000 {
		what := m.draw(rng)
		if len(what) > 4 {
			what = what[:4]
		}
		got[what]++
	}
	if len(got) != 8 {
		t.Errorf("drawn: %v, want seven kinds and none", got)
	}
	for what, n := range got {
		if want := 10_000; what != "" && (n < want*9/10 || n > want*11/10) {
			t.Errorf("%q was drawn %d times of 100,000, want about %d", what, n, want)
		}
	}
}

func TestPerformDoesWhatIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			asked   string
			attempt int
			want    bus.Verdict
			takes   time.Duration
		}{
			{"", 1, bus.Done, 0},
			{"fail 2", 1, bus.WillRetry, 0},
			{"fail 2", 2, bus.WillRetry, 0},
			{"fail 2", 3, bus.Done, 0},
			{"poison", 9, bus.WillRetry, 0},
			{"reject", 1, bus.Dead, 0},
			{"skip", 1, bus.Skipped, 0},
			{"panic", 2, bus.Done, 0},
			{"slow 40", 1, bus.Done, 40 * time.Millisecond},
			{"stuck 1500", 1, bus.Done, 1500 * time.Millisecond},
		} {
			began := time.Now()
			err := perform(t.Context(), tt.asked, "1.1-7", tt.attempt)
			if got := bus.Judge(err); got != tt.want || time.Since(began) != tt.takes {
				t.Errorf("%q, attempt %d: %v after %v (%v), want %v after %v", tt.asked, tt.attempt, got, time.Since(began), err, tt.want, tt.takes)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		if err := perform(ended, "stuck 1500", "1.1-7", 1); err != nil || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("stuck: %v after %v, though it does not look at its context", err, time.Since(began))
		}
		if err := perform(ended, "slow 1500", "1.1-7", 1); err == nil {
			t.Error("slow: no error, though its context has ended")
		}
	})
}

func TestNothingFollowsAnEventOfUnknownOutcome(t *testing.T) {
	s := newSource(orders{Name: "producer/1.1", Seed: 1, Events: 500, Work: work{Run: "r", Keys: 20, Mix: usual}})
	rng := rand.New(rand.NewPCG(3, 4))
	last := map[string]int64{}
	seen := map[string]histcheck.Event{}
	open := map[string]bool{}
	for s.left() > 0 {
		batch := s.batch(7)
		keys := map[string]bool{}
		for _, e := range batch {
			if keys[e.Key] {
				t.Fatalf("two events of key %s at once", e.Key)
			}
			keys[e.Key] = true
			if old, ok := seen[e.ID]; ok {
				if old != e || !open[e.ID] {
					t.Fatalf("event %+v comes again as %+v", old, e)
				}
			} else if e.KeySeq != last[e.Key]+1 {
				t.Fatalf("key %s: %d follows %d", e.Key, e.KeySeq, last[e.Key])
			}
			seen[e.ID], last[e.Key] = e, e.KeySeq
			var err error
			switch rng.IntN(4) {
			case 0:
				err = bus.ErrUnknown
			case 1:
				err = bus.ErrNotSent
			}
			open[e.ID] = errors.Is(err, bus.ErrUnknown)
			s.outcome(e, err)
		}
		for id, is := range open {
			if is && s.keys[0].open == nil && len(batch) == 0 {
				t.Fatalf("event %s is open and was forgotten", id)
			}
		}
	}
	if len(seen) != 500 {
		t.Errorf("%d events, want 500", len(seen))
	}
}
