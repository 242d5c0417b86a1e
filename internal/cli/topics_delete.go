package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type topicsDeleteOptions struct {
	planFlags
	topic event.Topic
	dlq   bool
}

type topicsDeleteDoc struct {
	Schema   string       `json:"schema"`
	Executed bool         `json:"executed"`
	Plan     *planItem    `json:"plan"`
	Topics   []doomedItem `json:"topics"`
	Next     string       `json:"next,omitzero"`
}

type doomedItem struct {
	Name    event.Topic `json:"name"`
	ID      string      `json:"id,omitzero"`
	Records *int64      `json:"records"` // null: not known
}

const topicsDelete = "topics delete"

func newTopicsDeleteCmd(a *app) *cobra.Command {
	var o topicsDeleteOptions
	cmd := prints(&cobra.Command{
		Use:   "delete TOPIC",
		Short: "Delete a topic with everything in it",
		Long: keptHelp + "\n\nIt cannot be undone, so the name of the topic has to be typed, or said with --confirm. A topic that members of a group read is\n" +
			"left alone. Its dead letters stay unless --with-dlq is said.",
		Example: `omnibus topics delete house.other.thing.v1
omnibus topics delete house.other.thing.v1 --with-dlq
omnibus topics delete house.other.thing.v1 --execute --plan 7f3a2b9c --confirm house.other.thing.v1`,
		Args: a.wantArgs(1, 1, "a TOPIC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = event.Topic(args[0])
			return runTopicsDelete(cmd.Context(), a, o, cmd.Flags())
		},
	}, formatTable, formatJSON)
	cmd.Flags().BoolVar(&o.dlq, "with-dlq", false, "its dead letters too")
	o.flags(cmd.Flags())
	o.confirmFlag(cmd.Flags(), "topic")
	return cmd
}

func runTopicsDelete(ctx context.Context, a *app, o topicsDeleteOptions, given *pflag.FlagSet) error {
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		var plan bus.TopicDeletion
		var kept bus.KeptPlan
		err := a.within(ctx, func(ctx context.Context) (err error) {
			if o.id != "" {
				if kept, err = a.keptPlan(ctx, b, o.planFlags, topicsDelete, given, &plan); err == nil && plan.Topics[0].Name != o.topic {
					err = fail(codeConflict, "plan %s is not of %s, but of %s", kept.ID, clip(string(o.topic), 120), plan.Topics[0].Name).
						fix("%s", a.commandLine("topics", "delete", string(plan.Topics[0].Name), "--plan", kept.ID))
				}
				return err
			}
			doomed := []event.Topic{o.topic}
			if o.dlq {
				doomed = append(doomed, o.topic.DLQ())
			}
			if plan, err = b.PlanTopicDeletion(ctx, doomed...); err != nil {
				return err
			}
			kept, err = a.keep(ctx, b, topicsDelete, plan)
			return err
		})
		if err != nil {
			return err
		}
		doc := topicsDeleteDoc{Schema: schemaOf("topics.delete"), Plan: planItemOf(kept), Topics: []doomedItem{}}
		for _, t := range plan.Topics {
			item := doomedItem{Name: t.Name, ID: t.ID}
			if t.Records >= 0 {
				item.Records = &t.Records
			}
			doc.Topics = append(doc.Topics, item)
		}
		name := string(o.topic)
		doc.Next = a.commandLine("topics", "delete", name, "--execute", "--plan", kept.ID, "--confirm", name)
		if !o.execute {
			if err := a.printTopicDeletion(doc); err != nil {
				return err
			}
		}
		if yes, err := a.goAhead(ctx, o.planFlags, kept.ID, name, doc.Next); err != nil || !yes {
			return err
		}
		if err := a.within(ctx, func(ctx context.Context) error { return b.RunTopicDeletion(ctx, plan) }); err != nil {
			return err
		}
		a.done(ctx, b, kept)
		doc.Executed, doc.Next = true, ""
		return a.print(doc, func() error {
			for _, t := range doc.Topics {
				if err := a.printf("deleted: %s is gone\n", t.Name); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (a *app) printTopicDeletion(doc topicsDeleteDoc) error {
	return a.print(doc, func() error {
		if err := a.printFields(field{"plan", doc.Plan.ID}); err != nil {
			return err
		}
		t := newTable("TO DELETE", "RECORDS#")
		for _, d := range doc.Topics {
			t.add(string(d.Name), known(d.Records))
		}
		return a.printTable(t)
	})
}

// topicInUse explains why a topic is not deleted.
func topicInUse(e *bus.TopicInUseError) *failure {
	f := fail(codeInUse, "%s is being read", e.Topic)
	for _, g := range e.Groups {
		for _, m := range g.Members {
			if ps := m.Assigned[e.Topic]; len(ps) > 0 {
				f.at("group", "%s: %s at %s holds %s", g.Name, m.ClientID, m.Host, partitionsText(ps))
			}
		}
	}
	return f.because("without it their consumers end").fix("stop them first: omnibus groups members %s", shellWord(e.Groups[0].Name))
}
