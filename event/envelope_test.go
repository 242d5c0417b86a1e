package event_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func id(t testing.TB, s string) event.ID {
	t.Helper()
	v, err := event.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// envelopes are the events whose wire form is frozen in testdata, by file.
func envelopes(t testing.TB) map[string]event.Envelope {
	t.Helper()
	least := event.Envelope{
		ID: id(t, "5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d"), Type: "omninode.shop.event.sold.v1", CorrelationID: "0c7bd8c6-6a3e-4a79-8a41-8d6f4c0b2a11",
		Time: time.Date(2025, 10, 18, 10, 0, 0, 0, time.UTC), Version: "1.0.0",
		Source: event.Source{Service: "shop", Instance: "shop-1"}, Payload: json.RawMessage(`{"article":"A1"}`),
	}
	full := least
	full.CausationID = id(t, "9b2f1e1a-3c4d-4e5f-8a7b-6c5d4e3f2a1b")
	full.Time = time.Date(2025, 10, 18, 10, 0, 0, 120e6, time.UTC)
	full.CorrelationID = `order "7" – ü`
	full.Source.Host = "host-1"
	full.Metadata = event.Metadata{
		TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7", UserID: "u", TenantID: "t", Extra: json.RawMessage(`{"a":[1]}`),
	}
	later := full
	later.Unknown = json.RawMessage(`{"priority":5,"tags":["x"]}`)
	later.Source.Unknown = json.RawMessage(`{"zone":"z1"}`)
	later.Metadata.Unknown = json.RawMessage(`{"baggage":{"k":"v"}}`)
	onlyUnknown := least
	onlyUnknown.Metadata.Unknown = json.RawMessage(`{"baggage":1}`)
	return map[string]event.Envelope{"least": least, "full": full, "later": later, "metadata": onlyUnknown}
}

func TestEnvelopeOnTheWire(t *testing.T) {
	for name, e := range envelopes(t) {
		t.Run(name, func(t *testing.T) {
			got, err := e.AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			back, err := event.Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, back); diff != "" {
				t.Errorf("decoded: -want +got\n%s", diff)
			}
			appended, err := e.AppendJSON([]byte("x"))
			if err != nil || string(appended) != "x"+string(got) {
				t.Errorf("AppendJSON does not append: %s, %v", appended, err)
			}
		})
	}
}

