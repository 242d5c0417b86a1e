package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// process is one life of an actor: this program again, with its orders on standard input. It ends when that does, so that
// nothing is left behind when the runner is killed.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ready chan struct{} // closed when the actor is at work
	sent  atomic.Int64  // by a producer: events that it is through with
	again atomic.Bool   // it ended for a reason that starting again mends
	gone  chan struct{} // closed when the process has ended

	mu    sync.Mutex
	said  string // why it ended, in its own words
	ended error  // nil: with success; after gone
}

// Words that an actor says on its standard output, one line each.
const (
	sayReady = "ready"
	saySent  = "sent" // how many events
	sayAgain = "again"
	sayEnded = "ended" // why
)

// spawn starts an actor. What it has to say for people goes to the file log.
func spawn(ctx context.Context, o orders, log string) (_ *process, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	said, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	defer said.Close() //nolint:errcheck // the child has its own
	line, err := jsonx.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	p := &process{name: o.Name, ready: make(chan struct{}), gone: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), self, actorCommand)
	p.cmd.Stderr = said
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	go func() { // whoever ends the process waits for gone
		defer close(p.gone)
		p.listen(stdout)
		err := p.cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = err
	}()
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", o.Name, err), p.kill())
	}
	return p, nil
}

func (p *process) listen(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	once := sync.OnceFunc(func() { close(p.ready) })
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case sayReady:
			once()
		case saySent:
			n, _ := strconv.ParseInt(rest, 10, 64) // it says numbers
			p.sent.Store(n)
		case sayAgain:
			p.again.Store(true)
		case sayEnded:
			p.mu.Lock()
			p.said = rest
			p.mu.Unlock()
		}
	}
}

// kill ends the process as a power cut would, and returns when it is gone.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.gone
	return nil
}

// stop asks the process to end well, and returns how it did.
func (p *process) stop(ctx context.Context) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.gone:
		return p.how()
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s did not end: %w; where it stood is in its log", p.name, context.Cause(ctx)), p.dump(), p.kill())
	}
}

// dump lets the process write down what its goroutines do, and end by that.
func (p *process) dump() error {
	if err := p.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	select {
	case <-p.gone:
	case <-timer.C:
	}
	return nil
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %s: %w", p.name, s, err)
	}
	return nil
}

// tell writes a line to the process's standard input. One that has just ended hears nothing, which is no error.
func (p *process) tell(line string) error {
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("tell %s: %w", p.name, err)
	}
	return nil
}

// how says how a process ended that is gone: nil is with success.
func (p *process) how() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended == nil:
		return nil
	case p.said != "":
		return fmt.Errorf("%s ended: %s", p.name, p.said)
	default:
		return fmt.Errorf("%s ended: %w", p.name, p.ended)
	}
}

// names reports whether the reason that the process gave for its end names something.
func (p *process) names(what string) bool {
	<-p.gone
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.said, what)
}

// awaitReady waits until the actor is at work.
func (p *process) awaitReady(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.gone:
		if err := p.how(); err != nil {
			return err
		}
		return fmt.Errorf("%s ended before it was at work", p.name)
	case <-ctx.Done():
		return fmt.Errorf("%s is not at work: %w", p.name, context.Cause(ctx))
	}
}
