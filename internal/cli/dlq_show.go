package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

type dlqShowOptions struct {
	selectOptions
	limit int
}

type dlqShowDoc struct {
	Schema  string       `json:"schema"`
	Letters []letterItem `json:"dead_letters"`
}

type letterItem struct {
	ID            string        `json:"id"`
	State         string        `json:"state"`
	Record        recordDoc     `json:"record"`
	EventID       string        `json:"event_id,omitzero"`
	EventType     event.Topic   `json:"event_type"`
	Correlation   string        `json:"correlation_id,omitzero"`
	Topic         event.Topic   `json:"original_topic"`
	Partition     int32         `json:"original_partition"`
	Offset        int64         `json:"original_offset"`
	Time          string        `json:"original_timestamp,omitzero"`
	Group         string        `json:"group,omitzero"`
	Instance      string        `json:"instance,omitzero"`
	Class         string        `json:"class"`
	Type          string        `json:"error_type,omitzero"`
	Message       string        `json:"error_message,omitzero"`
	Stack         string        `json:"stack_trace,omitzero"`
	Fingerprint   string        `json:"fingerprint,omitzero"`
	Retries       int           `json:"retries"`
	FirstFailedAt string        `json:"first_failed_at,omitzero"`
	FailedAt      string        `json:"failed_at,omitzero"`
	Redrives      int           `json:"redrives"`
	Copies        int           `json:"copies"`
	SchemaError   string        `json:"schema_error,omitzero"` // what its schema has against it today
	Decision      *decisionItem `json:"decision,omitzero"`
	Draft         *draftItem    `json:"draft,omitzero"`

	letter deadletter.Letter
}

type decisionItem struct {
	State string `json:"state"`
	By    string `json:"by"`
	At    string `json:"at"`
	Job   string `json:"job,omitzero"`
	Note  string `json:"note,omitzero"`
	To    string `json:"sent_to,omitzero"`
}

type draftItem struct {
	By   string `json:"by"`
	At   string `json:"at"`
	Note string `json:"note,omitzero"`

	Value     string  `json:"value_text,omitzero"`
	ValueB64  *string `json:"value_b64,omitzero"`
	bytesText []byte
}

func newDLQShowCmd(a *app) *cobra.Command {
	var o dlqShowOptions
	cmd := prints(&cobra.Command{
		Use:   "show ID|FINGERPRINT|EVENT_ID|TOPIC…",
		Short: "Show dead letters: what failed, why, what was decided, and the event itself",
		Example: `omnibus dlq show 7k2m9qx4t0
omnibus dlq show 3f9a1c2b77d0 --limit 1 -o json
omnibus dlq show omninode.codegen.request.validate.v1
omnibus dlq show 8c0f2f0e-2b1f-4c43-9d3c-5a1f0a1c7d11`,
		Args: a.wantArgs(1, -1, "an ID, a FINGERPRINT, an EVENT_ID or a TOPIC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return runDLQShow(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON)
	o.flags(cmd.Flags())
	cmd.Flags().IntVar(&o.limit, "limit", 10, "show the newest `n`")
	return cmd
}

func runDLQShow(ctx context.Context, a *app, o dlqShowOptions) error {
	if o.limit < 1 {
		return fail(codeFlagValue, "--limit must be 1 or more").fix("--limit 10")
	}
	doc := dlqShowDoc{Schema: schemaOf("dlq.show"), Letters: []letterItem{}}
	err := a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		snap, err := a.letters(ctx, d, o.selectOptions)
		if err != nil {
			return err
		}
		if len(snap.Letters) == 0 {
			return a.nothingFits(ctx, d, o.selectOptions)
		}
		for _, l := range snap.Letters[max(0, len(snap.Letters)-o.limit):] {
			full, err := d.Show(ctx, place(l.Coordinates()))
			if err != nil {
				return err
			}
			doc.Letters = append(doc.Letters, letterItemOf(full, d.Check(full, full.Value)))
		}
		return nil
	})
	if err != nil {
		return err
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
		if l := doc.Letters[0]; len(doc.Letters) == 1 && l.Correlation != "" {
			a.hint("its flow: %s", a.commandLine("trace", l.Correlation))
		}
		return nil
	})
}

