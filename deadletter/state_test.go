package deadletter_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/contracts/audit"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

// states counts the dead letters by state.
func (s *shop) states() map[deadletter.State]int {
	s.t.Helper()
	out := map[deadletter.State]int{}
	for _, l := range s.list(deadletter.Selector{}).Letters {
		out[l.State]++
	}
	return out
}

func (s *shop) do(a deadletter.Action, sel deadletter.Selector, o deadletter.Options) deadletter.Progress {
	s.t.Helper()
	last, err := s.finish(s.desk, s.plan(a, sel, o).ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return last
}

func TestCopiesCountAsOneAndAreSentOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1), letter(2), letter(1, with("omnibus-dlq-error-message", "the newest")), letter(1))
		letters := s.list(deadletter.Selector{}).Letters
		equal(t, "dead letters", len(letters), 2)
		equal(t, "copies", letters[0].Copies, 3)
		s.bury(letter(1, with("omnibus-dlq-error-message", "the newest"), with("omnibus-dlq-failed-at", failedAt.Add(time.Hour).Format(time.RFC3339))))
		groups := s.list(deadletter.Selector{}).Groups()
		equal(t, "counted", groups[0].Count, 2)
		equal(t, "error", groups[0].Sample.Message, "the newest")
		s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		equal(t, "sent", s.sent(), map[string]int{"1": 1, "2": 1})
		equal(t, "states", s.states(), map[deadletter.State]int{deadletter.Sent: 2})
	})
}

func TestWhatFailsAgainIsPendingAgain(t *testing.T) {
	later := with("omnibus-dlq-failed-at", failedAt.Add(time.Hour).Format(time.RFC3339))
	for name, change := range map[string][]func(*bus.Record){
		"after a retry":                    {redriven(1), later},
		"by a clock that is behind":        {with("omnibus-dlq-failed-at", failedAt.Add(-time.Hour).Format(time.RFC3339))},
		"in another partition, later":      {func(r *bus.Record) { r.Key = []byte("elsewhere") }, later},
		"after a retry, by a clock behind": {redriven(1), with("omnibus-dlq-failed-at", failedAt.Add(-time.Hour).Format(time.RFC3339))},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *shop) {
				for _, a := range []deadletter.Action{deadletter.Resolve, deadletter.Purge} {
					s.bury(letter(int(a[0])))
					s.do(a, deadletter.Selector{}, deadletter.Options{Note: "seen"})
				}
				equal(t, "pending before", s.states()[deadletter.Pending], 0)
				s.bury(letter(int(deadletter.Resolve[0]), change...))
				equal(t, "pending", s.states()[deadletter.Pending], 1)
			})
		})
	}
}

func TestResolvePurgeAndRestore(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1), letter(2), letter(3))
		one := s.list(deadletter.Selector{Correlations: []event.CorrelationID{"c1"}}).Letters[0]
		s.do(deadletter.Resolve, deadletter.Selector{IDs: []string{one.ID}}, deadletter.Options{Note: "by hand"})
		l, err := s.desk.Show(t.Context(), one.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "note", l.Decision.Note, "by hand")
		equal(t, "by", l.Decision.By, "ada@test")
		s.do(deadletter.Purge, deadletter.Selector{Correlations: []event.CorrelationID{"c2"}}, deadletter.Options{})
		equal(t, "states", s.states(), map[deadletter.State]int{deadletter.Resolved: 1, deadletter.Purged: 1, deadletter.Pending: 1})
		equal(t, "sent by a retry of all", s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{}).Done, 1)
		s.do(deadletter.Restore, deadletter.Selector{}, deadletter.Options{})
		equal(t, "restored", s.states(), map[deadletter.State]int{deadletter.Pending: 2, deadletter.Sent: 1})
		equal(t, "sent after all", s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{}).Done, 2)
		s.do(deadletter.Restore, deadletter.Selector{IDs: []string{one.ID}, States: []deadletter.State{deadletter.Sent}}, deadletter.Options{})
		s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		equal(t, "sent once more, because somebody said so", s.sent(), map[string]int{"1": 2, "2": 1, "3": 1})
	})
}

func TestRestoreDropsADraft(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1))
		l, err := s.desk.Show(t.Context(), s.list(deadletter.Selector{}).Letters[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.desk.Edit(t.Context(), l.ID, []byte(strings.Replace(string(l.Value), `"n":1`, `"n":5`, 1)), nil, ""); err != nil {
			t.Fatal(err)
		}
		equal(t, "edited", s.states(), map[deadletter.State]int{deadletter.Drafted: 1})
		s.do(deadletter.Restore, deadletter.Selector{States: []deadletter.State{deadletter.Drafted}}, deadletter.Options{})
		equal(t, "restored", s.states(), map[deadletter.State]int{deadletter.Pending: 1})
	})
}

