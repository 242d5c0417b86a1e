package cli

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// batchLine is what a line of a batch says: an event to make, where it has a payload, or a record to make again.
type batchLine struct {
	topic       event.Topic
	payload     []byte // of an event
	correlation event.CorrelationID
	causation   event.ID
	key         []byte
	keyed       bool // the line says which key, null included
	headers     []bus.Header
	value       []byte    // of a record
	partition   int32     // where the record was; -1: the line does not say
	time        time.Time // when; zero: the line does not say
}

// lineMembers are the members of a line as they stand in it; nil where there is none, or null.
type lineMembers struct {
	topic, eventType, payload, correlation, causation, key, keyB64, headers, schemaID, value, valueText, valueB64, partition, timestamp []byte
	keyed, valued                                                                                                                       bool
}

// lineNames are the members that a line may have. The offset is among them for where a line comes from, and is not read.
func lineNames() []string {
	return []string{
		"topic", "event_type", "payload", "correlation_id", "causation_id", "key", "key_b64", "headers", "schema_id", "value", "value_text", "value_b64",
		"partition", "offset", "timestamp",
	}
}

// parseBatchLine reads one line. What it returns shares memory with text.
func parseBatchLine(text []byte) (batchLine, error) {
	if trimmed := bytes.TrimLeft(text, " \t\r"); len(trimmed) > 0 && trimmed[0] != '{' {
		if err := jsonx.Check(text, jsonx.Limits{}); err != nil {
			return batchLine{}, err
		}
		return batchLine{}, fail(codeEvent, "the line is not a JSON object").fix(`{"topic":"…","payload":{…}}`)
	}
	var (
		m       lineMembers
		unknown string
	)
	err := jsonx.Each(text, func(name []byte, from, to int) {
		if !m.set(name, text[from:to]) && unknown == "" {
			unknown = string(name)
		}
	})
	if err != nil {
		return batchLine{}, err
	}
	if unknown != "" {
		return batchLine{}, fail(codeEvent, "unknown member %s", strconv.Quote(clip(unknown, 60))).meant(unknown, lineNames())
	}
	return m.line()
}

// set takes one member; it reports whether lines have such a member.
func (m *lineMembers) set(name, value []byte) bool {
	null := string(value) == "null"
	var to *[]byte
	switch string(name) {
	case "topic":
		to = &m.topic
	case "event_type":
		to = &m.eventType
	case "payload":
		m.payload = value // null is no payload either, and is refused as one
		return true
	case "correlation_id":
		to = &m.correlation
	case "causation_id":
		to = &m.causation
	case "key":
		m.keyed = true
		to = &m.key
	case "key_b64":
		m.keyed = true
		to = &m.keyB64
	case "headers":
		to = &m.headers
	case "schema_id":
		to = &m.schemaID
	case "value":
		m.valued = true
		to = &m.value
	case "value_text":
		m.valued = m.valued || !null
		to = &m.valueText
	case "value_b64":
		m.valued = m.valued || !null
		to = &m.valueB64
	case "partition":
		to = &m.partition
	case "timestamp":
		to = &m.timestamp
	case "offset":
		return true
	default:
		return false
	}
	if !null {
		*to = value
	}
	return true
}

// line puts the members together.
func (m *lineMembers) line() (l batchLine, err error) {
	l = batchLine{partition: -1, keyed: m.keyed, payload: m.payload}
	topic, err := m.text("topic", m.topic)
	if err != nil {
		return l, err
	}
	if topic == nil {
		if topic, err = m.text("event_type", m.eventType); err != nil {
			return l, err
		}
	}
	if topic != nil {
		l.topic = event.Topic(topic)
	}
	if l.key, err = m.bytes("key", m.key, m.keyB64); err != nil {
		return l, err
	}
	if l.headers, err = parseLineHeaders(m.headers); err != nil {
		return l, err
	}
	switch {
	case m.payload != nil && m.valued:
		return l, fail(codeEvent, `"payload" and a value exclude each other`).because("an event has a payload, a record has a value").fix("leave one of them out")
	case m.payload != nil && m.schemaID != nil:
		return l, fail(codeEvent, `"schema_id" does not go with a payload`).because("it stands before the value of a record that was published so").
			fix("OMNIBUS_SCHEMA_ID=prefix publishes events with an id")
	case m.payload != nil:
		return l, m.event(&l)
	case m.valued:
		return l, m.record(&l)
	}
	return l, fail(codeEvent, `the line has neither "payload" nor a value`).
		fix(`{"topic":"…","payload":{…}}`).fix(`"value":null where the record is to have none (a tombstone)`)
}

// event reads what only an event has.
func (m *lineMembers) event(l *batchLine) error {
	correlation, err := m.text("correlation_id", m.correlation)
	if err != nil {
		return err
	}
	if len(correlation) > 0 {
		if l.correlation = event.CorrelationID(correlation); !l.correlation.Valid() {
			return fail(codeEvent, "the correlation id is not 1 to 128 printable characters").fix(`"correlation_id":"flow-7"`)
		}
	}
	causation, err := m.text("causation_id", m.causation)
	if err != nil || causation == nil {
		return err
	}
	if l.causation, err = event.ParseID(string(causation)); err != nil {
		return fail(codeEvent, "the causation id is not a UUID").because("it is the event_id of the event that caused this one").fix("leave it out, or copy that event_id")
	}
	return nil
}

