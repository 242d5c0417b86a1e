package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
)

const (
	foreignTopic  event.Topic = "orders.created"
	foreignSchema             = `{"type":"object","properties":{"payload":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}},"required":["payload"]}`
	notedSchema               = `{"type":"object","properties":{"key":{"type":"string"},"n":{"type":"integer"}},"required":["key"]}`
	noted         event.Topic = "omninode.fault.event.noted.v1"
)

// source is a registry that has what a test gives it, and is away when told.
type source struct {
	mu    sync.Mutex
	byID  map[uint32]string
	byRef map[string]bus.FoundSchema // by subject
	away  atomic.Bool
	asked atomic.Int32
}

var errAway = errors.New("registry unreachable at http://registry:8084")

func (s *source) FindSchema(_ context.Context, ref bus.SchemaRef) (bus.FoundSchema, error) {
	s.asked.Add(1)
	if s.away.Load() {
		return bus.FoundSchema{}, fmt.Errorf("get %s: %w", ref, errAway)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref.GUID != [16]byte{} {
		for id, text := range s.byID {
			if schema.GUID(text, nil, nil, nil) == ref.GUID {
				return bus.FoundSchema{ID: id, GUID: ref.GUID, Text: []byte(text)}, nil
			}
		}
	}
	if text, ok := s.byID[ref.ID]; ok {
		return bus.FoundSchema{ID: ref.ID, Text: []byte(text)}, nil
	}
	if f, ok := s.byRef[ref.Subject]; ok && ref.ID == 0 && ref.GUID == [16]byte{} && (ref.Text == nil || bytes.Equal(ref.Text, f.Text)) {
		return f, nil
	}
	return bus.FoundSchema{}, fmt.Errorf("get %s: %w", ref, bus.ErrNoSchema)
}

func (s *source) register(id uint32, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = text
}

func newSource() *source {
	return &source{byID: map[uint32]string{7: foreignSchema}, byRef: map[string]bus.FoundSchema{
		string(foreignTopic) + "-value": {ID: 7, GUID: schema.GUID(foreignSchema, nil, nil, nil), Text: []byte(foreignSchema)},
	}}
}

// withRegistry runs a scenario in a bubble, on a bus that has a registry and a topic that its catalogue lacks.
func withRegistry(t *testing.T, change func(*bus.Config), run func(t *testing.T, b *bustest.Bench, s *source)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		catalog, err := event.NewCatalog(event.Spec{Topic: noted, Key: "key", Schema: []byte(notedSchema), Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		s := newSource()
		b := bustest.Start(t, catalog, func(c *bus.Config) {
			c.Schemas, c.Undeclared = s, bus.Allow
			if change != nil {
				change(c)
			}
		})
		if _, err := b.EnsureTopics(t.Context(), foreignTopic, foreignTopic.DLQ()); err != nil {
			t.Fatal(err)
		}
		run(t, b, s)
	})
}

// foreign is a record as another program wrote it.
func foreign(n any, prefix []byte, headers ...bus.Header) bus.Record {
	value := fmt.Appendf(bytes.Clone(prefix), `{"event_type":"orders.created","correlation_id":"c","payload":{"n":%v}}`, n)
	return bus.Record{Topic: foreignTopic, Key: []byte("k"), Value: value, Headers: headers}
}

func guidHeader(text string) bus.Header {
	guid := schema.GUID(text, nil, nil, nil)
	return bus.Header{Name: "__value_schema_id", Value: append([]byte{1}, guid[:]...)}
}

// seen collects what a handler was given, in order.
type seen struct {
	mu  sync.Mutex
	all []bus.Delivery
}

func (s *seen) handle(_ context.Context, d bus.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, d)
	return nil
}

func (s *seen) payloads() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.all {
		out = append(out, string(d.Envelope.Payload))
	}
	return out
}

func records(t *testing.T, b *bustest.Bench, topic event.Topic) (all []bus.Record) {
	t.Helper()
	for rec, err := range b.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(topic)}}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
	return all
}

