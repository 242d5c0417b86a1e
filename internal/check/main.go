// Command check knows how the project is checked: it is what stands behind the longer make targets.
//
//	go run ./internal/check check [step...]   the inner loop
//	go run ./internal/check test [step...]    everything
//	go run ./internal/check chaos [-report FILE] [step...]   faults for half an hour
//	go run ./internal/check fuzz [duration]   every fuzz target
//	go run ./internal/check kafka [nodes]     Apache Kafka until interrupted
//
// It runs in the root of the module.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "check:", err) // there is nowhere else to say it
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to run: check, test, chaos, fuzz or kafka")
	}
	if _, err := os.Stat("go.mod"); err != nil {
		return fmt.Errorf("run this in the root of the module: %w", err)
	}
	switch what, args := args[0], args[1:]; what {
	case "check":
		steps, err := innerLoop(ctx)
		if err != nil {
			return err
		}
		return runSteps(ctx, w, steps, args)
	case "test":
		return runSteps(ctx, w, everything(), args)
	case "chaos":
		return chaos(ctx, w, args)
	case "fuzz":
		return fuzz(ctx, w, args)
	case "kafka":
		return kafka(ctx, w, args)
	default:
		return fmt.Errorf("%q is none of check, test, chaos, fuzz and kafka", what)
	}
}