func TestDecodedEnvelopeDoesNotShareMemory(t *testing.T) {
	want := envelopes(t)["later"]
	b, err := want.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := event.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 'x'
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tc := range []struct{ name, in string }{
		{"nothing", ``},
		{"no object", `[]`},
		{"null", `null`},
		{"no payload", `{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d"}`},
		{"payload of another kind", `{"payload":"x"}`},
		{"payload null", `{"payload":null}`},
		{"duplicate member", `{"payload":{},"payload":{}}`},
		{"duplicate member in the payload", `{"payload":{"a":1,"a":2}}`},
		{"invalid UTF-8", "{\"payload\":{\"a\":\"\xff\"}}"},
		{"text after the end", `{"payload":{}} x`},
		{"cut off", `{"payload":{}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if e, err := event.Decode([]byte(tc.in)); !errors.Is(err, event.ErrNotEvent) {
				t.Errorf("Decode = %+v, %v; want ErrNotEvent", e, err)
			}
		})
	}
}

func TestForeignEventsAreCompleted(t *testing.T) {
	at := event.At{Topic: "omninode.shop.event.sold.v1.dlq", Partition: 3, Offset: 42, Time: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)}
	all := []string{"event_id", "event_type", "correlation_id", "timestamp", "version", "source.service", "source.instance_id"}
	derived := event.IDAt(at.Topic, 3, 42)
	for _, tc := range []struct {
		name, in string
		want     event.Envelope
	}{
		{"payload alone", `{"payload":{"a":1}}`, event.Envelope{
			ID: derived, Type: "omninode.shop.event.sold.v1", CorrelationID: event.CorrelationID(derived.String()), Time: at.Time, Version: "1.0.0",
			Source: event.Source{Service: "unknown", Instance: "unknown"}, Payload: json.RawMessage(`{"a":1}`), Completed: all,
		}},
		{"everything unusable", `{"event_id":"7","event_type":"a b","correlation_id":"","causation_id":7,"timestamp":"yesterday","version":"one",
			"source":"shop","metadata":[],"payload":{"a":1}}`, event.Envelope{
			ID: derived, Type: "omninode.shop.event.sold.v1", CorrelationID: event.CorrelationID(derived.String()), Time: at.Time, Version: "1.0.0",
			Source: event.Source{Service: "unknown", Instance: "unknown"}, Payload: json.RawMessage(`{"a":1}`), Completed: all,
		}},
		{"one field of each group unusable", `{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","event_type":"omninode.shop.event.sold.v1","correlation_id":"abc-123",
			"timestamp":"2025-10-18T12:00:00.5+02:00","version":"2.0.0","source":{"service":"shop","instance_id":7,"zone":"z"},
			"metadata":{"trace_id":"4BF92F35-77B3-4DA6-A3CE-929D0E0E4736","user_id":7,"tenant_id":null,"more":1},"payload":{}}`, event.Envelope{
			ID: id(t, "5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d"), Type: "omninode.shop.event.sold.v1", CorrelationID: "abc-123",
			Time: time.Date(2025, 10, 18, 10, 0, 0, 500e6, time.UTC), Version: "2.0.0",
			Source:   event.Source{Service: "shop", Instance: "unknown", Unknown: json.RawMessage(`{"zone":"z"}`)},
			Metadata: event.Metadata{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Unknown: json.RawMessage(`{"more":1}`)},
			Payload:  json.RawMessage(`{}`), Completed: []string{"source.instance_id"},
		}},
		{"time without a zone", `{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","event_type":"other-house.sold","correlation_id":"c",
			"timestamp":"2025-10-18T10:00:00.123456","version":"1.0.0","source":{"service":"s","instance_id":"i"},"payload":{}}`, event.Envelope{
			ID: id(t, "5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d"), Type: "other-house.sold", CorrelationID: "c",
			Time: time.Date(2025, 10, 18, 10, 0, 0, 123456e3, time.UTC), Version: "1.0.0",
			Source: event.Source{Service: "s", Instance: "i"}, Payload: json.RawMessage(`{}`),
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := event.Decode([]byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			got.Complete(at)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestNestedEnvelopesAreUnwrapped(t *testing.T) {
	inner := envelopes(t)["least"]
	wrap := func(payload []byte) []byte {
		outer := envelopes(t)["full"]
		outer.Payload = payload
		b, err := outer.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	wire, err := inner.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	inner.Nested = true
	for depth, b := range [][]byte{wrap(wire), wrap(wrap(wire))} {
		got, err := event.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(inner, got); diff != "" {
			t.Errorf("wrapped %d more: -want +got\n%s", depth+1, diff)
		}
	}
	if _, err := event.Decode(wrap(wrap(wrap(wrap(wire))))); !errors.Is(err, event.ErrNotEvent) {
		t.Errorf("envelopes without end: %v", err)
	}
	for _, payload := range []string{
		`{"event_type":"started","service":"shop"}`,
		`{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","event_type":"omninode.shop.event.sold.v1","correlation_id":"c"}`,
		`{"event_type":"omninode.shop.event.sold.v1","payload":{}}`,
	} {
		got, err := event.Decode(wrap([]byte(payload)))
		if err != nil || got.Nested || string(got.Payload) != payload {
			t.Errorf("%s is a payload: %+v, %v", payload, got, err)
		}
	}
}

func TestAppendJSONRefuses(t *testing.T) {
	for name, change := range map[string]func(*event.Envelope){
		"no correlation":              func(e *event.Envelope) { e.CorrelationID = "" },
		"long correlation":            func(e *event.Envelope) { e.CorrelationID = event.CorrelationID(strings.Repeat("x", 129)) },
		"correlation with a new line": func(e *event.Envelope) { e.CorrelationID = "a\nb" },
		"correlation of bytes":        func(e *event.Envelope) { e.CorrelationID = "a\xff" },
		"no payload":                  func(e *event.Envelope) { e.Payload = nil },
		"payload that is a list":      func(e *event.Envelope) { e.Payload = json.RawMessage(`[]`) },
	} {
		e := envelopes(t)["least"]
		change(&e)
		if b, err := e.AppendJSON(nil); err == nil {
			t.Errorf("%s: %s", name, b)
		}
	}
}

func TestAppendJSONSplicesAnyUnknown(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "least.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, empty := range []string{"", "{}", "{ }", " {\n} "} {
		e := envelopes(t)["least"]
		e.Unknown, e.Source.Unknown, e.Metadata.Unknown = json.RawMessage(empty), json.RawMessage(empty), json.RawMessage(empty)
		got, err := e.AppendJSON(nil)
		if err != nil || string(got)+"\n" != string(want) {
			t.Errorf("%q: %s, %v", empty, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range envelopes(f) {
		b, err := e.AppendJSON(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"payload":{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","event_type":"omninode.a.event.b.v1","correlation_id":"c","payload":{}}}`))
	f.Add([]byte(`{"source":{"service":"\u00e9\n"},"metadata":{"extra":{ },"a":1},"payload":{ },"x":[1e5]}`))
	at := event.At{Topic: "omninode.shop.event.sold.v1", Time: time.Unix(0, 0)}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := event.Decode(b)
		if err != nil {
			if !errors.Is(err, event.ErrNotEvent) {
				t.Fatalf("%v is not ErrNotEvent", err)
			}
			return
		}
		e.Complete(at)
		once, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatalf("decoded but not encoded again: %v", err)
		}
		again, err := event.Decode(once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		e.Completed, e.Nested, e.Time = nil, false, e.Time.Truncate(time.Millisecond)
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("not the same after a round trip\n%s", diff)
		}
	})
}
