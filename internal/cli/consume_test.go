package cli_test

import (
	"fmt"
	"strings"
	"testing"
)

// assessments are n events with the qualities 0, 0.01, … as lines for publish --batch.
func assessments(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"topic":%q,"payload":{"entity_id":"doc-%d","quality_score":%.2f},"correlation_id":"flow-%d","headers":{"half":"%d"}}`+"\n",
			assessed, i, float64(i)/100, i%10, i/50)
	}
	return lines.String()
}

func TestLimitCountsWhatMatches(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	s.must(t, assessments(100), "publish", "--batch")
	for _, c := range []struct {
		line []string
		want int
	}{
		{[]string{"--where", ".payload.quality_score >= 0.9"}, 10},
		{[]string{"--where", ".payload.quality_score >= 0.9", "--limit", "3"}, 3},
		{[]string{"--where", "true", "--last", "20"}, 20},
		{[]string{"--correlation", "flow-3"}, 10},
		{[]string{"--correlation", "flow-3", "--header", "half=1"}, 5},
		{[]string{"--event-type", "omninode.intelligence.*", "--limit", "7"}, 7},
		{[]string{"--event-type", "omninode.codegen.*"}, 0},
		{[]string{"--header", "half=1", "--group", "g", "--limit", "4"}, 4},
		{[]string{"--header", "half=1", "--group", "g", "--peek"}, 46},
		{[]string{"--header", "half=1", "--group", "g"}, 46},
		{[]string{"--group", "g"}, 0},
	} {
		out := s.must(t, "", append([]string{"consume", assessed, "-o", "ndjson"}, c.line...)...)
		if got := strings.Count(out, "\n"); got != c.want {
			t.Errorf("omnibus consume %s: %d records, want %d", strings.Join(c.line, " "), got, c.want)
		}
	}
}

func TestConsumeThatFindsNothing(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	r := s.run(t.Context(), "", "consume", assessed)
	if r.code != 0 || r.out != "" || r.stderr != "no events there\n" {
		t.Errorf("exit %d, %q, %q", r.code, r.out, r.stderr)
	}
	r = s.run(t.Context(), "", "consume", assessed, "--fail-empty")
	check(t, wrong{exit: 3, code: "OMB-0306", says: "no events there", advice: "--from earliest"}, r)
	s.must(t, assessments(3), "publish", "--batch")
	r = s.run(t.Context(), "", "consume", assessed, "-c", "nobody")
	if r.code != 0 || r.out != "" || r.stderr != "none of 3 records matches\n" {
		t.Errorf("exit %d, %q, %q", r.code, r.out, r.stderr)
	}
	r = s.run(t.Context(), "", "consume", assessed, "-c", "nobody", "--fail-empty")
	check(t, wrong{exit: 3, code: "OMB-0306", says: "none of 3 records matches", advice: "leave a filter out"}, r)
	s.must(t, "", "consume", assessed, "-c", "flow-1", "--fail-empty")
}

func TestRecordsThatAnExpressionFailsOnAreToldOf(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	s.must(t, `{"topic":"`+snapshot+`","key":null,"value_text":"hunter2"}`+"\n"+`{"topic":"`+snapshot+`","key":null,"value":{"payload":{"n":9007199254740993}}}`,
		"publish", "--batch")
	r := s.run(t.Context(), "", "consume", snapshot, "--where", "(.value_text // .payload.n) - 1 == 9007199254740992", "-o", "raw")
	check(t, wrong{
		exit: 8, code: "OMB-0801", says: snapshot + "[0]@0: --where: cannot subtract: string\n", advice: "lack a member",
		out: `{"payload":{"n":9007199254740993}}` + "\n",
	}, r)
}