func TestComesBackTooOftenIsQuarantined(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1, redriven(3)), letter(2, redriven(2)), letter(3))
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		equal(t, "warnings", j.Warnings, []string{
			"1 of 3 have come back 3 times or more: they will be quarantined, not sent",
			"1 of 3 have come back 2 times: the next failure quarantines them",
			"3 of 3 came from omninode.shop.event.ordered.v1 before it was deleted and made anew",
		})
		last, err := s.finish(s.desk, j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "quarantined", last.Quarantined, 1)
		equal(t, "sent", s.sent(), map[string]int{"2": 1, "3": 1})
		equal(t, "states", s.states(), map[deadletter.State]int{deadletter.Quarantined: 1, deadletter.Sent: 2})
		if _, err := s.desk.Plan(t.Context(), deadletter.Retry, deadletter.Selector{}, deadletter.Options{}); !errors.Is(err, deadletter.ErrEmpty) {
			t.Errorf("another plan: %v, want ErrEmpty", err)
		}
		s.do(deadletter.Retry, deadletter.Selector{States: []deadletter.State{deadletter.Quarantined}}, deadletter.Options{MaxRedrives: 4})
		equal(t, "sent where somebody raises the limit", s.sent(), map[string]int{"1": 1, "2": 1, "3": 1})
	})
}

func TestUnreadableStateIsReportedAndStopsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1), letter(2))
		s.do(deadletter.Resolve, deadletter.Selector{Correlations: []event.CorrelationID{"c1"}}, deadletter.Options{})
		for _, topic := range []event.Topic{"_omnibus.deadletters", "_omnibus.jobs"} {
			for i, key := range []string{"state/x", "draft/x", "claim/x", "job/x", "job/x/part/0", "job/x/what", "else", ""} {
				value := []byte(`{"half":`)
				if i%2 == 1 {
					value = []byte{0xff}
				}
				rec := bus.Record{Topic: topic, Key: []byte(key), Value: value, Headers: []bus.Header{{Name: "omnibus-draft", Value: value}}}
				if _, err := s.Append(t.Context(), rec); err != nil {
					t.Fatal(err)
				}
			}
		}
		snap := s.list(deadletter.Selector{})
		equal(t, "problems", len(snap.Problems), 8)
		for _, p := range snap.Problems {
			if p.Err == nil || p.At.Topic != "_omnibus.deadletters" {
				t.Errorf("problem %v", p)
			}
		}
		s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		equal(t, "states", s.states(), map[deadletter.State]int{deadletter.Resolved: 1, deadletter.Sent: 1})
		jobs, problems, err := s.desk.Jobs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "jobs", len(jobs), 2)
		equal(t, "problems of jobs", len(problems), 8)
	})
}

func TestEveryMutationIsRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.bury(letter(1), letter(2))
		l, err := s.desk.Show(t.Context(), s.list(deadletter.Selector{}).Letters[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.desk.Edit(t.Context(), l.ID, l.Value, nil, "as it was"); err != nil {
			t.Fatal(err)
		}
		retry := s.plan(deadletter.Retry, deadletter.Selector{Fingerprints: []string{l.Fingerprint}}, deadletter.Options{})
		if err := s.desk.Cancel(t.Context(), retry.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.finish(s.desk, retry.ID); err != nil {
			t.Fatal(err)
		}
		s.do(deadletter.Purge, deadletter.Selector{}, deadletter.Options{Note: "old"})
		if _, err := s.desk.Import(t.Context(), strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range bustest.Published[audit.OperatorAction](s.Bench) {
			got = append(got, e.Payload.Action+" "+e.Payload.Outcome+" "+strconv.FormatInt(e.Payload.Counts["done"], 10))
			equal(t, "operator", e.Payload.Operator, "ada@test")
			if e.Payload.Action == "retry" {
				equal(t, "selector", e.Payload.Selector, map[string]any{"fingerprints": []any{l.Fingerprint}})
			}
		}
		equal(t, "actions", got, []string{
			"edit started 0", "edit done 0", "cancel started 0", "cancel done 0", "resume started 0", "retry done 2",
			"purge started 0", "purge done 2", "import started 0", "import done 0",
		})
	})
}
