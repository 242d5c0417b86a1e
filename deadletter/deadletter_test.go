package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

const (
	orders  event.Topic = "omninode.shop.event.ordered.v1"
	schema  string      = `{"type":"object","properties":{"key":{"type":"string","minLength":1},"n":{"type":"integer","minimum":0}},"required":["key","n"]}`
	failing string      = "billing"
)

// shop is a bench with a topic whose events can be made dead.
type shop struct {
	*bustest.Bench
	t       *testing.T
	cluster *brokertest.Cluster
	cfg     bus.Config
	again   func() *bustest.Bench
	desk    *deadletter.Desk
}

func open(t *testing.T) *shop {
	t.Helper()
	network := new(broker.Network)
	cluster := brokertest.Start(t, broker.Config{Addr: "127.0.0.1:9092", Network: network})
	specs := slices.Collect(contracts.Catalog().All())
	specs = slices.DeleteFunc(specs, func(s event.Spec) bool { return s.Topic.Pattern() != event.Audit })
	specs = append(specs, event.Spec{Topic: orders, Key: "key", Schema: []byte(schema), Partitions: 2})
	catalog, err := event.NewCatalog(specs...)
	if err != nil {
		t.Fatal(err)
	}
	cfg := bus.Config{Brokers: cluster.Addrs(), Service: "shop", Catalog: catalog, Dial: network.Dial}
	s := &shop{t: t, cluster: cluster, cfg: cfg, again: func() *bustest.Bench { return bustest.Over(t, cfg) }}
	s.Bench = s.again()
	s.desk = deadletter.Open(s.Bus, "ada@test")
	return s
}

func bubble(t *testing.T, run func(t *testing.T, s *shop)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(t, open(t)) })
}

type order struct {
	Key string `json:"key"`
	N   int    `json:"n"`
}

func (order) EventTopic() event.Topic { return orders }

// publish publishes n orders over some keys.
func (s *shop) publish(n, keys int) {
	s.t.Helper()
	events := make([]bus.Outgoing, n)
	for i := range events {
		events[i].Payload = order{Key: fmt.Sprint("k", i%keys), N: i}
	}
	if _, err := s.PublishAll(s.t.Context(), events...); err != nil {
		s.t.Fatal(err)
	}
}

// consume starts a group: what it answers is up to fail.
func (s *shop) consume(group string, fail func(order) error) (seen func() map[int]int, stop func()) {
	s.t.Helper()
	var mu sync.Mutex
	got := map[int]int{}
	stop = s.Go(bus.Consumer{Group: group}, bus.Handle(func(_ context.Context, e bus.Event[order]) error {
		mu.Lock()
		got[e.Payload.N]++
		mu.Unlock()
		return fail(e.Payload)
	}))
	return func() map[int]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(got)
	}, stop
}

// kill makes n dead letters, of as many causes as messages.
func (s *shop) kill(n, keys int, messages ...string) {
	s.t.Helper()
	s.publish(n, keys)
	_, stop := s.consume(failing, func(o order) error { return bus.Permanent(errors.New(messages[o.N%len(messages)])) })
	s.Settle()
	stop()
}

