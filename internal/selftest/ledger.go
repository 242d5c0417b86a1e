package selftest

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// entry is one event that a handler was through with, or had begun with.
type entry struct {
	mark
	attempt int
	member  string
}

// ledger is what handlers did, in the order in which they did it. It is kept outside of the bus.
type ledger struct {
	mu      sync.Mutex
	ended   []entry
	running map[string]mark // by key
	most    int             // handlers that ran at once
	crossed []string        // events of one key that ran at once
	times   map[mark]int    // how often each was handled with success
	changed chan struct{}   // closed at every change
}

func newLedger() *ledger {
	return &ledger{running: map[string]mark{}, times: map[mark]int{}, changed: make(chan struct{})}
}

// begin notes that a handler begins with m.
func (l *ledger) begin(m mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, busy := l.running[m.key]; busy {
		l.crossed = append(l.crossed, fmt.Sprintf("%v ran while %v did", m, other))
	}
	l.running[m.key] = m
	l.most = max(l.most, len(l.running))
}

// end notes how a handler ended.
func (l *ledger) end(m mark, attempt int, member string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, m.key)
	l.ended = append(l.ended, entry{m, attempt, member})
	if err == nil {
		l.times[m]++
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return err
}

// await returns once enough says so; it is called with the ledger held.
func (l *ledger) await(ctx context.Context, enough func() bool) error {
	for {
		l.mu.Lock()
		ok, changed := enough(), l.changed
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			return fmt.Errorf("%d events were handled until then: %w", len(l.times), context.Cause(ctx))
		}
	}
}

// all says that every one of marks was handled.
func (l *ledger) all(marks map[mark]bool) func() bool {
	return func() bool {
		if len(l.times) < len(marks) {
			return false
		}
		for m := range marks {
			if l.times[m] == 0 {
				return false
			}
		}
		return true
	}
}

// copyOf is what is in the ledger now.
func (l *ledger) copyOf() (ended []entry, crossed []string, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ended), slices.Clone(l.crossed), l.most
}
