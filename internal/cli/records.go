package cli

import (
	"context"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

// recordPrinter writes records one after another. What it makes of one is JSON texts, which the format frames, or plain text.
type recordPrinter struct {
	a             *app
	out           *buffered
	scratch, text []byte

	// At most one of them is set; without, it is the JSON of the record itself.
	texts func(ctx context.Context, v *view, each func(text []byte) error) error
	plain func(b []byte, v *view) ([]byte, error)
	apart bool // an empty line between two records

	n     int // records of which something was printed
	items int // JSON texts
}

// begin and end frame the records; only -o json has a frame: one document, that is complete however reading ends.
func (p *recordPrinter) begin() error {
	p.out = newBuffered(p.a.out.w)
	p.a.out.w = p.out
	if !p.framed() {
		return nil
	}
	return p.a.printf(`{"schema":%q,"records":[`, schemaOf("consume"))
}

func (p *recordPrinter) end() error {
	var err error
	if p.framed() {
		err = p.a.printf("\n]}\n")
	}
	if closed := p.out.Close(); err == nil {
		p.a.out.err, err = closed, closed
	}
	p.a.out.w = p.out.w
	return err
}

func (p *recordPrinter) framed() bool { return p.plain == nil && p.a.format == formatJSON }

// print writes one record. An *unfitError means that this one cannot be printed as asked for, and that the next one may be.
func (p *recordPrinter) print(ctx context.Context, v *view) error {
	b, items := p.scratch[:0], p.items
	if p.apart && p.n > 0 {
		b = append(b, '\n')
	}
	var err error
	switch {
	case p.plain != nil:
		b, err = p.plain(b, v)
		items++
	case p.texts == nil:
		p.text = appendRecord(p.text[:0], v.Record)
		b, err = p.frame(b, p.text, items)
		items++
	default:
		err = p.texts(ctx, v, func(text []byte) error {
			var err error
			b, err = p.frame(b, text, items)
			items++
			return err
		})
	}
	if p.scratch = b; err != nil {
		return err
	}
	if items == p.items {
		return nil
	}
	p.items = items
	p.n++
	_, err = p.a.out.Write(b)
	return err
}

// frame appends a JSON text as the format has it; before it there were n.
func (p *recordPrinter) frame(b, text []byte, n int) ([]byte, error) {
	switch p.a.format {
	case formatJSON:
		if n > 0 {
			b = append(b, ',')
		}
		return append(append(b, '\n'), text...), nil
	case formatYAML:
		doc, err := yamlOf(text)
		if err != nil {
			return b, &unfitError{"-o yaml", "the value is nested too deep, or has a number that is too long"}
		}
		return append(append(b, "---\n"...), doc...), nil
	case formatPretty:
		return append(appendIndented(b, text), '\n'), nil
	case formatRaw:
		if len(text) > 0 && text[0] == '"' {
			return append(append(b, jsonx.Text(text)...), '\n'), nil
		}
	default: // as NDJSON
	}
	return append(append(b, text...), '\n'), nil
}

// body is the payload of an event, and the value of anything else.
func (v *view) body() []byte {
	if e := v.event(); e != nil {
		return e.Payload
	}
	body, _, _ := event.CutSchemaID(v.Value)
	return body
}

// bodyTexts is what the record is about: JSON as it is, any other text as a string, other bytes in base64.
func bodyTexts(_ context.Context, v *view, each func([]byte) error) error {
	body := v.body()
	if body == nil {
		return each([]byte("null"))
	}
	if c, err := jsonx.Compact(body); err == nil {
		return each(c)
	}
	if utf8.Valid(body) {
		return each(jsonx.AppendQuote(nil, string(body)))
	}
	return each(jsonx.AppendQuote(nil, base64.StdEncoding.EncodeToString(body)))
}

// The plain formats.

func (a *app) appendRaw(b []byte, v *view) ([]byte, error) {
	return append(append(b, v.Value...), '\n'), nil
}

func (a *app) appendRawBody(b []byte, v *view) ([]byte, error) {
	return append(append(b, v.body()...), '\n'), nil
}

func (a *app) appendLine(b []byte, v *view) ([]byte, error) {
	b = append(append(b, a.paint(dim, a.timeText(v.Timestamp))...), "  "...)
	b = append(append(b, a.paint(cyan, v.Coordinates().String())...), "  "...)
	b = append(append(b, keyText(v.Key)...), "  "...)
	return a.appendLineBody(b, v)
}

// appendLineBody is the payload, or what else the value is, on one line.
func (a *app) appendLineBody(b []byte, v *view) ([]byte, error) {
	switch {
	case v.Value == nil:
		return append(b, "null\n"...), nil
	case v.event() != nil:
		if c, err := jsonx.Compact(v.event().Payload); err == nil {
			return append(append(b, c...), '\n'), nil
		}
	case !utf8.Valid(v.Value):
		return append(base64.StdEncoding.AppendEncode(b, v.Value), '\n'), nil
	}
	return append(append(b, oneline.Text(string(v.Value))...), '\n'), nil
}

func (a *app) appendPretty(b []byte, v *view) ([]byte, error) {
	b = append(append(b, a.paint(bold, v.Coordinates().String())...), "  "...)
	b = append(b, a.timeText(v.Timestamp)+" ("+a.ago(v.Timestamp)+")\n"...)
	e := v.event()
	if e == nil {
		b = append(b, a.fieldsText(field{"key", keyText(v.Key)}, field{"note", "not an event"})...)
		return appendValue(b, v.Value), nil
	}
	fields := []field{{"event_id", e.ID.String()}}
	if e.Type != v.Topic {
		fields = append(fields, field{"event_type", string(e.Type)})
	}
	fields = append(fields, field{"correlation_id", string(e.CorrelationID)})
	if !e.CausationID.IsZero() {
		fields = append(fields, field{"causation_id", e.CausationID.String()})
	}
	fields = append(fields,
		field{"source", e.Source.Service + " / " + e.Source.Instance}, field{"key", keyText(v.Key)}, field{"trace_id", e.Metadata.TraceID},
		field{"user_id", e.Metadata.UserID}, field{"tenant_id", e.Metadata.TenantID},
	)
	for _, h := range v.Headers {
		if !strings.HasPrefix(h.Name, "omnibus-") && h.Name != "content-type" {
			fields = append(fields, field{"header " + h.Name, keyText(h.Value)})
		}
	}
	if len(e.Completed) > 0 {
		fields = append(fields, field{"completed", strings.Join(e.Completed, ", ")})
	}
	return appendValue(append(b, a.fieldsText(fields...)...), e.Payload), nil
}

// printValue writes JSON indented, text as it is, and anything else as base64.
func (a *app) printValue(value []byte) error {
	_, err := a.out.Write(appendValue(nil, value))
	return err
}

func appendValue(b, value []byte) []byte {
	switch {
	case value == nil:
		return append(b, "null\n"...)
	case !utf8.Valid(value):
		return append(base64.StdEncoding.AppendEncode(b, value), " (base64)\n"...)
	}
	return append(appendIndented(b, value), '\n')
}

// appendIndented appends JSON indented, and what is no JSON as it is.
func appendIndented(b, text []byte) []byte {
	if indented, err := jsonx.Indent(text); err == nil {
		text = indented
	}
	return append(b, text...)
}

// viewOf is a view of r.
func viewOf(r bus.Record) *view { return &view{Record: r} }