// letter is a dead letter of order n, as the failing group leaves it.
func letter(n int, change ...func(*bus.Record)) bus.Record {
	id := event.DeriveID(event.ID{}, strconv.Itoa(n))
	value := fmt.Sprintf(`{"event_id":%q,"event_type":%q,"correlation_id":"c%d","timestamp":"2026-11-24T08:00:00.000Z","version":"1.0.0",`+
		`"source":{"service":"shop","instance_id":"i"},"metadata":{},"payload":{"key":"k%d","n":%d}}`, id, orders, n, n%10, n)
	r := bus.Record{Topic: orders.DLQ(), Key: []byte(fmt.Sprint("k", n%10)), Value: []byte(value)}
	for _, h := range [][2]string{
		{"omnibus-event-id", id.String()},
		{"omnibus-event-type", string(orders)},
		{"omnibus-correlation-id", fmt.Sprint("c", n)},
		{"own", "kept"},
		{"omnibus-dlq-original-topic", string(orders)},
		{"omnibus-dlq-original-topic-id", "0123"},
		{"omnibus-dlq-original-partition", "0"},
		{"omnibus-dlq-original-offset", strconv.Itoa(n)},
		{"omnibus-dlq-original-timestamp", "2026-11-24T08:00:00.000Z"},
		{"omnibus-dlq-error-class", "permanent"},
		{"omnibus-dlq-error-type", "*errors.errorString"},
		{"omnibus-dlq-error-message", "no stock"},
		{"omnibus-dlq-error-fingerprint", "0f3a9c11d2e4"},
		{"omnibus-dlq-retry-count", "0"},
		{"omnibus-dlq-consumer-group", failing},
		{"omnibus-dlq-failed-at", failedAt.Add(time.Duration(n) * time.Second).Format(time.RFC3339)},
		{"omnibus-dlq-redrive-count", "0"},
	} {
		r.Headers = append(r.Headers, bus.Header{Name: h[0], Value: []byte(h[1])})
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

var failedAt = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func with(name, value string) func(*bus.Record) {
	return func(r *bus.Record) {
		for i := range r.Headers {
			if r.Headers[i].Name == name {
				r.Headers[i].Value = []byte(value)
			}
		}
	}
}

func redriven(n int) func(*bus.Record) { return with("omnibus-dlq-redrive-count", strconv.Itoa(n)) }

// bury puts records into their dead-letter topics.
func (s *shop) bury(rs ...bus.Record) {
	s.t.Helper()
	if _, err := s.Append(s.t.Context(), rs...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) list(sel deadletter.Selector) *deadletter.Snapshot {
	s.t.Helper()
	snap, err := s.desk.List(s.t.Context(), sel)
	if err != nil {
		s.t.Fatal(err)
	}
	return snap
}

func (s *shop) plan(a deadletter.Action, sel deadletter.Selector, o deadletter.Options) *deadletter.Job {
	s.t.Helper()
	j, err := s.desk.Plan(s.t.Context(), a, sel, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// finish runs a job to its end.
func (s *shop) finish(d *deadletter.Desk, id string) (deadletter.Progress, error) {
	var last deadletter.Progress
	for p, err := range d.Run(s.t.Context(), id) {
		last = p
		if err != nil {
			return last, err
		}
	}
	return last, nil
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRetrySendsTheOriginalBytesToTheGroupThatFailed(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.kill(4, 2, "no stock")
		before := s.Dead(orders)
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		equal(t, "total", j.Total, 4)
		last, err := s.finish(s.desk, j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "done", last.Done, 4)
		equal(t, "state", last.State, deadletter.Done)
		var sent []bus.Record
		for rec, err := range s.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(orders)}}) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Header("omnibus-target-group") != nil {
				sent = append(sent, rec)
			}
		}
		equal(t, "sent", len(sent), 4)
		for _, d := range before {
			i := slices.IndexFunc(sent, func(r bus.Record) bool { return string(r.Value) == string(d.Value) })
			if i < 0 {
				t.Fatalf("%s was not sent", d.Coordinates())
			}
			r := sent[i]
			equal(t, "key", string(r.Key), string(d.Key))
			equal(t, "group", string(r.Header("omnibus-target-group")), failing)
			equal(t, "redrives", string(r.Header("omnibus-dlq-redrive-count")), "1")
			equal(t, "origin", string(r.Header("omnibus-dlq-original-offset")), strconv.FormatInt(d.Origin.Offset, 10))
			equal(t, "id", string(r.Header("omnibus-event-id")), string(d.Header("omnibus-event-id")))
		}
		for _, l := range s.list(deadletter.Selector{}).Letters {
			equal(t, "state", l.State, deadletter.Sent)
			equal(t, "job", l.Decision.Job, j.ID)
		}
	})
}

func TestGroupsPutCausesTogether(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.kill(9, 3, "no stock", "no card", "no stock")
		groups := s.list(deadletter.Selector{}).Groups()
		equal(t, "groups", len(groups), 2)
		equal(t, "largest", groups[0].Count, 6)
		equal(t, "message", groups[0].Sample.Message, "no stock")
		equal(t, "type", groups[0].EventType, orders)
		equal(t, "group", groups[0].ConsumerGroup, failing)
		equal(t, "pending", groups[0].States, map[deadletter.State]int{deadletter.Pending: 6})
	})
}

