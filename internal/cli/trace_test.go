package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/cli"
)

// traced is what "trace -o json" says, as far as these tests read it.
type traced struct {
	CorrelationID string `json:"correlation_id"`
	AskedFor      string `json:"asked_for"`
	Failed        int
	Next          []string
	Read          struct {
		Records  int
		Complete bool
	}
	Tree []struct {
		EventID     string `json:"event_id"`
		Parent      string
		Flags       []string
		DeadLetters []struct{ ID, State string } `json:"dead_letters"`
		Copies      []struct {
			Redrives int
			Target   string `json:"target_group"`
		}
	}
}

func (s shell) trace(t *testing.T, args ...string) traced {
	t.Helper()
	var doc traced
	if err := json.Unmarshal([]byte(s.must(t, "", append([]string{"trace", "-o", "json"}, args...)...)), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// branched is a flow that is more than a line: a dead letter, two effects, one of them twice, and one whose cause is not there.
func branched(t *testing.T) (s shell, root event.ID) {
	t.Helper()
	s = filled(t)
	root, err := event.ParseID(s.trace(t, "flow-2").Tree[0].EventID)
	if err != nil {
		t.Fatal(err)
	}
	b := openBus(t, strings.TrimPrefix(s.env[len(s.env)-1], "KAFKA_BOOTSTRAP_SERVERS="))
	publish := func(entity string, opts ...bus.PublishOption) event.Envelope {
		e, err := b.Publish(t.Context(), intelligence.QualityAssessed{EntityID: entity, QualityScore: 1}, append(opts, bus.WithCorrelation("flow-2"))...)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	effect := publish("doc-1", bus.WithCausation(root))
	publish("doc-1", bus.WithCausation(root), bus.WithID(effect.ID))
	publish("doc-1", bus.WithCausation(effect.ID))
	publish("doc-1", bus.WithCausation(event.ID{1}))
	return s, root
}

// varying is what differs from run to run in the outputs of trace alone: instances, and times in graphs.
var varying = regexp.MustCompile(`(?:("instance_id": ")[^"]*)|(?:(, )[0-9.]+m?s\b)|(?m:^ +)(-  not found)`)

func TestTraceOutputsAreAsFrozen(t *testing.T) {
	s, _ := branched(t)
	for _, format := range []string{"tree", "table", "json", "dot", "mermaid"} {
		r := s.run(t.Context(), "", "trace", "flow-2", "-o", format)
		if r.code != 0 {
			t.Errorf("-o %s: exit %d", format, r.code)
		}
		golden(t, "output/trace_"+format, varying.ReplaceAllString(scrub(r.out+r.stderr), "$1$2$3"))
		if strings.Contains(r.out, "quality_score") {
			t.Errorf("-o %s prints a payload", format)
		}
	}
	golden(t, "output/trace_depth", scrub(s.must(t, "", "trace", "flow-2", "--depth", "1")))
	golden(t, "output/trace_collapse", scrub(s.must(t, "", "trace", "flow-2", "--collapse", "4")))
}

func TestTraceFindsByEventAndByTheNewest(t *testing.T) {
	s, root := branched(t)
	byEvent := s.trace(t, root.String())
	if byEvent.CorrelationID != "flow-2" || byEvent.AskedFor != root.String() {
		t.Errorf("by the event: %q, asked for %q", byEvent.CorrelationID, byEvent.AskedFor)
	}
	if last := s.trace(t, "--last"); last.CorrelationID != "flow-2" || last.AskedFor != "" || !last.Read.Complete {
		t.Errorf("the last: %+v", last)
	}
	r := s.run(t.Context(), "", "trace", "flow-0")
	check(t, wrong{exit: 3, code: "OMB-0311", says: "9 records of 6 topics, written since", advice: "omnibus trace flow-0 --since 7d"}, r)
	r = s.run(t.Context(), "", "trace", "flow-0", "--since", "earliest")
	check(t, wrong{exit: 3, code: "OMB-0311", says: "9 records of 6 topics\n", advice: "omnibus trace --last"}, r)
	r = newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t)).run(t.Context(), "", "trace", "--last")
	check(t, wrong{exit: 3, code: "OMB-0312", says: "no topic holds one", advice: "omnibus publish"}, r)
}

// The commands that a trace names do what they say, and the trace shows it.
func TestTraceLeadsToTheRetry(t *testing.T) {
	s := filled(t)
	before := s.trace(t, "flow-2")
	if len(before.Next) != 2 || before.Failed != 1 {
		t.Fatalf("%d failed, next %q", before.Failed, before.Next)
	}
	s.must(t, "", strings.Fields(before.Next[0])[1:]...)
	s.must(t, "", s.planned(t, strings.Fields(before.Next[1])[1:]...)...)
	after := s.trace(t, "flow-2")
	if len(after.Next) != 0 || after.Failed != 0 || len(after.Tree) != 1 {
		t.Fatalf("%+v", after)
	}
	root := after.Tree[0]
	if len(root.DeadLetters) != 1 || root.DeadLetters[0].State != "sent" || len(root.Copies) != 1 || root.Copies[0].Redrives != 1 || root.Copies[0].Target != "picky" {
		t.Errorf("%+v", root)
	}
	if tree := s.must(t, "", "trace", "flow-2"); !strings.Contains(tree, "↻ sent again to group picky") {
		t.Errorf("the tree does not show it:\n%s", tree)
	}
}

// Interrupted, it shows what it has found, and says that this is not all.
func TestTraceThatIsInterruptedShowsWhatItHas(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	events := make([]bus.Outgoing, 5000)
	for i := range events {
		events[i] = bus.Outgoing{Payload: intelligence.QualityAssessed{EntityID: "doc-1", QualityScore: 1}}
	}
	if _, err := openBus(t, addr).PublishAll(event.WithCorrelation(t.Context(), "flow-1"), events...); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs strings.Builder
	now := time.Now()
	p := cli.Process{
		Args: []string{"trace", "flow-1", "--since", "earliest"}, Stdout: &out, Environ: s.env, Dir: s.dir,
		Now: func() time.Time { now = now.Add(time.Minute); return now }, // so that it takes long, and tells how far it is
		Stderr: writerFunc(func(b []byte) (int, error) {
			stop()
			return errs.Write(b)
		}),
	}
	code := p.Run(ctx)
	if code != 130 || !strings.HasPrefix(errs.String(), "read 1000, ") || !strings.Contains(errs.String(), "note: interrupted after 1000 records: there may be more") {
		t.Errorf("exit %d, it says\n%s", code, &errs)
	}
	if !strings.HasPrefix(out.String(), "correlation flow-1 · 1000 events") {
		t.Errorf("it shows\n%.500s", out.String())
	}
}

// Watched, a flow goes on line by line: what comes of it, and what fails.
func TestTraceGoesOnWithWhatComes(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	b := openBus(t, addr)
	flow := event.WithCorrelation(t.Context(), "flow-1")
	if _, err := b.Publish(flow, intelligence.QualityAssessed{EntityID: "doc-1", QualityScore: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := make(chan string)
	code := make(chan int, 1)
	go func() { code <- s.follow(ctx, seen, "trace", "flow-1", "--watch") }()
	until := func(want string) {
		t.Helper()
		for {
			select {
			case text := <-seen:
				if strings.Contains(text, want) {
					return
				}
				if strings.Contains(text, "p5@1") {
					t.Errorf("it shows an event of another flow: %q", text)
				}
			case c := <-code:
				t.Fatalf("it ended with %d before it showed %q", c, want)
			}
		}
	}
	until("p5@0")
	if _, err := b.Publish(event.WithCorrelation(t.Context(), "flow-2"), intelligence.QualityAssessed{EntityID: "doc-1", QualityScore: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(flow, intelligence.QualityAssessed{EntityID: "doc-1", QualityScore: 1}); err != nil {
		t.Fatal(err)
	}
	until("intelligence.event.quality_assessed.v1  cli-test → p5@2")
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		refuse := bus.Handle(func(context.Context, bus.Event[intelligence.QualityAssessed]) error {
			return bus.Permanent(errors.New("no"))
		})
		if err := b.Consume(ctx, bus.Consumer{Group: "picky"}, refuse); err != nil {
			t.Error(err)
		}
	})
	until("✗ group picky · attempt 1 · permanent: no")
	stop()
	if got := <-code; got != 130 {
		t.Errorf("interrupted, it exits with %d, want 130", got)
	}
}
