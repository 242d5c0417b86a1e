package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func TestEveryStepOfTheMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(broker.Network)
		br, err := broker.Start(t.Context(), broker.Config{Addr: "127.0.0.1:9092", Network: network})
		if err != nil {
			t.Fatal(err)
		}
		defer br.Close()
		catalog, err := event.ReadCatalog(files)
		if err != nil {
			t.Fatal(err)
		}
		cfg := bus.Config{Brokers: br.Addrs(), Service: "shop", Catalog: catalog, Dial: network.Dial}
		for _, tc := range []struct{ step, billing, stock string }{
			{"before", "3 euros", "3 euros"},
			{"readers", "4 euros", "400 cents"},
			{"writer", "5 euros", "450 cents"},
			{"rest", "520 cents", "520 cents"},
		} {
			if tc.step == "rest" {
				moveBilling(t, cfg)
			}
			var out strings.Builder
			if err := take(t.Context(), &out, tc.step, cfg); err != nil {
				t.Fatalf("%s: %v", tc.step, err)
			}
			if want := fmt.Sprintf("billing: pen costs %s\nstock: pen costs %s\n", tc.billing, tc.stock); out.String() != want {
				t.Errorf("%s:\n%swant\n%s", tc.step, &out, want)
			}
			time.Sleep(time.Minute) //nolint:forbidigo // inside a bubble this is the way to pass time
		}
		if err := take(t.Context(), new(strings.Builder), "back", cfg); err == nil {
			t.Error("there is no way back, and no error")
		}
	})
}

// moveBilling sets the group behind what it has handled as version 1, as "omnibus groups reset billing --topic … --to latest" does.
func moveBilling(t *testing.T, cfg bus.Config) {
	t.Helper()
	b, err := bus.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	plan, err := b.PlanReset(t.Context(), bus.Reset{Group: "billing", Topics: []event.Topic{PricedV2{}.EventTopic()}, To: bus.FromEnd(0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.RunReset(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
}
