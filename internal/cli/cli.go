// Package cli is the command line. One command is one file: its options, newXCmd, and a run function that gets a context
// and the options. What all commands share is here: settings, output, errors, the time grammar.
package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/omninode-ai/omnibus/registry/client"
)

// Process is what a run of the command line may touch. The zero value of each field but the streams has a default.
type Process struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string         // NAME=value; default: os.Environ()
	Dir            string           // where omnibus.yaml and relative paths are; default: the working directory
	Now            func() time.Time // default: time.Now
}

// Run runs one command line in the environment of this process and returns its exit code.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return Process{Args: args, Stdin: stdin, Stdout: stdout, Stderr: stderr}.Run(ctx)
}

// Run runs the command line and returns its exit code. Nothing that it started is alive afterwards, except for what
// "up --detach" leaves behind on purpose.
func (p Process) Run(ctx context.Context) int {
	if p.Environ == nil {
		p.Environ = os.Environ()
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	a := &app{
		args: p.Args, in: p.Stdin, out: &latched{w: p.Stdout}, err: p.Stderr,
		env: environmentOf(p.Environ), dir: p.Dir, now: p.Now, terminal: isTerminal(p.Stdout), log: slog.New(slog.DiscardHandler),
	}
	root := newRootCmd(a)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(a.out)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	if a.schemas != nil {
		a.schemas.Close()
	}
	switch {
	case errors.Is(a.out.err, syscall.EPIPE):
		return 0 // the reader has what it wanted
	case err == nil && a.out.err != nil:
		err = a.out.err
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	f := a.explain(err)
	a.printFailure(f)
	return f.code.exit()
}

// app is what commands share.
type app struct {
	args     []string
	in       io.Reader
	out      *latched
	err      io.Writer
	env      environment
	dir      string
	now      func() time.Time
	terminal bool // whether out is one
	log      *slog.Logger

	flags    globals
	settings settings
	format   format
	color    bool
	zone     *time.Location
	progress *progress // of what is running; notes take its line away
	schemas  *client.Client
}

// latched keeps the first error of its writer, so that a broken pipe is noticed wherever it happened.
type latched struct {
	w   io.Writer
	err error
}

func (l *latched) Write(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.w.Write(p)
	l.err = err
	return n, err
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// isInterrupted reports whether err only says that the user ended the command.
func isInterrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}
