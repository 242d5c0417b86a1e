package bus_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
)

func TestWhoUsesWhichVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		declared := pricedCatalog(t, func(old, _ *event.Spec) { old.Deprecated = &event.Deprecation{} })
		b := migrating(t, declared, inDays(60))
		legacy := bustest.Over(t, bus.Config{Brokers: b.cfg.Brokers, Dial: b.cfg.Dial, Catalog: declared, Service: "legacy"})
		publish(t, legacy, pricedV1{"pen", 1}) // before the time that is asked for
		pause(t.Context(), 2*time.Hour)
		since := time.Now()
		e := event.New(t.Context(), priced1, []byte(`{"article":"pen","euros":1}`), event.Source{Service: "legacy"}, time.Now())
		e.Version = "1.3.0"
		if _, err := legacy.PublishAll(t.Context(), bus.Outgoing{Envelope: &e}, bus.Outgoing{Payload: pricedV1{"pen", 2}}, bus.Outgoing{Topic: priced1, Raw: []byte("none")}); err != nil {
			t.Fatal(err)
		}
		publish(t, b.Bench, pricedV2{"pen", 300})
		again := bus.Record{Topic: priced1, Value: []byte(`{"source":{"service":"long gone"},"payload":{"article":"pen","euros":1}}`)}
		again.Headers = []bus.Header{{Name: "omnibus-dlq-redrive-count", Value: []byte("1")}}
		if _, err := b.Append(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		nothing := func(context.Context, bus.Delivery) error { return nil }
		b.Go(bus.Consumer{Group: "moved"}, bus.HandleType(priced2, nothing)) // reads both versions, by the upcaster
		left := b.Go(bus.Consumer{Group: "left"}, bus.HandleType(priced1, nothing))
		b.Settle()
		left()
		publish(t, legacy, pricedV1{"pen", 4})
		pause(t.Context(), time.Second)

		read := 0
		got, err := b.VersionUses(t.Context(), bus.VersionQuery{Since: since, Progress: func(n int, _ time.Time) { read = n }})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "records read", read, 7)
		want := []bus.VersionUse{
			{
				Carrier: priced1, There: true, Later: priced3, NoEvents: 1,
				Producers: []bus.ProducerUse{
					{Service: "legacy", Events: 3, Versions: map[string]int64{"1.3.0": 1, "1.4.0": 2}},
					{Service: "shop", Events: 1, Duals: 1, Versions: map[string]int64{"1.4.0": 1}},
				},
				Groups: []bus.GroupUse{{Group: "left", Messages: 1}, {Group: "moved", Members: 1, Later: true}},
			},
			{
				Carrier: priced2, There: true, Later: priced3,
				Producers: []bus.ProducerUse{{Service: "shop", Events: 1, Versions: map[string]int64{"2.1.0": 1}}},
				Groups:    []bus.GroupUse{{Group: "moved", Members: 1}},
			},
			{Carrier: priced3, There: true},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(bus.VersionUse{}, "Spec"), cmpopts.IgnoreFields(bus.ProducerUse{}, "Last")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		for i, needed := range []bool{true, true, false} {
			equal(t, "needed "+string(got[i].Topic), got[i].Needed(), needed)
			equal(t, "outdated "+string(got[i].Topic), got[i].Outdated(), i < 2)
		}
		if last := got[0].Producers[0].Last; time.Since(last) > time.Minute {
			t.Errorf("last written %v", last)
		}
		only, err := b.VersionUses(t.Context(), bus.VersionQuery{Since: since.Add(24 * time.Hour), Types: []event.Topic{priced2}})
		if err != nil || len(only) != 3 || len(only[0].Producers) != 0 || only[0].Topic != priced1 {
			t.Errorf("of version 2, later on: %+v, %v", only, err)
		}
		if none, err := b.VersionUses(t.Context(), bus.VersionQuery{Types: []event.Topic{"omninode.shop.event.sold.v1"}}); err != nil || none != nil {
			t.Errorf("of what is not declared: %+v, %v", none, err)
		}
	})
}

// What has one version and is not deprecated is not reported unless it is named; a name of another form is a version where it says so.
func TestVersionsAreFoundByNameAndBySupersession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := event.NewCatalog(
			event.Spec{Topic: "omninode.shop.event.sold.v1"},
			event.Spec{Topic: "omninode.shop.event.bought.v1", Supersedes: "omninode.shop.event.sold.v1"},
			event.Spec{Topic: "omninode.shop.event.bought.v10"},
			event.Spec{Topic: "omninode.shop.event.bought.v2"},
			event.Spec{Topic: "omninode.shop.event.lost.v1"},
			event.Spec{Topic: "omninode.shop.event.broken.v1", Deprecated: &event.Deprecation{}},
		)
		if err != nil {
			t.Fatal(err)
		}
		b := bustest.Start(t, c)
		later := func(types ...event.Topic) map[event.Topic]event.Topic {
			uses, err := b.VersionUses(t.Context(), bus.VersionQuery{Types: types})
			if err != nil {
				t.Fatal(err)
			}
			out := map[event.Topic]event.Topic{}
			for _, u := range uses {
				out[u.Topic] = u.Later
			}
			return out
		}
		const newest = "omninode.shop.event.bought.v10"
		equal(t, "all", later(), map[event.Topic]event.Topic{
			"omninode.shop.event.sold.v1": newest, "omninode.shop.event.bought.v1": newest, "omninode.shop.event.bought.v2": newest, newest: "",
			"omninode.shop.event.broken.v1": "",
		})
		equal(t, "one", later("omninode.shop.event.lost.v1"), map[event.Topic]event.Topic{"omninode.shop.event.lost.v1": ""})
	})
}
