package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// step is one thing to check.
type step struct {
	name  string
	alone string // the command that runs it alone
	run   func(ctx context.Context, w io.Writer) error
}

// runSteps runs steps in order, or those of them that are named, and stops at the first that fails.
func runSteps(ctx context.Context, w io.Writer, steps []step, only []string) error {
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.name
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%q is none of the steps %s", name, strings.Join(names, " "))
		}
	}
	out := &printer{w: w}
	begin := time.Now()
	for _, s := range steps {
		if len(only) > 0 && !slices.Contains(only, s.name) {
			continue
		}
		out.printf("\n== %s: %s\n", s.name, s.alone)
		start := time.Now()
		err := s.run(ctx, w)
		took := time.Since(start).Round(100 * time.Millisecond)
		if err != nil {
			out.printf("== %s failed after %s\n", s.name, took)
			return fmt.Errorf("%s: %w; to run it alone: %s", s.name, err, s.alone)
		}
		out.printf("== %s passed in %s\n", s.name, took)
	}
	out.printf("\nall passed in %s\n", time.Since(begin).Round(time.Second))
	return out.err
}

// command is a program with its environment and directory.
type command struct {
	args []string
	env  []string // added to ours
	dir  string   // default: the root of the module
}

func goCommand(args ...string) command { return command{args: append([]string{"go"}, args...)} }

func goTool(args ...string) command {
	return goCommand(append([]string{"tool", "-modfile=tools.mod"}, args...)...)
}

// String returns the line for a shell.
func (c command) String() string {
	var b strings.Builder
	if c.dir != "" {
		b.WriteString("cd " + c.dir + " && ")
	}
	for _, word := range slices.Concat(c.env, c.args) {
		if strings.ContainsAny(word, " ^$*|") {
			word = "'" + word + "'"
		}
		b.WriteString(word + " ")
	}
	return strings.TrimSpace(b.String())
}

func (c command) run(ctx context.Context, w io.Writer) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = w, w
	// An interrupt lets "go test" end the test program, which a kill would leave behind.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}

// silent runs c, which fails if it prints anything.
func (c command) silent(ctx context.Context, w io.Writer) error {
	var out bytes.Buffer
	if err := c.run(ctx, io.MultiWriter(w, &out)); err != nil {
		return err
	}
	if out.Len() > 0 {
		return errors.New("it printed the above")
	}
	return nil
}

// testing runs c, a "go test -run" that fails if no test has that name: a suite must not pass by having moved away.
func (c command) testing(ctx context.Context, w io.Writer) error {
	var out bytes.Buffer
	if err := c.run(ctx, io.MultiWriter(w, &out)); err != nil {
		return err
	}
	if bytes.Contains(out.Bytes(), []byte("no tests to run")) || bytes.Contains(out.Bytes(), []byte("no test files")) {
		return errors.New("no test ran")
	}
	return nil
}

// output runs c and returns what it prints, in lines.
func (c command) output(ctx context.Context) ([]string, error) {
	var out bytes.Buffer
	if err := c.run(ctx, &out); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", c, err, out.Bytes())
	}
	return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' }), nil
}

func stepOf(name string, c command) step {
	return step{name: name, alone: c.String(), run: c.run}
}

// printer keeps the first error of writing.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format, args...); p.err == nil {
		p.err = err
	}
}
