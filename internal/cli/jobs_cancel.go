package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/deadletter"
)

type jobsCancelDoc struct {
	Schema string  `json:"schema"`
	Job    jobItem `json:"job"`
	Next   string  `json:"next"`
}

func newJobsCancelCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "cancel JOB",
		Short: "End a job after what is in flight, wherever it runs; it can be resumed",
		Example: `omnibus jobs cancel 7f3a2b9c
omnibus jobs cancel 7f3a2b9c -o json`,
		Args: a.wantArgs(1, 1, "a JOB"),
		RunE: func(cmd *cobra.Command, args []string) error { return runJobsCancel(cmd.Context(), a, args[0]) },
	}, formatTable, formatJSON)
}

func runJobsCancel(ctx context.Context, a *app, id string) error {
	return a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		err := d.Cancel(ctx, id)
		switch {
		case errors.Is(err, deadletter.ErrNotFound):
			return a.noSuchJob(ctx, d, id)
		case errors.Is(err, deadletter.ErrEnded):
			return a.cannotRun(ctx, d, id, err)
		case err != nil:
			return err
		}
		job, err := d.Job(ctx, id)
		if err != nil {
			return err
		}
		doc := jobsCancelDoc{Schema: schemaOf("jobs.cancel"), Job: jobItemOf(*job), Next: a.commandLine("jobs", "resume", id)}
		return a.print(doc, func() error {
			state := string(job.State)
			if job.State == deadletter.Running {
				state += "; its run ends after what is in flight"
			}
			return a.printFields(field{"job", job.ID}, field{"state", state}, field{"left", strconv.Itoa(job.Progress.Left)}, field{"to go on", doc.Next})
		})
	})
}
