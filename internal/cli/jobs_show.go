package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/deadletter"
)

func newJobsShowCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "show JOB",
		Short: "Show a plan or job: its set by cause, who made it, how far it is",
		Example: `omnibus jobs show 7f3a2b9c
omnibus jobs show 7f3a2b9c -o json`,
		Args: a.wantArgs(1, 1, "a JOB"),
		RunE: func(cmd *cobra.Command, args []string) error { return runJobsShow(cmd.Context(), a, args[0]) },
	}, formatTable, formatJSON)
}

func runJobsShow(ctx context.Context, a *app, id string) error {
	return a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		job, err := a.namedJob(ctx, d, id)
		if err != nil {
			return err
		}
		doc := planDocOf(job, "jobs.show")
		doc.Executed = job.State != deadletter.Planned
		switch {
		case !doc.Executed:
			doc.Next = a.doIt(job)
		case !job.State.Ended():
			doc.Next = a.commandLine("jobs", "resume", id)
		}
		return a.print(doc, func() error {
			if err := a.printPlan(job); err != nil {
				return err
			}
			fields := []field{{"made", "by " + job.By + " at " + a.timeText(job.CreatedAt)}, {"state", string(job.State)}}
			if doc.Executed {
				fields = append(fields, field{"run", "by " + job.RunBy + ", " + a.ago(job.UpdatedAt)}, field{"progress", progressText(job.ID, job.Progress)}, field{"why", job.Why})
			}
			for _, e := range job.Progress.Errors {
				fields = append(fields, field{"error", e})
			}
			if err := a.printf("\n"); err != nil {
				return err
			}
			return a.printFields(append(fields, field{"next", doc.Next})...)
		})
	})
}
