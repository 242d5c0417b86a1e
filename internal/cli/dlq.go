package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func newDLQCmd(a *app) *cobra.Command {
	return a.group("dlq", "Look into dead letters: events that a group could not handle", `omnibus dlq list
omnibus dlq show omninode.codegen.request.validate.v1`, newDLQListCmd(a), newDLQShowCmd(a))
}

type dlqListOptions struct{ failOver int64 }

type dlqListDoc struct {
	Schema string    `json:"schema"`
	Topics []dlqItem `json:"topics"`
}

type dlqItem struct {
	Topic       event.Topic `json:"topic"` // the one whose dead letters these are
	DeadLetters int64       `json:"dead_letters"`
	Oldest      string      `json:"oldest"`
	Newest      string      `json:"newest"`
	Groups      []string    `json:"groups"`
	Classes     []string    `json:"classes"`

	oldest time.Time
}

func newDLQListCmd(a *app) *cobra.Command {
	o := dlqListOptions{failOver: -1}
	cmd := prints(&cobra.Command{
		Use:     "list [PATTERN…]",
		Aliases: []string{"ls"},
		Short:   "List topics that have dead letters: how many, since when, of which groups",
		Example: `omnibus dlq list
omnibus dlq list 'omninode.codegen.*'
omnibus dlq list --fail-over 100`,
		RunE: func(cmd *cobra.Command, args []string) error { return runDLQList(cmd.Context(), a, o, args) },
	}, formatTable, formatJSON)
	cmd.Flags().Int64Var(&o.failOver, "fail-over", -1, "exit 10 where a topic has more dead letters than `n`")
	return cmd
}

func runDLQList(ctx context.Context, a *app, o dlqListOptions, patterns []string) error {
	doc := dlqListDoc{Schema: schemaOf("dlq.list"), Topics: []dlqItem{}}
	err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		full, err := a.dlqTopics(ctx, b, patterns)
		if err != nil || len(full) == 0 {
			return err
		}
		items := map[event.Topic]*dlqItem{}
		groups, classes := map[event.Topic]map[string]bool{}, map[event.Topic]map[string]bool{}
		for d, err := range b.DeadLetters(ctx, bus.Range{Topics: full}) {
			if err != nil {
				return err
			}
			t := d.Topic.Source()
			item := items[t]
			if item == nil {
				item = &dlqItem{Topic: t, oldest: d.Timestamp, Oldest: jsonTime(d.Timestamp)}
				items[t], groups[t], classes[t] = item, map[string]bool{}, map[string]bool{}
			}
			item.DeadLetters++
			item.Newest = jsonTime(d.Timestamp)
			if d.Group != "" {
				groups[t][d.Group] = true
			}
			classes[t][d.Class] = true
		}
		for _, g := range full {
			t := event.Topic(g).Source()
			if item := items[t]; item != nil {
				item.Groups, item.Classes = names(groups[t]), names(classes[t])
				doc.Topics = append(doc.Topics, *item)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = a.print(doc, func() error {
		if len(doc.Topics) == 0 {
			a.hint("no dead letters")
			return nil
		}
		t := newTable("TOPIC", "DEAD#", "GROUPS", "CLASSES", "OLDEST")
		for _, i := range doc.Topics {
			t.add(string(i.Topic), strconv.FormatInt(i.DeadLetters, 10), strings.Join(i.Groups, " "), strings.Join(i.Classes, " "),
				a.timeText(i.oldest)+" ("+a.ago(i.oldest)+")")
		}
		return a.printTable(t)
	})
	if err != nil || o.failOver < 0 {
		return err
	}
	for _, i := range doc.Topics {
		if i.DeadLetters > o.failOver {
			return fail(codeThreshold, "%s has more than %s", i.Topic, count(int(o.failOver), "dead letter", "dead letters")).
				because("it has %d, and --fail-over is %d", i.DeadLetters, o.failOver).fix("omnibus dlq show %s", i.Topic)
		}
	}
	return nil
}

// dlqTopics are the dead-letter topics of those that match, without the empty ones.
func (a *app) dlqTopics(ctx context.Context, b *bus.Bus, patterns []string) ([]event.Glob, error) {
	var wanted []event.Glob
	for _, p := range patterns {
		wanted = append(wanted, event.Glob(event.Topic(p).DLQ()))
	}
	if len(wanted) == 0 {
		wanted = []event.Glob{"*.dlq"}
	}
	var full []event.Glob
	err := a.within(ctx, func(ctx context.Context) error {
		infos, err := b.Topics(ctx, wanted...)
		for _, t := range infos {
			if n := recordsOf(t); n == nil || *n > 0 {
				full = append(full, event.Glob(t.Name))
			}
		}
		return err
	})
	return full, err
}

func names(set map[string]bool) []string {
	out := []string{}
	for n := range sorted(set) {
		out = append(out, n)
	}
	return out
}
