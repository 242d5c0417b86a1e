package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// readPayload reads what the argument is, or the file that it names, or standard input. Raw bytes may be empty where the
// command line says so; an empty standard input is more likely a pipe that failed.
func (a *app) readPayload(ctx context.Context, from *string, raw bool) ([]byte, error) {
	if from != nil && strings.HasPrefix(*from, "@") {
		path := (*from)[1:]
		b, err := os.ReadFile(a.path(path))
		if err != nil {
			return nil, cannotRead(path, err)
		}
		return b, nil
	}
	if from != nil && *from != "-" && (*from != "" || raw) {
		return []byte(*from), nil
	}
	if isTerminal(a.in) && (from == nil || *from == "" || a.flags.noInput) {
		return nil, fail(codeArgs, "omnibus publish needs a PAYLOAD").because("standard input is a terminal").
			fix("give it as an argument, as @file, or as - to type it and end with Ctrl-D")
	}
	b, err := a.readAll(ctx, a.in)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 || !raw && len(strings.TrimSpace(string(b))) == 0 {
		f := fail(codeArgs, "omnibus publish needs a PAYLOAD").because("the argument is missing, and standard input is empty").
			fix("give it as an argument, as @file, or on standard input")
		if raw {
			f.fix("'' is an empty value, --null-value is none")
		}
		return nil, f
	}
	return b, nil
}

// readAll reads r to its end, or until ctx ends: a terminal or a pipe may never end.
func (a *app) readAll(ctx context.Context, r io.Reader) ([]byte, error) {
	type read struct {
		b   []byte
		err error
	}
	got := make(chan read, 1) // one value, so that a reader whom nobody waits for can end
	go func() {
		b, err := io.ReadAll(r)
		got <- read{b, err}
	}()
	select {
	case g := <-got:
		return g.b, g.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// path is where a file that the user named lies.
func (a *app) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.dir, name)
}
