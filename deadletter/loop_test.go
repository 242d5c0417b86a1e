package deadletter_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
)

// The whole loop with consumers: what one group cannot handle is sent again to that group, and to no other.
func TestOtherGroupsDoNotSeeWhatIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		const n = 60
		others, _ := s.consume("shipping", func(order) error { return nil })
		s.kill(n, 6, "no stock", "no card", "no customer")
		groups := s.list(deadletter.Selector{}).Groups()
		equal(t, "groups", len(groups), 3)
		fixed, _ := s.consume(failing, func(order) error { return nil })
		last := s.do(deadletter.Retry, deadletter.Selector{Fingerprints: []string{groups[0].Fingerprint}}, deadletter.Options{})
		equal(t, "done", last.Done, n/3)
		s.Settle()
		equal(t, "handled by the group that failed", len(fixed()), n/3)
		cause := map[int]bool{}
		for i, times := range fixed() {
			equal(t, "times", times, 1)
			cause[i%3] = true
		}
		equal(t, "causes", len(cause), 1)
		for i := range n {
			equal(t, "times in the other group", others()[i], 1)
		}
		last = s.do(deadletter.Retry, deadletter.Selector{Fingerprints: []string{groups[1].Fingerprint}}, deadletter.Options{AllGroups: true})
		s.Settle()
		equal(t, "done", last.Done, n/3)
		again := 0
		for _, times := range others() {
			if times == 2 {
				again++
			}
		}
		equal(t, "seen again where all groups were asked for", again, n/3)
	})
}

// A dead letter that fails again is the same dead letter: pending, one redrive more, and its edit is not lost. After three it is
// quarantined, and never dropped.
func TestComesBackAsItselfUntilItIsQuarantined(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.kill(1, 1, "no stock")
		_, _ = s.consume(failing, func(order) error { return bus.Permanent(errors.New("still no stock")) })
		first, err := s.desk.Show(t.Context(), s.list(deadletter.Selector{}).Letters[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.Replace(string(first.Value), `"n":0`, `"n":7`, 1)
		if _, err := s.desk.Edit(t.Context(), first.ID, []byte(edited), nil, ""); err != nil {
			t.Fatal(err)
		}
		for redrives := 1; redrives <= 3; redrives++ {
			s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
			s.Settle()
			l, err := s.desk.Show(t.Context(), first.ID)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "redrives", l.Redrives, redrives)
			equal(t, "copies", l.Copies, redrives+1)
			equal(t, "state", l.State, deadletter.Pending)
			equal(t, "origin", l.Origin, first.Origin)
			equal(t, "event", l.EventID, first.EventID)
			equal(t, "value", string(l.Value), edited)
			equal(t, "edited from", string(l.Header("omnibus-edited-from")) != "", true)
		}
		last := s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		equal(t, "quarantined", last.Quarantined, 1)
		equal(t, "states", s.states(), map[deadletter.State]int{deadletter.Quarantined: 1})
	})
}

func TestStopsByItselfWhenTooMuchFailsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		const n = 300
		s.kill(n, 10, "no stock")
		_, stop := s.consume(failing, func(order) error { return bus.Permanent(errors.New("still no stock")) })
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 20})
		last, err := s.finish(s.desk, j.ID)
		if !errors.Is(err, deadletter.ErrStopped) {
			t.Fatalf("the run: %v, want ErrStopped", err)
		}
		if last.Done < 20 || last.Done > 80 || last.Again*2 <= last.Done {
			t.Errorf("stopped with %+v", last)
		}
		s.Settle()
		stop()
		stored, err := s.desk.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "state", stored.State, deadletter.Stopped)
		equal(t, "nothing is lost", len(s.list(deadletter.Selector{}).Letters), n)
		equal(t, "and all of it pending", s.states(), map[deadletter.State]int{deadletter.Pending: n})

		fixed, _ := s.consume(failing, func(order) error { return nil })
		if _, err := s.finish(s.desk, j.ID); err != nil {
			t.Fatal(err)
		}
		s.Settle()
		equal(t, "the rest", len(fixed()), n-last.Done)
	})
}

func TestFailsAgainInTheSameRunIsNotReadAgain(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.kill(10, 10, "no stock")
		seen, _ := s.consume(failing, func(order) error { return bus.Permanent(errors.New("still no stock")) })
		last := s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 1})
		equal(t, "done", last.Done, 10)
		s.Settle()
		for i, times := range seen() {
			equal(t, "order "+string(rune('0'+i)), times, 1)
		}
	})
}

// A copy that arrives between two runs is a new failure: the job that holds the old one leaves it alone.
func TestJobLeavesALaterFailureAlone(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1))
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		s.bury(letter(1, redriven(1), with("omnibus-dlq-failed-at", failedAt.Add(time.Hour).Format(time.RFC3339))))
		s.do(deadletter.Resolve, deadletter.Selector{}, deadletter.Options{})
		last, err := s.finish(s.desk, j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "skipped", last.Skipped, 1)
		equal(t, "sent", s.sent(), map[string]int{})
	})
}
