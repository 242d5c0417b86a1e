package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
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
)

// euros makes a price of version 2 one of version 1, which cannot say less than a euro.
func euros(_ context.Context, p pricedV2) (pricedV1, error) {
	switch {
	case p.Article == "new":
		return pricedV1{}, bus.Skip("the old shop has no such article")
	case p.Cents%100 != 0:
		return pricedV1{}, errors.New("not whole euros")
	}
	return pricedV1{p.Article, p.Cents / 100}, nil
}

func inDays(n int) time.Time { return time.Now().Add(time.Duration(n) * 24 * time.Hour) }

// recorded are the envelopes in a topic, oldest first.
func recorded(t *testing.T, b *bustest.Bench, topic event.Topic) (es []event.Envelope, rs []bus.Record) {
	t.Helper()
	for rec, err := range b.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(topic)}}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := event.Decode(rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		es, rs = append(es, e), append(rs, rec)
	}
	return es, rs
}

func TestDualIsTheSameEventInTheOlderTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, pricedCatalog(t), func(c *bus.Config) {
			c.Duals = []bus.Dual{bus.DualPublish(euros, inDays(60))}
		})
		cause := event.New(t.Context(), priced3, []byte(`{}`), event.Source{Service: "suite"}, time.Now())
		ctx := event.WithCause(t.Context(), cause, "g")
		sent, err := b.Publish(ctx, pricedV2{"pen", 300}, bus.WithHeader("own", []byte("kept")), bus.WithMetadata(event.Metadata{TenantID: "t1"}))
		if err != nil {
			t.Fatal(err)
		}
		next, _ := recorded(t, b, priced2)
		old, records := recorded(t, b, priced1)
		if len(next) != 1 || len(old) != 1 {
			t.Fatalf("%d events and %d duals, want one of each", len(next), len(old))
		}
		want := next[0]
		want.Type, want.ID, want.Version, want.Payload = priced1, event.DeriveID(sent.ID, string(priced1)), "1.4.0", json.RawMessage(`{"article":"pen","euros":3}`)
		equal(t, "dual", old[0], want)
		equal(t, "causation", old[0].CausationID, cause.ID)
		equal(t, "correlation", old[0].CorrelationID, cause.CorrelationID)
		equal(t, "key", string(records[0].Key), "pen")
		equal(t, "own header", string(records[0].Header("own")), "kept")
		of, id, ok := bus.DualOf(records[0])
		if of != priced2 || id != sent.ID || !ok {
			t.Errorf("it says that it is the dual of %s %v, %v", of, id, ok)
		}
		if _, records := recorded(t, b, priced2); records[0].Header("omnibus-dual-of") != nil {
			t.Error("the event itself is said to be a dual")
		}

		res, err := b.PublishAll(t.Context(), bus.Outgoing{Payload: pricedV2{"pen", 300}, ID: sent.ID}, bus.Outgoing{Payload: pricedV2{"new", 1}}, bus.Outgoing{Payload: pricedV1{"ink", 1}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "id of the dual when it is published again", res[0].Dual.Envelope.ID, old[0].ID)
		equal(t, "topic of the dual", res[0].Dual.Topic, priced1)
		if res[1].Dual != nil || res[2].Dual != nil {
			t.Error("a dual of an event that has none")
		}
	})
}

func TestEventIsRefusedWhoseDualCannotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, pricedCatalog(t), func(c *bus.Config) {
			c.Duals = []bus.Dual{bus.DualPublish(euros, inDays(60))}
		})
		res, err := b.PublishAll(t.Context(), bus.Outgoing{Payload: pricedV2{"a", 100}}, bus.Outgoing{Payload: pricedV2{"a", 150}}, bus.Outgoing{Payload: pricedV2{"a", 200}})
		if res[0].Err != nil || res[2].Err != nil {
			t.Errorf("the others: %v, %v", res[0].Err, res[2].Err)
		}
		wantErr(t, "half a euro", res[1].Err, bus.ErrNotSent, bus.ErrUnknown)
		wantErr(t, "half a euro", err, bus.ErrInvalid, bus.ErrUnknown)
		if !strings.Contains(err.Error(), "its dual as omninode.shop.event.priced.v1: invalid: not whole euros") {
			t.Error(err)
		}
		next, _ := recorded(t, b, priced2)
		old, _ := recorded(t, b, priced1)
		equal(t, "events on record", len(next), 2)
		equal(t, "duals on record, in order", []string{string(old[0].Payload), string(old[1].Payload)}, []string{`{"article":"a","euros":1}`, `{"article":"a","euros":2}`})
	})
}

