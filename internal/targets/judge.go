package targets

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Result is one target and what was measured.
type Result struct {
	Metric  string // as the quick reference names it
	Target  string // "<50ms"
	Current string
	Value   float64 // seconds, events a second, or a share
	Limit   float64
	Held    bool
	P50     time.Duration // of a metric that has a distribution, like the next ones
	P95     time.Duration
	P99     time.Duration
	Count   int // how many values it is made of
}

// The targets of the quick reference.
const (
	publishLimit    = 50 * time.Millisecond
	processingLimit = 500 * time.Millisecond
	throughputLimit = 10_000.0
	lagLimit        = 5 * time.Second
	deadLimit       = 0.001
)

// latency judges a percentile of exact values; none of them is not met.
func latency(metric string, values []time.Duration, percentile float64, limit time.Duration) Result {
	slices.Sort(values)
	at := percentileOf(values, percentile)
	r := Result{
		Metric: metric, Target: "<" + limit.String(), Current: durationText(at), Value: at.Seconds(), Limit: limit.Seconds(),
		Held: len(values) > 0 && at < limit,
		P50:  percentileOf(values, 0.50), P95: percentileOf(values, 0.95), P99: percentileOf(values, 0.99), Count: len(values),
	}
	if len(values) == 0 {
		r.Current = "nothing measured"
	}
	return r
}

// percentileOf is the smallest value that at least the share p of the sorted values does not exceed; 0 of none.
func percentileOf(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func throughput(events int, took time.Duration) Result {
	r := Result{Metric: "Event Throughput", Target: ">10,000/s", Limit: throughputLimit, Count: events}
	if took > 0 {
		r.Value = float64(events) / took.Seconds()
	}
	r.Current, r.Held = fmt.Sprintf("%.0f/s", r.Value), r.Value > throughputLimit
	return r
}

func deadLetters(dead, events int) Result {
	r := Result{Metric: "Dead Letter Rate", Target: "<0.1%", Limit: deadLimit, Count: events}
	if events > 0 {
		r.Value = float64(dead) / float64(events)
	}
	r.Current, r.Held = fmt.Sprintf("%.2f%%", 100*r.Value), events > 0 && r.Value < deadLimit
	return r
}

// durationText has three digits at most.
func durationText(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
