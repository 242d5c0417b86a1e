package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/internal/targets"
)

type benchOptions struct {
	rate, size              string
	duration                time.Duration
	partitions, replication int
	keep                    bool
}

type benchDoc struct {
	Schema      string      `json:"schema"`
	Mode        string      `json:"mode"` // all, publish, roundtrip, consume
	Brokers     []string    `json:"brokers"`
	Topic       string      `json:"topic"`
	Rate        float64     `json:"rate_per_second"` // while latencies were measured
	Size        int         `json:"payload_bytes"`
	Events      int         `json:"events"`
	Handled     int         `json:"handled"`
	DeadLetters int         `json:"dead_letters"`
	Took        float64     `json:"took_seconds"`
	Held        bool        `json:"held"` // every target
	Targets     []benchItem `json:"targets"`
	Left        []string    `json:"left_behind"`
}

type benchItem struct {
	Metric  string  `json:"metric"`
	Target  string  `json:"target"`
	Current string  `json:"current"`
	Value   float64 `json:"value"` // seconds, events a second, or a share
	Limit   float64 `json:"limit"`
	Held    bool    `json:"held"`
	P50     float64 `json:"p50_seconds,omitzero"`
	P95     float64 `json:"p95_seconds,omitzero"`
	P99     float64 `json:"p99_seconds,omitzero"`
	Count   int     `json:"count"`
}

