package bus_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
)

// What a kill can undo is the work since the last commit. Where commits do not come through, that must not grow: nothing new
// begins after a second of them, and all goes on once they do.
func TestNothingBeginsWhileCommitsAreLate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault broker.Fault
	}{
		{"refused", broker.Fault{Key: "commit", Error: "REQUEST_TIMED_OUT"}},
		{"not answered", broker.Fault{Key: "commit", Delay: 5 * time.Second, Count: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
				var mu sync.Mutex
				var starts []time.Time
				since := func(from time.Time) (n int, last time.Duration) {
					mu.Lock()
					defer mu.Unlock()
					for _, at := range starts {
						if !at.Before(from) {
							n, last = n+1, at.Sub(from)
						}
					}
					return n, last
				}
				r.Go(r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error {
					mu.Lock()
					defer mu.Unlock()
					starts = append(starts, time.Now())
					return nil
				}))
				r.note("a", 0)
				r.Settle()

				fault, err := c.Faults().Add(tc.fault)
				if err != nil {
					t.Fatal(err)
				}
				broken := time.Now()
				for n := range 50 {
					r.note("a", 1+n)
					pause(t.Context(), 100*time.Millisecond)
				}
				n, last := since(broken)
				if n == 0 || n == 50 || last > 1100*time.Millisecond {
					t.Errorf("%d of 50 events began, the last after %v; want those of the first second only", n, last)
				}
				if s := r.Consumers()[0]; s.CommitFails == nil {
					t.Error("the state of the consumer does not say that commits fail")
				}
				c.Faults().Clear(fault.ID)
				r.Settle()
				if n, _ := since(broken); n != 50 {
					t.Errorf("%d of 50 events began in the end", n)
				}
			})
		})
	}
}
