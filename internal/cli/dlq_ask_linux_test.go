package cli_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/omninode-ai/omnibus/internal/cli"
)

// terminal opens a pseudo terminal: what is written to ours is typed at theirs.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	control := func(request uintptr, arg *uint32) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, ours.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	var unlocked, number uint32
	control(syscall.TIOCSPTLCK, &unlocked)
	control(syscall.TIOCGPTN, &number)
	theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// typed runs a command line on a terminal where answer is typed, and returns what is seen there.
func (s shell) typed(t *testing.T, answer string, args ...string) (code int, seen string) {
	t.Helper()
	ours, theirs := terminal(t)
	if _, err := io.WriteString(ours, answer); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(&out, ours) }) // ends with an error once theirs is closed
	p := cli.Process{Args: args, Stdin: theirs, Stdout: theirs, Stderr: theirs, Environ: append([]string{"NO_COLOR=1"}, s.env...), Dir: s.dir}
	code = p.Run(context.WithoutCancel(t.Context()))
	if err := theirs.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	return code, strings.ReplaceAll(out.String(), "\r\n", "\n")
}

func TestTerminalIsAsked(t *testing.T) {
	c := newClinic(t)
	c.sicken(2, "doc-")
	id := c.letters()[0].ID
	for _, answer := range []string{"\n", "n\n", "what?\n"} {
		code, seen := c.typed(t, answer, "dlq", "retry", id)
		if code != 0 || !strings.Contains(seen, "do it? [y/N]") || !strings.Contains(seen, "nothing was done; later: omnibus dlq retry --execute --plan ") {
			t.Errorf("answered %q: exit %d\n%s", answer, code, seen)
		}
	}
	if states := c.states(); states["pending"] != 2 {
		t.Fatalf("states %v", states)
	}
	if code, seen := c.typed(t, "y\n", "dlq", "retry", id); code != 0 || !strings.Contains(seen, "sent          1") {
		t.Errorf("answered yes: exit %d\n%s", code, seen)
	}
	for _, wrong := range []string{"y\n", "1\n"} {
		if code, seen := c.typed(t, wrong, "dlq", "purge", "--state", "sent", "--state", "pending"); code != 0 || !strings.Contains(seen, "type 2, the number of dead letters, to purge them:") {
			t.Errorf("answered %q: exit %d\n%s", wrong, code, seen)
		}
	}
	if states := c.states(); states["purged"] != 0 {
		t.Fatalf("states %v", states)
	}
	if code, seen := c.typed(t, "2\n", "dlq", "purge", "--state", "sent", "--state", "pending"); code != 0 || c.states()["purged"] != 2 {
		t.Errorf("answered 2: exit %d\n%s", code, seen)
	}
	if code, seen := c.typed(t, "y\n", "dlq", "restore", "--state", "purged", "--no-input"); code != 9 {
		t.Errorf("with --no-input: exit %d\n%s", code, seen)
	}
}

func TestEditorIsOpened(t *testing.T) {
	c := newClinic(t)
	c.sicken(1, "doc-")
	id := c.letters()[0].ID
	editor := func(script string) {
		file := filepath.Join(c.dir, "editor")
		if err := os.WriteFile(file, fmt.Appendf(nil, "#!/bin/sh\n%s\n", script), 0o700); err != nil {
			t.Fatal(err)
		}
		c.env = append(c.env, "EDITOR="+file, "TMPDIR="+c.dir)
	}
	editor(`sed -i 's/"quality_score": 0.5/"quality_score": 50/' "$1"`)
	code, seen := c.typed(t, "", "dlq", "edit", id)
	command, ok := strings.CutPrefix(lastLine(seen), "omnibus ")
	if code != 7 || !ok || !strings.Contains(command, "--file ") {
		t.Fatalf("exit %d\n%s", code, seen)
	}
	if states := c.states(); states["pending"] != 1 {
		t.Errorf("what breaks the schema is kept as a draft: %v", states)
	}
	kept := strings.Fields(command)[len(strings.Fields(command))-1]
	b, err := os.ReadFile(kept)
	if err != nil || !strings.Contains(string(b), `"quality_score": 50`) {
		t.Errorf("what was typed is gone: %v\n%s", err, b)
	}
	editor(`sed -i 's/"quality_score": 0.5/"quality_score": 0.25/; s/"headers": \[/"headers": [{"name": "by", "value": "hand"}/' "$1"`)
	code, seen = c.typed(t, "", "dlq", "edit", id)
	if code != 0 || c.states()["draft"] != 1 || !strings.Contains(seen, "0.25") || !strings.Contains(seen, `"by"`) {
		t.Errorf("exit %d\n%s", code, seen)
	}
	editor("exit 3")
	if code, seen = c.typed(t, "", "dlq", "edit", id); code != 2 || !strings.Contains(seen, "OMB-0209") {
		t.Errorf("exit %d\n%s", code, seen)
	}
}

// On a terminal publish says how to look at what comes of it, and that command does; in a script it says nothing.
func TestTerminalIsToldHowToTraceWhatWasPublished(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	_, seen := s.typed(t, "", "publish", snapshot, scored("1"), "--correlation", "flow-7")
	command, ok := strings.CutPrefix(lastLine(seen), "what comes of it: omnibus ")
	if !ok {
		t.Fatalf("the last line is not about it:\n%s", seen)
	}
	if tree := s.must(t, "", strings.Fields(command)...); !strings.Contains(tree, "correlation flow-7 · 1 event ·") {
		t.Errorf("%s shows\n%s", command, tree)
	}
	if r := s.run(t.Context(), "", "publish", snapshot, scored("1")); r.stderr != "" {
		t.Errorf("a script is told\n%s", r.stderr)
	}
}
