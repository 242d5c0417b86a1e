package stack_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/stack"
)

// inProcess is a registry without a network, so that fake time may pass; killed, it refuses connections.
type inProcess struct {
	http.Handler
	killed atomic.Bool
}

func (r *inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.killed.Load() {
		return nil, context.DeadlineExceeded
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Result(), nil
}

// TestRegistryKilledForAMinuteUnderLoad: events of a type of the catalogue, of a schema that was seen, and of one that nobody here has
// seen yet, published all the while and consumed with the same client.
func TestRegistryKilledForAMinuteUnderLoad(t *testing.T) {
	const (
		own     event.Topic = "omninode.load.event.own.v1"
		foreign event.Topic = "orders.created"
		payload             = `{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}`
	)
	text, err := schema.Registrable([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	registry := &inProcess{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method == http.MethodPost && req.URL.Path == "/subjects/"+own.Subject():
			_, _ = fmt.Fprintf(w, `{"subject":%q,"version":1,"id":3,"schemaType":"JSON","schema":%q}`, own.Subject(), text)
		case strings.HasPrefix(req.URL.Path, "/schemas/ids/"):
			_, _ = fmt.Fprint(w, `{"schemaType":"JSON","schema":"{\"type\":\"object\"}"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"error_code":40401,"message":"Subject not found."}`)
		}
	})}
	synctest.Test(t, func(t *testing.T) {
		c, err := client.New(client.Config{URL: "http://registry:8084", Transport: registry})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		catalog, err := event.NewCatalog(event.Spec{Topic: own, Schema: []byte(payload), Partitions: 2})
		if err != nil {
			t.Fatal(err)
		}
		b := bustest.Start(t, catalog, func(cfg *bus.Config) {
			cfg.Schemas, cfg.SchemaID, cfg.Undeclared = stack.Schemas{Registry: c}, bus.PrefixSchemaID, bus.Allow
		})
		if _, err := b.EnsureTopics(t.Context(), foreign, foreign.DLQ()); err != nil {
			t.Fatal(err)
		}
		var owned, known, unknown atomic.Int64
		b.Go(bus.Consumer{Group: "g"}, bus.HandlePattern("*", func(_ context.Context, d bus.Delivery) error {
			switch _, id, _ := event.CutSchemaID(d.Value); id {
			case 3:
				owned.Add(1)
			case 7:
				known.Add(1)
			default:
				unknown.Add(1)
			}
			return nil
		}))
		n := 0
		publish := func(id uint32) {
			t.Helper()
			n++
			value := fmt.Appendf(event.AppendSchemaID(nil, id), `{"event_type":%q,"payload":{"n":%d}}`, foreign, n)
			e := event.Envelope{
				ID: event.NewID(), Type: own, CorrelationID: event.CorrelationID(fmt.Sprint("c", n)), Time: time.Now(), Version: "1.0.0",
				Source: event.Source{Service: "s", Instance: "i"}, Payload: fmt.Appendf(nil, `{"n":%d}`, n),
			}
			if _, err := b.PublishAll(t.Context(),
				bus.Outgoing{Envelope: &e}, bus.Outgoing{Record: &bus.Record{Topic: foreign, Key: fmt.Append(nil, n), Value: value}}); err != nil {
				t.Errorf("publish %d: %v", n, err)
			}
		}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		load := func(d time.Duration, id uint32) {
			t.Helper()
			for range d / (10 * time.Millisecond) {
				<-tick.C
				publish(id)
			}
		}
		load(time.Second, 7)
		b.Settle()
		registry.killed.Store(true)
		load(30*time.Second, 7)
		b.Settle() // what is known goes on while it is away
		load(30*time.Second, 8)
		if degraded := strings.Join(b.Degraded(), "\n"); !strings.Contains(degraded, "http://registry:8084") {
			t.Errorf("degraded: %q", degraded)
		}
		if got := unknown.Load(); got != 0 {
			t.Errorf("%d events were handled that nobody could validate", got)
		}
		registry.killed.Store(false)
		load(time.Second, 8)
		b.Settle()
		if owned.Load() != 6200 || known.Load() != 3100 || unknown.Load() != 3100 {
			t.Errorf("handled %d of the catalogue's, %d of a known and %d of an unknown schema", owned.Load(), known.Load(), unknown.Load())
		}
		infos, err := b.Topics(t.Context(), "*.dlq")
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range infos {
			for _, p := range i.Partitions {
				if p.End != p.Start {
					t.Errorf("%d dead letters in %s", p.End-p.Start, i.Name)
				}
			}
		}
	})
}
