package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is everything that was measured in one run.
type Report struct {
	Date      string     `json:"date"`
	Machine   string     `json:"machine"`
	Broker    string     `json:"broker"`
	Load      string     `json:"load"` // load average before the run: on a busy machine only ratios and CPU tell something
	Publish   []Row      `json:"publish,omitempty"`
	Consume   []Row      `json:"consume,omitempty"`
	Hot       *Hot       `json:"hot,omitempty"`
	Latency   *Latency   `json:"latency,omitempty"`
	Failing   *Failing   `json:"failing,omitempty"`
	RoundTrip *RoundTrip `json:"roundtrip,omitempty"`
	Targets   []Target   `json:"targets"`
}

// Row is one lane: medians over the rounds. Ratio is against the raw client of the same round.
type Row struct {
	Name   string  `json:"name"`
	Rate   float64 `json:"events_per_second"`
	Ratio  float64 `json:"ratio"`
	CPU    float64 `json:"cpu_ns_per_event"`
	Allocs float64 `json:"allocs_per_event"`
	Bytes  float64 `json:"bytes_per_event"`
}

// Target is a number that was promised.
type Target struct {
	Name   string  `json:"name"`
	Want   string  `json:"want"`
	Got    float64 `json:"got"`
	Passed bool    `json:"passed"`
}

func (r *Report) describe(broker string, now time.Time) {
	r.Date, r.Broker = now.UTC().Format(time.DateOnly), broker
	r.Load = "unknown"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.Load, _, _ = strings.Cut(string(b), " ")
	}
	r.Machine = fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

func (r Report) missed() bool {
	return slices.ContainsFunc(r.judge(), func(t Target) bool { return !t.Passed })
}

func find(rows []Row, name string) (Row, bool) {
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == name })
	if i < 0 {
		return Row{}, false
	}
	return rows[i], true
}

// judge holds what was measured against the targets. What was not measured has none.
func (r Report) judge() []Target {
	var out []Target
	least := func(name string, want float64, format string, got float64) {
		out = append(out, Target{name, "≥ " + fmt.Sprintf(format, want), got, got >= want})
	}
	most := func(name string, want, got float64) {
		out = append(out, Target{name, fmt.Sprintf("< %g ms", want), got, got < want})
	}
	over := func(rows []Row, a, b, name string, want float64) {
		x, ok := find(rows, a)
		y, also := find(rows, b)
		switch {
		case ok && b == rows[0].Name:
			least(name, want, "%g×", x.Ratio) // of the same rounds
		case ok && also:
			least(name, want, "%g×", x.Rate/y.Rate)
		}
	}
	over(r.Publish, busRaw8, rawAsync, "batch publish of bytes : raw client", 0.7)
	over(r.Publish, busEnvelope, watermillOne, "batch publish, no validation : Watermill", 20)
	over(r.Consume, busBatches, rawPoll, "consume ordered and committed, no decode : raw client", 0.7)
	over(r.Consume, busPattern, watermillAck, "consume, no validation : Watermill", 1)
	if row, ok := find(r.Publish, busPayload); ok {
		least("publish validated, events/s", 50_000, "%g", row.Rate)
	}
	if row, ok := find(r.Consume, busTyped); ok {
		least("consume validated, events/s", 50_000, "%g", row.Rate)
	}
	if r.Hot != nil {
		least("one hot partition : serial", 50, "%g×", r.Hot.Times)
	}
	if r.Latency != nil {
		most("publish p95, open loop", 5, r.Latency.Published.P95)
		most("publish p99, open loop", 25, r.Latency.Published.P99)
		most("publish to handled p95, open loop", 25, r.Latency.Handled.P95)
	}
	if r.Failing != nil {
		most("delay that a failing key adds to others, p95", 50, r.Failing.With.P95-r.Failing.Without.P95)
		inOrder := 0.0
		if r.Failing.InOrder {
			inOrder = 1
		}
		least("failing key handled whole and in order", 1, "%g", inOrder)
	}
	if t := r.RoundTrip; t != nil {
		least("consume -o ndjson, events/s", 100_000, "%g", t.Consume)
		same := 0.0
		if t.Same {
			same = 1
		}
		least("published again, byte for byte the same", 1, "%g", same)
	}
	return out
}

// table prints the report for people. Writes are not checked one by one: the last one tells.
func (r Report) table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	line("%s; %s; %s; load average %s", r.Date, r.Machine, r.Broker, r.Load)
	rows := func(title string, rows []Row) {
		if len(rows) == 0 {
			return
		}
		line("\n%s\tevents/s\tof raw\tCPU ns\tallocs\tbytes", title)
		for _, x := range rows {
			line("  %s\t%.0f\t%.3g\t%.0f\t%.1f\t%.0f", x.Name, x.Rate, x.Ratio, x.CPU, x.Allocs, x.Bytes)
		}
	}
	rows("publish, 600-byte events", r.Publish)
	rows("consume, 600-byte events", r.Consume)
	if h := r.Hot; h != nil {
		line("\none hot partition, 5 ms handler, %d keys\t%.0f × serial", h.Keys, h.Times)
	}
	if l := r.Latency; l != nil {
		line("\nopen loop, %d events/s for %.0f s\tp50\tp95\tp99\tmax (ms)", l.Rate, l.Seconds)
		line("  raw client, published\t%.2f\t%.2f\t%.2f\t%.1f", l.Raw.P50, l.Raw.P95, l.Raw.P99, l.Raw.Max)
		line("  published\t%.2f\t%.2f\t%.2f\t%.1f", l.Published.P50, l.Published.P95, l.Published.P99, l.Published.Max)
		line("  handled\t%.2f\t%.2f\t%.2f\t%.1f", l.Handled.P50, l.Handled.P95, l.Handled.P99, l.Handled.Max)
	}
	if f := r.Failing; f != nil {
		line("\none of %d keys fails for %.0f s\tp50\tp95\tp99\tmax (ms)", failingKeys, f.Seconds)
		line("  others, without it\t%.2f\t%.2f\t%.2f\t%.1f", f.Without.P50, f.Without.P95, f.Without.P99, f.Without.Max)
		line("  others, with it\t%.2f\t%.2f\t%.2f\t%.1f", f.With.P50, f.With.P95, f.With.P99, f.With.Max)
		line("  its own events: %d failed attempts, in order and whole: %v", f.Retries, f.InOrder)
	}
	if t := r.RoundTrip; t != nil {
		line("\nround trip of %d events, %.0f MB\tevents/s", t.Events, float64(t.Bytes)/1e6)
		line("  publish --batch -\t%.0f", t.Publish)
		line("  consume -o ndjson\t%.0f", t.Consume)
		line("  consume -o ndjson | publish --batch -\t%.0f", t.Pipe)
		line("  consume -o ndjson, again\t%.0f", t.Again)
		line("  byte for byte the same: %v", t.Same)
	}
	line("\ntarget\twanted\tgot")
	for _, t := range r.judge() {
		mark := "passed"
		if !t.Passed {
			mark = "MISSED"
		}
		line("  %s\t%s\t%.4g\t%s", t.Name, t.Want, t.Got, mark)
	}
	return w.Flush()
}
