package stack

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/telemetry"
)

func TestReadinessTellsAnOutageFromAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const topic event.Topic = "omninode.health.event.noted.v1"
		network := new(broker.Network)
		c := brokertest.Start(t, broker.Config{Addr: "127.0.0.1:9092", Network: network})
		catalog, err := event.NewCatalog(event.Spec{Topic: topic, Schema: []byte(`{"type":"object"}`), Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		b := bustest.Over(t, bus.Config{Brokers: c.Addrs(), Service: "health", Catalog: catalog, Dial: network.Dial})
		state := &health{metrics: telemetry.New(slog.New(slog.DiscardHandler))}
		state.addBus(b.Bus)

		var down error
		b.Go(bus.Consumer{Group: "g"}, bus.HandleType(topic, func(context.Context, bus.Delivery) error { return down }))
		publish := func() {
			e := event.New(t.Context(), topic, []byte(`{}`), event.Source{Service: "health", Instance: "test"}, time.Now())
			if _, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e}); err != nil {
				t.Fatal(err)
			}
			b.Elapse(10 * time.Second)
		}
		check := func(what string, status int, reason, degraded string) {
			t.Helper()
			rec := httptest.NewRecorder()
			state.handler(http.NotFoundHandler()).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
			var r Readiness
			if err := jsonx.Unmarshal(rec.Body.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if rec.Code != status || r.Ready != (status == http.StatusOK) {
				t.Errorf("%s: %d %s, want %d", what, rec.Code, rec.Body, status)
			}
			one := func(field string, got []string, want string) {
				if want == "" && (got == nil || len(got) > 0) || want != "" && (len(got) != 1 || !strings.Contains(got[0], want)) {
					t.Errorf("%s: %s %q, want %q", what, field, got, want)
				}
			}
			one("reasons", r.Reasons, reason)
			one("degraded", r.Degraded, degraded)
		}

		publish()
		check("all is well", http.StatusOK, "", "")
		down = bus.Unavailable(errors.New("database is down"))
		publish()
		check("an outage", http.StatusOK, "", "group g: outage: "+string(topic)+"[0] waits and probes since")
		state.is("stopping")
		check("stopping, whatever else", http.StatusServiceUnavailable, "stopping", "database is down")
		state.is()
		down = nil
		b.Settle()
		check("it is back", http.StatusOK, "", "")
		down = bus.Permanent(errors.New("bad"))
		fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(topic.DLQ()), Err: kerr.InvalidRecord, Count: -1})
		publish()
		check("a dead letter cannot be written", http.StatusServiceUnavailable, string(topic.DLQ()), "")
		fault.Remove()
		b.Settle()
		check("it could be written", http.StatusOK, "", "")
	})
}
