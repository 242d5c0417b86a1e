package cli

import (
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// view is a record, and what it holds once somebody asks for it.
type view struct {
	bus.Record
	decoded  bool
	envelope *event.Envelope // nil: not an event
	tree     map[string]any
}

// event is what the value is as an event, completed as a consumer completes it, or nil.
func (v *view) event() *event.Envelope {
	if v.decoded {
		return v.envelope
	}
	v.decoded = true
	e, err := event.Decode(v.Value)
	if err != nil {
		return nil
	}
	e.Complete(event.At{Topic: v.Topic, Partition: v.Partition, Offset: v.Offset, Time: v.Timestamp})
	v.envelope = &e
	return v.envelope
}

// envelopeMembers are the members of the envelope that stand beside those of the record. Its timestamp is not one of them: that
// of the record is there, and .value.timestamp.
func envelopeMembers() []string {
	return []string{"event_id", "event_type", "correlation_id", "causation_id", "version", "source", "metadata", "payload"}
}

// doc is the record as filters, --fields and templates see it: what -o ndjson prints with the value taken apart, the members of
// the envelope beside it, and the headers once more by name, the first of each. Numbers are json.Number, digits as they stand.
func (v *view) doc() map[string]any {
	if v.tree != nil {
		return v.tree
	}
	d := map[string]any{
		"topic": string(v.Topic), "partition": int(v.Partition), "offset": int(v.Offset), "timestamp": jsonTime(v.Timestamp),
	}
	v.tree = d
	put := func(to map[string]any, name string, b []byte) {
		text, b64 := jsonx.TextOrBase64(b)
		if text != nil {
			to[name] = *text
			return
		}
		to[name] = nil
		if b64 != nil {
			to[name+"_b64"] = *b64
		}
	}
	put(d, "key", v.Key)
	list, byName := make([]any, len(v.Headers)), make(map[string]any, len(v.Headers))
	for i, h := range v.Headers {
		one := map[string]any{}
		put(one, "name", []byte(h.Name))
		put(one, "value", h.Value)
		list[i] = one
		if _, twice := byName[h.Name]; !twice {
			byName[h.Name] = one["value"]
			if one["value"] == nil && h.Value != nil {
				byName[h.Name] = one["value_b64"]
			}
		}
	}
	d["headers"], d["header"] = list, byName
	body, id, prefixed := event.CutSchemaID(v.Value)
	value, err := jsonx.Tree(body, jsonx.Limits{})
	if err != nil {
		if text, b64 := jsonx.TextOrBase64(v.Value); text != nil {
			d["value_text"] = *text
		} else if b64 != nil {
			d["value_b64"] = *b64
		} else {
			d["value"] = nil
		}
		return d
	}
	d["value"] = value
	if prefixed {
		d["schema_id"] = int(id)
	}
	e := v.event()
	if e == nil {
		return d
	}
	envelope, _ := value.(map[string]any)
	if e.Nested || len(e.Completed) > 0 {
		envelope = completed(*e)
	}
	for _, name := range envelopeMembers() {
		if m, ok := envelope[name]; ok {
			d[name] = m
		}
	}
	return d
}

// completed is a foreign event as one of ours.
func completed(e event.Envelope) map[string]any {
	b, err := e.AppendJSON(nil)
	if err != nil {
		return nil
	}
	tree, err := jsonx.Tree(b, jsonx.Limits{})
	if err != nil {
		return nil
	}
	m, _ := tree.(map[string]any)
	return m
}
