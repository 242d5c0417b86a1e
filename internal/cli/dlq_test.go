package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// lastLine is what a script would take from standard error.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// planned runs a command that has to stop at its plan, and returns the arguments of the command that it says would do it.
func (s shell) planned(t *testing.T, args ...string) []string {
	t.Helper()
	r := s.run(t.Context(), "", args...)
	if r.code != 9 || !strings.Contains(r.stderr, "OMB-0909") {
		t.Fatalf("omnibus %s: exit %d, want 9\n%s%s", strings.Join(args, " "), r.code, r.out, r.stderr)
	}
	command, ok := strings.CutPrefix(lastLine(r.stderr), "omnibus ")
	if !ok {
		t.Fatalf("omnibus %s: the last line is %q", strings.Join(args, " "), lastLine(r.stderr))
	}
	return strings.Fields(command)
}

func TestDeadLettersFromListToRestore(t *testing.T) {
	s := filled(t)
	frozen := func(name, line string) {
		t.Helper()
		golden(t, "output/"+name, scrub(s.must(t, "", strings.Fields(line)...)))
	}
	frozen("dlq_list", "dlq list")
	frozen("dlq_list_json", "dlq list -o json")
	frozen("dlq_groups", "dlq groups")
	frozen("dlq_groups_json", "dlq groups -o json")
	frozen("dlq_show", "dlq show "+assessed)
	frozen("dlq_show_json", "dlq show -o json "+assessed)

	r := s.run(t.Context(), "", "dlq", "retry", assessed, "--note", "try again")
	golden(t, "output/dlq_retry_plan", scrub(r.out+r.stderr))
	r = s.run(t.Context(), "", "dlq", "retry", assessed, "--note", "try again", "-o", "json")
	golden(t, "output/dlq_retry_plan_json", scrub(r.out))
	golden(t, "output/dlq_retry_plan_error_json", scrub(r.stderr))
	do := s.planned(t, "dlq", "retry", assessed)
	golden(t, "output/dlq_retry", scrub(s.must(t, "", do...)))
	frozen("dlq_show_sent", "dlq show "+assessed)
	frozen("jobs_show", "jobs show "+do[len(do)-1])
	frozen("jobs_show_json", "jobs show -o json "+do[len(do)-1])

	golden(t, "output/dlq_resolve_json", scrub(s.must(t, "", "dlq", "resolve", assessed, "--state", "sent", "--execute", "--note", "by hand", "-o", "json")))
	golden(t, "output/dlq_purge", scrub(s.must(t, "", s.planned(t, "dlq", "purge", assessed)...)))
	if r := s.run(t.Context(), "", "dlq", "list", "--fail-over", "0"); r.code != 0 {
		t.Errorf("what is purged counts as open: exit %d\n%s", r.code, r.out)
	}
	golden(t, "output/dlq_restore", scrub(s.must(t, "", s.planned(t, "dlq", "restore", assessed)...)))
	if r := s.run(t.Context(), "", "dlq", "list", "--fail-over", "0"); r.code != 10 || !strings.Contains(r.stderr, "OMB-1001") {
		t.Errorf("what is restored does not count as open: exit %d\n%s", r.code, r.out)
	}
	plan := s.planned(t, "dlq", "retry", assessed)
	golden(t, "output/jobs_cancel", scrub(s.must(t, "", "jobs", "cancel", plan[len(plan)-1])))
	golden(t, "output/jobs_list", scrub(s.must(t, "", "jobs", "list")))
	golden(t, "output/jobs_list_json", scrub(s.must(t, "", "jobs", "list", "-o", "json")))
	golden(t, "output/jobs_resume", scrub(s.must(t, "", "jobs", "resume", plan[len(plan)-1])))

	lines := s.must(t, "", "dlq", "export")
	golden(t, "output/dlq_export", scrub(lines))
	var line struct{ Schema string }
	if err := json.Unmarshal([]byte(lines), &line); err != nil || line.Schema != "omnibus.deadletter/v1" {
		t.Errorf("%v: %s", err, lines)
	}
	other := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	if out := other.must(t, lines, "dlq", "import"); out != "written        1\nthere already  0\n" {
		t.Errorf("import says %q", out)
	}
	if out := other.must(t, lines, "dlq", "import"); out != "written        0\nthere already  1\n" {
		t.Errorf("a second import says %q", out)
	}
}
