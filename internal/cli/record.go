package cli

import (
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// recordDoc is a record as JSON, without loss: "publish --batch" makes the same key, value and headers of it again. A null key
// is null. The value is in one of three members: as the JSON that it is, as text, or as base64; none of them is a null value.
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
	Value    *string `json:"value"`
	ValueB64 *string `json:"value_b64,omitzero"`
}

func recordDocOf(r bus.Record) recordDoc {
	doc := recordDoc{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: jsonTime(r.Timestamp), Headers: []headerDoc{}}
	doc.Key, doc.KeyB64 = textOrBase64(r.Key)
	for _, h := range r.Headers {
		d := headerDoc{Name: h.Name}
		d.Value, d.ValueB64 = textOrBase64(h.Value)
		doc.Headers = append(doc.Headers, d)
	}
	if kept, err := keptByJSON(r.Value); err == nil && kept {
		doc.Value = r.Value
	} else {
		doc.ValueText, doc.ValueB64 = textOrBase64(r.Value)
	}
	return doc
}

// keptByJSON reports whether value is JSON that comes out of a JSON line byte for byte.
func keptByJSON(value []byte) (bool, error) {
	if len(value) == 0 || value[0] != '{' {
		return false, nil
	}
	out, err := jsonx.Marshal(json.RawMessage(value))
	if err != nil {
		return false, err
	}
	return string(out) == string(value), nil
}

func textOrBase64(b []byte) (text, b64 *string) {
	if b == nil {
		return nil, nil
	}
	if utf8.Valid(b) {
		s := string(b)
		return &s, nil
	}
	s := base64.StdEncoding.EncodeToString(b)
	return nil, &s
}

// bytesOf is the inverse of textOrBase64.
func bytesOf(text, b64 *string) ([]byte, error) {
	switch {
	case b64 != nil:
		b, err := base64.StdEncoding.DecodeString(*b64)
		if b == nil {
			b = []byte{}
		}
		return b, err
	case text != nil:
		return []byte(*text), nil
	}
	return nil, nil
}

// jsonTime is t as JSON outputs have it; empty for no time.
func jsonTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func keyText(key []byte) string {
	text, b64 := textOrBase64(key)
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
