package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	actors "github.com/omninode-ai/omnibus/internal/histcheck/actor"
)

// result is what a run came to.
type result struct {
	caughtUp    time.Duration // from the last fault until every group had settled everything
	took        time.Duration
	history     *histcheck.Report
	resumed     time.Duration // from the end of an outage until every partition of every group was at work; 0: there was none
	quarantined int           // events that a group took for the cause of its crashes
}

// judge holds what everybody wrote down, and what the topics hold now, against what the bus promises.
func (r *run) judge(ctx context.Context) (res result, err error) {
	res.took = time.Since(r.began)
	if err := r.ledger.Close(); err != nil {
		return res, err
	}
	files, err := filepath.Glob(filepath.Join(r.dir, ledgersDir, "*.jsonl"))
	if err != nil {
		return res, err
	}
	slices.Sort(files)
	in := histcheck.Input{
		Log:    actors.Log(ctx, r.bus, r.work.Topic, r.work.Topic.DLQ()),
		Groups: map[string][]string{}, CommitWithin: commitWithin,
	}
	for _, f := range files {
		in.Ledgers = append(in.Ledgers, histcheck.File(f))
	}
	for _, g := range r.profile.cast.groups {
		in.Groups[g.name] = []string{string(r.work.Topic)}
	}
	if res.history, err = histcheck.Check(in); err != nil {
		return res, err
	}
	if r.dependency != nil {
		if res.resumed, err = r.resumed(in.Ledgers); err != nil {
			return res, err
		}
	}
	for _, f := range res.history.Findings {
		r.found("%s", f)
	}
	for d, err := range r.bus.DeadLetters(ctx, bus.Range{Topics: []event.Glob{event.Glob(r.work.Topic)}}) {
		if err != nil {
			return res, err
		}
		if d.Class == classCrashSuspect {
			res.quarantined++
		}
	}
	if res.quarantined > 0 {
		r.found("%d events were quarantined, and none was killed three times while it ran", res.quarantined)
	}
	return res, r.keep(res.history)
}

// commitWithin is more than the second that the bus promises: a dozen processes share a processor or two here, and one that does not
// get its turn commits late. Runs in fake time are held to the second.
const commitWithin = 3 * time.Second

// keep writes the checker's report, with the history of what it found, beside the ledgers.
func (r *run) keep(h *histcheck.Report) error {
	f, err := os.Create(filepath.Join(r.dir, "history.txt"))
	if err != nil {
		return err
	}
	if err := errors.Join(h.Write(f), f.Close()); err != nil {
		return fmt.Errorf("write the report of the history: %w", err)
	}
	return nil
}

// classCrashSuspect is the class of a dead letter whose event was running at three crashes.
const classCrashSuspect = "crash_suspect"
