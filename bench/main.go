// Command bench measures Omnibus against the plain Kafka client and against Watermill, on the same broker in the same run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Exit codes.
const (
	exitError  = 1
	exitUsage  = 2
	exitMissed = 10 // a target was missed, with -check
)

type settings struct {
	kafka  string
	only   string
	rounds int
	events int
	short  bool
	json   bool
	check  bool
	cpu    string
	mem    string
	lanes  string
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) //nolint:forbidigo // this is main
}

func run(args []string, out, log io.Writer) int {
	if served, code := serveAsChild(os.Stdin, out, log); served {
		return code
	}
	s := settings{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&s.kafka, "kafka", os.Getenv("OMNIBUS_TEST_KAFKA"), "addresses of a Kafka cluster; \"start\" starts Apache Kafka; empty is the embedded broker")
	flags.StringVar(&s.only, "run", "publish,consume,hot,latency,failing", "which parts, with commas between; roundtrip, which has two brokers of its own, is only run where it is named")
	flags.StringVar(&s.lanes, "lanes", "", "of publish and consume, only those whose name contains this (raw always runs)")
	flags.IntVar(&s.rounds, "rounds", 5, "rounds of publish and consume; the median counts")
	flags.IntVar(&s.events, "events", 100_000, "events of a fast lane in one round")
	flags.BoolVar(&s.short, "short", false, "latency and failing key for 5 s in place of 20 and 30")
	flags.BoolVar(&s.json, "json", false, "print JSON")
	flags.BoolVar(&s.check, "check", false, "exit with 10 where a target is missed")
	flags.StringVar(&s.cpu, "cpuprofile", "", "write a CPU profile of everything that runs")
	flags.StringVar(&s.mem, "memprofile", "", "write a profile of allocations")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := s.measure(ctx, log)
	if report.Targets != nil {
		err = errors.Join(err, s.print(out, report))
	}
	if err != nil {
		_, _ = fmt.Fprintf(log, "bench: %v\n", err) // nobody is left to tell
		return exitError
	}
	if s.check && report.missed() {
		return exitMissed
	}
	return 0
}

func (s settings) print(out io.Writer, r Report) error {
	if !s.json {
		return r.table(out)
	}
	b, err := jsonx.MarshalIndent(r)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", b)
	return err
}

// measure starts the broker and runs the parts one after another.
func (s settings) measure(ctx context.Context, log io.Writer) (r Report, err error) {
	on, err := start(ctx, s.kafka)
	if err != nil {
		return r, err
	}
	defer func() {
		err = errors.Join(err, on.stop())
	}()
	r.describe(on.name, time.Now())
	if s.cpu != "" {
		f, err := os.Create(s.cpu)
		if err != nil {
			return r, err
		}
		defer f.Close() //nolint:errcheck // a profile that is cut short shows when it is read
		if err := pprof.StartCPUProfile(f); err != nil {
			return r, err
		}
		defer pprof.StopCPUProfile()
	}
	for name := range strings.SplitSeq(s.only, ",") {
		began := time.Now()
		if partErr := s.part(ctx, on, name, &r, log); partErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, partErr)) // the other parts still tell something
		}
		_, _ = fmt.Fprintf(log, "%s: %v\n", name, time.Since(began).Round(time.Second)) // progress only
	}
	if s.mem != "" {
		f, err := os.Create(s.mem)
		if err != nil {
			return r, err
		}
		defer f.Close() //nolint:errcheck // as above
		if err := pprof.Lookup("allocs").WriteTo(f, 0); err != nil {
			return r, err
		}
	}
	r.Targets = r.judge()
	return r, err
}

func (s settings) part(ctx context.Context, on *target, name string, r *Report, log io.Writer) (err error) {
	long := 20 * time.Second
	if s.short {
		long = 5 * time.Second
	}
	switch name {
	case "publish":
		r.Publish, err = rounds(ctx, on, s.rounds, s.events, s.lanes, publishLanes(), log)
	case "consume":
		var topic string
		if topic, err = fill(ctx, on, s.events*fillFactor); err == nil {
			r.Consume, err = rounds(ctx, on, s.rounds, s.events*fillFactor, s.lanes, consumeLanes(topic), log)
			err = errors.Join(err, on.remove(ctx, topic))
		}
	case "hot":
		r.Hot, err = hotPartition(ctx, on, 4_000)
	case "latency":
		r.Latency, err = openLoop(ctx, on, 10_000, long)
	case "roundtrip":
		r.RoundTrip, err = roundTrip(ctx, s.events)
	case "failing":
		if !s.short {
			long = 30 * time.Second
		}
		r.Failing, err = failingKey(ctx, on, long)
	default:
		err = errors.New("no such part; there are publish, consume, hot, latency, failing and roundtrip")
	}
	return err
}
