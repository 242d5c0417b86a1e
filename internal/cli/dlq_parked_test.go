package cli_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
)

// A key is parked by its failure, what comes later follows, and after the dead letters were sent again it is released: in order
// all the way, and only when nothing of it is left behind.
func TestParkedKeyIsReleasedOnceNothingOfItIsOpen(t *testing.T) {
	c := newClinic(t)
	var ill atomic.Bool
	ill.Store(true)
	seen := make(chan struct{}, 10)
	go func() {
		for range 4 {
			c.must(t, "", "publish", assessed, `{"entity_id":"doc-1","quality_score":0.5}`)
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.b.Consume(ctx, bus.Consumer{Group: "picky", OnExhausted: bus.ParkKey}, bus.HandleType(assessed, func(context.Context, bus.Delivery) error {
			if ill.Load() {
				return bus.Permanent(context.Canceled)
			}
			seen <- struct{}{}
			return nil
		}))
	}()
	c.dead(4)
	var doc struct {
		Keys []struct {
			Group, Key, Class string
			Open              int
			Since, Last       int64
		}
	}
	if err := json.Unmarshal([]byte(c.must(t, "", "dlq", "parked", "-o", "json")), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Keys) != 1 || doc.Keys[0].Key != "doc-1" || doc.Keys[0].Group != "picky" || doc.Keys[0].Open != 4 || doc.Keys[0].Last != 3 {
		t.Fatalf("parked: %+v, want doc-1 of picky with 4 that are open, the last one at offset 3", doc.Keys)
	}
	release := []string{"dlq", "release", "picky", assessed, "doc-1"}
	if r := c.run(t.Context(), "", append(release, "--execute")...); r.code != 9 || !strings.Contains(r.stderr, "OMB-0910") || !strings.Contains(r.stderr, "--keep-order") {
		t.Errorf("release though 4 are open: exit %d, want 9 and how to send them again\n%s", r.code, r.stderr)
	}
	plan := c.run(t.Context(), "", "dlq", "retry", assessed)
	if !strings.Contains(plan.out, "4 of 4 are of a group that has parked keys") {
		t.Errorf("the plan does not warn of the parked key:\n%s", plan.out)
	}

	ill.Store(false)
	c.must(t, "", "dlq", "retry", assessed, "--keep-order", "--rate", "max", "--execute")
	for range 4 {
		<-seen
	}
	c.must(t, "", c.planned(t, release...)...)
	if out := c.must(t, "", "dlq", "parked", "-o", "json"); !strings.Contains(out, `"keys":[]`) && !strings.Contains(out, `"keys": []`) {
		t.Errorf("parked after the release: %s", out)
	}
	c.must(t, "", "publish", assessed, `{"entity_id":"doc-1","quality_score":0.75}`)
	<-seen // it runs
	if r := c.run(t.Context(), "", release...); r.code != 3 {
		t.Errorf("release of what is not parked: exit %d, want 3\n%s", r.code, r.stderr)
	}
	if r := c.run(t.Context(), "", "dlq", "release", "picky", assessed); r.code != 2 || !strings.Contains(r.stderr, "--null-key") {
		t.Errorf("release without a key: exit %d, want 2\n%s", r.code, r.stderr)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if out := c.must(t, "", "consume", "omninode.audit.operator_action.v1", "-o", "ndjson"); !strings.Contains(out, `"release"`) || strings.Contains(out, "doc-1") {
		t.Errorf("the audit topic should have the release, and not the key:\n%s", out)
	}
}
