package cli

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// recordDoc is a record as JSON, without loss: "publish --batch" makes the same key, value and headers of it again. A null key
// is null. The value is in one of three members: as the JSON that it is, as text, or as base64. A null value is null. The id of a
// schema that stands before JSON is a member of its own.
type recordDoc struct {
	Topic     event.Topic     `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Timestamp string          `json:"timestamp"`
	Key       *string         `json:"key"`
	KeyB64    *string         `json:"key_b64,omitzero"`
	Headers   []headerDoc     `json:"headers"`
	SchemaID  *uint32         `json:"schema_id,omitzero"`
	Value     json.RawMessage `json:"value,omitzero"`
	ValueText *string         `json:"value_text,omitzero"`
	ValueB64  *string         `json:"value_b64,omitzero"`
}

type headerDoc struct {
	Name     string  `json:"name"`
	NameB64  *string `json:"name_b64,omitzero"`
	Value    *string `json:"value"`
	ValueB64 *string `json:"value_b64,omitzero"`
}

func recordDocOf(r bus.Record) recordDoc {
	doc := recordDoc{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: jsonTime(r.Timestamp), Headers: []headerDoc{}}
	doc.Key, doc.KeyB64 = jsonx.TextOrBase64(r.Key)
	for _, h := range r.Headers {
		doc.Headers = append(doc.Headers, headerDocOf(h))
	}
	body, id, prefixed := event.CutSchemaID(r.Value)
	switch {
	case r.Value == nil:
		doc.Value = json.RawMessage("null")
	case jsonx.Keeps(body):
		doc.Value = body
		if prefixed {
			doc.SchemaID = &id
		}
	default:
		doc.ValueText, doc.ValueB64 = jsonx.TextOrBase64(r.Value)
	}
	return doc
}

// appendRecord appends r as [recordDocOf] has it, which it takes the place of where there are many.
func appendRecord(b []byte, r bus.Record) []byte {
	b = jsonx.AppendQuote(append(b, `{"topic":`...), string(r.Topic))
	b = strconv.AppendInt(append(b, `,"partition":`...), int64(r.Partition), 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), r.Offset, 10)
	b = append(appendTime(append(b, `,"timestamp":"`...), r.Timestamp), '"')
	b = appendBytes(append(b, ','), "key", r.Key, true)
	b = append(b, `,"headers":[`...)
	for i, h := range r.Headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		if utf8.ValidString(h.Name) {
			b = jsonx.AppendQuote(append(b, `"name":`...), h.Name)
		} else {
			b = base64.StdEncoding.AppendEncode(append(b, `"name":"","name_b64":"`...), []byte(h.Name))
			b = append(b, '"')
		}
		b = append(appendBytes(append(b, ','), "value", h.Value, true), '}')
	}
	b = append(b, ']')
	body, id, prefixed := event.CutSchemaID(r.Value)
	switch {
	case jsonx.Keeps(body):
		if prefixed {
			b = strconv.AppendUint(append(b, `,"schema_id":`...), uint64(id), 10)
		}
		b = append(append(b, `,"value":`...), body...)
	case r.Value == nil:
		b = append(b, `,"value":null`...)
	case utf8.Valid(r.Value):
		b = appendBytes(append(b, ','), "value_text", r.Value, false)
	default:
		b = append(base64.StdEncoding.AppendEncode(append(b, `,"value_b64":"`...), r.Value), '"')
	}
	return append(b, '}')
}

// appendBytes appends a member that is text or null, and behind it, where v is no text, a second one with base64.
func appendBytes(b []byte, name string, v []byte, orBase64 bool) []byte {
	b = append(append(append(b, '"'), name...), `":`...)
	switch {
	case v == nil:
		return append(b, "null"...)
	case !orBase64 || utf8.Valid(v):
		return jsonx.AppendQuote(b, v)
	}
	b = append(append(append(b, `null,"`...), name...), `_b64":"`...)
	return append(base64.StdEncoding.AppendEncode(b, v), '"')
}

func headerDocOf(h bus.Header) headerDoc {
	var d headerDoc
	if name, b64 := jsonx.TextOrBase64([]byte(h.Name)); b64 != nil {
		d.NameB64 = b64
	} else {
		d.Name = *name
	}
	d.Value, d.ValueB64 = jsonx.TextOrBase64(h.Value)
	return d
}

// header is the inverse of headerDocOf. Its errors go on from the name of the member that they are about.
func (d headerDoc) header() (h bus.Header, member string, err error) {
	h.Name = d.Name
	if d.NameB64 != nil {
		name, err := jsonx.FromTextOrBase64(nil, d.NameB64)
		if err != nil {
			return bus.Header{}, "name_b64", err
		}
		h.Name = string(name)
	}
	h.Value, err = jsonx.FromTextOrBase64(d.Value, d.ValueB64)
	return h, "value_b64", err
}

// jsonTime is t as JSON outputs have it; empty for no time.
func jsonTime(t time.Time) string { return string(appendTime(nil, t)) }

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}

func keyText(key []byte) string {
	text, b64 := jsonx.TextOrBase64(key)
	switch {
	case text != nil && *text == "":
		return `""`
	case text != nil:
		return *text
	case b64 != nil:
		return *b64 + " (base64)"
	}
	return "null"
}
