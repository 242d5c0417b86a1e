package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
)

// The same fact in three versions: first whole euros, then cents, then cents with a currency.
const (
	priced1 event.Topic = "omninode.shop.event.priced.v1"
	priced2 event.Topic = "omninode.shop.event.priced.v2"
	priced3 event.Topic = "omninode.shop.event.priced.v3"
)

type pricedV1 struct {
	Article string `json:"article"`
	Euros   int    `json:"euros"`
}

type pricedV2 struct {
	Article string `json:"article"`
	Cents   int    `json:"cents"`
}

func (pricedV1) EventTopic() event.Topic { return priced1 }
func (pricedV2) EventTopic() event.Topic { return priced2 }

func pricedCatalog(t *testing.T, change ...func(old, next *event.Spec)) *event.Catalog {
	t.Helper()
	payload := func(member string) []byte {
		return fmt.Appendf(nil, `{"type":"object","properties":{"article":{"type":"string"},%q:{"type":"integer","minimum":0},"currency":{"type":"string"}},"required":["article",%q]}`, member, member)
	}
	old := event.Spec{Topic: priced1, Version: "1.4.0", Key: "article", Schema: payload("euros"), Partitions: 2, Aliases: map[string]string{"eur": "euros"}}
	next := event.Spec{Topic: priced2, Version: "2.1.0", Key: "article", Schema: payload("cents"), Partitions: 3}
	for _, f := range change {
		f(&old, &next)
	}
	c, err := event.NewCatalog(old, next, event.Spec{
		Topic: priced3, Version: "3.0.0", Key: "article", Schema: payload("cents"), Partitions: 1, Defaults: map[string]json.RawMessage{"currency": json.RawMessage(`"EUR"`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func cents(_ context.Context, p pricedV1) (pricedV2, error) {
	return pricedV2{p.Article, p.Euros * 100}, nil
}

func same(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }

// shop is a bench of the priced events with upcasters.
func shop(t *testing.T, ups ...bus.Upcaster) *bustest.Bench {
	t.Helper()
	return bustest.Start(t, pricedCatalog(t), func(c *bus.Config) { c.Upcasts = ups })
}

func publish(t *testing.T, b *bustest.Bench, p event.Payload, opts ...bus.PublishOption) event.Envelope {
	t.Helper()
	e, err := b.Publish(t.Context(), p, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestOldEventIsHandledAsItsLaterVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := shop(t, bus.Upcast(cents))
		var got []bus.Event[pricedV2]
		b.Go(bus.Consumer{Group: "g", MaxInFlight: 1}, bus.Handle(func(_ context.Context, e bus.Event[pricedV2]) error {
			got = append(got, e)
			return nil
		}))
		sent := publish(t, b, pricedV1{"pen", 3})
		b.Settle()
		publish(t, b, pricedV2{"pen", 250})
		b.Settle()
		if len(got) != 2 {
			t.Fatalf("%d events handled, want 2", len(got))
		}
		old, next := got[0], got[1]
		equal(t, "payload", old.Payload, pricedV2{"pen", 300})
		equal(t, "type", old.Envelope.Type, priced2)
		equal(t, "version", old.Envelope.Version, "2.1.0")
		equal(t, "id", old.Envelope.ID, sent.ID)
		equal(t, "correlation", old.Envelope.CorrelationID, sent.CorrelationID)
		equal(t, "published as", old.UpcastFrom, priced1)
		equal(t, "topic of the record", old.Topic, priced1)
		if e, err := event.Decode(old.Value); err != nil || e.Type != priced1 || string(e.Payload) != `{"article":"pen","euros":3}` || e.Version != "1.4.0" {
			t.Errorf("the record's bytes are %s", old.Value)
		}
		equal(t, "payload of the later one", next.Payload, pricedV2{"pen", 250})
		equal(t, "the later one was published as", next.UpcastFrom, "")
	})
}

func TestUpcastersFormAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := shop(t, bus.UpcastType(priced2, priced3, same), bus.Upcast(cents))
		var d diary
		note := func(_ context.Context, e bus.Delivery) error {
			d.add("%s %s %s", e.UpcastFrom, e.Envelope.Version, e.Envelope.Payload)
			return nil
		}
		b.Go(bus.Consumer{Group: "g", MaxInFlight: 1}, bus.HandleType(priced3, note))
		e := event.New(t.Context(), priced1, []byte(`{"article":"ink","eur":2}`), event.Source{Service: "suite", Instance: "test"}, time.Now())
		value, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.PublishAll(t.Context(), bus.Outgoing{Topic: priced1, Raw: value}); err != nil { // with an alias in its bytes
			t.Fatal(err)
		}
		b.Settle()
		publish(t, b, pricedV2{"ink", 5})
		b.Settle()
		equal(t, "handled", d.all(), []string{
			string(priced1) + ` 3.0.0 {"article":"ink","cents":200,"currency":"EUR"}`,
			string(priced2) + ` 3.0.0 {"article":"ink","cents":5,"currency":"EUR"}`,
		})
	})
}

func TestFailedUpcastIsADeadLetterAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name, message string
		up            bus.Upcaster
	}{
		{"error", "upcast omninode.shop.event.priced.v1 to omninode.shop.event.priced.v2: no rate for that day", bus.Upcast(func(context.Context, pricedV1) (pricedV2, error) {
			return pricedV2{}, errors.New("no rate for that day")
		})},
		{"panic", "upcast omninode.shop.event.priced.v1 to omninode.shop.event.priced.v2: panic: oops", bus.Upcast(func(context.Context, pricedV1) (pricedV2, error) {
			panic("oops")
		})},
		{"against the schema", "upcast omninode.shop.event.priced.v1 to omninode.shop.event.priced.v2: invalid: ", bus.Upcast(func(_ context.Context, p pricedV1) (pricedV2, error) {
			return pricedV2{p.Article, -1}, nil
		})},
		{"no JSON", "upcast omninode.shop.event.priced.v1 to omninode.shop.event.priced.v2: ", bus.UpcastType(priced1, priced2, func(context.Context, []byte) ([]byte, error) {
			return []byte("{"), nil
		})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := shop(t, tc.up)
				b.Go(bus.Consumer{Group: "g"}, bus.Handle(func(context.Context, bus.Event[pricedV2]) error {
					t.Error("handled")
					return nil
				}))
				sent := publish(t, b, pricedV1{"pen", 3})
				b.Settle()
				dead := b.Dead(priced1)
				if len(dead) != 1 {
					t.Fatalf("%d dead letters, want 1", len(dead))
				}
				equal(t, "class", dead[0].Class, bus.ClassUpcast)
				equal(t, "retries", dead[0].Retries, 0)
				if !strings.HasPrefix(dead[0].Message, tc.message) {
					t.Errorf("message %q, want %q…", dead[0].Message, tc.message)
				}
				if e, err := event.Decode(dead[0].Value); err != nil || e.Type != priced1 || e.ID != sent.ID || string(e.Payload) != `{"article":"pen","euros":3}` {
					t.Errorf("the dead letter holds %s", dead[0].Value)
				}
			})
		})
	}
}

func TestUpcasterMayWaitOrPassOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		b := shop(t, bus.Upcast(func(ctx context.Context, p pricedV1) (pricedV2, error) {
			if cause, ok := event.CauseOf(ctx); !ok || cause.Type != priced1 {
				t.Errorf("the upcaster's context follows from %v", cause.Type)
			}
			switch {
			case p.Article == "gone":
				return pricedV2{}, bus.Skip("an article of the old shop")
			case down.Load():
				return pricedV2{}, bus.Unavailable(errors.New("the rates are down"))
			}
			return cents(ctx, p)
		}))
		var d diary
		b.Go(bus.Consumer{Group: "g"}, bus.Handle(func(_ context.Context, e bus.Event[pricedV2]) error {
			d.add("%s %d", e.Payload.Article, e.Payload.Cents)
			return nil
		}))
		publish(t, b, pricedV1{"gone", 1})
		publish(t, b, pricedV1{"pen", 3})
		pause(t.Context(), time.Minute)
		equal(t, "handled while it is down", d.all(), []string{})
		down.Store(false)
		b.Settle()
		equal(t, "handled", d.all(), []string{"pen 300"})
		equal(t, "dead letters", len(b.Dead(priced1)), 0)
	})
}

func TestGroupThatMovesToALaterVersionGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := shop(t, bus.Upcast(cents))
		var d diary
		stop := b.Go(bus.Consumer{Group: "g"}, bus.Handle(func(_ context.Context, e bus.Event[pricedV1]) error {
			d.add("v1 %d", e.Payload.Euros)
			return nil
		}))
		publish(t, b, pricedV1{"pen", 1})
		b.Settle()
		stop()
		publish(t, b, pricedV1{"pen", 2})
		b.Go(bus.Consumer{Group: "g"}, bus.Handle(func(_ context.Context, e bus.Event[pricedV2]) error {
			d.add("v2 %d", e.Payload.Cents)
			return nil
		}))
		b.Settle()
		publish(t, b, pricedV1{"pen", 3})
		b.Settle()
		equal(t, "handled", d.all(), []string{"v1 1", "v2 200", "v2 300"})
	})
}