func appendAll(t *testing.T, b *bustest.Bench, recs ...bus.Record) {
	t.Helper()
	if _, err := b.Append(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFormOfASchemaIDIsRead(t *testing.T) {
	withRegistry(t, nil, func(t *testing.T, b *bustest.Bench, _ *source) {
		sent := []bus.Record{
			foreign(1, nil),
			foreign(2, event.AppendSchemaID(nil, 7)),
			foreign(3, nil, guidHeader(foreignSchema)),
			foreign(4, event.AppendSchemaID(nil, 404), guidHeader(foreignSchema)), // the header goes first
			foreign(`"five"`, event.AppendSchemaID(nil, 7)),
			foreign(`"six"`, nil),
			foreign(`"seven"`, nil, guidHeader(foreignSchema)),
		}
		appendAll(t, b, sent...)
		var got seen
		b.Go(bus.Consumer{Group: "g"}, bus.HandlePattern("orders.*", got.handle))
		b.Settle()
		if diff := cmp.Diff([]string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`}, got.payloads()); diff != "" {
			t.Errorf("handled (-want +got):\n%s", diff)
		}
		for i, d := range got.all {
			if !bytes.Equal(d.Value, sent[i].Value) {
				t.Errorf("value %d: %q", i, d.Value)
			}
		}
		dead := records(t, b, foreignTopic.DLQ())
		if len(dead) != 3 {
			t.Fatalf("%d dead letters", len(dead))
		}
		for i, rec := range dead {
			l := bus.ParseDeadLetter(rec)
			if l.Class != bus.ClassInvalid || !strings.Contains(l.Message, "/payload/n") || !bytes.Equal(rec.Value, sent[4+i].Value) {
				t.Errorf("dead letter %d: %s, %s, %q", i, l.Class, l.Message, rec.Value)
			}
		}
	})
}

func TestUnknownSchemaWaitsForItsRegistration(t *testing.T) {
	withRegistry(t, nil, func(t *testing.T, b *bustest.Bench, s *source) {
		var got seen
		b.Go(bus.Consumer{Group: "g"}, bus.HandlePattern("orders.*", got.handle))
		appendAll(t, b, foreign(1, event.AppendSchemaID(nil, 8)))
		pause(t.Context(), 3*time.Second)
		s.register(8, foreignSchema)
		b.Settle()
		if diff := cmp.Diff([]string{`{"n":1}`}, got.payloads()); diff != "" {
			t.Errorf("handled (-want +got):\n%s", diff)
		}
		appendAll(t, b, foreign(2, event.AppendSchemaID(nil, 9)), foreign(3, nil, guidHeader(`{}`)))
		b.Settle()
		dead := records(t, b, foreignTopic.DLQ())
		if len(dead) != 2 {
			t.Fatalf("%d dead letters", len(dead))
		}
		for i, want := range []string{"schema 9", "schema 99914b93-"} {
			if l := bus.ParseDeadLetter(dead[i]); l.Class != bus.ClassUnknownSchema || !strings.Contains(l.Message, want) {
				t.Errorf("dead letter: %s, %s", l.Class, l.Message)
			}
		}
	})
}

// A registry that lost its schemas, or is another one, must not empty a topic into the dead letters.
func TestManyEventsOfAnUnknownSchemaAreAnOutage(t *testing.T) {
	withRegistry(t, nil, func(t *testing.T, b *bustest.Bench, s *source) {
		for i := range 40 {
			rec := foreign(i, event.AppendSchemaID(nil, 8))
			rec.Key = fmt.Append(nil, i)
			appendAll(t, b, rec)
		}
		var got seen
		b.Go(bus.Consumer{Group: "g"}, bus.HandlePattern("orders.*", got.handle))
		pause(t.Context(), time.Minute)
		if degraded := strings.Join(b.Degraded(), "\n"); !strings.Contains(degraded, "schema 8: no such schema") {
			t.Errorf("degraded: %s", degraded)
		}
		s.register(8, foreignSchema)
		b.Settle()
		if n, dead := len(got.payloads()), len(records(t, b, foreignTopic.DLQ())); n != 40 || dead != 0 {
			t.Errorf("%d events were handled, %d are dead letters", n, dead)
		}
	})
}

func TestRegistryThatIsAwayIsAnOutage(t *testing.T) {
	withRegistry(t, nil, func(t *testing.T, b *bustest.Bench, s *source) {
		var mine, theirs seen
		b.Go(bus.Consumer{Group: "g"}, bus.HandlePattern("orders.*", theirs.handle), bus.HandleType(noted, mine.handle))
		appendAll(t, b, foreign(0, event.AppendSchemaID(nil, 7)))
		b.Settle()
		s.away.Store(true)
		for i := range 60 {
			appendAll(t, b, foreign(i+1, event.AppendSchemaID(nil, 7))) // known
			e := event.Envelope{ID: event.NewID(), Type: noted, CorrelationID: "c", Time: time.Now(), Version: "1.0.0", Source: event.Source{Service: "s", Instance: "i"}, Payload: fmt.Appendf(nil, `{"key":"k","n":%d}`, i)}
			if _, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e}); err != nil {
				t.Errorf("publish of a known type: %v", err)
			}
			pause(t.Context(), time.Second)
		}
		b.Settle()
		if n, m := len(theirs.payloads()), len(mine.payloads()); n != 61 || m != 60 {
			t.Errorf("while the registry was away %d and %d events were handled", n, m)
		}
		appendAll(t, b, foreign(61, event.AppendSchemaID(nil, 8)), foreign(62, event.AppendSchemaID(nil, 7)))
		pause(t.Context(), 90*time.Second)
		if degraded := strings.Join(b.Degraded(), "\n"); !strings.Contains(degraded, "waits and probes") || !strings.Contains(degraded, errAway.Error()) {
			t.Errorf("degraded: %s", degraded)
		}
		s.register(8, foreignSchema)
		s.away.Store(false)
		b.Settle()
		if n := len(theirs.payloads()); n != 63 {
			t.Errorf("in the end %d events were handled", n)
		}
		if dead := records(t, b, foreignTopic.DLQ()); len(dead) != 0 {
			t.Errorf("%d dead letters", len(dead))
		}
		if d := b.Degraded(); len(d) != 0 {
			t.Errorf("still degraded: %v", d)
		}
	})
}

func TestNewestSchemaOfATopicIsAskedForNowAndThen(t *testing.T) {
	withRegistry(t, nil, func(t *testing.T, b *bustest.Bench, s *source) {
		publish := func(payload string) error {
			e := event.Envelope{ID: event.NewID(), Type: foreignTopic, CorrelationID: "c", Time: time.Now(), Version: "1.0.0", Source: event.Source{Service: "s", Instance: "i"}, Payload: []byte(payload)}
			_, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e})
			return err
		}
		if err := publish(`{"n":1}`); err != nil {
			t.Fatal(err)
		}
		if err := publish(`{"n":"x"}`); !errors.Is(err, bus.ErrInvalid) || !errors.Is(err, bus.ErrNotSent) {
			t.Errorf("invalid: %v", err)
		}
		if n := s.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		s.away.Store(true)
		pause(t.Context(), 2*time.Minute)
		if err := publish(`{"n":"x"}`); !errors.Is(err, bus.ErrInvalid) { // the last answer holds
			t.Errorf("invalid: %v", err)
		}
		s.away.Store(false)
		s.mu.Lock()
		s.byRef[string(foreignTopic)+"-value"] = bus.FoundSchema{ID: 8, Text: []byte(`{}`)}
		s.mu.Unlock()
		if err := publish(`{"n":"x"}`); err != nil {
			t.Errorf("by the newest schema: %v", err)
		}
	})
}

func TestPublishedEventsNameTheirSchema(t *testing.T) {
	composed, err := schema.Compose([]byte(notedSchema), schema.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	text, err := schema.Canonical(composed)
	if err != nil {
		t.Fatal(err)
	}
	guid := schema.GUID(string(text), nil, nil, nil)
	publish := func(t *testing.T, b *bustest.Bench, headers ...bus.Header) (bus.Record, error) {
		t.Helper()
		e := event.Envelope{ID: event.NewID(), Type: noted, CorrelationID: "c", Time: time.Now(), Version: "1.0.0", Source: event.Source{Service: "s", Instance: "i"}, Payload: []byte(`{"key":"k"}`)}
		if _, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e, Headers: headers}); err != nil {
			return bus.Record{}, err
		}
		all := records(t, b, noted)
		return all[len(all)-1], nil
	}
	header := func(rec bus.Record) []byte {
		for _, h := range rec.Headers {
			if h.Name == "__value_schema_id" {
				return h.Value
			}
		}
		return nil
	}
	t.Run("none", func(t *testing.T) {
		withRegistry(t, nil, func(t *testing.T, b *bustest.Bench, s *source) {
			rec, err := publish(t, b)
			if err != nil || header(rec) != nil || rec.Value[0] != '{' || s.asked.Load() != 0 {
				t.Errorf("%v: %q, asked %d times", err, rec.Value[:6], s.asked.Load())
			}
		})
	})
	t.Run("header", func(t *testing.T) {
		withRegistry(t, func(c *bus.Config) { c.SchemaID = bus.HeaderSchemaID }, func(t *testing.T, b *bustest.Bench, s *source) {
			s.away.Store(true)
			rec, err := publish(t, b)
			if err != nil || !bytes.Equal(header(rec), append([]byte{1}, guid[:]...)) || rec.Value[0] != '{' || s.asked.Load() != 0 {
				t.Errorf("%v: %x, asked %d times", err, header(rec), s.asked.Load())
			}
			if rec, err = publish(t, b, guidHeader("{}")); err != nil || !bytes.Equal(header(rec), guidHeader("{}").Value) {
				t.Errorf("with a header of its own: %v: %x", err, header(rec))
			}
		})
	})
	t.Run("prefix", func(t *testing.T) {
		withRegistry(t, func(c *bus.Config) { c.SchemaID = bus.PrefixSchemaID }, func(t *testing.T, b *bustest.Bench, s *source) {
			s.away.Store(true)
			if _, err := publish(t, b); !errors.Is(err, bus.ErrNotSent) || !errors.Is(err, errAway) {
				t.Errorf("the id is not known: %v", err)
			}
			s.away.Store(false)
			if _, err := publish(t, b); !errors.Is(err, bus.ErrNotSent) || !errors.Is(err, bus.ErrNoSchema) || !strings.Contains(err.Error(), string(noted)+"-value") {
				t.Errorf("not registered: %v", err)
			}
			s.mu.Lock()
			s.byRef[string(noted)+"-value"] = bus.FoundSchema{ID: 0x01020304, Text: text}
			s.mu.Unlock()
			var got seen
			b.Go(bus.Consumer{Group: "g"}, bus.HandleType(noted, got.handle))
			for range 2 { // the second one while the registry is away
				rec, err := publish(t, b)
				if err != nil || !bytes.HasPrefix(rec.Value, []byte("\x00\x01\x02\x03\x04{")) {
					t.Errorf("%v: %q", err, rec.Value[:6])
				}
				s.away.Store(true)
			}
			b.Settle()
			if diff := cmp.Diff([]string{`{"key":"k"}`, `{"key":"k"}`}, got.payloads()); diff != "" {
				t.Errorf("handled (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("prefix without a registry", func(t *testing.T) {
		withRegistry(t, func(c *bus.Config) { c.SchemaID, c.Schemas = bus.PrefixSchemaID, nil }, func(t *testing.T, b *bustest.Bench, _ *source) {
			if _, err := publish(t, b); !errors.Is(err, bus.ErrNoSchema) || !strings.Contains(err.Error(), "SCHEMA_REGISTRY_URL") {
				t.Errorf("got %v", err)
			}
		})
	})
}
