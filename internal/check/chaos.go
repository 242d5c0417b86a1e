package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

// chaos runs the long fault runs, and the simulator over many seeds. With -report FILE it writes what they came to.
func chaos(ctx context.Context, w io.Writer, args []string) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(w)
	report := flags.String("report", "", "write the reports of the runs to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *report != "" {
		if err := os.WriteFile(*report, []byte(chaosHead), 0o644); err != nil {
			return fmt.Errorf("chaos: %w", err)
		}
	}
	return runSteps(ctx, w, chaosSteps(*report), flags.Args())
}

func chaosSteps(report string) []step {
	steps := []step{{name: "parts", alone: alone("parts"), run: installParts}}
	for _, profile := range []string{"embedded", "outage", "trials", "kafka3"} {
		args := []string{"run", "./internal/chaos", "-profile", profile}
		if report != "" {
			args = append(args, "-report", report)
		}
		steps = append(steps, stepOf(profile, goCommand(args...)))
	}
	sim := goCommand("test", "-count=1", "-timeout=2h", "-run=^TestSim$", "./bus", "-sim.seeds=100000")
	return append(steps, step{name: "sim", alone: sim.String(), run: func(ctx context.Context, w io.Writer) error {
		began := time.Now()
		if err := sim.testing(ctx, w); err != nil || report == "" {
			return err
		}
		return appendTo(report, fmt.Sprintf("\n## Simulator\n\n100,000 seeds of `TestSim` in %v, each the rules of the consumer against failures, kills and rebalances: "+
			"nothing found.\n", time.Since(began).Round(time.Second)))
	}})
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

const chaosHead = `# Fault runs

What ` + "`make chaos ARGS=\"-report docs/reference/chaos.md\"`" + ` came to when it was run last. Each run is a set of processes, faults drawn from its
seed, and a checker that holds the ledgers of all of them and the topics against the promises: see
[fault runs](../explanation/fault-runs.md). "Lost", "reordered" and their like have to be 0. To run the same again:
` + "`go run ./internal/chaos -profile PROFILE -seed SEED`" + `.
`
