package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func newTopicsCmd(a *app) *cobra.Command {
	cmd := a.group("topics", "Topics: list, create, and make them what they should be", `omnibus topics list
omnibus topics show omninode.codegen.request.validate.v1
omnibus topics diff -f topics.yaml`, newTopicsListCmd(a), newTopicsShowCmd(a), newTopicsCreateCmd(a), newTopicsDiffCmd(a), newTopicsApplyCmd(a),
		newTopicsConfigCmd(a), newTopicsDeleteCmd(a))
	cmd.Aliases = []string{"topic"}
	cmd.AddCommand(rpkTopicCmds(a)...)
	return cmd
}

type topicsListDoc struct {
	Schema string      `json:"schema"`
	Topics []topicItem `json:"topics"`
}

type topicItem struct {
	Name             event.Topic `json:"name"`
	Partitions       int         `json:"partitions"`
	Replication      int         `json:"replication"`
	Records          *int64      `json:"records"` // null: not known
	RetentionSeconds *float64    `json:"retention_seconds"`
	Declared         bool        `json:"declared"`
	DLQ              bool        `json:"dlq"`          // whether it has a dead-letter topic
	DeadLetters      *int64      `json:"dead_letters"` // null: not known, or no dead-letter topic
}

func newTopicsListCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:     "list [PATTERN…]",
		Aliases: []string{"ls"},
		Short:   "List topics, with how much is in them",
		Long:    "Dead-letter topics are counted at their topic; a pattern that ends in .dlq lists them themselves.",
		Example: `omnibus topics list
omnibus topics list 'omninode.codegen.*'
omnibus topics list 'omninode.*.dlq' -o json`,
		RunE: func(cmd *cobra.Command, args []string) error { return runTopicsList(cmd.Context(), a, args) },
	}, formatTable, formatJSON)
}

func runTopicsList(ctx context.Context, a *app, patterns []string) error {
	doc := topicsListDoc{Schema: schemaOf("topics.list"), Topics: []topicItem{}}
	err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.within(ctx, func(ctx context.Context) error {
			infos, err := b.Topics(ctx, globs(patterns)...)
			if err != nil {
				return err
			}
			dead := map[event.Topic]*int64{}
			all, err := b.Topics(ctx, "*.dlq")
			if err != nil {
				return err
			}
			for _, t := range all {
				dead[t.Name.Source()] = recordsOf(t)
			}
			for _, t := range infos {
				if t.Name.IsDLQ() && len(patterns) == 0 {
					continue
				}
				n, has := dead[t.Name]
				doc.Topics = append(doc.Topics, topicItemOf(t, has, n))
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if len(doc.Topics) == 0 && len(patterns) > 0 {
		return fail(codeEmpty, "no topic matches %s", quoted(patterns)).because("the broker has none by that name").fix("omnibus topics list")
	}
	return a.print(doc, func() error {
		t := newTable("TOPIC", "PARTITIONS#", "REPLICAS#", "RECORDS#", "DEAD#", "RETENTION#", "DECLARED")
		for _, item := range doc.Topics {
			t.add(string(item.Name), strconv.Itoa(item.Partitions), strconv.Itoa(item.Replication), known(item.Records), deadText(item),
				retentionText(item.RetentionSeconds), yesNo(item.Declared))
		}
		return a.printTable(t)
	})
}

func topicItemOf(t bus.TopicInfo, dlq bool, dead *int64) topicItem {
	item := topicItem{Name: t.Name, Partitions: len(t.Partitions), Replication: t.Replication, Records: recordsOf(t), Declared: t.Declared}
	if t.Retention >= 0 {
		s := t.Retention.Seconds()
		item.RetentionSeconds = &s
	}
	if !t.Name.IsDLQ() {
		item.DLQ, item.DeadLetters = dlq, dead
	}
	return item
}

// recordsOf is how many offsets the topic holds, nil where a partition has no leader to ask.
func recordsOf(t bus.TopicInfo) *int64 {
	var n int64
	for _, p := range t.Partitions {
		if p.End < 0 || p.Start < 0 {
			return nil
		}
		n += p.End - p.Start
	}
	return &n
}

// known is n, or a word where nobody knows.
func known(n *int64) string {
	if n == nil {
		return "unknown"
	}
	return strconv.FormatInt(*n, 10)
}

func retentionText(seconds *float64) string {
	if seconds == nil {
		return "for ever"
	}
	d := time.Duration(*seconds * float64(time.Second))
	if d >= 48*time.Hour && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return durationText(d)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func globs(patterns []string) []event.Glob {
	out := make([]event.Glob, len(patterns))
	for i, p := range patterns {
		out[i] = event.Glob(p)
	}
	return out
}
