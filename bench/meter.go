package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// lane is one way to do the same thing.
type lane struct {
	name string
	less int // it gets 1/less of the events: slow lanes need not be long; 0 is 1
	run  func(ctx context.Context, on *target, n int, m *meter) error
}

// meter measures between begin and end, whichever goroutine calls them.
type meter struct {
	skipped                         int // events before begin
	began, ended                    time.Time
	cpu, cpuEnd                     time.Duration
	allocs, bytes, allocsE, bytesEn uint64
}

func (m *meter) begin() {
	m.allocs, m.bytes = heap()
	m.cpu, m.began = processor(), time.Now()
}

func (m *meter) end() {
	m.ended, m.cpuEnd = time.Now(), processor()
	m.allocsE, m.bytesEn = heap()
}

func heap() (allocs, bytes uint64) {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.Mallocs, s.TotalAlloc
}

func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// figure is what one lane did in one round, per event.
type figure struct{ rate, cpu, allocs, bytes float64 }

func (m *meter) figure(n int) figure {
	f := float64(n - m.skipped)
	return figure{
		rate: f / m.ended.Sub(m.began).Seconds(), cpu: float64(m.cpuEnd-m.cpu) / f,
		allocs: float64(m.allocsE-m.allocs) / f, bytes: float64(m.bytesEn-m.bytes) / f,
	}
}

// rounds runs every lane once per round, in another order each time, and compares it with the raw lane, which is the first,
// of the same round.
func rounds(ctx context.Context, on *target, rounds, events int, only string, lanes []lane, log io.Writer) ([]Row, error) {
	if only != "" {
		lanes = slices.DeleteFunc(lanes, func(l lane) bool { return l.name != lanes[0].name && !strings.Contains(l.name, only) })
	}
	all := make([][]figure, len(lanes))
	for round := range rounds + 1 { // the first one warms up and does not count
		for _, i := range rand.Perm(len(lanes)) {
			l := lanes[i]
			n := events / max(l.less, 1)
			if round == 0 {
				n = max(n/10, 100)
			}
			f, err := once(ctx, on, l, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.name, err)
			}
			if round > 0 {
				all[i] = append(all[i], f)
			}
		}
		_, _ = fmt.Fprintf(log, "  round %d of %d\n", round, rounds) // progress only
	}
	rows := make([]Row, len(lanes))
	for i, l := range lanes {
		rows[i] = row(l.name, all[i], all[0])
	}
	return rows, nil
}

func once(ctx context.Context, on *target, l lane, n int) (f figure, err error) {
	runtime.GC()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	m := &meter{}
	pprof.Do(ctx, pprof.Labels("lane", l.name), func(ctx context.Context) { err = l.run(ctx, on, n, m) })
	if err != nil {
		return f, err
	}
	return m.figure(n), nil
}

func row(name string, own, raw []figure) Row {
	mid := func(value func(i int) float64) float64 {
		vs := make([]float64, len(own))
		for i := range vs {
			vs[i] = value(i)
		}
		return median(vs)
	}
	return Row{
		Name: name,
		Rate: mid(func(i int) float64 { return own[i].rate }), Ratio: mid(func(i int) float64 { return own[i].rate / raw[i].rate }),
		CPU:    mid(func(i int) float64 { return own[i].cpu }),
		Allocs: mid(func(i int) float64 { return own[i].allocs }), Bytes: mid(func(i int) float64 { return own[i].bytes }),
	}
}

func median(vs []float64) float64 {
	slices.Sort(vs)
	if len(vs) == 0 {
		return 0
	}
	return vs[len(vs)/2]
}

// quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
