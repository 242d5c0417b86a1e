//go:build parts

package readme

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// outcome is what a program did.
type outcome struct {
	code        int
	out, stderr string
}

// run runs a program in a directory, with the environment that the command has.
func (r reader) run(t *testing.T, dir, stdin, name string, args ...string) outcome {
	t.Helper()
	cmd := r.command(t, name, args...)
	return runIn(t, cmd, dir, stdin)
}

func runIn(t *testing.T, cmd *exec.Cmd, dir, stdin string) outcome {
	t.Helper()
	var out, stderr strings.Builder
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, strings.NewReader(stdin), &out, &stderr
	err := cmd.Run()
	if exited := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

const (
	scored    = "omninode.intelligence.event.quality_assessed.v1"
	validated = "omninode.codegen.request.validate.v1"
)

// The lines of the quick reference's own scripts, in a directory that is not the module's.
func TestScriptsPublishAndConsume(t *testing.T) {
	r := newReader(t)
	publish := filepath.Join(r.root, "scripts", "publish_event.sh")
	consume := filepath.Join(r.root, "scripts", "consume_events.sh")
	dir := t.TempDir()

	got := r.run(t, dir, "", publish, "--topic", validated, "--payload", `{"code":"class Test: pass"}`, "--correlation-id", "abc-123")
	if got.code != 0 || !strings.Contains(got.out, "correlation_id  abc-123") {
		t.Errorf("publish_event.sh: exit %d\n%s%s", got.code, got.out, got.stderr)
	}
	got = r.run(t, dir, "", consume, "--topic", validated, "--group", "test-consumer")
	for _, want := range []string{"abc-123", `"code_content": "class Test: pass"`, `"node_type": "effect"`} {
		if got.code != 0 || !strings.Contains(got.out, want) {
			t.Errorf("consume_events.sh: exit %d, want %s in\n%s%s", got.code, want, got.out, got.stderr)
		}
	}
	if again := r.run(t, dir, "", consume, "--topic", validated, "--group", "test-consumer", "--offset", "earliest"); again.code != 0 || again.out != "" {
		t.Errorf("consume_events.sh prints what its group has seen: exit %d\n%s%s", again.code, again.out, again.stderr)
	}
	if wrong := r.run(t, dir, "", publish, "--topic", scored, "--payload", `{}`); wrong.code != 7 {
		t.Errorf("publish_event.sh of a payload that breaks its schema: exit %d, want 7\n%s", wrong.code, wrong.stderr)
	}
}

func TestScriptReprocessesDeadLetters(t *testing.T) {
	r := newReader(t)
	dir := t.TempDir()
	reprocess := []string{filepath.Join(r.root, "scripts", "reprocess_dlq.py"), "--dlq-topic", validated + ".dlq"}

	if got := r.run(t, dir, "", "python3", reprocess...); got.code != 3 {
		t.Errorf("with no dead letters: exit %d, want 3\n%s", got.code, got.stderr)
	}
	failing := r.run(t, dir, "", filepath.Join(r.bin, "quickreference"), "fail")
	if failing.code != 0 {
		t.Fatalf("no dead letter was made: %s", failing.stderr)
	}

	got := r.run(t, dir, "", "python3", append(reprocess, "--limit", "100")...)
	lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
	last := lines[len(lines)-1]
	if got.code != 9 || !strings.HasPrefix(last, "omnibus dlq retry --execute --plan ") {
		t.Fatalf("exit %d, want 9 and the command as the last line\n%s%s", got.code, got.out, got.stderr)
	}
	if !strings.Contains(got.stderr, "omnibus dlq retry "+validated+".dlq --max 100") {
		t.Errorf("it does not say how this is written now:\n%s", got.stderr)
	}
	// The same on a terminal, where somebody says no, and then yes.
	inTerminal := append([]string{"-c", "import os, pty, sys\nsys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))", "python3"}, reprocess...)
	if no := r.run(t, dir, "n\n", "python3", inTerminal...); no.code != 0 || !strings.Contains(no.out, "nothing was done") {
		t.Errorf("answered no: exit %d\n%s%s", no.code, no.out, no.stderr)
	}
	if yes := r.run(t, dir, "y\n", "python3", inTerminal...); yes.code != 0 || !strings.Contains(yes.out, "sent          1") {
		t.Errorf("answered yes: exit %d\n%s%s", yes.code, yes.out, yes.stderr)
	}
	if later := r.run(t, dir, "", "bash", "-c", last); later.code != 0 {
		t.Errorf("%s: exit %d\n%s", last, later.code, later.stderr)
	}
}

// The scripts look for the binary in $OMNIBUS, beside themselves and in the PATH, and say how to build it where there is none.
func TestScriptsFindTheBinary(t *testing.T) {
	here := t.TempDir()
	if err := os.CopyFS(filepath.Join(here, "scripts"), os.DirFS(filepath.Join(root, "scripts"))); err != nil {
		t.Fatal(err)
	}
	says := func(dir, word string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(here, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(here, dir, "omnibus")
		if err := os.WriteFile(name, []byte("#!/bin/sh\necho "+word+" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	run := func(script []string, env ...string) outcome {
		t.Helper()
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), script[0], append(script[1:], "--flag", "two words")...)
		cmd.Env = append(os.Environ(), env...)
		return runIn(t, cmd, t.TempDir(), "")
	}
	search := "PATH=" + filepath.Join(here, "path") + string(os.PathListSeparator) + os.Getenv("PATH")
	scripts := map[string][]string{
		"publish":   {"bash", filepath.Join(here, "scripts", "publish_event.sh")},
		"consume":   {"bash", filepath.Join(here, "scripts", "consume_events.sh")},
		"dlq retry": {"python3", filepath.Join(here, "scripts", "reprocess_dlq.py")},
	}
	expect := func(who string, env ...string) {
		t.Helper()
		for command, script := range scripts {
			want := outcome{0, who + " " + command + " --flag two words\n", ""}
			if got := run(script, env...); got != want {
				t.Errorf("%s: %+v, want %+v", script[1], got, want)
			}
		}
	}
	for _, script := range scripts {
		if got := run(script, "OMNIBUS="); got.code != 127 || !strings.Contains(got.stderr, "build it: cd ") {
			t.Errorf("%s without a binary: %+v", script[1], got)
		}
		if got := run(script, "OMNIBUS=/nowhere/omnibus"); got.code != 127 || !strings.Contains(got.stderr, "/nowhere/omnibus") || strings.Contains(got.stderr, "Traceback") {
			t.Errorf("%s with a binary that is not there: %+v", script[1], got)
		}
	}
	says("path", "path")
	expect("path", "OMNIBUS=", search)
	says("bin", "bin")
	expect("bin", "OMNIBUS=", search)
	expect("chosen", "OMNIBUS="+says("other", "chosen"), search)
}