// Where the catalogue asks for duals and no function is there to make them, the payload has to do as it is.
func TestCatalogueAsksForDuals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		declared := pricedCatalog(t, func(_, next *event.Spec) { next.Supersedes, next.DualUntil = priced1, inDays(60) })
		b := bustest.Start(t, declared)
		_, err := b.Publish(t.Context(), pricedV2{"a", 100})
		wantErr(t, "a payload that is none of the older version", err, bus.ErrNotSent, bus.ErrUnknown)
		if !strings.Contains(err.Error(), "no DualPublish in Config.Duals makes one of the other") {
			t.Error(err)
		}
		next, _ := recorded(t, b, priced2)
		equal(t, "events on record", len(next), 0)
	})
	synctest.Test(t, func(t *testing.T) {
		declared := pricedCatalog(t, func(old, next *event.Spec) {
			next.Supersedes, next.DualUntil, old.Schema = priced1, inDays(60), next.Schema
		})
		b := bustest.Start(t, declared)
		publish(t, b, pricedV2{"a", 150})
		old, _ := recorded(t, b, priced1)
		equal(t, "dual", string(old[0].Payload), `{"article":"a","cents":150}`)
	})
	synctest.Test(t, func(t *testing.T) {
		declared := pricedCatalog(t, func(_, next *event.Spec) { next.Supersedes, next.DualUntil = priced1, inDays(60) })
		b := bustest.Start(t, declared, func(c *bus.Config) { c.Duals = []bus.Dual{bus.DualPublish(euros, time.Time{})} })
		publish(t, b, pricedV2{"a", 100})
		old, _ := recorded(t, b, priced1)
		equal(t, "dual", string(old[0].Payload), `{"article":"a","euros":1}`)
	})
}

func TestDualsOfDuals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, pricedCatalog(t), func(c *bus.Config) {
			c.Duals = []bus.Dual{bus.DualPublish(euros, inDays(60)), bus.DualPublishType(priced3, priced2, same, inDays(60))}
			c.Upcasts = []bus.Upcaster{bus.Upcast(cents), bus.UpcastType(priced2, priced3, same)}
		})
		var third, second, first diary
		keep := func(d *diary) bus.HandlerFunc {
			return func(_ context.Context, e bus.Delivery) error {
				d.add("%s%s", e.Topic, e.Envelope.Payload)
				return nil
			}
		}
		b.Go(bus.Consumer{Group: "third"}, bus.HandleType(priced3, keep(&third)))
		b.Go(bus.Consumer{Group: "second"}, bus.HandleType(priced2, keep(&second)))
		b.Go(bus.Consumer{Group: "first"}, bus.HandleType(priced1, keep(&first)))
		e := event.New(t.Context(), priced3, []byte(`{"article":"a","cents":100}`), event.Source{Service: "suite"}, time.Now())
		res, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "chain", []event.Topic{res[0].Topic, res[0].Dual.Topic, res[0].Dual.Dual.Topic}, []event.Topic{priced3, priced2, priced1})
		b.Settle()
		equal(t, "third", third.all(), []string{string(priced3) + `{"article":"a","cents":100,"currency":"EUR"}`})
		equal(t, "second", second.all(), []string{string(priced2) + `{"article":"a","cents":100,"currency":"EUR"}`})
		equal(t, "first", first.all(), []string{string(priced1) + `{"article":"a","euros":1}`})
	})
}

