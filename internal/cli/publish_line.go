package cli

import (
	"bytes"
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
	topic, eventType, payload, correlation, causation, key, keyB64, headers, value, valueText, valueB64, partition, timestamp []byte
	keyed, valued                                                                                                             bool
}

// lineNames are the members that a line may have. The offset is among them for where a line comes from, and is not read.
func lineNames() []string {
	return []string{
		"topic", "event_type", "payload", "correlation_id", "causation_id", "key", "key_b64", "headers", "value", "value_text", "value_b64",
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
		l.topic = event.Topic(*topic)
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
	if correlation != nil && *correlation != "" {
		if l.correlation = event.CorrelationID(*correlation); !l.correlation.Valid() {
			return fail(codeEvent, "the correlation id is not 1 to 128 printable characters").fix(`"correlation_id":"flow-7"`)
		}
	}
	causation, err := m.text("causation_id", m.causation)
	if err != nil || causation == nil {
		return err
	}
	if l.causation, err = event.ParseID(*causation); err != nil {
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
	if m.partition != nil {
		n, err := strconv.ParseInt(string(m.partition), 10, 32)
		if err != nil {
			return fail(codeEvent, `"partition" is not a partition`).fix(`"partition":0`)
		}
		l.partition = int32(n)
	}
	at, err := m.text("timestamp", m.timestamp)
	if err != nil || at == nil || *at == "" {
		return err
	}
	if l.time, err = time.Parse(time.RFC3339Nano, *at); err != nil {
		return fail(codeEvent, `"timestamp" is not a time`).fix(`"timestamp":"2026-01-31T12:00:00.000Z"`)
	}
	return nil
}

// text is the string that a member holds; nil where there is none.
func (*lineMembers) text(name string, value []byte) (*string, error) {
	if value == nil {
		return nil, nil //nolint:nilnil // no member is no text
	}
	if value[0] != '"' {
		return nil, fail(codeEvent, "%q is not a string", name).fix(`{"topic":"…","payload":{…},"key":"…"}`)
	}
	return new(jsonx.Text(value)), nil
}

// bytes is what a member holds as text or as base64; nil where there is neither.
func (m *lineMembers) bytes(name string, plain, b64 []byte) ([]byte, error) {
	text, err := m.text(name, plain)
	if err != nil {
		return nil, err
	}
	coded, err := m.text(name+"_b64", b64)
	if err != nil {
		return nil, err
	}
	b, err := jsonx.FromTextOrBase64(text, coded)
	if err != nil {
		return nil, fail(codeEvent, "%q %s", name+"_b64", err).fix("base64 as RFC 4648 has it, with padding")
	}
	return b, nil
}

// parseLineHeaders reads headers as "consume -o ndjson" writes them, or as {"name":"value"}.
func parseLineHeaders(b []byte) ([]bus.Header, error) {
	if len(b) == 0 || string(b) == "[]" {
		return nil, nil
	}
	wrong := fail(codeEvent, `"headers" cannot be read`).fix(`"headers":{"name":"value"}`)
	if b[0] == '{' {
		var (
			out []bus.Header
			bad bool
		)
		err := jsonx.Each(b, func(name []byte, from, to int) {
			bad = bad || b[from] != '"'
			if !bad {
				out = append(out, bus.Header{Name: string(name), Value: []byte(jsonx.Text(b[from:to]))})
			}
		})
		if err != nil || bad {
			return nil, wrong
		}
		return out, nil
	}
	var docs []struct {
		Name     *string `json:"name"`
		NameB64  *string `json:"name_b64"`
		Value    *string `json:"value"`
		ValueB64 *string `json:"value_b64"`
	}
	if err := jsonx.UnmarshalStrict(b, &docs); err != nil {
		return nil, wrong
	}
	out := make([]bus.Header, 0, len(docs))
	for _, d := range docs {
		if d.Name == nil && d.NameB64 == nil {
			return nil, wrong.because("one of them has no name")
		}
		doc := headerDoc{NameB64: d.NameB64, Value: d.Value, ValueB64: d.ValueB64}
		if d.Name != nil {
			doc.Name = *d.Name
		}
		h, member, err := doc.header()
		if err != nil {
			return nil, fail(codeEvent, "%q of a header %s", member, err).fix("base64 as RFC 4648 has it, with padding")
		}
		out = append(out, h)
	}
	return out, nil
}
