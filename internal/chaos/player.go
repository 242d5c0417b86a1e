package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// player has a part in the run, and the process that plays it now. After a kill another process plays on, with a ledger of its
// own: the lives of a player are numbered from 1.
type player struct {
	name   string
	dir    string                                 // where ledgers and logs go
	orders func(life int) (o orders, wanted bool) // for the next life; not wanted: the part is played to its end
	failed func(error)                            // told when a process ends that nobody ended

	acting chan struct{} // capacity 1: held by whoever does something to the player

	mu      sync.Mutex
	now     *process // nil: none yet
	life    int
	ours    bool // the end of the process is our doing
	watches sync.WaitGroup
}

func newPlayer(name, dir string, failed func(error), orders func(life int) (orders, bool)) *player {
	return &player{name: name, dir: dir, orders: orders, failed: failed, acting: make(chan struct{}, 1)}
}

// hold waits until nobody else does something to the player. The caller has to call the function that it returns.
func (p *player) hold(ctx context.Context) (release func(), err error) { return hold(ctx, p.acting) }

func hold(ctx context.Context, acting chan struct{}) (release func(), err error) {
	select {
	case acting <- struct{}{}:
		return func() { <-acting }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// startWithin is long: an embedded broker reads its whole directory after a kill.
const startWithin = time.Minute

// start begins the next life, if there is something left to do, and waits until it is at work.
func (p *player) start(ctx context.Context) error {
	p.mu.Lock()
	life := p.life + 1
	p.mu.Unlock()
	o, wanted := p.orders(life)
	if !wanted {
		return nil
	}
	now, err := p.spawn(ctx, o, life)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.now, p.life, p.ours = now, life, false
	p.mu.Unlock()
	p.watches.Go(func() { p.watch(ctx, now) })
	if o.Role != roleBroker {
		return nil // it waits for the broker where that is away, so nobody waits for it
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return now.awaitReady(ctx)
}

func (p *player) spawn(ctx context.Context, o orders, life int) (*process, error) {
	o.Name = fmt.Sprintf("%s.%d", p.name, life)
	if o.Role != roleBroker {
		o.Ledger = p.ledger(life)
	}
	return spawn(ctx, o, filepath.Join(p.dir, logsDir, fileName(p.name)+".log"))
}

// ledger is where the process of a life writes down what it does.
func (p *player) ledger(life int) string {
	return filepath.Join(p.dir, ledgersDir, fmt.Sprintf("%s.%d.jsonl", fileName(p.name), life))
}

// Directories of a run.
const (
	ledgersDir = "ledgers"
	logsDir    = "logs"
)

func fileName(name string) string { return strings.ReplaceAll(name, "/", "-") }

// watch tells when a process ends that nobody ended. One that asks for it is started again, as a supervisor would: it could not
// begin, because the broker went away just then.
func (p *player) watch(ctx context.Context, now *process) {
	<-now.gone
	p.mu.Lock()
	ours := p.ours || p.now != now
	p.mu.Unlock()
	err := now.how()
	if ours || err == nil {
		return
	}
	if !now.again.Load() {
		p.failed(err)
		return
	}
	release, err := p.hold(ctx)
	if err != nil {
		return // the run is over
	}
	defer release()
	p.mu.Lock()
	ours = p.ours || p.now != now
	p.mu.Unlock()
	if !ours {
		if err := p.start(ctx); err != nil {
			p.failed(err)
		}
	}
}

// process is the one that plays now. Ending says that what follows ends it.
func (p *player) process() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *player) ending() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ours = true
	return p.now
}

// running reports whether there is a process that plays.
func (p *player) running() bool {
	now := p.process()
	if now == nil {
		return false
	}
	select {
	case <-now.gone:
		return false
	default:
		return true
	}
}

// kill ends the process as a power cut would.
func (p *player) kill() error {
	if now := p.ending(); now != nil {
		return now.kill()
	}
	return nil
}

// stop ends the process in order, within a time. It is an error if the process does not end well.
func (p *player) stop(ctx context.Context, within time.Duration) error {
	now := p.ending()
	if now == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("%v are over", within))
	defer cancel()
	return now.stop(ctx)
}

func (p *player) freeze() error { return p.signal(syscall.SIGSTOP) }

func (p *player) thaw(context.Context) error { return p.signal(syscall.SIGCONT) }

func (p *player) signal(s syscall.Signal) error {
	if now := p.process(); now != nil {
		return now.signal(s)
	}
	return nil
}

// tell says something to the process, if there is one.
func (p *player) tell(line string) error {
	if !p.running() {
		return nil
	}
	return p.process().tell(line)
}

// end kills what still runs and waits until nothing of the player is left.
func (p *player) end() error {
	err := errors.Join(p.signal(syscall.SIGCONT), p.kill())
	p.watches.Wait()
	return err
}
