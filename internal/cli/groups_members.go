package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

type groupsMembersDoc struct {
	Schema  string       `json:"schema"`
	Group   string       `json:"group"`
	State   string       `json:"state"`
	Members []memberItem `json:"members"`
}

func newGroupsMembersCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "members GROUP",
		Short: "Say who is in a group, from where, and what each holds",
		Example: `omnibus groups members bridge
omnibus groups members bridge -o json`,
		Args: a.wantArgs(1, 1, "a GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error { return runGroupsMembers(cmd.Context(), a, args[0]) },
	}, formatTable, formatJSON)
}

func runGroupsMembers(ctx context.Context, a *app, name string) error {
	doc := groupsMembersDoc{Schema: schemaOf("groups.members"), Group: name, Members: []memberItem{}}
	infos, err := a.groups(ctx, name)
	if err != nil {
		return err
	}
	for _, g := range infos {
		doc.State = g.State
		for _, m := range g.Members {
			doc.Members = append(doc.Members, memberItemOf(m))
		}
	}
	return a.print(doc, func() error {
		if len(doc.Members) == 0 {
			a.hint("group %s has no members", name)
			return nil
		}
		t := newTable("MEMBER", "CLIENT", "HOST", "HOLDS")
		for _, m := range doc.Members {
			var holds []string
			for topic, ps := range sorted(topicNames(m.Assigned)) {
				holds = append(holds, topic+partitionsText(ps))
			}
			t.add(m.ID, m.Client, m.Host, strings.Join(holds, " "))
		}
		return a.printTable(t)
	})
}
