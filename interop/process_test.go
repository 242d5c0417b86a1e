package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// run runs cmd to its end and returns what it prints.
func run(ctx context.Context, t *testing.T, cmd *exec.Cmd, in []byte) []byte {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &said
	out, err := cmd.Output()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s\nit printed %d lines, at last:\n%s", cmd, err, said.Bytes(), bytes.Count(out, []byte("\n")), out[max(0, len(out)-2000):])
	}
	return out
}

// process is a program that runs beside the test, until the test ends at the latest.
type process struct {
	cmd    *exec.Cmd
	lines  chan []byte // what it prints; closed at its end
	ignore func()      // what it prints from now on
	gone   chan struct{}

	// once it is gone
	err    error
	stderr bytes.Buffer
}

func spawn(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	ignored := make(chan struct{})
	p := &process{cmd: cmd, lines: make(chan []byte, 100), ignore: sync.OnceFunc(func() { close(ignored) }), gone: make(chan struct{})}
	cmd.Stderr = &p.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.gone)
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			select {
			case p.lines <- bytes.Clone(s.Bytes()):
			case <-ignored:
			}
		}
		p.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		p.ignore()
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-p.gone
		if t.Failed() {
			t.Logf("%s: %v", cmd, p.end())
		}
	})
	return p
}

// end says how the process ended, which it has.
func (p *process) end() string {
	<-p.gone
	return fmt.Sprintf("%v\n%s", p.err, p.stderr.Bytes())
}
