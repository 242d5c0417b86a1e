// Package event defines what travels on the bus: the envelope, topic names and the catalogue of event types.
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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

// Decode reads an envelope from strict JSON. It must be an object with an object payload; other fields may be missing or
// unusable (they stay zero, see [Envelope.Complete]). An envelope inside the payload is unwrapped, and Nested says so. The id of
// a schema before it is passed over, see [CutSchemaID]. The result does not share memory with b.
func Decode(b []byte) (Envelope, error) {
	b, _, _ = CutSchemaID(b)
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

// decode takes every string from one copy of b.
func decode(b []byte) (Envelope, error) {
	var e Envelope
	var source, metadata fields
	w := fields{bytes: b, text: string(b)}
	err := jsonx.Each(b, func(name []byte, from, to int) {
		switch v := w.at(from, to); string(name) {
		case "event_id":
			e.ID = idOf(v.string())
		case "event_type":
			if t := Topic(v.string()); t != "" && t.legal() == nil {
				e.Type = t
			}
		case "correlation_id":
			if c := CorrelationID(v.string()); c.Valid() {
				e.CorrelationID = c
			}
		case "causation_id":
			e.CausationID = idOf(v.string())
		case "timestamp":
			e.Time = parseTime(v.string())
		case "version":
			if s := v.string(); isSemver(s) {
				e.Version = s
			}
		case "source":
			source = v
		case "metadata":
			metadata = v
		case "payload":
			e.Payload = v.object()
		default:
			e.Unknown = appendMember(e.Unknown, name, v.bytes)
		}
	})
	if err != nil {
		return Envelope{}, fmt.Errorf("%w: %w", ErrNotEvent, err)
	}
	if e.Payload == nil {
		return Envelope{}, fmt.Errorf("%w: /payload is not an object", ErrNotEvent)
	}
	e.Unknown = closeMembers(e.Unknown)
	e.Source.read(source)
	e.Metadata.read(metadata)
	return e, nil
}

// fields is a JSON value twice: as bytes that are the caller's, and as a string that is ours.
type fields struct {
	bytes []byte
	text  string
}

func (f fields) at(from, to int) fields { return fields{f.bytes[from:to], f.text[from:to]} }

// string is the string that f holds, or "".
func (f fields) string() string {
	if len(f.text) == 0 || f.text[0] != '"' {
		return ""
	}
	if strings.IndexByte(f.text, '\\') < 0 {
		return f.text[1 : len(f.text)-1]
	}
	return jsonx.Text(f.bytes)
}

// object is a copy of the object that f holds, or nil.
func (f fields) object() json.RawMessage {
	if len(f.text) == 0 || f.text[0] != '{' {
		return nil
	}
	return bytes.Clone(f.bytes)
}

// members calls member for every member of the object that f holds.
func (f fields) members(member func(name []byte, v fields)) {
	if len(f.bytes) > 2 && f.bytes[0] == '{' {
		err := jsonx.Each(f.bytes, func(name []byte, from, to int) { member(name, f.at(from, to)) })
		_ = err // it has been read before, as part of the envelope
	}
}

func (s *Source) read(f fields) {
	f.members(func(name []byte, v fields) {
		switch string(name) {
		case "service":
			s.Service = v.string()
		case "instance_id":
			s.Instance = v.string()
		case "hostname":
			s.Host = v.string()
		default:
			s.Unknown = appendMember(s.Unknown, name, v.bytes)
		}
	})
	s.Unknown = closeMembers(s.Unknown)
}

func (m *Metadata) read(f fields) {
	f.members(func(name []byte, v fields) {
		switch string(name) {
		case "trace_id":
			m.TraceID = traceID(v.string())
		case "span_id":
			m.SpanID = v.string()
		case "user_id":
			m.UserID = v.string()
		case "tenant_id":
			m.TenantID = v.string()
		case "extra":
			if len(v.bytes) > 2 {
				m.Extra = v.object()
			}
		default:
			m.Unknown = appendMember(m.Unknown, name, v.bytes)
		}
	})
	m.Unknown = closeMembers(m.Unknown)
}

// appendMember adds one member to an object that closeMembers ends.
func appendMember(object json.RawMessage, name, value []byte) json.RawMessage {
	if object == nil {
		object = append(object, '{')
	} else {
		object = append(object, ',')
	}
	object = jsonx.AppendQuote(object, string(name))
	object = append(object, ':')
	return append(object, value...)
}

func closeMembers(object json.RawMessage) json.RawMessage {
	if object == nil {
		return nil
	}
	return append(object, '}')
}

// idOf is the id that s spells, or none, which is completed later and counted.
func idOf(s string) ID {
	if s == "" {
		return ID{}
	}
	id, _ := ParseID(s)
	return id
}

// isEnvelope reports whether payload is itself a whole envelope: someone wrapped twice.
func isEnvelope(payload []byte) bool {
	if !mentions(payload, "event_type") {
		return false
	}
	e, err := decode(payload)
	return err == nil && !e.ID.IsZero() && e.Type.parts() != topicParts{} && e.CorrelationID != ""
}

// isSemver reports whether s is three numbers of at most nine digits with dots between.
func isSemver(s string) bool {
	dots, digits := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' && digits < 9:
			digits++
		case c == '.' && digits > 0 && dots < 2:
			dots, digits = dots+1, 0
		default:
			return false
		}
	}
	return dots == 2 && digits > 0
}

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
	if len(s) != 36 {
		return s
	}
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
	id := func(name string, id ID) {
		b, _ = id.AppendText(append(append(b, name...), '"')) // never fails
		b = append(b, '"')
	}
	id(`{"event_id":`, e.ID)
	str(`,"event_type":`, string(e.Type))
	str(`,"correlation_id":`, string(e.CorrelationID))
	if !e.CausationID.IsZero() {
		id(`,"causation_id":`, e.CausationID)
	}
	b = append(b, `,"timestamp":"`...)
	b = appendTime(b, e.Time)
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

// appendTime appends t as timeLayout has it.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, timeLayout)
	}
	hour, minute, second := t.Clock()
	b = append(b, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10)) //nolint:gosec // digits
	for _, part := range [...]struct {
		mark  byte
		value int
	}{{'-', int(month)}, {'-', day}, {'T', hour}, {':', minute}, {':', second}} {
		b = append(b, part.mark, byte('0'+part.value/10), byte('0'+part.value%10)) //nolint:gosec // digits
	}
	ms := t.Nanosecond() / 1e6
	return append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z') //nolint:gosec // digits
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
