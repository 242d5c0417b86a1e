package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
)

func oneConsumer(t *testing.T, r *stage) bus.ConsumerState {
	t.Helper()
	all := r.Consumers()
	if len(all) != 1 {
		t.Fatalf("%d consumers, want one", len(all))
	}
	return all[0]
}

func TestConsumersSayWhatBecameOfEvents(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, _ *brokertest.Cluster) {
		group := r.group("g")
		group.Retry = []time.Duration{time.Hour}
		stop := r.Go(group, bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error {
			switch key, _ := keyN(d); key {
			case "k00":
				return errors.New("parked")
			case "k01":
				return bus.Skip("not ours")
			case "k02":
				return bus.Permanent(errors.New("bad"))
			}
			return nil
		}))
		r.notes(5, 4)
		pause(t.Context(), 10*time.Second)
		s := oneConsumer(t, r)
		want := bus.ConsumerState{
			Group: group.Group, MaxInFlight: 100, Rebalances: bus.Rebalances{Assigned: 1},
			Topics: []bus.TopicCounts{{Topic: r.topic, Done: 8, Skipped: 4, Dead: 4, Retried: 1}},
			Partitions: []bus.PartitionState{{
				Topic: r.topic, Committed: 0, Next: 20, Unsettled: 4, Span: 20, SpanLimit: 100_000, MetadataLimit: 3_072, ParkedKeys: 1,
			}},
		}
		if diff := cmp.Diff(want, s, cmpopts.IgnoreFields(bus.ConsumerState{}, "Since"), cmpopts.IgnoreFields(bus.PartitionState{}, "MetadataBytes")); diff != "" {
			t.Errorf("state (-want +got):\n%s", diff)
		}
		if n := s.Partitions[0].MetadataBytes; n == 0 || n > 100 {
			t.Errorf("%d bytes of metadata, want those of a small set", n)
		}
		equal(t, "degraded", len(r.Degraded()), 0)
		stop()
		equal(t, "consumers after the end", len(r.Consumers()), 0)
	})
}

func TestOutageIsSeen(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, _ *brokertest.Cluster) {
		began := time.Now()
		r.Go(r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error {
			if time.Since(began) < time.Minute {
				return bus.Unavailable(errors.New("database is down"))
			}
			return nil
		}))
		r.notes(3, 1)
		pause(t.Context(), 10*time.Second)
		s := oneConsumer(t, r)
		o := s.Partitions[0].Outage
		if o == nil || o.Message != "database is down" || o.Fingerprint == "" || o.Since.Before(began) || time.Since(o.Since) < 5*time.Second {
			t.Errorf("outage %+v", o)
		}
		if d := r.Degraded(); len(d) != 1 || !strings.Contains(d[0], "database is down") || !strings.Contains(d[0], fmt.Sprintf("%s[0]", r.topic)) || !strings.Contains(d[0], s.Group) {
			t.Errorf("degraded %q, want one that names group, partition and why", d)
		}
		equal(t, "faults", len(r.Faults()), 0)
		r.Settle()
		equal(t, "degraded after", len(r.Degraded()), 0)
		c := oneConsumer(t, r).Topics[0]
		if c.Outages != 1 || c.Paused == 0 || c.Done != 3 {
			t.Errorf("counts %+v, want one outage, attempts that met it, and three done", c)
		}
	})
}

// logged collects what is logged.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logged) with(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// waitForRelease is where the stuck handler of the test is.
func waitForRelease(release <-chan struct{}) { <-release }

func TestStuckHandlerIsNamedAndNothingCommitsPastIt(t *testing.T) {
	log := &logged{}
	faulty(t, func(c *bus.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) }, func(t *testing.T, r *stage, _ *brokertest.Cluster) {
		release := make(chan struct{})
		group := r.group("g")
		group.StuckAfter = 30 * time.Second
		began := time.Now()
		r.Go(group, bus.HandleType(r.topic, func(_ context.Context, d bus.Delivery) error {
			if key, n := keyN(d); key == "k01" && n == "0" {
				waitForRelease(release)
			}
			return nil
		}))
		r.notes(3, 10)
		pause(t.Context(), 20*time.Second)
		equal(t, "stuck after 20 s", len(oneConsumer(t, r).Stuck), 0)
		pause(t.Context(), 2*time.Minute)
		s := oneConsumer(t, r)
		if len(s.Stuck) != 1 {
			t.Fatalf("stuck: %+v, want one", s.Stuck)
		}
		h := s.Stuck[0]
		equal(t, "where it lies", h.Coordinates, bus.Coordinates{Topic: r.topic, Partition: 0, Offset: 1})
		equal(t, "key", h.Key, `"k01"`)
		equal(t, "attempt", h.Attempt, 1)
		if d := h.Since.Sub(began); d < 0 || d > 10*time.Second {
			t.Errorf("since %v, it began at %v", h.Since, began)
		}
		if len(h.Where) == 0 || !strings.HasPrefix(h.Where[0], "github.com/omninode-ai/omnibus/bus_test.waitForRelease state_test.go:") {
			t.Errorf("where %q, want waitForRelease first", h.Where)
		}
		equal(t, "committed", s.Partitions[0].Committed, 1)
		equal(t, "in flight", s.InFlight, 1)
		if d := r.Degraded(); len(d) != 1 || !strings.Contains(d[0], h.String()) || !strings.Contains(d[0], "waitForRelease") || !strings.Contains(d[0], "k01") {
			t.Errorf("degraded %q, want one that names the event, its key and the place", d)
		}
		equal(t, "logged", log.with("handler is stuck"), 1)
		close(release)
		r.Settle()
		equal(t, "degraded after", len(r.Degraded()), 0)
	})
}

func TestDeadLetterThatCannotBeWrittenIsNoStuckHandler(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		dlq := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(r.topic.DLQ()), Err: kerr.InvalidRecord, Count: -1})
		group := r.group("g")
		group.StuckAfter = 10 * time.Second
		r.Go(group, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return bus.Permanent(errors.New("no")) }))
		r.note("a", 0)
		pause(t.Context(), time.Minute)
		equal(t, "faults", len(r.Faults()), 1)
		equal(t, "degraded", r.Degraded(), nil)
		dlq.Remove()
		r.Settle()
	})
}

func TestFailingCommitsAreSeen(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		r.Go(r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil }))
		r.note("a", 0)
		r.Settle()
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		r.note("a", 1)
		pause(t.Context(), 10*time.Second)
		fails := oneConsumer(t, r).CommitFails
		if fails == nil || !strings.Contains(fails.Why, kerr.GroupAuthorizationFailed.Message) || time.Since(fails.Since) < 5*time.Second {
			t.Errorf("commit fails: %+v", fails)
		}
		if d := r.Degraded(); len(d) != 1 || !strings.Contains(d[0], "commits fail") {
			t.Errorf("degraded %q", d)
		}
		f.Remove()
		r.Settle()
		equal(t, "degraded after", r.Degraded(), nil)
	})
}
