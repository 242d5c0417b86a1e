package cli_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
)

// declaredCodes reads the codes from the source, so that a new one cannot be left out.
func declaredCodes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "code" {
			n, err := strconv.Atoi(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("OMB-%04d", n))
		}
		return true
	})
	return out
}

// TestEveryCodeIsExplainedAndReached: a code needs pages/codes/OMB-NNNN.md with an example, and a test that expects it.
func TestEveryCodeIsExplainedAndReached(t *testing.T) {
	s := newShell(t)
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "testdata/script/*.txtar", "testdata/output/*_error_json.golden"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			tests.WriteString(readText(t, f))
		}
	}
	codes := declaredCodes(t)
	if len(codes) < 40 {
		t.Fatalf("found only %d codes in errors.go", len(codes))
	}
	for _, code := range codes {
		r := s.run(t.Context(), "", "explain", code)
		if r.code != 0 || !strings.HasPrefix(r.out, code+": ") || !strings.Contains(r.out, "    error["+code+"]: ") || !strings.Contains(r.out, "\nWhat to do\n") {
			t.Errorf("explain %s: exit %d, want a page with an example and what to do\n%s%s", code, r.code, r.out, r.stderr)
		}
		if _, do, _ := strings.Cut(r.out, "\nWhat to do\n"); !strings.Contains(do, "omnibus") {
			t.Errorf("explain %s names no command that helps", code)
		}
		b, err := os.ReadFile(filepath.Join("pages", "codes", code+".md"))
		if err != nil {
			t.Errorf("%v: write this page, and run TestPages and TestErrorReference with -update", err)
			continue
		}
		page := string(b)
		if !strings.Contains(tests.String(), code) && !strings.Contains(page, "```console\n") {
			t.Errorf("no test expects %s", code)
		}
	}
	var doc struct{ Codes []struct{ Code string } }
	if err := json.Unmarshal([]byte(s.must(t, "", "explain", "-o", "json")), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Codes) != len(codes) {
		t.Errorf("%d codes, and %d pages", len(codes), len(doc.Codes))
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var console = regexp.MustCompile("(?s)```console\n(.*?)```")

// TestPagesShowWhatTheProgramSays runs the examples of the pages, and writes what is below them.
func TestPagesShowWhatTheProgramSays(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	files, err := filepath.Glob("pages/codes/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".md"), func(t *testing.T) {
			text := readText(t, file)
			got := console.ReplaceAllStringFunc(text, func(block string) string {
				var out strings.Builder
				for line := range strings.Lines(block) {
					if command, ok := strings.CutPrefix(line, "$ "); ok {
						out.WriteString(line + s.screen(t, strings.TrimSpace(command), addr))
					}
				}
				return "```console\n" + out.String() + "```"
			})
			switch {
			case got == text:
			case *update:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("the program says now\n%s", got)
			}
		})
	}
}

// screen runs a line as it is typed, and returns what is on the screen afterwards.
func (s shell) screen(t *testing.T, line, addr string) string {
	t.Helper()
	words := shellWords(line)
	for len(words) > 0 && strings.Contains(words[0], "=") {
		s.env = append(slices.Clip(s.env), words[0])
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "omnibus" {
		t.Fatalf("%q does not run omnibus", line)
	}
	r := s.run(t.Context(), "", words[1:]...)
	return strings.NewReplacer(addr, "localhost:9092", s.dir, "/home/ann").Replace(r.out + r.stderr)
}

// shellWords cuts a line at blanks that are not between single quotes.
func shellWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 0 {
			words = append(words, strings.Fields(part)...)
		} else {
			words = append(words, part)
		}
	}
	return words
}

func TestExplainTellsAboutEverythingWithAName(t *testing.T) {
	s := newShell(t, "KAFKA_MAX_IN_FLIGHT=7")
	for _, c := range []struct{ subject, want string }{
		{"201", "OMB-0201: no such command"},
		{"omb-0201", "OMB-0201: no such command"},
		{"envelope.causation_id", "The `event_id` of the event that caused this one"},
		{"causation_id", "envelope.causation_id"},
		{"source.service", "The name of the publishing service"},
		{"envelope", "metadata.tenant_id"},
		{"omnibus-target-group", "to one consumer group"},
		{"KAFKA_MAX_IN_FLIGHT", "environment KAFKA_MAX_IN_FLIGHT"},
		{"BROKERS", "KAFKA_BOOTSTRAP_SERVERS"},
		{validate + ".dlq", "omnibus dlq show " + validate},
		{validate + ".code_content", "also     code\n"},
		{validate + ".code", "field    code_content\n"},
		{"quality_assessed.payload.quality_score", "allowed  from 0; up to 1\n"},
	} {
		if out := s.must(t, "", "explain", c.subject); !strings.Contains(out, c.want) {
			t.Errorf("explain %s lacks %q:\n%s", c.subject, c.want, out)
		}
	}
	golden(t, "output/explain_event", s.must(t, "", "explain", validate))
	golden(t, "output/explain_event_json", s.must(t, "", "explain", "quality_assessed", "-o", "json"))
	golden(t, "output/explain_code", s.must(t, "", "explain", "OMB-0301", "--color", "always"))
	golden(t, "output/explain_field", s.must(t, "", "explain", validate+".node_type"))
}

