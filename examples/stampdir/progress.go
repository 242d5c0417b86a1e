package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress draws how far a run is: on a terminal one line that changes, elsewhere a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	begin    time.Time
	total    int
	width    int // of what stands on the terminal's line
}

// every is how often draw should be called.
func (p *progress) every() time.Duration {
	if p.terminal {
		return 100 * time.Millisecond
	}
	return 5 * time.Second
}

func (p *progress) draw(done, refused int, now time.Time) {
	line := p.line(done, refused, now)
	if !p.terminal {
		fmt.Fprintln(p.w, line)
		return
	}
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}

// end leaves the terminal's line.
func (p *progress) end() {
	if p.terminal && p.width > 0 {
		fmt.Fprintln(p.w)
		p.width = 0
	}
}

// line is the progress in words: a bar, a count, a rate and the time left. What cannot be known yet is left out.
func (p *progress) line(done, refused int, now time.Time) string {
	const cells = 30
	settled := done + refused
	filled := cells
	if p.total > 0 {
		filled = cells * settled / p.total
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[%s%s] %d of %d stamped", strings.Repeat("#", filled), strings.Repeat(".", cells-filled), done, p.total)
	if refused > 0 {
		fmt.Fprintf(&b, ", %d refused", refused)
	}
	if took := now.Sub(p.begin).Seconds(); took > 0 && done > 0 {
		rate := float64(done) / took
		left := time.Duration(float64(p.total-settled) / rate * float64(time.Second))
		fmt.Fprintf(&b, ", %.0f/s, %s left", rate, left.Round(time.Second))
	}
	return b.String()
}
