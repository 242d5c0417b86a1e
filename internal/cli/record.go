package cli

import (
	"encoding/json"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// recordDoc is a record as JSON, without loss: "publish --batch" makes the same key, value and headers of it again. A null key
// is null. The value is in one of three members: as the JSON that it is, as text, or as base64. A null value is null.
type recordDoc struct {
	Topic     event.Topic     `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Timestamp string          `json:"timestamp"`
	Key       *string         `json:"key"`
	KeyB64    *string         `json:"key_b64,omitzero"`
	Headers   []headerDoc     `json:"headers"`
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
	switch {
	case r.Value == nil:
		doc.Value = json.RawMessage("null")
	case jsonx.Keeps(r.Value):
		doc.Value = r.Value
	default:
		doc.ValueText, doc.ValueB64 = jsonx.TextOrBase64(r.Value)
	}
	return doc
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
func jsonTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
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
