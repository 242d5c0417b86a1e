package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// How often progress is told: often to people who look at it, seldom to a log.
const (
	progressAfter    = time.Second // what is done by then needs none
	progressTerminal = 250 * time.Millisecond
	progressLog      = 10 * time.Second
)

// progress says on standard error how far something is that takes longer than a second: count, rate, and the time left where the
// total is known. It is safe for concurrent use; nil says nothing.
type progress struct {
	w        io.Writer
	now      func() time.Time
	terminal bool
	label    string // "published", say
	total    int64  // -1: nobody knows
	began    time.Time

	mu    sync.Mutex
	next  time.Time // nothing is said before
	stand bool      // a line stands on the terminal
}

// startProgress begins to measure, for a total of -1 without an end in sight. The caller ends it. Notes that the command writes
// meanwhile take its line away first; before it writes records to the terminal, the caller hides it.
func (a *app) startProgress(label string, total int64) *progress {
	if a.flags.quiet {
		return nil
	}
	began := a.now()
	p := &progress{w: a.err, now: a.now, terminal: isTerminal(a.err), label: label, total: total, began: began}
	p.next = began.Add(progressAfter)
	if !p.terminal {
		p.next = began.Add(progressLog)
	}
	a.progress = p
	return p
}

// since counts from an earlier begin on, with what is said after the first second being due.
func (p *progress) since(began time.Time) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = p.next.Add(began.Sub(p.began))
	p.began = began
}

// at says that so many are done by now, if it is time to say something.
func (p *progress) at(done int64) {
	if p == nil {
		return
	}
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.next) {
		return
	}
	line := progressLine(p.label, done, p.total, now.Sub(p.began))
	if p.terminal {
		p.next = now.Add(progressTerminal)
		p.stand = true
		fmt.Fprint(p.w, "\r"+line+"\x1b[K") //nolint:errcheck // as in note
		return
	}
	p.next = now.Add(progressLog)
	fmt.Fprintln(p.w, line) //nolint:errcheck // as in note
}

// hide takes the line off the terminal; the next one comes in its time.
func (p *progress) hide() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stand {
		p.stand = false
		fmt.Fprint(p.w, "\r\x1b[K") //nolint:errcheck // as in note
	}
}

// progressLine is "published 120000 of 1000000, 40211/s, 21.9s left".
func progressLine(label string, done, total int64, took time.Duration) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %d", label, done)
	if total >= 0 {
		fmt.Fprintf(&s, " of %d", total)
	}
	if took <= 0 {
		return s.String()
	}
	rate := float64(done) / took.Seconds()
	fmt.Fprintf(&s, ", %.0f/s", rate)
	if total >= done && done > 0 {
		fmt.Fprintf(&s, ", %s left", durationText(time.Duration(float64(total-done)/rate*float64(time.Second))))
	}
	return s.String()
}
