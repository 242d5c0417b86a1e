package bus_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
)

// A group that took a member for a new one may have had its partitions elsewhere meanwhile, and the client says nothing of it. What
// others committed is not taken back: the consumer begins anew from there. Where nobody did, it just goes on.
func TestMemberTakenForANewOneTakesNoPositionBack(t *testing.T) {
	for _, tc := range []struct {
		name      string
		overtaken bool
		lost      int
	}{{"others committed more", true, 1}, {"nobody had it", false, 0}} {
		t.Run(tc.name, func(t *testing.T) {
			var lost atomic.Int64
			trace := &bus.Trace{Lost: func(string, bus.Coordinates) { lost.Add(1) }}
			faulty(t, func(c *bus.Config) { c.Trace = trace }, func(t *testing.T, r *stage, c *brokertest.Cluster) {
				var d diary
				group := r.group("g")
				stop := r.Go(group, bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
					key, n := keyN(e)
					d.add("%s %s", key, n)
					return nil
				}))
				for n := range 3 {
					r.note("a", n)
				}
				r.Settle()

				var rejoins, told atomic.Bool
				c.Control(kmsg.JoinGroup, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
					if req := kreq.(*kmsg.JoinGroupRequest); req.MemberID == "" || rejoins.Swap(true) { //nolint:forcetypeassert // by its key
						return nil, nil, false
					}
					resp := kreq.ResponseKind().(*kmsg.JoinGroupResponse) //nolint:forcetypeassert // as above
					resp.ErrorCode = kerr.UnknownMemberID.Code
					return resp, nil, true
				})
				c.Control(kmsg.OffsetFetch, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
					if !tc.overtaken || !rejoins.Load() || told.Swap(true) {
						return nil, nil, false
					}
					return positionOf(kreq, group.Group, string(r.topic), 2), nil, true
				})
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress, Count: 1})
				pause(t.Context(), time.Minute)
				r.note("a", 3)
				r.Settle()
				stop()
				if !rejoins.Load() || told.Load() != tc.overtaken {
					t.Fatalf("rejoined %v, told another position %v: the test did not bring about what it is for", rejoins.Load(), told.Load())
				}
				equal(t, "handled", d.of("a"), []string{"0", "1", "2", "3"})
				equal(t, "lost", int(lost.Load()), tc.lost)
			})
		})
	}
}

// positionOf answers that the group has a position somewhere.
func positionOf(kreq kmsg.Request, group, topic string, offset int64) kmsg.Response {
	req := kreq.(*kmsg.OffsetFetchRequest)                 //nolint:forcetypeassert // by its key
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse) //nolint:forcetypeassert // as above
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	p.Offset, p.Metadata = offset, new("")
	at := kmsg.NewOffsetFetchResponseGroupTopic()
	at.Topic, at.Partitions = topic, append(at.Partitions, p)
	g := kmsg.NewOffsetFetchResponseGroup()
	g.Group, g.Topics = group, append(g.Topics, at)
	resp.Groups = append(slices.Clip(resp.Groups), g)
	return resp
}
