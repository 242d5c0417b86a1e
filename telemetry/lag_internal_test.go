package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/omninode-ai/omnibus/bus"
)

// gathered gives the values of a collector by family and label values.
func gathered(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			words := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				words = append(words, l.GetValue())
			}
			out[strings.Join(words, " ")] = m.GetGauge().GetValue()
		}
	}
	return out
}

func TestUnknownLagIsAbsentAndNeverZero(t *testing.T) {
	lags := []bus.PartitionLag{
		{Group: "g", Topic: "a.b", Partition: 0, Messages: 7, Age: 1500 * time.Millisecond, Known: true},
		{Group: "g", Topic: "a.b", Partition: 1, Why: "nothing committed yet"},
		{Group: "h", Topic: "a.b", Partition: 0, Known: true},
	}
	l := &lagMetrics{measure: func(context.Context) ([]bus.PartitionLag, error) { return lags, nil }, now: time.Now}
	want := map[string]float64{
		"omnibus_consumer_lag_messages g a.b 0":     7,
		"omnibus_consumer_lag_messages h a.b 0":     0,
		"omnibus_consumer_lag_seconds g a.b 0":      1.5,
		"omnibus_consumer_lag_seconds h a.b 0":      0,
		"omnibus_consumer_lag_unknown_partitions g": 1,
		"omnibus_consumer_lag_unknown_partitions h": 0,
		"omnibus_consumer_lag_omitted_partitions":   0,
		"omnibus_consumer_lag_measured":             1,
	}
	if diff := cmp.Diff(want, gathered(t, l)); diff != "" {
		t.Errorf("lag (-want +got):\n%s", diff)
	}
}

func TestLagIsMeasuredOncePerFiveSecondsAndAFailureShows(t *testing.T) {
	now, measured := time.Now(), 0
	var failure error
	l := &lagMetrics{now: func() time.Time { return now }, measure: func(ctx context.Context) ([]bus.PartitionLag, error) {
		measured++
		if _, ok := ctx.Deadline(); !ok {
			t.Error("measured without a deadline")
		}
		return []bus.PartitionLag{{Group: "g", Topic: "a.b", Known: true}}, failure
	}}
	for range 3 {
		gathered(t, l)
	}
	if measured != 1 {
		t.Errorf("measured %d times for three scrapes at once", measured)
	}
	now, failure = now.Add(lagKept), errors.New("no broker")
	if diff := cmp.Diff(map[string]float64{"omnibus_consumer_lag_measured": 0}, gathered(t, l)); diff != "" || measured != 2 {
		t.Errorf("after %d measurements, lag without a broker (-want +got):\n%s", measured, diff)
	}
}

func TestLagOfTooManyPartitionsIsCounted(t *testing.T) {
	var lags []bus.PartitionLag
	for p := range int32(maxLags + 3) {
		lags = append(lags, bus.PartitionLag{Group: "g", Topic: "a.b", Partition: p, Known: true})
	}
	got := gathered(t, &lagMetrics{measure: func(context.Context) ([]bus.PartitionLag, error) { return lags, nil }, now: time.Now})
	if got["omnibus_consumer_lag_omitted_partitions"] != 3 || len(got) != 2*maxLags+3 {
		t.Errorf("%d series, %v omitted", len(got), got["omnibus_consumer_lag_omitted_partitions"])
	}
}

func TestCacheHasABound(t *testing.T) {
	made := map[send]int{}
	c := cache[send, string]{
		make:  func(k send) string { made[k]++; return k.topic + " " + k.failed },
		other: func(k send) send { k.topic = otherTopic; return k },
	}
	for range 2 {
		for i := range maxSeries + 100 {
			c.get(send{topic: fmt.Sprintf("t%d", i)})
		}
	}
	if got := c.get(send{"new", "unknown"}); got != "_other unknown" {
		t.Errorf("beyond the bound: %q", got)
	}
	if len(made) != maxSeries+2 {
		t.Errorf("%d kinds, want %d and two that stand for others", len(made), maxSeries)
	}
	for k, n := range made {
		if n != 1 {
			t.Errorf("%v was made %d times", k, n)
		}
	}
}
