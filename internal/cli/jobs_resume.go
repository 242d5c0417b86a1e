package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/deadletter"
)

func newJobsResumeCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "resume JOB",
		Short: "Go on with a job that was interrupted, canceled or stopped",
		Long:  "It works on the rest of its set; nothing that it has done is done again. A plan that was never carried out is not begun by this.",
		Example: `omnibus jobs resume 7f3a2b9c
omnibus jobs resume 7f3a2b9c -o json`,
		Args: a.wantArgs(1, 1, "a JOB"),
		RunE: func(cmd *cobra.Command, args []string) error { return runJobsResume(cmd.Context(), a, args[0]) },
	}, formatTable, formatJSON)
}

func runJobsResume(ctx context.Context, a *app, id string) error {
	return a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		job, err := a.namedJob(ctx, d, id)
		if err != nil {
			return err
		}
		if err := stale(a, job); err != nil {
			return err
		}
		switch job.State {
		case deadletter.Planned:
			return fail(codePlanOnly, "nothing was done: %s is a plan that was never carried out", job.ID).
				because("resume goes on with what was begun").fix("look at it, and run the last line").then(a.doIt(job))
		case deadletter.Running:
			a.hint("note: %s was at it %s; two at once do not send twice", job.RunBy, a.ago(job.UpdatedAt))
		default:
		}
		return a.runJob(ctx, d, id, "jobs.resume")
	})
}