// TestPublishCommandOfEveryEventTypeWorks: what "explain" says to paste is taken by a broker.
func TestPublishCommandOfEveryEventTypeWorks(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9")
	b := startBroker(t)
	var list struct {
		Events []struct {
			Type string `json:"event_type"`
		}
	}
	if err := json.Unmarshal([]byte(s.must(t, "", "catalog", "list", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "KAFKA_BOOTSTRAP_SERVERS="+b)
	bus := openBus(t, b)
	for _, e := range list.Events {
		var doc struct {
			Event struct {
				Publish string
				Owner   string
				Fields  []struct{ Doc string }
			}
		}
		if err := json.Unmarshal([]byte(s.must(t, "", "explain", e.Type, "-o", "json")), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Event.Owner == "" || len(doc.Event.Fields) == 0 {
			t.Errorf("explain %s: no owner or no fields", e.Type)
		}
		if _, err := bus.EnsureTopics(t.Context(), event.Topic(e.Type)); err != nil {
			t.Fatal(err)
		}
		out := s.screen(t, strings.ReplaceAll(doc.Event.Publish, `'\''`, "’"), b)
		if !strings.Contains(out, e.Type) || strings.Contains(out, "error[") {
			t.Errorf("%s\n%s", doc.Event.Publish, out)
		}
	}
}

// TestEveryFieldAndHeaderOnTheWireIsExplained compares the pages with what is published and dead-lettered.
func TestEveryFieldAndHeaderOnTheWireIsExplained(t *testing.T) {
	full := event.Envelope{
		ID: event.NewID(), Type: validate, CorrelationID: "c", CausationID: event.NewID(), Time: time.Unix(0, 0), Version: "1.0.0",
		Source:   event.Source{Service: "s", Instance: "i", Host: "h"},
		Metadata: event.Metadata{TraceID: strings.Repeat("a", 32), SpanID: strings.Repeat("b", 16), UserID: "u", TenantID: "t", Extra: []byte(`{"x":1}`)},
		Payload:  []byte(`{"p":1}`),
	}
	b, err := full.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		t.Fatal(err)
	}
	s := filled(t)
	names := []string{}
	for name, v := range members {
		names = append(names, "envelope."+name)
		var inner map[string]json.RawMessage
		if name != "payload" && json.Unmarshal(v, &inner) == nil {
			for n := range inner {
				names = append(names, "envelope."+name+"."+n)
			}
		}
	}
	var records struct {
		Records []struct{ Headers []struct{ Name string } }
	}
	for _, topic := range []string{snapshot, assessed + ".dlq"} {
		if err := json.Unmarshal([]byte(s.must(t, "", "consume", topic, "-o", "json")), &records); err != nil {
			t.Fatal(err)
		}
		for _, r := range records.Records {
			for _, h := range r.Headers {
				if h.Name != "origin" { // the test's own
					names = append(names, h.Name)
				}
			}
		}
	}
	if len(names) < 40 {
		t.Fatalf("only %d names on the wire: %v", len(names), names)
	}
	for _, name := range names {
		if r := s.run(t.Context(), "", "explain", name); r.code != 0 {
			t.Errorf("explain %s: exit %d\n%s", name, r.code, r.stderr)
		}
	}
}

func TestExplainSaysWhatWasMeant(t *testing.T) {
	s := newShell(t)
	for _, c := range []struct{ subject, meant string }{
		{"OMB-0299", "did you mean OMB-02"},
		{"envelope.causaton_id", "did you mean envelope.causation_id?"},
		{"omnibus-targt-group", "did you mean omnibus-target-group?"},
		{"quality_asessed", "did you mean quality_assessed?"},
		{"KAFKA_MAX_INFLIGHT", "did you mean KAFKA_MAX_IN_FLIGHT?"},
		{"quality_assessed.quality_scor", "did you mean quality_score?"},
	} {
		r := s.run(t.Context(), "", "explain", c.subject)
		check(t, wrong{exit: 3, code: "OMB-0310", says: "", advice: c.meant}, r)
	}
}

// TestErrorReferenceIsThePages: docs/reference/errors.md is made of the pages.
func TestErrorReferenceIsThePages(t *testing.T) {
	var want strings.Builder
	want.WriteString("# Error codes\n\nMade of the pages of `omnibus explain CODE`; `go test ./internal/cli -run ErrorReference -update` writes it. The first two of the four digits are\n" +
		"the exit code. A code keeps its meaning for ever.\n")
	files, err := filepath.Glob("pages/codes/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text := strings.ReplaceAll(readText(t, f), "\n## What to do\n\n", "\n**What to do.** ")
		want.WriteString("\n#" + strings.ReplaceAll(text, "```console", "```text"))
	}
	reference(t, "errors.md", want.String())
}

// reference compares a page of docs/reference with what the code says it must be, or rewrites it.
func reference(t *testing.T, name, want string) {
	t.Helper()
	file := filepath.Join("..", "..", "docs", "reference", name)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, readText(t, file)); diff != "" {
		t.Errorf("docs/reference/%s differs from the code (-want +got; -update writes it):\n%s", name, diff)
	}
}
