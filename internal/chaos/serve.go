package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/broker"
)

// minSessionTimeout lets a group notice after a second that a member was killed.
const minSessionTimeout = 500 * time.Millisecond

// serve is the embedded broker as an actor. A line that it is told is a fault as [fault.With] has it, or "clear".
func serve(ctx context.Context, o orders, told <-chan string, say *voice) error {
	b, err := broker.Start(ctx, broker.Config{
		Addr: o.Listens, Dir: o.Dir, MinSessionTimeout: minSessionTimeout,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	say.line(sayReady, "")
	for {
		select {
		case <-ctx.Done():
			return b.Close()
		case err := <-b.Failed():
			return errors.Join(err, b.Close())
		case line := <-told:
			if line == tellClear {
				b.Faults().Clear()
				continue
			}
			f, err := refusal(line)
			if err == nil {
				_, err = b.Faults().Add(f)
			}
			if err != nil {
				return errors.Join(err, b.Close())
			}
		}
	}
}

// tellClear ends the faults of a broker.
const tellClear = "clear"

// refusal reads the "with" of a refuse fault: which requests fail, and with which error. DROP does what it is asked and loses the
// answer.
func refusal(with string) (broker.Fault, error) {
	key, code, _ := strings.Cut(with, " ")
	f := broker.Fault{Key: key, Error: code}
	if err := f.Check(); err != nil {
		return broker.Fault{}, fmt.Errorf("refuse with %q: %w", with, err)
	}
	return f, nil
}

// refusals are what the profiles draw from: what a broker answers that is overloaded, moves what it leads, or is about to end.
func refusals() []string {
	return []string{
		"produce DROP", "produce REQUEST_TIMED_OUT", "produce NOT_LEADER_OR_FOLLOWER", "produce NOT_ENOUGH_REPLICAS",
		"produce NOT_ENOUGH_REPLICAS_AFTER_APPEND", "produce KAFKA_STORAGE_ERROR",
		"fetch DROP", "fetch NOT_LEADER_OR_FOLLOWER", "fetch KAFKA_STORAGE_ERROR",
		"commit DROP", "commit REQUEST_TIMED_OUT", "commit NOT_COORDINATOR", "commit COORDINATOR_NOT_AVAILABLE",
		"commit COORDINATOR_LOAD_IN_PROGRESS", "commit REBALANCE_IN_PROGRESS",
		"committed COORDINATOR_LOAD_IN_PROGRESS", "coordinator COORDINATOR_NOT_AVAILABLE", "metadata LEADER_NOT_AVAILABLE",
		"join COORDINATOR_NOT_AVAILABLE", "join DROP", "heartbeat COORDINATOR_NOT_AVAILABLE", "heartbeat DROP", "heartbeat UNKNOWN_MEMBER_ID",
	}
}