// Whoever names no type gets what was published: patterns and batches do not upcast, and a broadcast by type does.
func TestOnlyHandlersOfATypeUpcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := shop(t, bus.Upcast(cents))
		var pattern, batch, broadcast diary
		b.Go(bus.Consumer{Group: "pattern"}, bus.HandlePattern("omninode.shop.*", func(_ context.Context, d bus.Delivery) error {
			pattern.add("%s", d.Envelope.Type)
			return nil
		}))
		b.Go(bus.Consumer{Group: "batch"}, bus.HandleBatch(event.Glob(priced1), bus.Batch{}, func(_ context.Context, rs []bus.Record) error {
			batch.add("%s", rs[0].Topic)
			return nil
		}))
		heard := make(chan struct{})
		b.Go(bus.Consumer{Broadcast: true, From: bus.Earliest}, bus.Handle(func(_ context.Context, e bus.Event[pricedV2]) error {
			broadcast.add("%s %d", e.UpcastFrom, e.Payload.Cents)
			close(heard)
			return nil
		}))
		publish(t, b, pricedV1{"pen", 1})
		b.Settle()
		<-heard
		equal(t, "pattern", pattern.all(), []string{string(priced1)})
		equal(t, "batch", batch.all(), []string{string(priced1)})
		equal(t, "broadcast", broadcast.all(), []string{string(priced1) + " 100"})
	})
}

func TestHandlersThatUpcastMustNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := shop(t, bus.Upcast(cents), bus.UpcastType(priced2, priced3, same))
		nothing := func(context.Context, bus.Delivery) error { return nil }
		for name, handlers := range map[string][]bus.Handler{
			"v1 beside v2":        {bus.HandleType(priced1, nothing), bus.HandleType(priced2, nothing)},
			"v2 beside v3":        {bus.HandleType(priced3, nothing), bus.HandleType(priced2, nothing)},
			"v1 beside v3":        {bus.HandleType(priced3, nothing), bus.HandleType(priced1, nothing)},
			"a pattern beside v3": {bus.HandlePattern("*.priced.v1", nothing), bus.HandleType(priced3, nothing)},
		} {
			err := b.Consume(t.Context(), bus.Consumer{Group: "g"}, handlers...)
			if !errors.Is(err, bus.ErrHandlers) || !strings.Contains(err.Error(), "the upcaster to ") {
				t.Errorf("%s: %v, want ErrHandlers that speaks of the upcaster", name, err)
			}
		}
	})
}

func TestUpcastersThatLeadNowhereAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		ups        []bus.Upcaster
	}{
		{"two ways", "would become both", []bus.Upcaster{bus.UpcastType(priced1, priced2, same), bus.UpcastType(priced1, priced3, same)}},
		{"a ring", "would become itself", []bus.Upcaster{bus.UpcastType(priced1, priced2, same), bus.UpcastType(priced3, priced2, same), bus.UpcastType(priced2, priced3, same)}},
		{"to itself", "would become itself", []bus.Upcaster{bus.UpcastType(priced1, priced1, same)}},
		{"no function", "is not complete", []bus.Upcaster{bus.UpcastType(priced1, priced2, nil)}},
		{"no type", "is not complete", []bus.Upcaster{bus.UpcastType("", priced2, same)}},
	} {
		_, err := bus.NewEncoder(bus.Config{Brokers: []string{"127.0.0.1:1"}, Service: "suite", Catalog: pricedCatalog(t), Upcasts: tc.ups})
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want an error that says %q", tc.name, err, tc.says)
		}
	}
}
