package bus_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
)

func TestTraceFollowsAPartition(t *testing.T) {
	var d diary
	trace := &bus.Trace{
		Assigned: func(group string, p bus.Coordinates) { d.add("assigned %s %d", group, p.Offset) },
		Lost:     func(group string, p bus.Coordinates) { d.add("lost %s %d", group, p.Offset) },
		Committed: func(c bus.Commit) {
			if c.Taken.IsZero() || time.Since(c.Taken) < 0 {
				d.add("taken at %v", c.Taken)
			}
			d.add("committed %s %d %v", c.Group, c.Position.Offset, c.Err)
		},
	}
	faulty(t, func(c *bus.Config) { c.Trace = trace }, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		group := r.group("g")
		handler := bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil })
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RequestTimedOut, Count: 1})
		stop := r.Go(group, handler)
		r.note("a", 0)
		r.Settle()
		// The group forgets the member, who finds out by its next heartbeat.
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
		pause(t.Context(), 30*time.Second)
		stop()
	})
	lines := d.all()
	g := "g-fault"
	for _, want := range []string{
		"assigned " + g + " 0", "committed " + g + " 0 REQUEST_TIMED_OUT: The request timed out.", "committed " + g + " 0 <nil>", "committed " + g + " 1 <nil>",
		"lost " + g + " -1", "assigned " + g + " 1",
	} {
		at := slices.Index(lines, want)
		if at < 0 {
			t.Fatalf("no %q, in order, in %q", want, d.all())
		}
		lines = lines[at+1:]
	}
}

func TestTraceSaysWhatIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStage(t, "")
		var d diary
		first := r.again(func(c *bus.Config) {
			c.Trace = &bus.Trace{Revoked: func(group string, p bus.Coordinates) { d.add("%s %s %d", group, p.Topic, p.Offset) }}
		})
		group := r.group("g")
		handler := bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil })
		first.Go(group, handler)
		pause(t.Context(), 10*time.Second)
		r.Go(group, handler)
		pause(t.Context(), 30*time.Second)
		if diff := cmp.Diff([]string{fmt.Sprintf("%s %s -1", group.Group, r.topic)}, d.all()); diff != "" {
			t.Errorf("one of two partitions goes to the second member (-want +got):\n%s", diff)
		}
	})
}
