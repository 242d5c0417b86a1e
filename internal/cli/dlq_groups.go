package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

type dlqGroupsDoc struct {
	Schema string      `json:"schema"`
	Groups []causeItem `json:"groups"`
}

type causeItem struct {
	Fingerprint string         `json:"fingerprint"`
	Group       string         `json:"consumer_group"`
	EventType   event.Topic    `json:"event_type"`
	Topics      []event.Topic  `json:"topics"`
	Class       string         `json:"class"`
	Type        string         `json:"error_type"`
	Message     string         `json:"error_message"` // of the newest
	DeadLetters int            `json:"dead_letters"`
	Open        int            `json:"open"`
	Redriven    int            `json:"redriven"`
	States      map[string]int `json:"states"`
	First       string         `json:"first"`
	Last        string         `json:"last"`
	Sample      string         `json:"sample"` // id of the newest

	last time.Time
}

func newDLQGroupsCmd(a *app) *cobra.Command {
	var o selectOptions
	cmd := prints(&cobra.Command{
		Use:     "groups [" + selectorUse + "…]",
		Aliases: []string{"by-error"},
		Short:   "Put dead letters together by cause: error, consumer group and event type",
		Example: `omnibus dlq groups
omnibus dlq groups omninode.codegen.request.validate.v1 --state pending
omnibus dlq groups --since 1h -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return runDLQGroups(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON)
	o.flags(cmd.Flags())
	return cmd
}

func runDLQGroups(ctx context.Context, a *app, o selectOptions) error {
	doc := dlqGroupsDoc{Schema: schemaOf("dlq.groups"), Groups: []causeItem{}}
	err := a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		snap, err := a.letters(ctx, d, o)
		if err != nil {
			return err
		}
		for _, g := range snap.Groups() {
			doc.Groups = append(doc.Groups, causeItemOf(g))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.print(doc, func() error {
		if len(doc.Groups) == 0 {
			a.hint("no dead letters")
			return nil
		}
		t := newTable("FINGERPRINT", "OPEN#", "ALL#", "GROUP", "EVENT TYPE", "CLASS", "LAST", "ERROR")
		for _, g := range doc.Groups {
			t.add(g.Fingerprint, strconv.Itoa(g.Open), strconv.Itoa(g.DeadLetters), g.Group, string(g.EventType), g.Class,
				a.timeText(g.last)+" ("+a.ago(g.last)+")", clip(oneline.Text(g.Message), 60))
		}
		return a.printTable(t)
	})
}

func causeItemOf(g deadletter.Group) causeItem {
	item := causeItem{
		Fingerprint: g.Fingerprint, Group: g.ConsumerGroup, EventType: g.EventType, Topics: g.Topics, Class: g.Class, Type: g.Type,
		Message: g.Sample.Message, DeadLetters: g.Count, Redriven: g.Redriven, States: map[string]int{},
		First: jsonTime(g.First), Last: jsonTime(g.Last), Sample: g.Sample.ID, last: g.Last,
	}
	for s, n := range g.States {
		item.States[string(s)] = n
		if stillOpen(s) {
			item.Open += n
		}
	}
	return item
}