func newBenchCmd(a *app) *cobra.Command {
	var o benchOptions
	modes := []string{"publish", "roundtrip", "consume"}
	cmd := prints(&cobra.Command{
		Use:   "bench [publish|roundtrip|consume]",
		Short: "Measure your cluster against the five targets",
		Long: "Publishes at full speed and then at a rate, with a group that handles the events, on a topic of its own, which is removed afterwards. The table is that\n" +
			"of the quick reference, with Current filled in. Latencies count from when an event was due, so that a cluster which holds up its publishers does not look\n" +
			"better for it. publish, roundtrip and consume measure a part.\n\n" +
			"Exit 0: every target is met. Exit 10: one is not.",
		Example: `omnibus bench
omnibus bench --target 10k/s --duration 30s --size 1KiB
omnibus bench publish -b redpanda-0:9092
omnibus bench roundtrip --target 500/s -o json`,
		ValidArgs: modes,
		Args:      a.wantArgs(0, 1, "one of publish, roundtrip and consume"),
		RunE: func(cmd *cobra.Command, args []string) error {
			mode := targets.All
			if len(args) > 0 {
				if !slices.Contains(modes, args[0]) {
					return fail(codeArgs, "%q cannot be measured", clip(args[0], 60)).meant(args[0], modes).fix("omnibus bench publish, roundtrip or consume, or none of them for all")
				}
				mode = targets.Mode(args[0])
			}
			return runBench(cmd.Context(), a, o, mode)
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVar(&o.rate, "target", "10k/s", "`rate` at which latencies are measured: 10k/s, 600/m")
	f.DurationVar(&o.duration, "duration", 15*time.Second, "how long to publish")
	f.StringVar(&o.size, "size", "1KiB", "`size` of a payload: 500, 1KiB, 64KiB")
	f.IntVar(&o.partitions, "partitions", 6, "partitions of the topic, `n`")
	f.IntVar(&o.replication, "replication", 0, "copies of the topic, `n`; default 3, on fewer brokers as many as there are")
	f.BoolVar(&o.keep, "keep", false, "leave topic and group behind, to look at them")
	return cmd
}

// config checks the flags.
func (o benchOptions) config(mode targets.Mode) (targets.Config, error) {
	rate, err := parseRate(strings.Replace(strings.ToLower(o.rate), "k", "e3", 1))
	if err != nil || rate < 1 || rate > 1e6 {
		return targets.Config{}, fail(codeFlagValue, "%q is not a rate", clip(o.rate, 60)).because("it takes 1/s to 1000k/s").fix("--target 10k/s").fix("--target 500/s")
	}
	size, ok := parseSize(o.size)
	if !ok || size < 64 || size > 900<<10 {
		return targets.Config{}, fail(codeFlagValue, "%q is not a size of a payload", clip(o.size, 60)).because("it takes 64 bytes to 900 KiB").fix("--size 1KiB")
	}
	if o.duration < 100*time.Millisecond || o.duration > 10*time.Minute {
		return targets.Config{}, fail(codeFlagValue, "--duration must be 100ms to 10m").fix("--duration 15s")
	}
	if o.partitions < 1 || o.partitions > 1000 {
		return targets.Config{}, fail(codeFlagValue, "--partitions must be 1 to 1000").fix("--partitions 6")
	}
	if o.replication < 0 || o.replication > 100 {
		return targets.Config{}, fail(codeFlagValue, "--replication must be 0 to 100").fix("--replication 3")
	}
	return targets.Config{
		Mode: mode, Rate: rate, Duration: o.duration, Size: int(size), Partitions: o.partitions, Replication: o.replication, Keep: o.keep,
	}, nil
}

// parseSize reads "500", "500B", "1KiB", "2MiB"; k and M count as KiB and MiB.
func parseSize(s string) (int64, bool) {
	number := strings.TrimRight(s, "BKMikmb")
	unit, known := map[string]int64{"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mib": 1 << 20, "mb": 1 << 20}[strings.ToLower(s[len(number):])]
	n, err := strconv.ParseInt(number, 10, 32)
	return n * unit, err == nil && known && n >= 0
}

func runBench(ctx context.Context, a *app, o benchOptions, mode targets.Mode) error {
	cfg, err := o.config(mode)
	if err != nil {
		return err
	}
	cfg.Open, cfg.Progress = a.openWith, a.benchProgress()
	rep, err := targets.Run(ctx, cfg)
	a.progress.hide()
	if err != nil {
		for _, left := range rep.Left {
			a.note("left behind: %s", left)
		}
		return err
	}
	doc := benchDocOf(rep, cfg, strings.Split(a.settings.get("KAFKA_BOOTSTRAP_SERVERS").value, ","))
	if err := a.print(doc, func() error { return a.printBench(doc) }); err != nil {
		return err
	}
	return doc.judge()
}

// benchProgress tells each phase with a progress of its own.
func (a *app) benchProgress() func(phase string, done, total int) {
	var mu sync.Mutex
	var now string
	var p *progress
	return func(phase string, done, total int) {
		mu.Lock()
		if phase != now {
			p.hide()
			now, p = phase, a.startProgress(phase, int64(total))
		}
		one := p
		mu.Unlock()
		one.at(int64(done))
	}
}

func benchDocOf(rep targets.Report, cfg targets.Config, brokers []string) benchDoc {
	doc := benchDoc{
		Schema: schemaOf("bench"), Mode: string(rep.Mode), Brokers: brokers, Topic: string(rep.Topic), Rate: cfg.Rate, Size: cfg.Size,
		Events: rep.Events, Handled: rep.Handled, DeadLetters: rep.DeadLetters, Took: rep.Took.Seconds(), Held: true, Left: append([]string{}, rep.Left...),
	}
	if rep.Mode == targets.All {
		doc.Mode = "all"
	}
	for _, r := range rep.Results {
		doc.Held = doc.Held && r.Held
		doc.Targets = append(doc.Targets, benchItem{
			r.Metric, r.Target, r.Current, r.Value, r.Limit, r.Held, r.P50.Seconds(), r.P95.Seconds(), r.P99.Seconds(), r.Count,
		})
	}
	return doc
}

func (a *app) printBench(doc benchDoc) error {
	t := newTable("METRIC", "TARGET", "CURRENT", "", "P50", "P95", "P99", "OF#")
	for _, r := range doc.Targets {
		verdict := a.paint(green, "pass")
		if !r.Held {
			verdict = a.paint(red, "FAIL")
		}
		row := []string{r.Metric, r.Target, r.Current, verdict, "", "", "", strconv.Itoa(r.Count)}
		if r.P50+r.P95+r.P99 != 0 {
			for i, v := range []float64{r.P50, r.P95, r.P99} {
				row[4+i] = latencyText(v)
			}
		}
		t.add(row...)
	}
	if err := a.printTable(t); err != nil {
		return err
	}
	if err := a.printf("\n"); err != nil {
		return err
	}
	fields := []field{
		{"brokers", strings.Join(doc.Brokers, ",")},
		{"events", strconv.Itoa(doc.Events) + " of " + sizeText(int64(doc.Size)) + ", latencies at " + rateText(doc.Rate)},
		{"took", durationText(time.Duration(doc.Took * float64(time.Second)))},
	}
	for _, l := range doc.Left {
		fields = append(fields, field{"left behind", l})
	}
	return a.printFields(fields...)
}

func latencyText(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// judge is the exit code: every target that is not met is named.
func (d benchDoc) judge() error {
	var missed []string
	for _, r := range d.Targets {
		if !r.Held {
			missed = append(missed, r.Metric+" is "+r.Current+", the target "+r.Target)
		}
	}
	if len(missed) == 0 {
		return nil
	}
	f := fail(codeTarget, "%d of %d targets are not met", len(missed), len(d.Targets))
	for _, m := range missed {
		f.at("missed", "%s", m)
	}
	return f.because("this cluster, this machine or the network between them is too slow for it, or busy").
		fix("run it again while nothing else runs, next to the brokers").fix("omnibus bench --target %s says what it can do at a lower rate", rateText(max(1, d.Rate/10)))
}
