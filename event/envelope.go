// Package event defines what travels on the bus: the envelope, topic names and the catalogue of event types.
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Envelope is one event. It is the truth: Kafka headers are derived from it, never the reverse.
type Envelope struct {
	ID            ID            // event_id
	Type          Topic         // event_type: the full topic name
	CorrelationID CorrelationID // always set on the wire
	CausationID   ID            // the id of the causing event, or none
	Time          time.Time     // UTC, written with milliseconds
	Version       string        // semantic version of the schema
	Source        Source
	Metadata      Metadata
	Payload       json.RawMessage // a JSON object
	Unknown       json.RawMessage // an object of the top-level members that this version does not know, or nil

	Completed []string // the fields that a foreign event lacked and [Envelope.Complete] filled in; not on the wire
	Nested    bool     // whether the event came as the payload of another envelope; not on the wire
}

// Source says which process published the event.
type Source struct {
	Service  string
	Instance string
	Host     string          // optional
	Unknown  json.RawMessage // as in [Envelope]
}

// Metadata is what travels along without being part of the payload. All of it is optional.
type Metadata struct {
	TraceID  string // 32 lower-case hexadecimal digits; a UUID is read too
	SpanID   string // 16 lower-case hexadecimal digits
	UserID   string
	TenantID string
	Extra    json.RawMessage // an object
	Unknown  json.RawMessage // as in [Envelope]
}

// timeLayout is RFC 3339 in UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// ErrNotEvent is in the chain of every error of [Decode]: the bytes are not an event, and no later try will change that.
var ErrNotEvent = errors.New("not an event")

type wireEnvelope struct {
	ID          jsonx.Value `json:"event_id"`
	Type        jsonx.Value `json:"event_type"`
	Correlation jsonx.Value `json:"correlation_id"`
	Causation   jsonx.Value `json:"causation_id"`
	Time        jsonx.Value `json:"timestamp"`
	Version     jsonx.Value `json:"version"`
	Source      jsonx.Value `json:"source"`
	Metadata    jsonx.Value `json:"metadata"`
	Payload     jsonx.Value `json:"payload"`
	Unknown     jsonx.Value `json:",embed"`
}

type wireSource struct {
	Service  jsonx.Value `json:"service"`
	Instance jsonx.Value `json:"instance_id"`
	Host     jsonx.Value `json:"hostname"`
	Unknown  jsonx.Value `json:",embed"`
}

type wireMetadata struct {
	TraceID  jsonx.Value `json:"trace_id"`
	SpanID   jsonx.Value `json:"span_id"`
	UserID   jsonx.Value `json:"user_id"`
	TenantID jsonx.Value `json:"tenant_id"`
	Extra    jsonx.Value `json:"extra"`
	Unknown  jsonx.Value `json:",embed"`
}

// Decode reads an envelope from strict JSON. It must be an object with an object payload; other fields may be missing or
// unusable (they stay zero, see [Envelope.Complete]). An envelope inside the payload is unwrapped, and Nested says so. The
// result does not share memory with b.
func Decode(b []byte) (Envelope, error) {
	e, err := decode(b)
	if err != nil {
		return Envelope{}, err
	}
	for range maxNesting {
		if !isEnvelope(e.Payload) {
			return e, nil
		}
		inner, err := decode(e.Payload)
		if err != nil {
			return e, nil //nolint:nilerr // what cannot be read as an envelope is a payload
		}
		inner.Nested = true
		e = inner
	}
	return Envelope{}, fmt.Errorf("%w: envelopes nested more than %d deep", ErrNotEvent, maxNesting)
}

const maxNesting = 3

func decode(b []byte) (Envelope, error) {
	var w wireEnvelope
	if err := jsonx.Unmarshal(b, &w); err != nil {
		return Envelope{}, fmt.Errorf("%w: %w", ErrNotEvent, err)
	}
	if w.Payload.Kind() != '{' {
		return Envelope{}, fmt.Errorf("%w: /payload is not an object", ErrNotEvent)
	}
	e := Envelope{
		Type:    Topic(text(w.Type)),
		Version: text(w.Version),
		Payload: json.RawMessage(w.Payload),
		Unknown: members(w.Unknown),
	}
	e.ID, _ = ParseID(text(w.ID)) // zero: completed later, and counted
	e.CausationID, _ = ParseID(text(w.Causation))
	if c := CorrelationID(text(w.Correlation)); c.Valid() {
		e.CorrelationID = c
	}
	if !semver.MatchString(e.Version) {
		e.Version = ""
	}
	if e.Type.legal() != nil {
		e.Type = ""
	}
	e.Time = parseTime(text(w.Time))
	var s wireSource
	if w.Source.Kind() == '{' && jsonx.Unmarshal(w.Source, &s) == nil {
		e.Source = Source{Service: text(s.Service), Instance: text(s.Instance), Host: text(s.Host), Unknown: members(s.Unknown)}
	}
	var m wireMetadata
	if w.Metadata.Kind() == '{' && jsonx.Unmarshal(w.Metadata, &m) == nil {
		e.Metadata = Metadata{
			TraceID: traceID(text(m.TraceID)), SpanID: text(m.SpanID), UserID: text(m.UserID), TenantID: text(m.TenantID),
			Extra: members(m.Extra), Unknown: members(m.Unknown),
		}
	}
	return e, nil
}

