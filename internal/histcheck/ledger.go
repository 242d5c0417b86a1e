package histcheck

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Ledger is where one process writes down what it does, outside of the system under test. Each line is one write to a file that
// is opened for appending, so that it survives a kill of the process. It is safe for concurrent use.
type Ledger struct {
	process string
	now     func() time.Time
	opened  time.Time
	out     io.WriteCloser

	mu  sync.Mutex
	err error // the first
}

// Open opens, or makes, the ledger of a process at path. The name of the process tells one life of it from another: a process
// that is started again has another name.
func Open(path, process string) (*Ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return New(f, process, time.Now), nil
}

// New is [Open] on something else that keeps each Write whole. In a test that fixes time, many lines of several processes have
// the same one: a clock that moves on a little with each call keeps them in order.
func New(out io.WriteCloser, process string, now func() time.Time) *Ledger {
	return &Ledger{process: process, now: now, opened: now(), out: out}
}

// Append writes a line, with the process and the time. An error is kept for Close: a run whose ledger is incomplete proves
// nothing.
func (l *Ledger) Append(line Line) {
	now := l.now()
	line.Process, line.Wall, line.Mono = l.process, now.UnixNano(), int64(now.Sub(l.opened))
	b, err := line.AppendJSON(make([]byte, 0, 256))
	if err == nil {
		_, err = l.out.Write(b)
	}
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.err == nil {
			l.err = fmt.Errorf("write ledger of %s: %w", l.process, err)
		}
	}
}

// Close closes the ledger and returns the first error that it had.
func (l *Ledger) Close() error {
	err := l.out.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.err, err)
}
