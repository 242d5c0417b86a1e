package cli

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		took        time.Duration
		want        string
	}{
		{0, -1, 0, "published 0"},
		{0, 10, time.Second, "published 0 of 10, 0/s"},
		{1500, -1, 3 * time.Second, "published 1500, 500/s"},
		{250_000, 1_000_000, 10 * time.Second, "published 250000 of 1000000, 25000/s, 30s left"},
		{10, 10, 2 * time.Second, "published 10 of 10, 5/s, 0s left"},
		{12, 10, 2 * time.Second, "published 12 of 10, 6/s"},
	} {
		if got := progressLine("published", c.done, c.total, c.took); got != c.want {
			t.Errorf("%d of %d after %v: %q, want %q", c.done, c.total, c.took, got, c.want)
		}
	}
}

// steps runs a progress that hears of one more event every 100 ms for 12 s.
func steps(p *progress, clock *time.Time) {
	p.next = clock.Add(progressAfter)
	p.began = *clock
	for n := int64(1); n <= 120; n++ {
		*clock = clock.Add(100 * time.Millisecond)
		p.at(n)
	}
}

func TestProgressOnATerminalStaysOnOneLine(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	p := &progress{w: &out, now: func() time.Time { return clock }, terminal: true, label: "read", total: -1}
	steps(p, &clock)
	if n := bytes.Count(out.Bytes(), []byte("\r")); n < 30 || n > 4*12 {
		t.Errorf("told %d times in 12 s, want at most 4 times a second", n)
	}
	if bytes.Contains(out.Bytes(), []byte("\n")) {
		t.Errorf("a new line in %q", out.String())
	}
	out.Reset()
	p.hide()
	p.hide()
	if got := out.String(); got != "\r\x1b[K" {
		t.Errorf("hidden by %q, want the line cleared once", got)
	}
}

func TestProgressInALogIsSeldom(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	a := &app{err: &out, now: func() time.Time { return clock }}
	p := a.startProgress("read", 200)
	for n := int64(1); n <= 240; n++ {
		clock = clock.Add(100 * time.Millisecond)
		p.at(n)
	}
	if got, want := out.String(), "read 100 of 200, 10/s, 10s left\nread 200 of 200, 10/s, 0s left\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	out.Reset()
	a.flags.quiet = true
	p = a.startProgress("read", 200)
	clock = clock.Add(time.Minute)
	p.at(7)
	p.hide()
	if out.Len() > 0 {
		t.Errorf("--quiet tells %q", out.String())
	}
}

func TestANoteTakesTheProgressAwayFirst(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	a := &app{err: &out, now: func() time.Time { return clock }}
	p := a.startProgress("read", -1)
	p.terminal = true
	clock = clock.Add(time.Minute)
	p.at(60)
	a.note("line 3 is wrong")
	if got, want := out.String(), "\rread 60, 1/s\x1b[K\r\x1b[Kline 3 is wrong\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
