package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/deadletter"
)

func newJobsCmd(a *app) *cobra.Command {
	cmd := a.group("jobs", "Plans and jobs: how far they are, go on, cancel", `omnibus jobs list
omnibus jobs show 7f3a2b9c
omnibus jobs resume 7f3a2b9c`, newJobsListCmd(a), newJobsShowCmd(a), newJobsResumeCmd(a), newJobsCancelCmd(a))
	cmd.Aliases = []string{"job"}
	return cmd
}

type jobItem struct {
	ID        string              `json:"id"`
	Action    string              `json:"action"`
	State     string              `json:"state"`
	By        string              `json:"by"`
	CreatedAt string              `json:"created_at"`
	RunBy     string              `json:"run_by,omitzero"`
	UpdatedAt string              `json:"updated_at,omitzero"`
	Why       string              `json:"why,omitzero"`
	Selector  deadletter.Selector `json:"selector"`
	Options   deadletter.Options  `json:"options"`
	Progress  deadletter.Progress `json:"progress"`
}

func jobItemOf(j deadletter.Job) jobItem {
	if j.State == deadletter.Planned {
		j.Progress = deadletter.Progress{Total: j.Total, Left: j.Total}
	}
	return jobItem{
		ID: j.ID, Action: string(j.Action), State: string(j.State), By: j.By, CreatedAt: jsonTime(j.CreatedAt), RunBy: j.RunBy,
		UpdatedAt: jsonTime(j.UpdatedAt), Why: j.Why, Selector: j.Selector, Options: j.Options, Progress: j.Progress,
	}
}

type jobsListDoc struct {
	Schema string    `json:"schema"`
	Jobs   []jobItem `json:"jobs"`
}

func newJobsListCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List plans and jobs, the newest first",
		Example: `omnibus jobs list
omnibus jobs list -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runJobsList(cmd.Context(), a) },
	}, formatTable, formatJSON)
}

func runJobsList(ctx context.Context, a *app) error {
	doc := jobsListDoc{Schema: schemaOf("jobs.list"), Jobs: []jobItem{}}
	var jobs []deadletter.Job
	err := a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		var problems []deadletter.Problem
		var err error
		jobs, problems, err = d.Jobs(ctx)
		a.tellProblems(problems)
		return err
	})
	if err != nil {
		return err
	}
	for _, j := range jobs {
		doc.Jobs = append(doc.Jobs, jobItemOf(j))
	}
	return a.print(doc, func() error {
		if len(jobs) == 0 {
			a.hint("no plans and no jobs")
			return nil
		}
		t := newTable("JOB", "ACTION", "STATE", "DONE#", "OF#", "LEFT#", "BY", "CREATED")
		for _, j := range jobs {
			t.add(j.ID, string(j.Action), string(j.State), strconv.Itoa(j.Progress.Done), strconv.Itoa(j.Total), strconv.Itoa(j.Progress.Left), j.By,
				a.timeText(j.CreatedAt)+" ("+a.ago(j.CreatedAt)+")")
		}
		return a.printTable(t)
	})
}

// namedJob reads a job, or says what is called nearly so.
func (a *app) namedJob(ctx context.Context, d *deadletter.Desk, id string) (*deadletter.Job, error) {
	job, err := d.Job(ctx, id)
	if errors.Is(err, deadletter.ErrNotFound) {
		return nil, a.noSuchJob(ctx, d, id)
	}
	return job, err
}

func (a *app) noSuchJob(ctx context.Context, d *deadletter.Desk, id string) error {
	jobs, _, err := d.Jobs(ctx)
	if err != nil {
		return err
	}
	known := make([]string, len(jobs))
	for i, j := range jobs {
		known[i] = j.ID
	}
	return fail(codeJob, "no plan or job %s", clip(id, 60)).because("this cluster has none of this name").meant(id, known).
		fix("%s", a.commandLine("jobs", "list")).fix("make a new plan: omnibus dlq retry, without --plan")
}
