package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type dlqShowOptions struct{ limit int }

type dlqShowDoc struct {
	Schema  string       `json:"schema"`
	Letters []letterItem `json:"dead_letters"`
}

type letterItem struct {
	Record        recordDoc   `json:"record"`
	Topic         event.Topic `json:"original_topic"`
	Partition     int32       `json:"original_partition"`
	Offset        int64       `json:"original_offset"`
	Time          string      `json:"original_timestamp,omitzero"`
	Group         string      `json:"group,omitzero"`
	Instance      string      `json:"instance,omitzero"`
	Class         string      `json:"class"`
	Type          string      `json:"error_type,omitzero"`
	Message       string      `json:"error_message,omitzero"`
	Stack         string      `json:"stack_trace,omitzero"`
	Fingerprint   string      `json:"fingerprint,omitzero"`
	Retries       int         `json:"retries"`
	FirstFailedAt string      `json:"first_failed_at,omitzero"`
	FailedAt      string      `json:"failed_at,omitzero"`
	Redrives      int         `json:"redrives"`

	letter bus.DeadLetter
}

func newDLQShowCmd(a *app) *cobra.Command {
	var o dlqShowOptions
	cmd := prints(&cobra.Command{
		Use:   "show TOPIC|EVENT_ID|FINGERPRINT",
		Short: "Show dead letters: what failed, why, and the event itself",
		Example: `omnibus dlq show omninode.codegen.request.validate.v1
omnibus dlq show 8c0f2f0e-2b1f-4c43-9d3c-5a1f0a1c7d11
omnibus dlq show 3f9a1c2b --limit 1 -o json`,
		Args: a.wantArgs(1, 1, "a TOPIC, an EVENT_ID or a FINGERPRINT"),
		RunE: func(cmd *cobra.Command, args []string) error { return runDLQShow(cmd.Context(), a, o, args[0]) },
	}, formatTable, formatJSON)
	cmd.Flags().IntVar(&o.limit, "limit", 10, "show the newest `n`")
	return cmd
}

func runDLQShow(ctx context.Context, a *app, o dlqShowOptions, which string) error {
	if o.limit < 1 {
		return fail(codeFlagValue, "--limit must be 1 or more").fix("--limit 10")
	}
	byTopic := strings.Contains(which, ".")
	var found []bus.DeadLetter
	err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		var patterns []string
		if byTopic {
			patterns = []string{which}
		}
		full, err := a.dlqTopics(ctx, b, patterns)
		if err != nil || len(full) == 0 {
			return err
		}
		r := bus.Range{Topics: full}
		if byTopic {
			r.Last = o.limit
		}
		for d, err := range b.DeadLetters(ctx, r) {
			if err != nil {
				return err
			}
			if byTopic || d.Fingerprint == which || eventID(d.Record) == which {
				found = append(found, d)
				found = found[max(0, len(found)-o.limit):]
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fail(codeDeadLetter, "no dead letter of %s", clip(which, 120)).because("none is kept under that name").fix("omnibus dlq list")
	}
	doc := dlqShowDoc{Schema: schemaOf("dlq.show")}
	for _, d := range found {
		doc.Letters = append(doc.Letters, letterItem{
			Record: recordDocOf(d.Record), Topic: d.Origin.Topic, Partition: d.Origin.Partition, Offset: d.Origin.Offset, Time: jsonTime(d.OriginTime),
			Group: d.Group, Instance: d.Instance, Class: d.Class, Type: d.Type, Message: d.Message, Stack: d.Stack, Fingerprint: d.Fingerprint,
			Retries: d.Retries, FirstFailedAt: jsonTime(d.FirstFailedAt), FailedAt: jsonTime(d.FailedAt), Redrives: d.Redrives, letter: d,
		})
	}
	return a.print(doc, func() error {
		for i, l := range doc.Letters {
			if i > 0 {
				if err := a.printf("\n"); err != nil {
					return err
				}
			}
			if err := a.printLetter(l); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *app) printLetter(l letterItem) error {
	d := l.letter
	attempts := count(l.Retries+1, "attempt", "attempts")
	err := a.printFields(
		field{"dead letter", d.Coordinates().String()}, field{"original", d.Origin.String()}, field{"event_id", eventID(d.Record)},
		field{"group", d.Group}, field{"why", d.Class + ", after " + attempts}, field{"error", d.Message}, field{"error type", d.Type},
		field{"fingerprint", d.Fingerprint}, field{"first failed", a.timeText(d.FirstFailedAt)},
		field{"failed", a.timeText(d.FailedAt) + " (" + a.ago(d.FailedAt) + ")"}, field{"sent again", strconv.Itoa(d.Redrives) + " times"},
		field{"stack", d.Stack}, field{"key", keyText(d.Key)},
	)
	if err != nil {
		return err
	}
	return a.printValue(d.Value)
}
