package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func newGroupsCmd(a *app) *cobra.Command {
	cmd := a.group("groups", "Consumer groups: who reads, how far they are, and move them", `omnibus groups list
omnibus groups show bridge
omnibus groups reset bridge --to 2h`, newGroupsListCmd(a), newGroupsShowCmd(a), newGroupsMembersCmd(a), newGroupsResetCmd(a),
		newGroupsDeleteCmd(a))
	cmd.Aliases = []string{"group"}
	cmd.AddCommand(rpkGroupCmds(a)...)
	return cmd
}

type groupsListDoc struct {
	Schema string      `json:"schema"`
	Groups []groupItem `json:"groups"`
}

type groupItem struct {
	Name     string        `json:"name"`
	State    string        `json:"state"`
	Protocol string        `json:"protocol,omitzero"`
	Members  int           `json:"members"`
	Topics   []event.Topic `json:"topics"`
}

func newGroupsListCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List consumer groups",
		Example: `omnibus groups list
omnibus groups list -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runGroupsList(cmd.Context(), a) },
	}, formatTable, formatJSON)
}

func runGroupsList(ctx context.Context, a *app) error {
	doc := groupsListDoc{Schema: schemaOf("groups.list"), Groups: []groupItem{}}
	infos, err := a.groups(ctx)
	if err != nil {
		return err
	}
	for _, g := range infos {
		doc.Groups = append(doc.Groups, groupItemOf(g))
	}
	return a.print(doc, func() error {
		t := newTable("GROUP", "STATE", "MEMBERS#", "TOPICS")
		for _, g := range doc.Groups {
			names := make([]string, len(g.Topics))
			for i, topic := range g.Topics {
				names[i] = string(topic)
			}
			t.add(g.Name, g.State, strconv.Itoa(g.Members), strings.Join(names, " "))
		}
		return a.printTable(t)
	})
}

func groupItemOf(g bus.GroupInfo) groupItem {
	item := groupItem{Name: g.Name, State: g.State, Protocol: g.Protocol, Members: len(g.Members), Topics: []event.Topic{}}
	topics := map[string]bool{}
	for _, m := range g.Members {
		for t := range m.Assigned {
			topics[string(t)] = true
		}
	}
	for t := range sorted(topics) {
		item.Topics = append(item.Topics, event.Topic(t))
	}
	return item
}

// groups describes the groups called names, or all.
func (a *app) groups(ctx context.Context, names ...string) ([]bus.GroupInfo, error) {
	var infos []bus.GroupInfo
	err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.within(ctx, func(ctx context.Context) error {
			var err error
			infos, err = b.Groups(ctx, names...)
			return unknownGroup(ctx, b, names, err)
		})
	})
	return infos, err
}

// unknownGroup turns the error about a group that does not exist into one that offers those that do.
func unknownGroup(ctx context.Context, b *bus.Bus, names []string, err error) error {
	if !errors.Is(err, bus.ErrUnknownGroup) {
		return err
	}
	var known []string
	if all, err := b.Groups(ctx); err == nil {
		for _, g := range all {
			known = append(known, g.Name)
		}
	}
	var missing []string
	for _, n := range names {
		if !slices.Contains(known, n) {
			missing = append(missing, n)
		}
	}
	f := fail(codeGroup, "unknown group %s", clip(strings.Join(missing, ", "), 120)).because("the broker has no group of that name")
	if len(missing) == 1 {
		f.meant(missing[0], known)
	}
	return f.fix("omnibus groups list")
}

type groupsShowDoc struct {
	Schema string `json:"schema"`
	groupItem
	Coordinator int32          `json:"coordinator"`
	Details     []memberItem   `json:"member_details"`
	Lag         []partitionLag `json:"lag"`
}

type memberItem struct {
	ID       string                  `json:"id"`
	Instance string                  `json:"instance,omitzero"`
	Client   string                  `json:"client"`
	Host     string                  `json:"host"`
	Assigned map[event.Topic][]int32 `json:"assigned"`
}

func memberItemOf(m bus.Member) memberItem {
	return memberItem{ID: m.ID, Instance: m.InstanceID, Client: m.ClientID, Host: m.Host, Assigned: m.Assigned}
}

func newGroupsShowCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "show GROUP",
		Short: "Show one group: members, what each holds, how far it is",
		Example: `omnibus groups show bridge
omnibus groups show bridge -o json`,
		Args: a.wantArgs(1, 1, "a GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error { return runGroupsShow(cmd.Context(), a, args[0]) },
	}, formatTable, formatJSON)
}

func runGroupsShow(ctx context.Context, a *app, name string) error {
	doc := groupsShowDoc{Schema: schemaOf("groups.show"), Details: []memberItem{}, Lag: []partitionLag{}}
	err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.within(ctx, func(ctx context.Context) error {
			infos, err := b.Groups(ctx, name)
			if err != nil {
				return unknownGroup(ctx, b, []string{name}, err)
			}
			for _, g := range infos {
				doc.groupItem, doc.Coordinator = groupItemOf(g), g.Coordinator
				for _, m := range g.Members {
					doc.Details = append(doc.Details, memberItemOf(m))
				}
			}
			lags, err := b.Lag(ctx, name)
			for _, l := range lags {
				doc.Lag = append(doc.Lag, partitionLagOf(l))
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	return a.print(doc, func() error {
		err := a.printFields(
			field{"group", doc.Name}, field{"state", doc.State}, field{"protocol", doc.Protocol},
			field{"coordinator", strconv.Itoa(int(doc.Coordinator))}, field{"members", strconv.Itoa(doc.Members)},
		)
		if err != nil {
			return err
		}
		if len(doc.Details) > 0 {
			t := newTable("MEMBER", "CLIENT", "HOST", "HOLDS")
			for _, m := range doc.Details {
				n := 0
				for _, ps := range m.Assigned {
					n += len(ps)
				}
				t.add(m.ID, m.Client, m.Host, count(n, "partition", "partitions")+" of "+count(len(m.Assigned), "topic", "topics"))
			}
			if err := a.printf("\n"); err != nil {
				return err
			}
			if err := a.printTable(t); err != nil {
				return err
			}
		}
		t := newTable("TOPIC", "PARTITION#", "COMMITTED#", "END#", "MESSAGES#", "SECONDS#", "WHY")
		for _, l := range doc.Lag {
			t.add(string(l.Topic), strconv.Itoa(int(l.Partition)), known(l.Committed), known(l.End), known(l.Messages), secondsText(l.Seconds), l.Why)
		}
		if err := a.printf("\n"); err != nil {
			return err
		}
		return a.printTable(t)
	})
}
