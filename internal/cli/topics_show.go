package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type topicsShowDoc struct {
	Schema string `json:"schema"`
	topicItem
	ID      string            `json:"id,omitzero"`
	Details []partitionItem   `json:"partition_details"`
	Configs map[string]string `json:"configs"`
}

type partitionItem struct {
	Partition int32   `json:"partition"`
	Leader    *int32  `json:"leader"` // null: none now
	Start     *int64  `json:"start"`
	End       *int64  `json:"end"`
	Replicas  []int32 `json:"replicas"`
	InSync    []int32 `json:"in_sync"`
}

func newTopicsShowCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "show TOPIC",
		Short: "Show one topic: partitions, offsets, settings",
		Example: `omnibus topics show omninode.codegen.request.validate.v1
omnibus topics show omninode.codegen.request.validate.v1.dlq -o json`,
		Args: a.wantArgs(1, 1, "a TOPIC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTopicsShow(cmd.Context(), a, event.Topic(args[0]))
		},
	}, formatTable, formatJSON)
}

func runTopicsShow(ctx context.Context, a *app, name event.Topic) error {
	var info bus.TopicInfo
	var dead *int64
	var dlq bool
	err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.within(ctx, func(ctx context.Context) error {
			found, err := b.Topics(ctx, event.Glob(name))
			if err != nil {
				return err
			}
			if len(found) != 1 {
				return fail(codeArgs, "%s is not the name of one topic", clip(string(name), 120)).
					because("%s", count(len(found), "topic matches it", "topics match it")).fix("omnibus topics list %s", shellQuote(string(name)))
			}
			info = found[0]
			letters, err := b.Topics(ctx, "*.dlq")
			for _, t := range letters {
				if t.Name == name.DLQ() {
					dlq, dead = true, recordsOf(t)
				}
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	doc := topicsShowDoc{Schema: schemaOf("topics.show"), topicItem: topicItemOf(info, dlq, dead), ID: info.ID, Configs: info.Configs}
	for _, p := range info.Partitions {
		item := partitionItem{Partition: p.Partition, Replicas: p.Replicas, InSync: p.InSync}
		if p.Leader >= 0 {
			item.Leader = &p.Leader
		}
		if p.Start >= 0 && p.End >= 0 {
			item.Start, item.End = &p.Start, &p.End
		}
		doc.Details = append(doc.Details, item)
	}
	return a.print(doc, func() error {
		err := a.printFields(
			field{"topic", string(doc.Name)}, field{"id", doc.ID}, field{"declared", yesNo(doc.Declared)}, field{"records", known(doc.Records)},
			field{"dead letters", deadText(doc.topicItem)}, field{"retention", retentionText(doc.RetentionSeconds)},
			field{"replicas", strconv.Itoa(doc.Replication)},
		)
		if err != nil {
			return err
		}
		t := newTable("PARTITION#", "LEADER#", "START#", "END#", "RECORDS#", "IN SYNC#")
		for _, p := range doc.Details {
			leader, records := "none", "unknown"
			if p.Leader != nil {
				leader = strconv.Itoa(int(*p.Leader))
			}
			if p.Start != nil {
				records = strconv.FormatInt(*p.End-*p.Start, 10)
			}
			t.add(strconv.Itoa(int(p.Partition)), leader, known(p.Start), known(p.End), records, strconv.Itoa(len(p.InSync))+"/"+strconv.Itoa(len(p.Replicas)))
		}
		if err := a.printf("\n"); err != nil {
			return err
		}
		if err := a.printTable(t); err != nil {
			return err
		}
		if len(doc.Configs) == 0 {
			return nil
		}
		settings := newTable("SETTING", "VALUE")
		for name, value := range sorted(doc.Configs) {
			settings.add(name, value)
		}
		if err := a.printf("\n"); err != nil {
			return err
		}
		return a.printTable(settings)
	})
}

func deadText(t topicItem) string {
	if !t.DLQ {
		return "-"
	}
	return known(t.DeadLetters)
}
