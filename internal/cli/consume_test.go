package cli_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/internal/cli"
)

// assessments are n events with the qualities 0, 0.01, … as lines for publish --batch.
func assessments(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"topic":%q,"payload":{"entity_id":"doc-%d","quality_score":%.4f},"correlation_id":"flow-%d","headers":{"half":"%d"}}`+"\n",
			assessed, i, float64(i)/10000, i%10, i/50)
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
		{[]string{"--where", ".payload.quality_score >= 0.009"}, 10},
		{[]string{"--where", ".payload.quality_score >= 0.009", "--limit", "3"}, 3},
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

func TestExplainSaysWhatIsReadAndReadsNothing(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	for _, score := range []string{"0.1", "0.2", "0.3"} {
		s.must(t, "", "publish", snapshot, scored(score))
	}
	s.must(t, "", "consume", snapshot, "--group", "g", "--limit", "1")
	for name, args := range map[string][]string{
		"explain":        {snapshot, "--offset", "1"},
		"explain_filter": {snapshot, "--last", "2", "--where", ".payload.a > 1", "-H", "a=b", "--limit", "5"},
		"explain_follow": {snapshot, "-f", "--from", "latest"},
		"explain_group":  {snapshot, "--group", "g"},
		"explain_json":   {snapshot, "--offset", "@earliest:@-1", "-c", "flow-1", "-o", "json"},
	} {
		golden(t, "output/consume_"+name, s.must(t, "", append([]string{"consume", "--explain"}, args...)...))
	}
	if out := s.must(t, "", "consume", snapshot, "--group", "g", "-o", "ndjson"); strings.Count(out, "\n") != 2 {
		t.Errorf("after --explain the group was given\n%s", out)
	}
}

// TestStoppedScanSaysHowToGoOn: what was printed before and what the printed line prints are the whole.
func TestStoppedScanSaysHowToGoOn(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	s.must(t, assessments(4000), "publish", "--batch")
	args := []string{"consume", assessed, "--where", ".payload.quality_score >= 0", "--header", "half", "-o", "ndjson"}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs strings.Builder
	p := cli.Process{Args: args, Stderr: &errs, Environ: s.env, Dir: s.dir, Stdout: writerFunc(func(b []byte) (int, error) {
		stop()
		return out.Write(b)
	})}
	if code := p.Run(ctx); code != 130 {
		t.Fatalf("interrupted, it exits with %d, want 130: %s", code, errs.String())
	}
	first := lineSet(out.String())
	_, line, ok := strings.Cut(errs.String(), "\ngo on: omnibus ")
	if !ok || !strings.HasPrefix(errs.String(), "stopped after ") || len(first) == 0 || len(first) == 4000 {
		t.Fatalf("after %d records it says %q", len(first), errs.String())
	}
	rest := lineSet(s.must(t, "", shellWords(strings.TrimSpace(line))...))
	for l := range rest {
		if first[l] {
			t.Fatalf("printed twice: %s", l)
		}
	}
	if len(first)+len(rest) != 4000 {
		t.Errorf("%d and %d of 4000 records", len(first), len(rest))
	}
}

// TestEmptyTopicOpensAtOnce: nothing is waited for. The bound is generous, as the machine may be busy.
func TestEmptyTopicOpensAtOnce(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	s.must(t, "", "consume", assessed)
	best := time.Hour
	for range 5 {
		began := time.Now()
		s.must(t, "", "consume", assessed)
		best = min(best, time.Since(began))
	}
	if best > 300*time.Millisecond {
		t.Errorf("the best of five took %v, want at most 300 ms", best)
	}
	t.Logf("%v", best)
}

// TestTailShowsAllOfABurst: 1,000 events that come at once are all there, each once, in the order of their partition.
func TestTailShowsAllOfABurst(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	s.must(t, "", "publish", assessed, `{"entity_id":"first","quality_score":0}`)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	begun := make(chan struct{})
	var out strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- s.into(ctx, writerFunc(func(b []byte) (int, error) {
			if out.Len() == 0 {
				close(begun)
			}
			n, err := out.Write(b)
			if strings.Count(out.String(), "\n") == 1001 {
				stop()
			}
			return n, err
		}), "tail", assessed, "--format", `%p %o %k\n`)
	}()
	<-begun
	s.must(t, assessments(1000), "publish", "--batch")
	if c := <-code; c != 130 {
		t.Errorf("exit %d", c)
	}
	next := map[string]int{}
	for line := range strings.Lines(out.String()) {
		words := strings.Fields(line)
		if words[1] != itoa(next[words[0]]) {
			t.Fatalf("partition %s: offset %s, want %d", words[0], words[1], next[words[0]])
		}
		next[words[0]]++
	}
	if n := strings.Count(out.String(), "\n"); n != 1001 {
		t.Errorf("%d records of 1001", n)
	}
}
