package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/cli"
)

// TestEveryCommandPrintsOneJSONDocument walks the whole tree: a command that is added needs a line here.
func TestEveryCommandPrintsOneJSONDocument(t *testing.T) {
	s := filled(t)
	s.env = append(s.env, "SCHEMA_REGISTRY_URL="+startRegistry(t, s.broker()))
	_, runnable := cli.Commands() // in the order of their names
	lines := commandLines(t, runnable)
	plan := s.planned(t, "dlq", "retry", assessed)
	var exported struct{ Value json.RawMessage }
	if err := json.Unmarshal([]byte(s.must(t, "", "dlq", "export")), &exported); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"good.json": strings.Replace(string(exported.Value), ":0.5", ":0.75", 1), "empty.ndjson": ""} {
		if err := os.WriteFile(filepath.Join(s.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if i := slices.Index(runnable, "demo"); i >= 0 { // last, as it leaves dead letters of its own
		runnable = append(slices.Delete(runnable, i, i+1), "demo")
	}
	for _, path := range runnable {
		t.Run(strings.ReplaceAll(path, " ", "_"), func(t *testing.T) {
			line, ok := lines[path]
			if !ok {
				t.Fatalf("no line for %q in this test", path)
			}
			args := append(strings.Fields(strings.ReplaceAll(line, "JOB", plan[len(plan)-1])), "-o", "json")
			var out string
			switch path {
			case "up", "run": // they run until they are told to stop
				out = s.untilDocument(t, args...)
			case "tail":
				out = s.interrupted(t, 3, args...)
			case "status", "fault add", "fault list", "fault clear":
				r := s.run(t.Context(), "", args...)
				if r.code != 3 || r.out != "" {
					t.Fatalf("exit %d, output %q; want 3 and none, as nothing runs", r.code, r.out)
				}
				out = r.stderr
			case "bench", "catalog drift": // whether the targets are met depends on the machine, and there is drift
				out = s.run(t.Context(), "", args...).out
			case "dlq release": // nobody is there to do it
				r := s.run(t.Context(), "", args...)
				if r.code != 9 {
					t.Fatalf("exit %d, want 9\n%s", r.code, r.stderr)
				}
				out = r.out
			default:
				out = s.must(t, "", args...)
			}
			if err := cli.CheckOutput([]byte(out)); err != nil {
				t.Errorf("not what its schema says: %v", err)
			}
			var doc map[string]any
			if err := json.Unmarshal([]byte(out), &doc); err != nil {
				t.Fatalf("not one JSON document: %v\n%s", err, out)
			}
			want := "omnibus." + strings.ReplaceAll(path, " ", ".") + "/v1"
			switch path {
			case "tail":
				want = "omnibus.consume/v1"
			case "status", "fault add", "fault list", "fault clear":
				want = "omnibus.error/v1"
			}
			if doc["schema"] != want {
				t.Errorf("schema is %v, want %q", doc["schema"], want)
			}
		})
	}
	if len(runnable) != len(lines) {
		t.Errorf("%d commands, and %d lines in this test", len(runnable), len(lines))
	}
}

// commandLines reads testdata/json_commands.txt: a line for each command, by the command's name.
func commandLines(t *testing.T, names []string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "json_commands.txt"))
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := filepath.Abs(filepath.Join("..", "..", "schemas"))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(strings.NewReplacer("SCHEMAS", schemas, "SNAPSHOT", snapshot, "ASSESSED", assessed, "VALIDATE", validate).Replace(string(b))) {
		line = strings.TrimSpace(line)
		name := ""
		for _, n := range names {
			if len(n) > len(name) && strings.HasPrefix(line+" ", n+" ") {
				name = n
			}
		}
		if name == "" || lines[name] != "" {
			t.Errorf("%q is no command, or it is there twice", line)
		}
		lines[name] = line
	}
	return lines
}

// untilDocument runs a command that stays, and stops it once it has printed its document.
func (s shell) untilDocument(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := make(chan string)
	code := make(chan int, 1)
	go func() { code <- s.follow(ctx, seen, args...) }()
	select {
	case out := <-seen:
		stop()
		if c := <-code; c != 0 {
			t.Errorf("told to stop, it exits with %d, want 0", c)
		}
		return out
	case c := <-code:
		t.Fatalf("omnibus %s: exit %d: %s", strings.Join(args, " "), c, s.run(t.Context(), "", args...).stderr)
		return ""
	}
}

// interrupted runs a command that stays, interrupts it after some lines, and returns all that it wrote.
func (s shell) interrupted(t *testing.T, lines int, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out strings.Builder
	code := s.into(ctx, writerFunc(func(p []byte) (int, error) {
		n, err := out.Write(p)
		if strings.Count(out.String(), "\n") >= lines {
			stop()
		}
		return n, err
	}), args...)
	if code != 130 {
		t.Errorf("interrupted, it exits with %d, want 130", code)
	}
	return out.String()
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestErrorsAreJSONWhereTheOutputIs(t *testing.T) {
	s := newShell(t)
	for _, line := range []string{"catalog show nothing -o json", "nonsense -o json", "topics list -o json --bogus", "catalog list -o json --timeout x"} {
		r := s.run(t.Context(), "", strings.Fields(line)...)
		var doc struct {
			Error struct {
				Code, Message, Hint string
				Exit                int
			}
		}
		if err := json.Unmarshal([]byte(r.stderr), &doc); err != nil {
			t.Errorf("omnibus %s: the error is not JSON: %v\n%s", line, err, r.stderr)
			continue
		}
		if r.out != "" || doc.Error.Exit != r.code || !strings.HasPrefix(doc.Error.Code, "OMB-") || doc.Error.Message == "" || doc.Error.Hint == "" {
			t.Errorf("omnibus %s: exit %d, %+v, output %q", line, r.code, doc.Error, r.out)
		}
	}
}