// record reads what only a record has.
func (m *lineMembers) record(l *batchLine) error {
	if m.correlation != nil || m.causation != nil {
		return fail(codeEvent, `"correlation_id" and "causation_id" do not go with a value`).
			because("the value is published as it is, with the ids that are in it").fix(`"payload" makes a new event`)
	}
	var err error
	if l.value, err = m.bytes("value", m.valueText, m.valueB64); err != nil {
		return err
	}
	if m.value != nil {
		if l.value != nil {
			return fail(codeEvent, "the line has more than one value").fix(`one of "value", "value_text" and "value_b64"`)
		}
		l.value = m.value
	}
	if m.schemaID != nil {
		id, err := strconv.ParseUint(string(m.schemaID), 10, 32)
		if err != nil || l.value == nil {
			return fail(codeEvent, `"schema_id" is not an id before a value`).fix(`"schema_id":7,"value":{…}`)
		}
		l.value = append(event.AppendSchemaID(make([]byte, 0, 5+len(l.value)), uint32(id)), l.value...)
	}
	if m.partition != nil {
		n, err := strconv.ParseInt(string(m.partition), 10, 32)
		if err != nil {
			return fail(codeEvent, `"partition" is not a partition`).fix(`"partition":0`)
		}
		l.partition = int32(n)
	}
	at, err := m.text("timestamp", m.timestamp)
	if err != nil || len(at) == 0 {
		return err
	}
	if l.time, err = time.Parse(time.RFC3339Nano, string(at)); err != nil {
		return fail(codeEvent, `"timestamp" is not a time`).fix(`"timestamp":"2026-01-31T12:00:00.000Z"`)
	}
	return nil
}

// text is the string that a member holds; nil where there is none. It shares memory with the line where that has no escapes.
func (*lineMembers) text(name string, value []byte) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	if value[0] != '"' {
		return nil, fail(codeEvent, "%q is not a string", name).fix(`{"topic":"…","payload":{…},"key":"…"}`)
	}
	return unquoted(value), nil
}

// unquoted is the bytes of a JSON string that has been read before.
func unquoted(value []byte) []byte {
	if bytes.IndexByte(value, '\\') >= 0 {
		return []byte(jsonx.Text(value))
	}
	return value[1 : len(value)-1 : len(value)-1]
}

// bytes is what a member holds as text or as base64; nil where there is neither.
func (m *lineMembers) bytes(name string, plain, b64 []byte) ([]byte, error) {
	text, err := m.text(name, plain)
	if err != nil || b64 == nil {
		return text, err
	}
	name += "_b64"
	coded, err := m.text(name, b64)
	switch {
	case err != nil:
		return nil, err
	case text != nil:
		return nil, fail(codeEvent, "%q is there twice, as text and as base64", name).fix("leave one of them out")
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(coded)))
	n, err := base64.StdEncoding.Decode(b, coded)
	if err != nil {
		return nil, fail(codeEvent, "%q is not base64", name).fix("base64 as RFC 4648 has it, with padding")
	}
	return b[:n], nil
}

// parseLineHeaders reads headers as "consume -o ndjson" writes them, or as {"name":"value"}.
func parseLineHeaders(b []byte) ([]bus.Header, error) {
	if len(b) == 0 || string(b) == "[]" {
		return nil, nil
	}
	if b[0] == '{' {
		var (
			out []bus.Header
			bad bool
		)
		err := jsonx.Each(b, func(name []byte, from, to int) {
			bad = bad || b[from] != '"'
			if !bad {
				out = append(out, bus.Header{Name: string(name), Value: unquoted(b[from:to])})
			}
		})
		if err != nil || bad {
			return nil, fail(codeEvent, `"headers" cannot be read`).because("the value of one of them is not a string").fix(`"headers":{"name":"value"}`)
		}
		return out, nil
	}
	var (
		out   []bus.Header
		first error
	)
	err := jsonx.Elements(b, func(from, to int) {
		h, err := parseLineHeader(b[from:to])
		if first == nil {
			first = err
		}
		out = append(out, h)
	})
	if err != nil {
		return nil, fail(codeEvent, `"headers" cannot be read`).because("they are neither an object nor an array").fix(`"headers":{"name":"value"}`)
	}
	return out, first
}

// parseLineHeader reads a header as "consume -o ndjson" writes it.
func parseLineHeader(b []byte) (h bus.Header, err error) {
	var (
		m                            lineMembers
		name, nameB64, value, valB64 []byte
		unknown                      bool
	)
	err = jsonx.Each(b, func(member []byte, from, to int) {
		v := b[from:to]
		if string(v) == "null" {
			v = nil
		}
		switch string(member) {
		case "name":
			name = v
		case "name_b64":
			nameB64 = v
		case "value":
			value = v
		case "value_b64":
			valB64 = v
		default:
			unknown = true
		}
	})
	if err != nil || unknown || name == nil && nameB64 == nil {
		return h, fail(codeEvent, `"headers" cannot be read`).because("one of them has no name, or members that no header has").fix(`"headers":{"name":"value"}`)
	}
	if nameB64 != nil && string(name) == `""` { // as it is written beside the other
		name = nil
	}
	text, err := m.bytes("name", name, nameB64)
	if err != nil {
		return h, err
	}
	h.Name = string(text)
	h.Value, err = m.bytes("value", value, valB64)
	return h, err
}