func letterItemOf(l deadletter.Letter, verdict error) letterItem {
	d := l.DeadLetter
	item := letterItem{
		ID: l.ID, State: string(l.State), Record: recordDocOf(d.Record), EventType: l.EventType, Correlation: string(l.CorrelationID),
		Topic: d.Origin.Topic, Partition: d.Origin.Partition, Offset: d.Origin.Offset, Time: jsonTime(d.OriginTime),
		Group: d.Group, Instance: d.Instance, Class: d.Class, Type: d.Type, Message: d.Message, Stack: d.Stack, Fingerprint: d.Fingerprint,
		Retries: d.Retries, FirstFailedAt: jsonTime(d.FirstFailedAt), FailedAt: jsonTime(d.FailedAt), Redrives: d.Redrives, Copies: l.Copies, letter: l,
	}
	if !l.EventID.IsZero() {
		item.EventID = l.EventID.String()
	}
	if verdict != nil {
		item.SchemaError = clip(oneline.Cause(verdict), 200)
	}
	if v := l.Decision; v != nil {
		item.Decision = &decisionItem{State: string(v.State), By: v.By, At: jsonTime(v.At), Job: v.Job, Note: v.Note}
		if v.To != nil {
			item.Decision.To = v.To.String()
		}
	}
	if v := l.Draft; v != nil {
		item.Draft = &draftItem{By: v.By, At: jsonTime(v.At), Note: v.Note, bytesText: v.Value}
		var text *string
		if text, item.Draft.ValueB64 = jsonx.TextOrBase64(v.Value); text != nil {
			item.Draft.Value = *text
		}
	}
	return item
}

func (a *app) printLetter(i letterItem) error {
	l := i.letter
	fields := []field{
		{"dead letter", i.ID},
		{"state", i.State},
		{"lies at", place(l.Coordinates())},
		{"original", l.Origin.String()},
		{"event_id", i.EventID},
		{"event type", string(i.EventType)},
		{"correlation", i.Correlation},
		{"group", l.Group},
		{"why", l.Class + ", after " + count(l.Retries+1, "attempt", "attempts")},
		{"error", l.Message},
		{"error type", l.Type},
		{"fingerprint", l.Fingerprint},
		{"first failed", a.timeText(l.FirstFailedAt)},
		{"failed", a.timeText(l.FailedAt) + " (" + a.ago(l.FailedAt) + ")"},
		{"sent again", strconv.Itoa(l.Redrives) + " times"},
		{"schema", verdictText(i.SchemaError)},
	}
	if d := l.Decision; d != nil {
		fields = append(fields, field{"decided", decisionText(a, d)}, field{"note", d.Note})
	}
	if d := l.Draft; d != nil {
		fields = append(fields, field{"draft", "by " + d.By + " at " + a.timeText(d.At)}, field{"draft note", d.Note})
	}
	if err := a.printFields(append(fields, field{"stack", l.Stack}, field{"headers", headersText(l.OriginalHeaders())}, field{"key", keyText(l.Key)})...); err != nil {
		return err
	}
	if err := a.printValue(l.Value); err != nil || l.Draft == nil {
		return err
	}
	if err := a.printf("%s\n", a.paint(dim, "the draft, which a retry sends in its place:")); err != nil {
		return err
	}
	return a.printValue(l.Draft.Value)
}

func verdictText(against string) string {
	if against == "" {
		return "valid"
	}
	return "not valid: " + against
}

func decisionText(a *app, d *deadletter.Decision) string {
	text := string(d.State) + " by " + d.By + " at " + a.timeText(d.At)
	if d.Job != "" {
		text += ", job " + d.Job
	}
	if d.To != nil {
		text += ", as " + d.To.String()
	}
	return text
}

func headersText(headers []bus.Header) string {
	text := ""
	for _, h := range headers {
		if text != "" {
			text += "\n"
		}
		text += h.Name + ": " + keyText(h.Value)
	}
	return text
}
