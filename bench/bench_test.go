package main

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	if served, code := serveAsChild(os.Stdin, os.Stdout, os.Stderr); served {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func open(tb testing.TB) *target {
	tb.Helper()
	on, err := start(tb.Context(), os.Getenv("OMNIBUS_TEST_KAFKA"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := on.stop(); err != nil {
			tb.Error(err)
		}
	})
	return on
}

// TestEveryLaneHandlesItsEvents runs all ways to publish and to consume with few events.
func TestEveryLaneHandlesItsEvents(t *testing.T) {
	on := open(t)
	const n = 2_000
	topic, err := fill(t.Context(), on, n)
	if err != nil {
		t.Fatal(err)
	}
	for part, lanes := range map[string][]lane{"publish": publishLanes(), "consume": consumeLanes(topic)} {
		rows, err := rounds(t.Context(), on, 1, n, "", lanes, io.Discard)
		if err != nil {
			t.Fatalf("%s: %v", part, err)
		}
		for _, r := range rows {
			if r.Rate <= 0 || r.Ratio <= 0 {
				t.Errorf("%s: %s: %.0f events/s, %g of raw", part, r.Name, r.Rate, r.Ratio)
			}
		}
	}
}

// TestRoundTripIsTheSame: the program gives back what it got.
func TestRoundTripIsTheSame(t *testing.T) {
	r, err := roundTrip(t.Context(), 5_000)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Same || r.Bytes == 0 {
		t.Errorf("%+v, want the same", r)
	}
}

// TestFailingKeyHoldsNobodyUp: were the partition to wait for the key, its others would be late by seconds.
func TestFailingKeyHoldsNobodyUp(t *testing.T) {
	const long = 5 * time.Second
	f, err := failingKey(t.Context(), open(t), long)
	if err != nil {
		t.Fatal(err)
	}
	if f.Retries == 0 {
		t.Error("the key did not fail")
	}
	if !f.InOrder {
		t.Error("the failing key's events were not handled one and all in their order")
	}
	if late := f.With.P95 - f.Without.P95; late > long.Seconds()*1000/2 {
		t.Errorf("others late by %.0f ms at the 95th percentile", late)
	}
}

func TestSamplesHaveTheirSize(t *testing.T) {
	ss, err := makeSamples(10, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range ss {
		if len(s.raw) != eventSize || string(s.key) != string(ss[i%3].key) {
			t.Errorf("sample %d: %d bytes, key %s", i, len(s.raw), s.key)
		}
	}
}

func TestTargetsAreJudged(t *testing.T) {
	r := Report{
		Publish: []Row{{Name: rawAsync, Rate: 100, Ratio: 1}, {Name: busRaw8, Rate: 69, Ratio: 0.69}, {Name: busPayload, Rate: 50_000}},
		Hot:     &Hot{Times: 50},
		Latency: &Latency{Published: Spread{P95: 5, P99: 20}, Handled: Spread{P95: 10}},
		Failing: &Failing{Without: Spread{P95: 10}, With: Spread{P95: 59}, InOrder: true},
	}
	got := map[string]bool{}
	for _, x := range r.judge() {
		got[x.Name] = x.Passed
	}
	want := map[string]bool{
		"batch publish of bytes : raw client": false, "publish validated, events/s": true, "one hot partition : serial": true,
		"publish p95, open loop": false, "publish p99, open loop": true, "publish to handled p95, open loop": true,
		"delay that a failing key adds to others, p95": true, "failing key handled whole and in order": true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if !r.missed() {
		t.Error("missed is false")
	}
}

func TestQuantile(t *testing.T) {
	var ds []time.Duration
	for i := range 100 {
		ds = append(ds, time.Duration(100-i)*time.Millisecond)
	}
	if d := cmp.Diff(Spread{P50: 51, P95: 96, P99: 100, Max: 100}, spread(ds)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func BenchmarkPublish(b *testing.B) { benchmark(b, open(b), publishLanes()) }

func BenchmarkConsume(b *testing.B) {
	on := open(b)
	topic, err := fill(b.Context(), on, 200_000)
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, on, consumeLanes(topic))
}

// benchmark counts what the lane's own meter sees: making topics and joining groups is left out.
func benchmark(b *testing.B, on *target, lanes []lane) {
	for _, l := range lanes {
		b.Run(l.name, func(b *testing.B) {
			n := min(max(b.N, 100), 200_000)
			f, err := once(b.Context(), on, l, n)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(1e9/f.rate, "ns/op")
			b.ReportMetric(f.cpu, "cpu-ns/event")
			b.ReportMetric(f.allocs, "allocs/event")
		})
	}
}
