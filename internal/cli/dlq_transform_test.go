package cli_test

import (
	"strings"
	"testing"
)

// A transformation is shown before it is done, sends what it makes and never the original, and makes nothing that the schema refuses.
func TestRetryTransformsWhatItSends(t *testing.T) {
	const n = 20
	c := newClinic(t)
	c.sicken(n, "doc-")

	r := c.run(t.Context(), "", "dlq", "retry", assessed, "--transform", ".payload.quality_score = 7", "--execute")
	if r.code != 8 || !strings.Contains(r.out, "/payload/quality_score") {
		t.Errorf("into what the schema refuses: exit %d, want 8 and why\n%s%s", r.code, r.out, r.stderr)
	}
	for _, wrong := range []string{".payload |= empty", "., .", ".event_id = \"00000000-0000-4000-8000-000000000000\""} {
		r := c.run(t.Context(), "", "dlq", "retry", assessed, "--transform", wrong)
		if r.code != 9 || !strings.Contains(r.out, "20 of 20 cannot be transformed") {
			t.Errorf("%s: exit %d, want a plan that warns\n%s%s", wrong, r.code, r.out, r.stderr)
		}
	}
	if r := c.run(t.Context(), "", "dlq", "retry", assessed, "--transform", ".payload ="); r.code != 2 || !strings.Contains(r.stderr, "OMB-0211") {
		t.Errorf("no expression: exit %d, want 2\n%s", r.code, r.stderr)
	}

	const change = `.payload.quality_score += 0.25`
	plan := c.run(t.Context(), "", "dlq", "retry", assessed, "--transform", change, "--rate", "max")
	for _, want := range []string{"transform", "-     \"quality_score\": 0.5", "+     \"quality_score\": 0.75"} {
		if !strings.Contains(plan.out, want) {
			t.Errorf("the plan does not show %q:\n%s", want, plan.out)
		}
	}
	healed, _ := c.consume("picky", fine)
	c.must(t, "", strings.Fields(strings.TrimPrefix(lastLine(plan.stderr), "omnibus "))...)
	healed.await(t, n)
	seen, _ := healed.all()
	for what := range seen {
		if !strings.HasSuffix(what, " 0.75") {
			t.Errorf("the group was given %s, want each with 0.75", what)
		}
	}
	if len(seen) != n {
		t.Errorf("%d different events were handled, want %d", len(seen), n)
	}
	for _, l := range c.letters() {
		if got := l.Record.Value.Payload.Score; l.State != "sent" || got != 0.5 {
			t.Errorf("dead letter %s is %s with %v, want it sent, and the original as it was", l.ID, l.State, got)
		}
	}
}
