package demo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/contracts/codegen"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/demo"
)

// cluster is a broker in the bubble of a test, and the way to it.
func cluster(t *testing.T, c *event.Catalog) demo.Open {
	t.Helper()
	network := new(broker.Network)
	br, err := broker.Start(t.Context(), broker.Config{Addr: "127.0.0.1:9092", Network: network})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(ctx context.Context, service string, hooks *bus.Trace) (*bus.Bus, error) {
		return bus.Open(ctx, bus.Config{Brokers: br.Addrs(), Service: service, Catalog: c, Dial: network.Dial, Trace: hooks})
	}
}

func open(t *testing.T, to demo.Open) *bus.Bus {
	t.Helper()
	b, err := to(t.Context(), "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// records counts what lies in every topic.
func records(t *testing.T, b *bus.Bus) map[event.Topic]int {
	t.Helper()
	n := map[event.Topic]int{}
	for r, err := range b.Scan(t.Context(), bus.Range{Topics: []event.Glob{"*", "*.dlq"}}) {
		if err != nil {
			t.Fatal(err)
		}
		n[r.Topic]++
	}
	return n
}

// Run works again and again, and leaves the events of others alone.
func TestRunShowsAGoodAndABadFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := cluster(t, contracts.Catalog())
		for run := range 3 {
			var seen []string
			flows, err := demo.Run(t.Context(), to, func(s demo.Seen) {
				_, name, _ := strings.Cut(string(s.Type), "omninode.")
				if s.Dead != nil {
					name = fmt.Sprintf("dead in %s after %d", s.Dead.Group, s.Dead.Retries+1)
				}
				seen = append(seen, fmt.Sprintf("%.6s %s", strings.TrimPrefix(string(s.Flow), "demo-"), name))
			})
			if err != nil {
				t.Fatal(err)
			}
			good, bad := string(flows.Good)[5:11]+" ", string(flows.Bad)[5:11]+" "
			want := []string{
				good + "codegen.request.validate.v1", good + "codegen.response.validate.v1", good + "intelligence.event.quality_assessed.v1",
				good + "search.event.document_indexed.v1", bad + "intelligence.event.quality_assessed.v1", bad + "dead in demo-indexer after 3",
			}
			slices.Sort(seen)
			slices.Sort(want)
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Errorf("run %d (-want +got):\n%s", run, diff)
			}
			b := open(t, to)
			if _, err := b.Publish(t.Context(), codegen.ValidateRequest{CodeContent: "x"}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Publish(t.Context(), intelligence.QualityAssessed{EntityID: "theirs", QualityScore: 0}); err != nil {
				t.Fatal(err)
			}
		}
		want := map[event.Topic]int{
			"omninode.codegen.request.validate.v1": 6, "omninode.codegen.response.validate.v1": 3, "omninode.search.event.document_indexed.v1": 3,
			"omninode.intelligence.event.quality_assessed.v1": 9, "omninode.intelligence.event.quality_assessed.v1.dlq": 3,
		}
		if diff := cmp.Diff(want, records(t, open(t, to))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := cluster(t, contracts.Catalog())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		never := func(ctx context.Context, service string, hooks *bus.Trace) (*bus.Bus, error) {
			return to(ctx, service, nil) // so that nobody hears of partitions
		}
		if _, err := demo.Run(ctx, never, func(demo.Seen) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		closed := errors.New("closed for today")
		refused := func(ctx context.Context, service string, hooks *bus.Trace) (*bus.Bus, error) {
			if service == demo.Indexer {
				return nil, closed
			}
			return to(ctx, service, hooks)
		}
		if _, err := demo.Run(t.Context(), refused, func(demo.Seen) {}); !errors.Is(err, closed) {
			t.Errorf("error %v", err)
		}
	})
}

// A key that fails waits, in its order, and no other does: with any usual number of partitions all of it is on one.
func TestOrderingHoldsUpOneKeyOnly(t *testing.T) {
	for _, partitions := range []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 16} {
		synctest.Test(t, func(t *testing.T) {
			c, err := event.NewCatalog(event.Spec{
				Topic: "omninode.intelligence.event.quality_assessed.v1", Key: "entity_id", Schema: []byte(`{"type":"object"}`), Partitions: partitions,
			})
			if err != nil {
				t.Fatal(err)
			}
			to := cluster(t, c)
			var turns []string
			var last time.Duration
			order, err := demo.Ordering(t.Context(), to, func(turn demo.Turn) {
				if turn.After < last {
					t.Errorf("told of %v after %v", turn.After, last)
				}
				last = turn.After
				turns = append(turns, fmt.Sprintf("%s %d, attempt %d, %t", turn.Key, turn.Number, turn.Attempt, turn.Handled))
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(order.Partitions) != 1 {
				t.Errorf("of %d partitions, %v were used", partitions, order.Partitions)
			}
			if diff := cmp.Diff([]string{"pia 1", "zoe 1", "pia 2", "joy 1", "zoe 2"}, order.Published); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			at := func(turn string) int { return slices.Index(turns, turn) }
			for _, before := range [][2]string{
				{"pia 1, attempt 1, false", "pia 1, attempt 2, false"},
				{"zoe 1, attempt 1, true", "zoe 2, attempt 1, true"},
				{"zoe 2, attempt 1, true", "pia 1, attempt 2, false"},
				{"joy 1, attempt 1, true", "pia 1, attempt 2, false"},
				{"pia 1, attempt 2, false", "pia 1, attempt 3, true"},
				{"pia 1, attempt 3, true", "pia 2, attempt 1, true"},
			} {
				if at(before[0]) < 0 || at(before[0]) >= at(before[1]) {
					t.Errorf("%q is not before %q:\n%s", before[0], before[1], strings.Join(turns, "\n"))
				}
			}
			groups, err := open(t, to).Groups(t.Context())
			if err != nil || len(groups) != 0 {
				t.Errorf("%d groups are left, %v", len(groups), err)
			}
		})
	}
}
