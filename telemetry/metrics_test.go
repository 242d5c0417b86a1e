package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/telemetry"
)

const noted event.Topic = "omninode.metrics.event.noted.v1"

// measured runs fn in a bubble, on a bus whose metrics are m.
func measured(t *testing.T, fn func(t *testing.T, b *bustest.Bench, m *telemetry.Metrics)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		catalog, err := event.NewCatalog(event.Spec{Topic: noted, Key: "key", Schema: []byte(`{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}`), Partitions: 1, Deprecated: &event.Deprecation{}})
		if err != nil {
			t.Fatal(err)
		}
		m := telemetry.New(slog.New(slog.DiscardHandler))
		b := bustest.Start(t, catalog, func(c *bus.Config) { c.Trace = m.Trace(nil) })
		m.Watch(b.Bus)
		fn(t, b, m)
	})
}

func publish(t *testing.T, b *bustest.Bench, typ event.Topic, payload string) error {
	t.Helper()
	e := event.New(t.Context(), typ, []byte(payload), event.Source{Service: "metrics", Instance: "test"}, time.Now())
	_, err := b.PublishAll(t.Context(), bus.Outgoing{Envelope: &e})
	return err
}

// scrape gives the value of each series: name{label="value",…} → value, without the labels that are the same everywhere.
func scrape(t *testing.T, m *telemetry.Metrics) map[string]float64 {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if rec.Code != http.StatusOK {
		t.Fatalf("scrape: %d %s", rec.Code, rec.Body)
	}
	out := map[string]float64{}
	constant := regexp.MustCompile(`,?(messaging_operation_name|messaging_operation_type|messaging_system)="[a-z]+"`)
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndex(line, " ")
		v, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out[strings.Replace(constant.ReplaceAllString(line[:i], ""), "{,", "{", 1)] = v
	}
	return out
}

