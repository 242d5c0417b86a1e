package cli

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// recordPrinter writes records one after another in the chosen format.
type recordPrinter struct {
	a *app
	n int
}

// begin and end frame the records; only -o json has a frame: one document, that is complete however reading ends.
func (p *recordPrinter) begin() error {
	if p.a.format != formatJSON {
		return nil
	}
	return p.a.printf(`{"schema":%q,"records":[`, schemaOf("consume"))
}

func (p *recordPrinter) end() error {
	if p.a.format != formatJSON {
		return nil
	}
	return p.a.printf("\n]}\n")
}

func (p *recordPrinter) print(r bus.Record) error {
	p.n++
	switch p.a.format {
	case formatJSON, formatNDJSON:
		b, err := jsonx.Marshal(recordDocOf(r))
		if err != nil {
			return err
		}
		switch {
		case p.a.format == formatNDJSON:
			b = append(b, '\n')
		case p.n == 1:
			b = append([]byte("\n"), b...)
		default:
			b = append([]byte(",\n"), b...)
		}
		_, err = p.a.out.Write(b)
		return err
	case formatRaw:
		_, err := p.a.out.Write(append(slices.Clip(r.Value), '\n'))
		return err
	case formatLine:
		return p.line(r)
	default:
		return p.pretty(r)
	}
}

func (p *recordPrinter) line(r bus.Record) error {
	body := strings.ToValidUTF8(oneLine(string(r.Value)), "\uFFFD")
	if e, err := event.Decode(r.Value); err == nil {
		if c, err := jsonx.Compact(e.Payload); err == nil {
			body = string(c)
		}
	} else if !utf8.Valid(r.Value) {
		body = base64.StdEncoding.EncodeToString(r.Value)
	}
	if r.Value == nil {
		body = "null"
	}
	return p.a.printf("%s  %s  %s  %s\n", p.a.paint(dim, p.a.timeText(r.Timestamp)), p.a.paint(cyan, r.Coordinates().String()), keyText(r.Key), body)
}

func (p *recordPrinter) pretty(r bus.Record) error {
	a := p.a
	if p.n > 1 {
		if err := a.printf("\n"); err != nil {
			return err
		}
	}
	if err := a.printf("%s  %s (%s)\n", a.paint(bold, r.Coordinates().String()), a.timeText(r.Timestamp), a.ago(r.Timestamp)); err != nil {
		return err
	}
	e, err := event.Decode(r.Value)
	if err != nil {
		if err := a.printFields(field{"key", keyText(r.Key)}, field{"note", "not an event"}); err != nil {
			return err
		}
		return a.printValue(r.Value)
	}
	e.Complete(event.At{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp})
	fields := []field{{"event_id", e.ID.String()}}
	if e.Type != r.Topic {
		fields = append(fields, field{"event_type", string(e.Type)})
	}
	fields = append(fields, field{"correlation_id", string(e.CorrelationID)})
	if !e.CausationID.IsZero() {
		fields = append(fields, field{"causation_id", e.CausationID.String()})
	}
	fields = append(fields,
		field{"source", e.Source.Service + " / " + e.Source.Instance}, field{"key", keyText(r.Key)}, field{"trace_id", e.Metadata.TraceID},
		field{"user_id", e.Metadata.UserID}, field{"tenant_id", e.Metadata.TenantID},
	)
	for _, h := range r.Headers {
		if !strings.HasPrefix(h.Name, "omnibus-") && h.Name != "content-type" {
			fields = append(fields, field{"header " + h.Name, keyText(h.Value)})
		}
	}
	if len(e.Completed) > 0 {
		fields = append(fields, field{"completed", strings.Join(e.Completed, ", ")})
	}
	if err := a.printFields(fields...); err != nil {
		return err
	}
	return a.printValue(e.Payload)
}

// printValue writes JSON indented, text as it is, and anything else as base64.
func (a *app) printValue(value []byte) error {
	if value == nil {
		return a.printf("null\n")
	}
	if b, err := jsonx.Indent(value); err == nil {
		return a.printf("%s\n", b)
	}
	if utf8.Valid(value) {
		return a.printf("%s\n", value)
	}
	return a.printf("%s (base64)\n", base64.StdEncoding.EncodeToString(value))
}
