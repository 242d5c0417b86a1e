package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

type dlqListOptions struct {
	selectOptions
	failOver int64
}

type dlqListDoc struct {
	Schema string    `json:"schema"`
	Topics []dlqItem `json:"topics"`
}

type dlqItem struct {
	Topic       event.Topic    `json:"topic"` // the one whose dead letters these are
	DeadLetters int64          `json:"dead_letters"`
	Open        int64          `json:"open"`      // pending, draft or quarantined
	LastHour    int64          `json:"last_hour"` // of all, those that failed in the last hour
	States      map[string]int `json:"states"`
	Oldest      string         `json:"oldest"`
	Newest      string         `json:"newest"`
	Groups      []string       `json:"groups"`
	Classes     []string       `json:"classes"`

	oldest time.Time
}

func newDLQListCmd(a *app) *cobra.Command {
	o := dlqListOptions{failOver: -1}
	cmd := prints(&cobra.Command{
		Use:     "list [" + selectorUse + "…]",
		Aliases: []string{"ls"},
		Short:   "List topics that have dead letters: how many, how many still open, since when, of which groups",
		Example: `omnibus dlq list
omnibus dlq list 'omninode.codegen.*'
omnibus dlq list --fail-over 100`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return runDLQList(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON)
	o.flags(cmd.Flags())
	cmd.Flags().Int64Var(&o.failOver, "fail-over", -1, "exit 10 where a topic has more than `n` that are open")
	return cmd
}

func runDLQList(ctx context.Context, a *app, o dlqListOptions) error {
	doc := dlqListDoc{Schema: schemaOf("dlq.list"), Topics: []dlqItem{}}
	err := a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		snap, err := a.letters(ctx, d, o.selectOptions)
		if err == nil {
			doc.Topics = topicsOf(snap.Letters, a.now())
		}
		return err
	})
	if err != nil {
		return err
	}
	err = a.print(doc, func() error {
		if len(doc.Topics) == 0 {
			a.hint("no dead letters")
			return nil
		}
		t := newTable("TOPIC", "OPEN#", "ALL#", "LAST HOUR#", "GROUPS", "CLASSES", "OLDEST")
		for _, i := range doc.Topics {
			t.add(string(i.Topic), strconv.FormatInt(i.Open, 10), strconv.FormatInt(i.DeadLetters, 10), strconv.FormatInt(i.LastHour, 10),
				strings.Join(i.Groups, " "), strings.Join(i.Classes, " "), a.timeText(i.oldest)+" ("+a.ago(i.oldest)+")")
		}
		return a.printTable(t)
	})
	if err != nil || o.failOver < 0 {
		return err
	}
	for _, i := range doc.Topics {
		if i.Open > o.failOver {
			return fail(codeThreshold, "%s has more than %s that are open", i.Topic, count(int(o.failOver), "dead letter", "dead letters")).
				because("it has %d, and --fail-over is %d", i.Open, o.failOver).fix("%s", a.commandLine("dlq", "groups", string(i.Topic)))
		}
	}
	return nil
}

// topicsOf counts the letters, which come in the order of their failure, by topic.
func topicsOf(letters []deadletter.Letter, now time.Time) []dlqItem {
	items := map[string]*dlqItem{}
	groups, classes := map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, l := range letters {
		t := string(l.Topic.Source())
		item := items[t]
		if item == nil {
			item = &dlqItem{Topic: event.Topic(t), States: map[string]int{}, oldest: l.FailedAt, Oldest: jsonTime(l.FailedAt)}
			items[t], groups[t], classes[t] = item, map[string]bool{}, map[string]bool{}
		}
		item.DeadLetters++
		if stillOpen(l.State) {
			item.Open++
		}
		if now.Sub(l.FailedAt) <= time.Hour {
			item.LastHour++
		}
		item.States[string(l.State)]++
		item.Newest = jsonTime(l.FailedAt)
		groups[t][l.Group], classes[t][l.Class] = true, true
	}
	out := []dlqItem{}
	for t, item := range sorted(items) {
		item.Groups, item.Classes = names(groups[t]), names(classes[t])
		out = append(out, *item)
	}
	return out
}