// traffic makes every kind of series: events that are done, skipped, retried, dead, not sent.
func traffic(t *testing.T, b *bustest.Bench) {
	t.Helper()
	b.Go(bus.Consumer{Group: "g"}, bus.HandleType(noted, func(_ context.Context, d bus.Delivery) error {
		switch key := string(d.Key); {
		case key == "skip":
			return bus.Skip("not ours")
		case key == "dead":
			return bus.Permanent(errors.New("bad"))
		case key == "retry" && d.Attempt == 1:
			return errors.New("once more")
		case key == "slow":
			b.Elapse(3 * time.Second)
		}
		return nil
	}))
	for _, key := range []string{"a", "b", "skip", "dead", "retry", "slow"} {
		if err := publish(t, b, noted, fmt.Sprintf(`{"key":%q}`, key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, typ := range []event.Topic{noted, "omninode.nobody.event.known.v1"} {
		if err := publish(t, b, typ, `{"key":7}`); !errors.Is(err, bus.ErrNotSent) {
			t.Fatalf("publish: %v, want ErrNotSent", err)
		}
	}
	b.Settle()
	b.Elapse(10 * time.Second) // lag is measured anew
}

func TestMetricsTellWhatHappened(t *testing.T) {
	measured(t, func(t *testing.T, b *bustest.Bench, m *telemetry.Metrics) {
		traffic(t, b)
		got := scrape(t, m)
		const topic, part = `messaging_destination_name="omninode.metrics.event.noted.v1"`, `messaging_destination_partition_id="0"`
		const group, of = `messaging_consumer_group_name="g"`, `messaging_consumer_group_name="g",` + topic
		for series, want := range map[string]float64{
			`messaging_client_sent_messages_total{error_type="",` + topic + `}`:                                                 6,
			`messaging_client_sent_messages_total{error_type="not_sent",` + topic + `}`:                                         1,
			`messaging_client_sent_messages_total{error_type="not_sent",messaging_destination_name="_other"}`:                   1,
			`messaging_client_operation_duration_seconds_count{error_type="",` + topic + `}`:                                    6,
			`messaging_process_duration_seconds_count{error_type="",` + of + `,omnibus_outcome="done"}`:                         4,
			`messaging_process_duration_seconds_bucket{error_type="",` + of + `,omnibus_outcome="done",le="2.5"}`:               3,
			`messaging_process_duration_seconds_count{error_type="",` + of + `,omnibus_outcome="skipped"}`:                      1,
			`messaging_process_duration_seconds_count{error_type="retry",` + of + `,omnibus_outcome="retry"}`:                   1,
			`messaging_process_duration_seconds_count{error_type="dead",` + of + `,omnibus_outcome="dead"}`:                     1,
			`omnibus_event_latency_seconds_count{` + of + `}`:                                                                   4,
			`messaging_client_consumed_messages_total{` + of + `,omnibus_outcome="done"}`:                                       4,
			`messaging_client_consumed_messages_total{` + of + `,omnibus_outcome="skipped"}`:                                    1,
			`messaging_client_consumed_messages_total{` + of + `,omnibus_outcome="retry"}`:                                      1,
			`messaging_client_consumed_messages_total{` + of + `,omnibus_outcome="dead"}`:                                       1,
			`messaging_client_consumed_messages_total{` + of + `,omnibus_outcome="pause"}`:                                      0,
			`omnibus_dead_letters_total{messaging_consumer_group_name="g",` + topic + `,omnibus_dead_letter_class="permanent"}`: 1,
			`omnibus_consumer_lag_messages{` + of + `,` + part + `}`:                                                            0,
			`omnibus_consumer_lag_seconds{` + of + `,` + part + `}`:                                                             0,
			`omnibus_consumer_lag_unknown_partitions{` + group + `}`:                                                            0,
			`omnibus_consumer_lag_measured`:                                                      1,
			`omnibus_consumer_in_flight{` + group + `}`:                                          0,
			`omnibus_consumer_max_in_flight{` + group + `}`:                                      100,
			`omnibus_consumer_rebalances_total{` + group + `,omnibus_rebalance_kind="assigned"}`: 1,
			`omnibus_consumer_outage_partitions{` + of + `}`:                                     0,
			`omnibus_schema_validations_total{omnibus_decided="program",omnibus_event_type="omninode.metrics.event.noted.v1",omnibus_side="publish"}`: 6,
			`omnibus_schema_validations_total{omnibus_decided="refused",omnibus_event_type="omninode.metrics.event.noted.v1",omnibus_side="publish"}`: 1,
			`omnibus_schema_validations_total{omnibus_decided="library",omnibus_event_type="omninode.metrics.event.noted.v1",omnibus_side="publish"}`: 0,
			`omnibus_schema_validations_total{omnibus_decided="program",omnibus_event_type="omninode.metrics.event.noted.v1",omnibus_side="consume"}`: 7,
			`omnibus_schema_slow_rules{omnibus_event_type="omninode.metrics.event.noted.v1",omnibus_side="publish"}`:                                  0,
			`omnibus_faults`:   0,
			`omnibus_degraded`: 0,
		} {
			v, ok := got[series]
			if !ok || v != want {
				t.Errorf("%s is %v (%t), want %v", series, v, ok, want)
			}
		}
		if t.Failed() {
			for _, s := range slices.Sorted(maps.Keys(got)) {
				if !strings.Contains(s, "_bucket") && !strings.HasPrefix(s, "go_") && !strings.HasPrefix(s, "process_") {
					t.Log(s, got[s])
				}
			}
		}
	})
}

func TestMetricsTellOfWhatIsDown(t *testing.T) {
	measured(t, func(t *testing.T, b *bustest.Bench, m *telemetry.Metrics) {
		down := errors.New("database is down")
		b.Go(bus.Consumer{Group: "g"}, bus.HandleType(noted, func(context.Context, bus.Delivery) error {
			if down != nil {
				return bus.Unavailable(down)
			}
			return nil
		}))
		for range 3 {
			if err := publish(t, b, noted, `{"key":"a"}`); err != nil {
				t.Fatal(err)
			}
		}
		b.Elapse(30 * time.Second)
		got := scrape(t, m)
		const of = `messaging_consumer_group_name="g",messaging_destination_name="omninode.metrics.event.noted.v1"`
		const at = of + `,messaging_destination_partition_id="0"`
		for series, want := range map[string]float64{
			`omnibus_consumer_outage_partitions{` + of + `}`:  1,
			`omnibus_consumer_outages_total{` + of + `}`:      1,
			`omnibus_consumer_lag_messages{` + at + `}`:       3,
			`omnibus_consumer_unsettled_messages{` + at + `}`: 3,
			`omnibus_degraded`: 1,
			`omnibus_consumer_span_used_ratio{` + at + `}`:    3.0 / 100_000,
			`omnibus_event_latency_seconds_count{` + of + `}`: 0,
		} {
			if got[series] != want {
				t.Errorf("%s is %v, want %v", series, got[series], want)
			}
		}
		if age := got[`omnibus_consumer_lag_seconds{`+at+`}`]; age < 29 || age > 31 {
			t.Errorf("lag of %v s, want 30", age)
		}
		down = nil
		b.Settle()
	})
}

func TestBroadcastsAndBatchesAreMeasuredToo(t *testing.T) {
	measured(t, func(t *testing.T, b *bustest.Bench, m *telemetry.Metrics) {
		for range 2 { // two of one kind share their series
			b.Go(bus.Consumer{Broadcast: true, From: bus.Earliest}, bus.HandleType(noted, func(context.Context, bus.Delivery) error { return errors.New("no") },
				bus.Retry()))
		}
		b.Go(bus.Consumer{Group: "sink"}, bus.HandleBatch("omninode.metrics.*", bus.Batch{Max: 10}, func(context.Context, []bus.Record) error { return nil }))
		for range 3 {
			if err := publish(t, b, noted, `{"key":"a"}`); err != nil {
				t.Fatal(err)
			}
		}
		b.Settle()
		b.Elapse(5 * time.Second)
		got := scrape(t, m)
		const topic = `messaging_destination_name="omninode.metrics.event.noted.v1"`
		for series, want := range map[string]float64{
			`messaging_client_consumed_messages_total{messaging_consumer_group_name="",` + topic + `,omnibus_outcome="dropped"}`:  6,
			`messaging_client_consumed_messages_total{messaging_consumer_group_name="sink",` + topic + `,omnibus_outcome="done"}`: 3,
			`omnibus_event_latency_seconds_count{messaging_consumer_group_name="sink",` + topic + `}`:                             3,
			`omnibus_consumer_max_in_flight{messaging_consumer_group_name=""}`:                                                    200,
		} {
			if got[series] != want {
				t.Errorf("%s is %v, want %v", series, got[series], want)
			}
		}
		if n := got[`messaging_process_duration_seconds_count{error_type="",messaging_consumer_group_name="sink",`+topic+`,omnibus_outcome="done"}`]; n < 1 || n > 3 {
			t.Errorf("%v batches of three events", n)
		}
	})
}

func TestTraceCallsWhatWasThereBefore(t *testing.T) {
	m := telemetry.New(slog.New(slog.DiscardHandler))
	var called []string
	trace := m.Trace(&bus.Trace{
		Published: func(context.Context, event.Envelope, bus.Result) { called = append(called, "published") },
		Handled: func(context.Context, bus.Delivery, bus.Verdict, time.Duration, error) {
			called = append(called, "handled")
		},
		Batch:     func(context.Context, string, []bus.Record, time.Duration, error) { called = append(called, "batch") },
		Dead:      func(context.Context, bus.DeadLetter) { called = append(called, "dead") },
		Completed: func(context.Context, bus.Delivery) { called = append(called, "completed") },
	})
	trace.Published(t.Context(), event.Envelope{}, bus.Result{})
	trace.Handled(t.Context(), bus.Delivery{}, bus.Done, time.Second, nil)
	trace.Batch(t.Context(), "g", []bus.Record{{}}, time.Second, nil)
	trace.Dead(t.Context(), bus.DeadLetter{})
	trace.Completed(t.Context(), bus.Delivery{})
	if diff := cmp.Diff([]string{"published", "handled", "batch", "dead", "completed"}, called); diff != "" {
		t.Errorf("called (-want +got):\n%s", diff)
	}
}

func TestHooksDoNotAllocate(t *testing.T) {
	m := telemetry.New(slog.New(slog.DiscardHandler))
	trace := m.Trace(nil)
	d := bus.Delivery{Record: bus.Record{Topic: noted, Timestamp: time.Now()}, Group: "g"}
	r := bus.Result{Topic: noted, Took: time.Millisecond}
	if n := testing.AllocsPerRun(100, func() {
		trace.Published(t.Context(), event.Envelope{}, r)
		trace.Handled(t.Context(), d, bus.Done, time.Millisecond, nil)
	}); n > 0 {
		t.Errorf("%v allocations per event", n)
	}
}

func BenchmarkHooks(b *testing.B) {
	m := telemetry.New(slog.New(slog.DiscardHandler))
	trace := m.Trace(nil)
	d := bus.Delivery{Record: bus.Record{Topic: noted, Timestamp: time.Now()}, Group: "g"}
	r := bus.Result{Topic: noted, Took: time.Millisecond}
	b.Run("published", func(b *testing.B) {
		for b.Loop() {
			trace.Published(b.Context(), event.Envelope{}, r)
		}
	})
	b.Run("handled", func(b *testing.B) {
		for b.Loop() {
			trace.Handled(b.Context(), d, bus.Done, time.Millisecond, nil)
		}
	})
}

// TestDocumentedMetricsAreThere holds docs/reference/metrics.md against a scrape after traffic: no name of one is missing in the
// other.
func TestDocumentedMetricsAreThere(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	family := func(name string) string { return regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "") }
	documented, labels := map[string]bool{}, map[string]bool{}
	for _, name := range regexp.MustCompile(`\b(messaging|omnibus)_[a-z_]+`).FindAllString(string(page), -1) {
		documented[family(name)] = true
	}
	queries := regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(queries) != 5 {
		t.Errorf("%d queries, want one for each of the five targets", len(queries))
	}
	measured(t, func(t *testing.T, b *bustest.Bench, m *telemetry.Metrics) {
		traffic(t, b)
		there := map[string]bool{}
		for series := range scrape(t, m) {
			name, rest, _ := strings.Cut(series, "{")
			if strings.HasPrefix(name, "messaging_") || strings.HasPrefix(name, "omnibus_") {
				there[family(name)] = true
			}
			for _, l := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(rest, -1) {
				labels[l[1]] = true
			}
		}
		for name := range there {
			if !documented[name] {
				t.Errorf("%s is served and not documented", name)
			}
		}
		for name := range documented {
			if !there[name] && !labels[name] && !slices.Contains([]string{"messaging_system", "messaging_operation_name", "messaging_operation_type"}, name) {
				t.Errorf("%s is documented and not served", name)
			}
		}
		for _, q := range queries {
			if !strings.Contains(q[1], "messaging_") && !strings.Contains(q[1], "omnibus_") {
				t.Errorf("query without a metric: %s", q[1])
			}
		}
	})
}

func TestUsesOfDeprecatedTypesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog, err := event.NewCatalog(event.Spec{Topic: noted, Schema: []byte(`{"type":"object"}`), Partitions: 1, Deprecated: &event.Deprecation{}})
		if err != nil {
			t.Fatal(err)
		}
		m := telemetry.New(slog.New(slog.DiscardHandler))
		told := 0
		hooks := m.Trace(&bus.Trace{Outdated: func(context.Context, bus.Outdated) { told++ }})
		b := bustest.Start(t, catalog, func(c *bus.Config) { c.Trace = hooks })
		for range 2 {
			if err := publish(t, b, noted, `{}`); err != nil {
				t.Fatal(err)
			}
		}
		if got := scrape(t, m)[`omnibus_outdated_events_total{messaging_consumer_group_name="",omnibus_event_type="`+string(noted)+`",omnibus_use="published"}`]; got != 2 || told != 2 {
			t.Errorf("%v uses counted and %d told of, want 2 of each", got, told)
		}
	})
}
