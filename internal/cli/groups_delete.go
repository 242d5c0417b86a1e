package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type groupsDeleteDoc struct {
	Schema    string         `json:"schema"`
	Executed  bool           `json:"executed"`
	Plan      *planItem      `json:"plan"`
	Group     string         `json:"group"`
	Positions []positionItem `json:"positions"` // that are forgotten
	Next      string         `json:"next,omitzero"`
}

type positionItem struct {
	Topic     event.Topic `json:"topic"`
	Partition int32       `json:"partition"`
	Offset    int64       `json:"offset"`
}

const groupsDelete = "groups delete"

func newGroupsDeleteCmd(a *app) *cobra.Command {
	var p planFlags
	cmd := prints(&cobra.Command{
		Use:   "delete GROUP",
		Short: "Delete a group that has no members, with its positions",
		Long: keptHelp + "\n\nIt cannot be undone, so the name of the group has to be typed, or said with --confirm. Keep its positions first where they may be\n" +
			"needed: \"groups show GROUP -o json\" prints what \"groups reset --to file:NAME\" reads.",
		Example: `omnibus groups delete debug
omnibus groups delete debug --execute --plan 7f3a2b9c --confirm debug`,
		Args: a.wantArgs(1, 1, "a GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runGroupsDelete(cmd.Context(), a, p, args[0], cmd.Flags())
		},
	}, formatTable, formatJSON)
	p.flags(cmd.Flags())
	p.confirmFlag(cmd.Flags(), "group")
	return cmd
}

func runGroupsDelete(ctx context.Context, a *app, p planFlags, group string, given *pflag.FlagSet) error {
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		var plan bus.GroupDeletion
		var kept bus.KeptPlan
		err := a.within(ctx, func(ctx context.Context) (err error) {
			if p.id != "" {
				if kept, err = a.keptPlan(ctx, b, p, groupsDelete, given, &plan); err == nil && plan.Group != group {
					err = fail(codeConflict, "plan %s is not of group %s, but of %s", kept.ID, clip(group, 120), plan.Group).
						fix("%s", a.commandLine("groups", "delete", plan.Group, "--plan", kept.ID))
				}
				return err
			}
			if plan, err = b.PlanGroupDeletion(ctx, group); err != nil {
				return unknownGroup(ctx, b, []string{group}, err)
			}
			kept, err = a.keep(ctx, b, groupsDelete, plan)
			return err
		})
		if err != nil {
			return err
		}
		doc := groupsDeleteDoc{Schema: schemaOf("groups.delete"), Plan: planItemOf(kept), Group: group, Positions: []positionItem{}}
		for _, c := range plan.Positions {
			doc.Positions = append(doc.Positions, positionItem{c.Topic, c.Partition, c.Offset})
		}
		doc.Next = a.commandLine("groups", "delete", group, "--execute", "--plan", kept.ID, "--confirm", group)
		if !p.execute {
			if err := a.printGroupDeletion(doc); err != nil {
				return err
			}
		}
		if yes, err := a.goAhead(ctx, p, kept.ID, group, doc.Next); err != nil || !yes {
			return err
		}
		if err := a.within(ctx, func(ctx context.Context) error { return b.RunGroupDeletion(ctx, plan) }); err != nil {
			return err
		}
		a.done(ctx, b, kept)
		doc.Executed, doc.Next = true, ""
		return a.print(doc, func() error { return a.printf("deleted: group %s is gone\n", group) })
	})
}

func (a *app) printGroupDeletion(doc groupsDeleteDoc) error {
	return a.print(doc, func() error {
		err := a.printFields(field{"group", doc.Group}, field{"plan", doc.Plan.ID}, field{"forgets", count(len(doc.Positions), "position", "positions")})
		if err != nil || len(doc.Positions) == 0 {
			return err
		}
		t := newTable("TOPIC", "PARTITION#", "COMMITTED#")
		for _, c := range doc.Positions {
			t.add(string(c.Topic), strconv.Itoa(int(c.Partition)), strconv.FormatInt(c.Offset, 10))
		}
		if err := a.printf("\n"); err != nil {
			return err
		}
		return a.printTable(t)
	})
}
