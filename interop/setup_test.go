package interop_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

const partitions = 6

// probed is the payload of the tests' events.
type probed struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

const probedSchema = `{"title":"Probed","type":"object","required":["name"],"properties":{"name":{"type":"string"},"n":{"type":"integer"}},` +
	`"additionalProperties":false}`

func (probed) EventTopic() event.Topic { return "omninode.interop.event.probed.v1" }

// fixture is a cluster, a bus on it and a topic of the test's own for events of type probed.
type fixture struct {
	brokers string
	bus     *bus.Bus
	topic   string
	catalog *event.Catalog
}

// config is that of a bus on the topic, whose events name their schema so.
func (f fixture) config(form bus.SchemaID) bus.Config {
	return bus.Config{
		Brokers:  strings.Split(f.brokers, ","),
		Service:  "interop",
		Catalog:  f.catalog,
		Topics:   map[event.Topic]event.Topic{probed{}.EventTopic(): event.Topic(f.topic)},
		SchemaID: form,
	}
}

func setUp(t *testing.T) (context.Context, fixture) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx, setUpOn(ctx, t, brokers(ctx, t))
}

// setUpOn is setUp on a cluster that is there.
func setUpOn(ctx context.Context, t *testing.T, addrs string, change ...func(*bus.Config)) fixture {
	t.Helper()
	f := fixture{brokers: addrs, topic: "omninode.interop.event.probed_" + strings.ToLower(rand.Text()) + ".v1"}
	var err error
	f.catalog, err = event.NewCatalog(event.Spec{
		Topic:      probed{}.EventTopic(),
		Version:    "1.0.0",
		Key:        "name",
		Partitions: partitions,
		Schema:     []byte(probedSchema),
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.config(bus.NoSchemaID)
	for _, c := range change {
		c(&cfg)
	}
	f.bus, err = bus.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.bus.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := f.bus.EnsureTopics(ctx); err != nil {
		t.Fatal(err)
	}
	return f
}

// brokers returns the addresses in OMNIBUS_TEST_KAFKA, or those of an embedded broker for this test.
func brokers(ctx context.Context, t *testing.T) string {
	t.Helper()
	if addrs := os.Getenv("OMNIBUS_TEST_KAFKA"); addrs != "" {
		return addrs
	}
	b, err := broker.Start(ctx, broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return strings.Join(b.Addrs(), ",")
}

// handleAll returns the first n events that a handler of ours gets.
func (f fixture) handleAll(ctx context.Context, t *testing.T, n int) []bus.Event[probed] {
	t.Helper()
	return firstOf(ctx, t, f, n, func(take func(context.Context, bus.Event[probed]) error) bus.Handler { return bus.Handle(take) })
}

// deliverAll returns the first n events of the topic that a handler of ours gets, of whatever type they are.
func (f fixture) deliverAll(ctx context.Context, t *testing.T, n int) []bus.Delivery {
	t.Helper()
	return firstOf(ctx, t, f, n, func(take func(context.Context, bus.Delivery) error) bus.Handler {
		return bus.HandlePattern(event.Glob(f.topic), take)
	})
}

func firstOf[E any](ctx context.Context, t *testing.T, f fixture, n int, handler func(take func(context.Context, E) error) bus.Handler) []E {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	events := make(chan E)
	ended := make(chan error, 1)
	go func() {
		ended <- f.bus.Consume(ctx, bus.Consumer{Group: "interop-" + f.topic}, handler(func(ctx context.Context, e E) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
	}()
	var got []E
	for len(got) < n {
		select {
		case e := <-events:
			got = append(got, e)
		case err := <-ended:
			t.Fatalf("consume ended after %d of %d events: %v", len(got), n, err)
		case <-ctx.Done():
			t.Fatalf("%d of %d events: %v", len(got), n, ctx.Err())
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("consume: %v", err)
	}
	return got
}

// foreign is an envelope as somebody else's code may write it.
func foreign(id event.ID, name string, n int) []byte {
	return fmt.Appendf(nil, `{
  "payload": {"n": %d, "name": %q},
  "event_type": "omninode.interop.event.probed.v1",
  "source": {"service": "librdkafka", "instance_id": "one"},
  "timestamp": "2026-03-01T12:00:00.5+01:00",
  "correlation_id": "%s",
  "schema_version": "1.0.0",
  "event_id": "%s",
  "metadata": {},
  "not_ours": [1, 2]
}`, n, name, id, id)
}
