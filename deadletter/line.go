package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// exportSchema names the form of a line.
const exportSchema = "omnibus.deadletter/v1"

// line is a dead letter as JSON, without loss. A null key is null. The value is in one of three members: as the JSON that it is,
// as text, or as base64; none of them is a null value. The members above topic are for the eye: a reader has them from the rest.
type line struct {
	Schema    string          `json:"schema"`
	ID        string          `json:"id,omitzero"`
	State     State           `json:"state,omitzero"`
	Topic     event.Topic     `json:"topic"`
	Partition int32           `json:"partition"`
	Offset    int64           `json:"offset"`
	Timestamp time.Time       `json:"timestamp"`
	Key       *string         `json:"key"`
	KeyB64    *string         `json:"key_b64,omitzero"`
	Headers   []lineHeader    `json:"headers"`
	Value     json.RawMessage `json:"value,omitzero"`
	ValueText *string         `json:"value_text,omitzero"`
	ValueB64  *string         `json:"value_b64,omitzero"`
}

type lineHeader struct {
	Name     string  `json:"name"`
	NameB64  *string `json:"name_b64,omitzero"`
	Value    *string `json:"value"`
	ValueB64 *string `json:"value_b64,omitzero"`
}

func lineOf(r bus.Record) line {
	l := line{Schema: exportSchema, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Headers: []lineHeader{}}
	l.Key, l.KeyB64 = jsonx.TextOrBase64(r.Key)
	for _, h := range r.Headers {
		var out lineHeader
		if utf8.ValidString(h.Name) {
			out.Name = h.Name
		} else {
			_, out.NameB64 = jsonx.TextOrBase64([]byte(h.Name))
		}
		out.Value, out.ValueB64 = jsonx.TextOrBase64(h.Value)
		l.Headers = append(l.Headers, out)
	}
	if jsonx.Keeps(r.Value) {
		l.Value = r.Value
	} else {
		l.ValueText, l.ValueB64 = jsonx.TextOrBase64(r.Value)
	}
	return l
}

// parseLine is the inverse of lineOf.
func parseLine(b []byte) (bus.Record, error) {
	var l line
	if err := jsonx.Unmarshal(b, &l); err != nil {
		return bus.Record{}, err
	}
	switch {
	case l.Schema != exportSchema:
		return bus.Record{}, fmt.Errorf("schema %q: want %s", l.Schema, exportSchema)
	case !l.Topic.IsDLQ():
		return bus.Record{}, fmt.Errorf("topic %q is not a dead-letter topic", l.Topic)
	}
	r := bus.Record{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset, Timestamp: l.Timestamp}
	var errs [3]error
	r.Key, errs[0] = bytesOf("key", l.Key, l.KeyB64)
	r.Value, errs[1] = bytesOf("value", l.ValueText, l.ValueB64)
	if l.Value != nil {
		if r.Value != nil {
			errs[2] = errors.New("there is more than one value")
		}
		r.Value = l.Value
	}
	if err := errors.Join(errs[:]...); err != nil {
		return bus.Record{}, err
	}
	for _, h := range l.Headers {
		out := bus.Header{Name: h.Name}
		if h.NameB64 != nil {
			name, err := bytesOf("header name", nil, h.NameB64)
			if err != nil {
				return bus.Record{}, err
			}
			out.Name = string(name)
		}
		var err error
		if out.Value, err = bytesOf("header "+h.Name, h.Value, h.ValueB64); err != nil {
			return bus.Record{}, err
		}
		r.Headers = append(r.Headers, out)
	}
	return r, nil
}

func bytesOf(what string, text, b64 *string) ([]byte, error) {
	b, err := jsonx.FromTextOrBase64(text, b64)
	if err != nil {
		return nil, fmt.Errorf("%s %w", what, err)
	}
	return b, nil
}
