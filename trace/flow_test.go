package trace_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/trace"
)

// drawn makes any records of one flow: causes in circles, ids twice, dead letters of what is not there, clocks that differ.
func drawn(t *rapid.T) []bus.Record {
	var l log
	types := []event.Topic{validate, validated, assessed, indexed}
	name := rapid.SampledFrom(strings.Split("abcdefgh", ""))
	cause := rapid.SampledFrom(append(strings.Split("abcdefghxy", ""), "", "", ""))
	for range rapid.IntRange(0, 12).Draw(t, "events") {
		r := l.event(rapid.SampledFrom(types).Draw(t, "type"), name.Draw(t, "name"), cause.Draw(t, "cause"),
			rapid.IntRange(0, 50).Draw(t, "ms"), rapid.SampledFrom([]string{"s", "t"}).Draw(t, "service"))
		record := *r
		switch rapid.IntRange(0, 4).Draw(t, "fate") {
		case 0:
			l.dead(record, "x", rapid.IntRange(0, 99).Draw(t, "failed"), 3, 0)
		case 1:
			d := *l.dead(record, "x", rapid.IntRange(0, 99).Draw(t, "failed"), 3, 0)
			l.again(d, rapid.SampledFrom([]string{"x", ""}).Draw(t, "target"), rapid.IntRange(0, 99).Draw(t, "again"), 1)
		case 2: // only its dead letter is left
			l.records = l.records[:len(l.records)-1]
			l.dead(record, "y", rapid.IntRange(0, 99).Draw(t, "failed"), 0, 0)
		}
	}
	return l.records
}

func TestBuildPutsEveryEventOnceWhereItBelongs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawn(t)
		f := trace.Build("flow-1", records)
		if again := trace.Build("flow-1", rapid.Permutation(records).Draw(t, "order")); cmp.Diff(f, again) != "" {
			t.Fatalf("in another order:\n%s", cmp.Diff(f, again))
		}
		nodes := map[event.ID]*trace.Node{}
		rows, events, failed := 0, 0, 0
		f.All(func(n, parent *trace.Node, depth int) {
			if nodes[n.ID] != nil {
				t.Fatalf("%s is there twice", n.ID)
			}
			nodes[n.ID] = n
			rows += len(n.Copies) + len(n.Dead)
			if n.At != nil {
				rows++
			}
			if !n.Missing {
				events++
			}
			if n.Failed() {
				failed++
			}
			if (parent == nil) != (n.Link == trace.Root) || (parent == nil) != (depth == 0) {
				t.Fatalf("link %q at depth %d", n.Link, depth)
			}
			if n.Link == trace.ByCausation && parent.ID != n.CausationID {
				t.Fatal("an event is below another one than its cause")
			}
			if n.Ahead > 0 && n.Ahead != parent.Time.Sub(n.Time) {
				t.Fatalf("ahead by %v", n.Ahead)
			}
			if n.Time.Before(f.Began) || n.Time.After(f.Ended) {
				t.Fatal("an event outside of the flow's time")
			}
		})
		if rows != len(records) || events != f.Events || failed != f.Failed {
			t.Fatalf("%d records, %d events, %d failed; the tree has %d, %d, %d", len(records), f.Events, f.Failed, rows, events, failed)
		}
		for _, r := range records {
			if e, err := event.Decode(r.Value); err != nil || nodes[e.ID] == nil {
				t.Fatalf("%s is not in the tree: %v", e.ID, err)
			}
		}
	})
}

// count sums up what a flow stands for.
func count(f *trace.Flow) (nodes, events, dead int) {
	f.All(func(n, _ *trace.Node, _ int) {
		nodes++
		events += n.Count + n.Hidden
		for _, d := range n.Dead {
			dead += d.Count
		}
	})
	return nodes, events, dead
}

func TestCollapseLosesNothingAndKeepsToItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := trace.Build("flow-1", drawn(t))
		before := outline(f)
		nodes, events, dead := count(f)
		most := rapid.IntRange(1, 12).Draw(t, "most")
		small := f.Collapse(most)
		n, e, d := count(small)
		if e != events || d > dead || n > nodes {
			t.Fatalf("%d events became %d, %d dead letters %d", events, e, dead, d)
		}
		if n > max(most, len(small.Roots)) {
			t.Fatalf("%d nodes of at most %d", n, most)
		}
		if len(small.Roots) > 10 { // a type, a service, and what is missing
			t.Fatalf("%d roots", len(small.Roots))
		}
		depth := rapid.IntRange(1, 4).Draw(t, "depth")
		f.Cut(depth).All(func(_, _ *trace.Node, at int) {
			if at >= depth {
				t.Fatalf("a node at %d of %d", at, depth)
			}
		})
		if _, e, _ := count(f.Cut(depth)); e != events {
			t.Fatalf("%d events became %d", events, e)
		}
		if after := outline(f); after != before {
			t.Fatalf("the flow itself changed:\n%s\nwas\n%s", after, before)
		}
	})
}

// A handler that publishes many, and a chain that goes on and on.
func TestCollapseOfManyAndOfALongChain(t *testing.T) {
	var l log
	l.event(validate, "a", "", 0, "claude")
	for i := range 2000 {
		r := *l.event(assessed, "b"+strconv.Itoa(i), "a", 1+i, "archon")
		if i%2 == 0 {
			l.event(indexed, "c"+strconv.Itoa(i), "b"+strconv.Itoa(i), 2+i, "search")
		}
		if i < 3 {
			l.dead(r, "x", 5000, 3, 0)
		}
	}
	cause := "a"
	for i := range 2000 {
		name := "d" + strconv.Itoa(i)
		l.event(validate, name, cause, 6000+i, "loop")
		cause = name
	}
	f := trace.Build("flow-1", l.records)
	want := `5001 events, 3 failed, [archon claude loop search], 7.999s
a 0s, unanswered
  b0 1ms, ×2000; dead in x at attempt 4, 5s ×3
    c0 2ms, ×1000
  d0 6s, unanswered, ×2000
`
	if diff := cmp.Diff(want, outline(f.Collapse(200), "a", "b0", "c0", "d0")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if many := f.Collapse(200).Roots[0].Children[0]; many.Until.Sub(began) != 2*time.Second {
		t.Errorf("the last of many is at %v", many.Until.Sub(began))
	}
	if nodes, _, _ := count(f.Collapse(0)); nodes != 5001 {
		t.Errorf("without a limit %d nodes are left", nodes)
	}
	want = "5001 events, 3 failed, [archon claude loop search], 7.999s\na 0s, unanswered, hides 5000\n"
	if diff := cmp.Diff(want, outline(f.Cut(1), "a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGraphs(t *testing.T) {
	var l log
	l.event(validate, "a", "", 0, "claude")
	b := *l.event(assessed, "b", "a", 1, "archon")
	l.event(validated, "c", "", 30, "archon")
	l.event(indexed, "d", "x", 5, "search")
	l.dead(b, "g", 40, 3, 0)
	f := trace.Build("flow-1", l.records)
	wantDOT := `digraph flow {
  rankdir=LR
  node [shape=box, fontname="sans-serif"]
  n0 [label="codegen.request.validate.v1\nclaude, 0s"]
  n1 [label="intelligence.event.quality_assessed.v1\narchon, 1ms"]
  n0 -> n1
  n1d0 [label="group g\npermanent at attempt 4\nno such entity", color=red, fontcolor=red]
  n1 -> n1d0
  n2 [label="codegen.response.validate.v1\narchon, 30ms"]
  n0 -> n2 [style=dashed]
  n3 [label="` + id("x").String() + `\nnot found", style=dashed]
  n4 [label="search.event.document_indexed.v1\nsearch, 5ms"]
  n3 -> n4
}
`
	if diff := cmp.Diff(wantDOT, f.DOT()); diff != "" {
		t.Errorf("DOT (-want +got):\n%s", diff)
	}
	wantMermaid := `flowchart LR
  n0["codegen.request.validate.v1<br/>claude, 0s"]
  n1["intelligence.event.quality_assessed.v1<br/>archon, 1ms"]
  n0 --> n1
  n1d0["group g<br/>permanent at attempt 4<br/>no such entity"]:::failure
  n1 --> n1d0
  n2["codegen.response.validate.v1<br/>archon, 30ms"]
  n0 -.-> n2
  n3["` + id("x").String() + `<br/>not found"]:::absent
  n4["search.event.document_indexed.v1<br/>search, 5ms"]
  n3 --> n4
  classDef absent stroke-dasharray: 5 5
  classDef failure stroke:#c00,color:#c00
`
	if diff := cmp.Diff(wantMermaid, f.Mermaid()); diff != "" {
		t.Errorf("Mermaid (-want +got):\n%s", diff)
	}
}

// hostile is text that means something in one language or another.
func hostile() []string {
	return []string{
		`"]; n0 -> evil [label="`, `a\`, `\"`, "a\nb", "a\r\n  n9 --> n0", "\x1b[31mred", `<img src=x onerror=alert(1)>`, `&lt;script&gt;`, "`code`",
		`"]:::failure`, "%%{init: {}}%%", "end", `click n0 "javascript:alert(1)"`, "]]", "#quot;", "\u202egnp", "\x00", `\N\G`,
	}
}

// Every line of a graph is one of ours, whatever is in the records, and no payload is in it.
func TestGraphsAreNotBrokenByWhatIsInRecords(t *testing.T) {
	for _, evil := range hostile() {
		var l log
		hs := []bus.Header{
			{Name: "omnibus-correlation-id", Value: []byte("flow-1")},
			{Name: "omnibus-event-id", Value: []byte(id("h").String())},
			{Name: "omnibus-event-type", Value: []byte(evil)},
		}
		l.append(assessed, 0, []byte("{broken"), hs...)
		a := *l.event(assessed, "a", "", 1, evil+" ")
		l.dead(a, evil, 2, 3, 0)
		f := trace.Build("flow-1", l.records)
		for language, check := range map[string]func(string) error{f.DOT(): checkDOT, f.Mermaid(): checkMermaid} {
			if err := check(language); err != nil {
				t.Errorf("%q: %v\n%s", evil, err, language)
			}
			if strings.Contains(language, "hunter2") {
				t.Errorf("a payload is in\n%s", language)
			}
		}
	}
}

// checkDOT reads what DOT writes: a line is a node with one quoted label, or an arrow, or one of the frame.
func checkDOT(text string) error {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines[3 : len(lines)-1] {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "  "), ` [label="`)
		if !ok {
			name, rest, _ = strings.Cut(name, " -> ")
			if !plainName(name) || !plainName(strings.TrimSuffix(rest, " [style=dashed]")) {
				return fmt.Errorf("%q is no arrow", line)
			}
			continue
		}
		i := 0
		for ; i < len(rest) && rest[i] != '"'; i++ {
			if rest[i] == '\\' {
				if i++; i == len(rest) || !strings.ContainsRune(`\"n`, rune(rest[i])) {
					return fmt.Errorf("%q has an escape that is not ours", line)
				}
			}
			if rest[i] < ' ' {
				return fmt.Errorf("%q has a control character", line)
			}
		}
		if end := rest[min(i, len(rest)):]; !plainName(name) || end != `"]` && end != `", style=dashed]` && end != `", color=red, fontcolor=red]` {
			return fmt.Errorf("%q is no node", line)
		}
	}
	return nil
}

// checkMermaid reads what Mermaid writes, likewise.
func checkMermaid(text string) error {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines[1 : len(lines)-2] {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "  "), `["`)
		if !ok {
			name, rest, _ = strings.Cut(strings.Replace(name, "-.->", "-->", 1), " --> ")
			if !plainName(name) || !plainName(rest) {
				return fmt.Errorf("%q is no arrow", line)
			}
			continue
		}
		label, class, _ := strings.Cut(rest, `"]`)
		if !plainName(name) || class != "" && class != ":::absent" && class != ":::failure" {
			return fmt.Errorf("%q is no node", line)
		}
		if label = strings.ReplaceAll(label, "<br/>", ""); strings.ContainsAny(label, "\"<>&`%\\[](){}|~\x00\x1b") {
			return fmt.Errorf("%q has a character that means something", line)
		}
	}
	return nil
}

func plainName(s string) bool {
	return strings.HasPrefix(s, "n") && strings.Trim(s, "nd0123456789") == ""
}