// watched is a bench of the priced events on a broker that can be made to fail, with what its bus logs and tells of older versions.
type watched struct {
	*bustest.Bench
	cfg     bus.Config
	cluster *brokertest.Cluster
	logged  *diary
	uses    func() map[bus.Outdated]int
}

func migrating(t *testing.T, c *event.Catalog, until time.Time) watched {
	t.Helper()
	network := new(broker.Network)
	w := watched{cluster: brokertest.Start(t, broker.Config{Addr: "127.0.0.1:9092", Network: network}), logged: new(diary)}
	var mu sync.Mutex
	uses := map[bus.Outdated]int{}
	w.uses = func() map[bus.Outdated]int {
		mu.Lock()
		defer mu.Unlock()
		return uses
	}
	w.cfg = bus.Config{
		Brokers: w.cluster.Addrs(), Service: "shop", Catalog: c, Dial: network.Dial, PublishTimeout: 3 * time.Second, CloseTimeout: time.Second,
		Upcasts: []bus.Upcaster{bus.Upcast(cents)}, Duals: []bus.Dual{bus.DualPublish(euros, until)},
		Logger: slog.New(slog.NewTextHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Trace: &bus.Trace{Outdated: func(_ context.Context, u bus.Outdated) {
			mu.Lock()
			defer mu.Unlock()
			uses[u]++
		}},
	}
	w.Bench = bustest.Over(t, w.cfg)
	return w
}

func (d *diary) Write(b []byte) (int, error) {
	d.add("%s", b)
	return len(b), nil
}

func (d *diary) about(text string) (n int) {
	for _, l := range d.all() {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// A consumer of both versions gets each event once: itself, not its dual. Who reads the older version alone gets the dual.
func TestUpcastingHandlerPassesOverDuals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := migrating(t, pricedCatalog(t), inDays(60))
		var moved, staying diary
		b.Go(bus.Consumer{Group: "moved"}, bus.Handle(func(_ context.Context, e bus.Event[pricedV2]) error {
			moved.add("%s %d", e.Payload.Article, e.Payload.Cents)
			return nil
		}))
		b.Go(bus.Consumer{Group: "staying"}, bus.Handle(func(_ context.Context, e bus.Event[pricedV1]) error {
			staying.add("%s %d", e.Payload.Article, e.Payload.Euros)
			if e.Payload.Article == "bad" {
				return bus.Permanent(errors.New("no"))
			}
			return nil
		}))
		publish(t, b.Bench, pricedV2{"pen", 300})
		publish(t, b.Bench, pricedV1{"ink", 7}) // by somebody who has not moved: no dual
		publish(t, b.Bench, pricedV2{"bad", 100})
		b.Settle()
		equal(t, "of the pen, who has moved", moved.of("pen"), []string{"300"})
		equal(t, "of the ink, who has moved", moved.of("ink"), []string{"700"})
		equal(t, "of the pen, who stays", staying.of("pen"), []string{"3"})
		equal(t, "of the ink, who stays", staying.of("ink"), []string{"7"})
		equal(t, "uses", b.uses(), map[bus.Outdated]int{
			{Type: priced1, Use: bus.UsedByDual}:                   2,
			{Type: priced1, Group: "moved", Use: bus.DualPassed}:   2,
			{Type: priced1, Group: "moved", Use: bus.UsedByUpcast}: 1,
		})

		// A dual that is sent again to a group which has moved since is what somebody asked for, and not passed over.
		dead := b.Dead(priced1)[0]
		rec := bus.Record{Topic: priced1, Key: dead.Key, Value: dead.Value, Headers: append(dead.OriginalHeaders(), bus.Header{Name: "omnibus-target-group", Value: []byte("moved")})}
		if _, err := b.Append(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		// And a header alone makes no dual: the id is not the derived one.
		e := event.New(t.Context(), priced1, []byte(`{"article":"fake","euros":1}`), event.Source{Service: "suite"}, time.Now())
		value, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Append(t.Context(), bus.Record{Topic: priced1, Value: value, Headers: []bus.Header{{Name: "omnibus-dual-of", Value: []byte(string(priced2) + "/" + event.NewID().String())}}}); err != nil {
			t.Fatal(err)
		}
		b.Settle()
		equal(t, "sent again", moved.of("bad"), []string{"100", "100"})
		equal(t, "no dual", moved.of("fake"), []string{"100"})
	})
}

func TestWindowOfDualsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := migrating(t, pricedCatalog(t), inDays(14).Add(time.Hour))
		publish(t, b.Bench, pricedV2{"pen", 100})
		equal(t, "warnings", len(b.logged.all()), 0)
		pause(t.Context(), 2*time.Hour)
		publish(t, b.Bench, pricedV2{"pen", 100})
		publish(t, b.Bench, pricedV2{"pen", 100})
		equal(t, "warnings that it will end", b.logged.about("soon no longer published as the older version too"), 1)

		cfg := b.cfg
		cfg.Duals = []bus.Dual{bus.DualPublish(euros, time.Now().Add(time.Hour))}
		ending := bustest.Over(t, cfg)
		publish(t, ending, pricedV2{"pen", 100})
		pause(t.Context(), time.Hour)
		publish(t, ending, pricedV2{"pen", 100})
		publish(t, ending, pricedV2{"pen", 150}) // of which there would be none
		equal(t, "warnings that it has ended", b.logged.about(`msg="no longer published as the older version too`), 1)
		next, _ := recorded(t, b.Bench, priced2)
		old, _ := recorded(t, b.Bench, priced1)
		equal(t, "events and duals", []int{len(next), len(old)}, []int{6, 4})
		equal(t, "uses", b.uses(), map[bus.Outdated]int{{Type: priced1, Use: bus.UsedByDual}: 4, {Type: priced1, Use: bus.DualOver}: 2})
	})
}

func TestEventOnRecordWithoutItsDualSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := migrating(t, pricedCatalog(t), inDays(60))
		publish(t, b.Bench, pricedV2{"pen", 100})
		f := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(priced1), Err: kerr.NotLeaderForPartition, Count: -1})
		res, err := b.PublishAll(t.Context(), bus.Outgoing{Payload: pricedV2{"pen", 200}})
		wantErr(t, "no dual", err, bus.ErrUnknown, bus.ErrNotSent)
		dual, ok := errors.AsType[*bus.DualError](err)
		if !ok || dual.Event.Topic != priced2 || dual.Event.Offset != res[0].Offset || dual.Dual != priced1 {
			t.Fatalf("%v is no DualError of the event at offset %d", err, res[0].Offset)
		}
		if want := fmt.Sprintf("on record at %s, but not its dual as %s: ", dual.Event, priced1); !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
		f.Remove()
		again, err := b.PublishAll(t.Context(), bus.Outgoing{Payload: pricedV2{"pen", 200}, ID: res[0].Envelope.ID})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "id of the dual", again[0].Dual.Envelope.ID, res[0].Dual.Envelope.ID)
		ids := map[event.ID]bool{}
		old, _ := recorded(t, b.Bench, priced1)
		for _, e := range old {
			ids[e.ID] = true
		}
		equal(t, "duals on record, by id", len(ids), 2)

		b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(priced2), Err: kerr.MessageTooLarge, Count: 1})
		res, err = b.PublishAll(t.Context(), bus.Outgoing{Payload: pricedV2{"pen", 900}})
		wantErr(t, "the event itself is refused", err, bus.ErrNotSent, bus.ErrUnknown)
		wantErr(t, "its dual", res[0].Dual.Err, bus.ErrNotSent, bus.ErrUnknown)
		after, _ := recorded(t, b.Bench, priced1)
		equal(t, "no dual of an event that is not there", len(after), len(old))
	})
}