func TestShowFindsByIDAndByPlace(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.kill(3, 3, "no stock")
		for _, l := range s.list(deadletter.Selector{}).Letters {
			byID, err := s.desk.Show(t.Context(), l.ID)
			if err != nil {
				t.Fatal(err)
			}
			byPlace, err := s.desk.Show(t.Context(), fmt.Sprintf("%s/%d@%d", l.Topic, l.Partition, l.Offset))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "value", string(byID.Value), string(byPlace.Value))
			if len(byID.Value) == 0 || l.Value != nil {
				t.Errorf("%s: %d bytes shown, %d listed", l.ID, len(byID.Value), len(l.Value))
			}
		}
		if _, err := s.desk.Show(t.Context(), "0000000000"); !errors.Is(err, deadletter.ErrNotFound) {
			t.Errorf("show what is not there: %v", err)
		}
	})
}

func TestPlanIsFrozen(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.kill(3, 3, "no stock")
		j := s.plan(deadletter.Resolve, deadletter.Selector{}, deadletter.Options{Note: "restocked"})
		s.kill(2, 2, "no stock")
		if _, err := s.finish(s.desk, j.ID); err != nil {
			t.Fatal(err)
		}
		equal(t, "resolved", len(s.list(deadletter.Selector{States: []deadletter.State{deadletter.Resolved}}).Letters), 3)
		equal(t, "pending", len(s.list(deadletter.Selector{States: []deadletter.State{deadletter.Pending}}).Letters), 2)
	})
}

func TestCancelAndResumeSendEachOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		const n = 200
		s.bury(letters(0, n)...)
		j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 20})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for p, err := range s.desk.Run(ctx, j.ID) {
			if p.Done > n/4 {
				cancel()
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		stored, err := s.desk.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "state", stored.State, deadletter.Canceled)
		if d := stored.Progress.Done; d < n/4 || d > n/2 {
			t.Errorf("%d done before it was canceled", d)
		}
		seen, _ := s.consume(failing, func(order) error { return nil })
		if _, err := s.finish(s.desk, j.ID); err != nil {
			t.Fatal(err)
		}
		s.Settle()
		for i := range n {
			if c := seen()[i]; c != 1 {
				t.Errorf("order %d was handled %d times", i, c)
			}
		}
	})
}

func TestTwoOperatorsDoNotSendTwice(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		const n = 1000 / slow
		s.bury(letters(0, n)...)
		a, b := s.desk, deadletter.Open(s.again().Bus, "bob@test")
		first := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 200})
		second, err := b.Plan(t.Context(), deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 200})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		done := make([]deadletter.Progress, 3)
		for i, run := range []struct {
			desk *deadletter.Desk
			job  string
		}{{a, first.ID}, {b, second.ID}, {b, first.ID}} {
			wg.Go(func() {
				var err error
				if done[i], err = s.finish(run.desk, run.job); err != nil {
					t.Errorf("run %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		seen, _ := s.consume(failing, func(order) error { return nil })
		s.Settle()
		for i := range n {
			if c := seen()[i]; c != 1 {
				t.Errorf("order %d was handled %d times", i, c)
			}
		}
		for _, p := range done {
			equal(t, "left", p.Left, 0)
		}
	})
}

func TestRetrySendsTheDraftAndNeverTheOriginal(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.kill(2, 2, "no stock")
		letters := s.list(deadletter.Selector{}).Letters
		l, err := s.desk.Show(t.Context(), letters[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.Replace(string(l.Value), `"n":`, `"n":7`, 1)
		if _, err := s.desk.Edit(t.Context(), l.ID, []byte(strings.Replace(string(l.Value), `"n":`, `"n":true,"m":`, 1)), nil, ""); !errors.Is(err, bus.ErrInvalid) {
			t.Errorf("edit against the schema: %v", err)
		}
		if _, err := s.desk.Edit(t.Context(), l.ID, []byte(edited), nil, "more"); err != nil {
			t.Fatal(err)
		}
		equal(t, "drafts", len(s.list(deadletter.Selector{States: []deadletter.State{deadletter.Drafted}}).Letters), 1)
		seen, _ := s.consume(failing, func(order) error { return nil })
		if _, err := s.finish(s.desk, s.plan(deadletter.Retry, deadletter.Selector{IDs: []string{l.ID}}, deadletter.Options{}).ID); err != nil {
			t.Fatal(err)
		}
		s.Settle()
		want := map[int]int{70: 1}
		if strings.Contains(edited, `"n":71`) {
			want = map[int]int{71: 1}
		}
		equal(t, "handled", seen(), want)
		after, err := s.desk.Show(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "original", string(after.Value), string(l.Value))
		equal(t, "state", after.State, deadletter.Sent)
	})
}
