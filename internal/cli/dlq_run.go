package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/deadletter"
)

// runJob carries a job out, telling how far it is, and prints what came of it. Ctrl-C ends it after what is in flight.
func (a *app) runJob(ctx context.Context, d *deadletter.Desk, id, schema string) error {
	var last deadletter.Progress
	var failed error
	for p, err := range d.Run(ctx, id) {
		if err != nil && p.Total == 0 {
			return a.cannotRun(ctx, d, id, err)
		}
		last, failed = p, err
		a.hint("%s", progressText(id, p))
	}
	job, err := d.Job(context.WithoutCancel(ctx), id)
	if err != nil {
		return errors.Join(failed, err)
	}
	doc := planDocOf(job, schema)
	doc.Executed, doc.Job.Progress = true, last
	if !job.State.Ended() {
		doc.Next = a.commandLine("jobs", "resume", id)
	}
	if err := a.print(doc, func() error { return a.printOutcome(job, last) }); err != nil {
		return err
	}
	return a.judgeRun(ctx, job, last, failed, doc.Next)
}

// cannotRun explains why a run did not begin.
func (a *app) cannotRun(ctx context.Context, d *deadletter.Desk, id string, err error) error {
	switch {
	case errors.Is(err, deadletter.ErrNotFound):
		return a.noSuchJob(ctx, d, id)
	case errors.Is(err, deadletter.ErrEnded):
		job, found := d.Job(ctx, id)
		if found != nil {
			return found
		}
		return stale(a, job)
	}
	return err
}

// progressText is one line of how far a job is.
func progressText(id string, p deadletter.Progress) string {
	parts := []string{fmt.Sprintf("job %s: %d of %d", id, p.Total-p.Left, p.Total)}
	if p.PerSecond > 0 {
		parts = append(parts, strconv.FormatFloat(p.PerSecond, 'f', 0, 64)+"/s")
	}
	if eta := p.ETA(); eta > 0 {
		parts = append(parts, durationText(eta)+" left")
	}
	for _, c := range []struct {
		n    int
		what string
	}{{p.Again, "failed again"}, {p.Quarantined, "quarantined"}, {p.Failed, "not sent"}, {p.Held, "held by another run"}} {
		if c.n > 0 {
			parts = append(parts, strconv.Itoa(c.n)+" "+c.what)
		}
	}
	return strings.Join(parts, ", ")
}

// printOutcome shows what became of a job.
func (a *app) printOutcome(job *deadletter.Job, p deadletter.Progress) error {
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	done := "done"
	if job.Action == deadletter.Retry {
		done = "sent"
	}
	fields := []field{
		{"job", job.ID},
		{"action", string(job.Action)},
		{"state", string(job.State)},
		{"why", job.Why},
		{"dead letters", strconv.Itoa(p.Total)},
		{done, strconv.Itoa(p.Done)},
		{"skipped", number(p.Skipped)},
		{"quarantined", number(p.Quarantined)},
		{"not sent", number(p.Failed)},
		{"failed again", number(p.Again)},
		{"left", number(p.Left)},
	}
	for _, e := range p.Errors {
		fields = append(fields, field{"error", e})
	}
	return a.printFields(fields...)
}

// judgeRun is the exit code of a run.
func (a *app) judgeRun(ctx context.Context, job *deadletter.Job, p deadletter.Progress, failed error, resume string) error {
	switch {
	case failed == nil && p.Failed+p.Quarantined == 0:
		return nil
	case failed == nil:
		return fail(codePartial, "job %s is done, but for %d of %d", job.ID, p.Failed+p.Quarantined, p.Total).
			because("%s; %s", count(p.Quarantined, "has come back too often and is quarantined", "have come back too often and are quarantined"),
				count(p.Failed, "could not be sent", "could not be sent")).
			fix("%s", a.commandLine("jobs", "show", job.ID)).fix("correct what failed: omnibus dlq edit ID").fix("omnibus dlq restore ID, which makes it pending again")
	case errors.Is(failed, deadletter.ErrStopped):
		return fail(codeStopped, "job %s has stopped by itself: %d of %d failed again", job.ID, p.Again, p.Done).
			because("more failed again than --stop-rate allows: whatever was wrong still is").
			fix("%s", a.commandLine("dlq", "groups", "--state", "pending")).fix("when it is corrected, run the last line").then(resume)
	case errors.Is(failed, deadletter.ErrCanceled):
		return fail(codeCanceled, "job %s was canceled with %d left", job.ID, p.Left).because("somebody ran omnibus jobs cancel").
			fix("to go on, run the last line").then(resume)
	case ctx.Err() != nil && errors.Is(failed, context.Canceled):
		a.note("stopped with %d left, nothing is lost; to go on:\n%s", p.Left, resume)
		return failed
	}
	return a.explain(failed).fix("to go on, run the last line").then(resume)
}