// isEnvelope reports whether payload is itself a whole envelope: someone wrapped twice.
func isEnvelope(payload []byte) bool {
	if !strings.Contains(string(payload), `"event_type"`) {
		return false
	}
	e, err := decode(payload)
	return err == nil && !e.ID.IsZero() && e.Type.parts() != topicParts{} && e.CorrelationID != ""
}

// text is the string that v holds, or "".
func text(v jsonx.Value) string {
	if len(v) == 0 || v.Kind() != '"' {
		return ""
	}
	if len(v) < 64 && !strings.ContainsRune(string(v), '\\') {
		return string(v[1 : len(v)-1])
	}
	var s string
	if jsonx.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

func members(v jsonx.Value) json.RawMessage {
	if v.Kind() != '{' || len(v) <= 2 {
		return nil
	}
	return json.RawMessage(v)
}

var semver = regexp.MustCompile(`^\d{1,9}\.\d{1,9}\.\d{1,9}$`)

// parseTime reads RFC 3339; a time without a zone is taken as UTC.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 0 && t.Year() <= 9999 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// traceID normalises a UUID to the 32 hexadecimal digits of the W3C trace context.
func traceID(s string) string {
	if id, err := ParseID(s); err == nil {
		return strings.ReplaceAll(id.String(), "-", "")
	}
	return s
}

// At is where a record lies in the log.
type At struct {
	Topic     Topic
	Partition int32
	Offset    int64
	Time      time.Time // the record's own timestamp
}

// Complete fills in what a foreign event lacks: the id from the coordinates (so that it is the same at every reading), the
// type from the topic, the time from the record. It names the filled fields in Completed and leaves the rest alone.
func (e *Envelope) Complete(at At) {
	fill := func(missing bool, field string, set func()) {
		if missing {
			set()
			e.Completed = append(e.Completed, field)
		}
	}
	fill(e.ID.IsZero(), "event_id", func() { e.ID = IDAt(at.Topic, at.Partition, at.Offset) })
	fill(e.Type == "", "event_type", func() { e.Type = at.Topic.Source() })
	fill(e.CorrelationID == "", "correlation_id", func() { e.CorrelationID = CorrelationID(e.ID.String()) })
	fill(e.Time.IsZero(), "timestamp", func() { e.Time = at.Time.UTC() })
	fill(e.Version == "", "version", func() { e.Version = "1.0.0" })
	fill(e.Source.Service == "", "source.service", func() { e.Source.Service = "unknown" })
	fill(e.Source.Instance == "", "source.instance_id", func() { e.Source.Instance = "unknown" })
}

// AppendJSON appends the envelope as compact JSON, members in the order of the wire format, unknown ones last.
func (e Envelope) AppendJSON(b []byte) ([]byte, error) {
	switch {
	case !e.CorrelationID.Valid():
		return nil, fmt.Errorf("encode event %s: correlation id is not 1–128 printable characters", e.ID)
	case jsonx.Value(e.Payload).Kind() != '{':
		return nil, fmt.Errorf("encode event %s: payload is not a JSON object", e.ID)
	}
	str := func(name, s string) {
		b = append(b, name...)
		b = jsonx.AppendQuote(b, s)
	}
	str(`{"event_id":`, e.ID.String())
	str(`,"event_type":`, string(e.Type))
	str(`,"correlation_id":`, string(e.CorrelationID))
	if !e.CausationID.IsZero() {
		str(`,"causation_id":`, e.CausationID.String())
	}
	b = append(b, `,"timestamp":"`...)
	b = e.Time.UTC().AppendFormat(b, timeLayout)
	str(`","version":`, e.Version)
	str(`,"source":{"service":`, e.Source.Service)
	str(`,"instance_id":`, e.Source.Instance)
	if e.Source.Host != "" {
		str(`,"hostname":`, e.Source.Host)
	}
	b = appendMembers(b, e.Source.Unknown, true)
	b = append(b, `},"metadata":{`...)
	first := len(b)
	for _, m := range []struct{ name, value string }{
		{"trace_id", e.Metadata.TraceID}, {"span_id", e.Metadata.SpanID}, {"user_id", e.Metadata.UserID}, {"tenant_id", e.Metadata.TenantID},
	} {
		if m.value != "" {
			if len(b) > first {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), m.name...), '"', ':')
			b = jsonx.AppendQuote(b, m.value)
		}
	}
	if len(e.Metadata.Extra) > 2 {
		if len(b) > first {
			b = append(b, ',')
		}
		b = append(append(b, `"extra":`...), e.Metadata.Extra...)
	}
	b = appendMembers(b, e.Metadata.Unknown, len(b) > first)
	b = append(b, `},"payload":`...)
	b = append(b, e.Payload...)
	b = appendMembers(b, e.Unknown, true)
	return append(b, '}'), nil
}

// appendMembers appends the members of object, which the wire layer keeps as "{…}".
func appendMembers(b []byte, object json.RawMessage, comma bool) []byte {
	inner := bytes.TrimSpace(object)
	if len(inner) <= 2 {
		return b
	}
	inner = bytes.TrimSpace(inner[1 : len(inner)-1])
	if len(inner) == 0 {
		return b
	}
	if comma {
		b = append(b, ',')
	}
	return append(b, inner...)
}
