package telemetry

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omninode-ai/omnibus/bus"
)

const (
	lagKept   = 5 * time.Second // how long a measurement serves further scrapes
	lagWithin = 4 * time.Second // a scrape must not hang on a broker that does not answer
	maxLags   = 5_000           // partitions of groups; what is beyond is counted only
)

var (
	lagMessages = gauge("omnibus_consumer_lag_messages", "Offsets between what a group has committed and the end of the log. Absent where nobody can tell.", labelGroup, labelTopic, labelPartition)
	lagSeconds  = gauge("omnibus_consumer_lag_seconds", "Age of the first event that a group has not settled; 0 where it is caught up. Absent where nobody can tell.", labelGroup, labelTopic, labelPartition)
	lagUnknown  = gauge("omnibus_consumer_lag_unknown_partitions", "Partitions of a group whose lag nobody can tell.", labelGroup)
	lagOmitted  = gauge("omnibus_consumer_lag_omitted_partitions", "Partitions of groups that are left out because there are too many.")
	lagMeasured = gauge("omnibus_consumer_lag_measured", "1 where the last measurement of lag came through.")
)

// lagMetrics measures lag at a scrape, and at most every lagKept.
type lagMetrics struct {
	measure func(context.Context) ([]bus.PartitionLag, error)
	now     func() time.Time

	mu   sync.Mutex
	at   time.Time
	lags []bus.PartitionLag
	err  error
}

// Describe says nothing, as that of consumerMetrics.
func (*lagMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect sends what is known.
func (l *lagMetrics) Collect(out chan<- prometheus.Metric) {
	lags, err := l.current()
	v := values{}
	v.add(lagMeasured, flag(err == nil))
	if err == nil {
		v.add(lagOmitted, float64(max(0, len(lags)-maxLags)))
		for _, lag := range lags[:min(len(lags), maxLags)] {
			v.lag(lag)
		}
	}
	v.send(out)
}

// current measures, or gives what was measured a moment ago. Scrapes at once wait for one measurement.
func (l *lagMetrics) current() ([]bus.PartitionLag, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.at.IsZero() && l.now().Sub(l.at) < lagKept {
		return l.lags, l.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lagWithin)
	defer cancel()
	l.lags, l.err = l.measure(ctx)
	l.at = l.now()
	return l.lags, l.err
}

func (v values) lag(l bus.PartitionLag) {
	v.add(lagUnknown, flag(!l.Known), l.Group)
	if !l.Known {
		return
	}
	partition := strconv.Itoa(int(l.Partition))
	v.max(lagMessages, float64(l.Messages), l.Group, string(l.Topic), partition)
	v.max(lagSeconds, l.Age.Seconds(), l.Group, string(l.Topic), partition)
}