// A process ends between an event and its dual. The next one is given the cause again, and publishes both under the ids of the first.
func TestKillBetweenAnEventAndItsDual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := migrating(t, pricedCatalog(t), inDays(60))
		reprice := func(on *bustest.Bench) bus.Handler {
			return bus.HandleType(priced3, func(ctx context.Context, _ bus.Delivery) error {
				_, err := on.Publish(ctx, pricedV2{"pen", 500})
				return err
			})
		}
		f := b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(priced1), Err: kerr.NotLeaderForPartition, Count: -1})
		first := bustest.Over(t, b.cfg)
		ctx, kill := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- first.Consume(ctx, bus.Consumer{Group: "g", DrainWithin: time.Nanosecond}, reprice(first))
		}()
		e := event.New(t.Context(), priced3, []byte(`{"article":"pen","cents":500}`), event.Source{Service: "suite"}, time.Now())
		if _, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e}); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), time.Second) // the event is acknowledged, its dual is on its way
		kill()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := first.Close(); !errors.Is(err, bus.ErrUnknown) {
			t.Errorf("close: %v, want the dual unresolved", err)
		}
		f.Remove()
		next, _ := recorded(t, b.Bench, priced2)
		old, _ := recorded(t, b.Bench, priced1)
		equal(t, "events and duals before the restart", []int{len(next), len(old)}, []int{1, 0})
		second := bustest.Over(t, b.cfg)
		second.Go(bus.Consumer{Group: "g"}, reprice(second))
		second.Settle()
		next, _ = recorded(t, b.Bench, priced2)
		old, _ = recorded(t, b.Bench, priced1)
		equal(t, "events and duals", []int{len(next), len(old)}, []int{2, 1})
		equal(t, "id of the event", next[1].ID, next[0].ID)
		equal(t, "id of the dual", old[0].ID, event.DeriveID(next[0].ID, string(priced1)))
	})
}

func TestDualsThatCannotBeAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		duals      []bus.Dual
	}{
		{"twice", "has two", []bus.Dual{bus.DualPublish(euros, inDays(1)), bus.DualPublishType(priced2, priced3, same, inDays(1))}},
		{"a ring", "would be a dual of itself", []bus.Dual{bus.DualPublish(euros, inDays(1)), bus.DualPublishType(priced1, priced2, same, inDays(1))}},
		{"until when", "is said neither there nor in the catalogue", []bus.Dual{bus.DualPublish(euros, time.Time{})}},
		{"no function", "is not complete", []bus.Dual{bus.DualPublishType(priced2, priced1, nil, inDays(1))}},
	} {
		_, err := bus.NewEncoder(bus.Config{Brokers: []string{"127.0.0.1:1"}, Service: "suite", Catalog: pricedCatalog(t), Duals: tc.duals})
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want an error that says %q", tc.name, err, tc.says)
		}
	}
}

func TestDeprecatedTypeIsWarnedOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		declared := pricedCatalog(t, func(old, next *event.Spec) {
			next.Supersedes, old.Deprecated = priced1, &event.Deprecation{Sunset: inDays(60)}
		})
		b := migrating(t, declared, inDays(60))
		b.Go(bus.Consumer{Group: "staying", Retry: []time.Duration{time.Second}}, bus.Handle(func(_ context.Context, e bus.Event[pricedV1]) error {
			if e.Attempt == 1 {
				return errors.New("again")
			}
			return nil
		}))
		for range 3 {
			publish(t, b.Bench, pricedV1{"pen", 1})
		}
		publish(t, b.Bench, pricedV2{"pen", 100})
		b.Settle()
		equal(t, "uses", b.uses(), map[bus.Outdated]int{
			{Type: priced1, Use: bus.UsedByPublish}:                   3,
			{Type: priced1, Use: bus.UsedByDual}:                      1,
			{Type: priced1, Group: "staying", Use: bus.UsedByHandler}: 4,
		})
		for _, use := range []string{"use=published", "use=handled group=staying"} {
			equal(t, "warnings of "+use, b.logged.about(use), 1)
		}
		equal(t, "warnings that say what to use", b.logged.about("in_place_of_it="+string(priced2)), 2)
	})
}
