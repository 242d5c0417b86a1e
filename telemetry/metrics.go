// Package telemetry turns what buses do into metrics and serves them to Prometheus, under the names of OpenTelemetry's messaging
// conventions where those have one. It alone knows the metrics library.
package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// The labels. OpenTelemetry's attributes are called so in Prometheus.
const (
	labelTopic     = "messaging_destination_name"
	labelPartition = "messaging_destination_partition_id"
	labelGroup     = "messaging_consumer_group_name" // empty: a broadcast
	labelError     = "error_type"                    // empty: it went well
	labelOutcome   = "omnibus_outcome"
	labelClass     = "omnibus_dead_letter_class"
	labelKind      = "omnibus_rebalance_kind"
	labelType      = "omnibus_event_type"
	labelUse       = "omnibus_use"
	labelSide      = "omnibus_side"
	labelDecided   = "omnibus_decided"
)

// Metrics measures buses. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	log      *slog.Logger

	sendTime    *prometheus.HistogramVec
	sent        *prometheus.CounterVec
	processTime *prometheus.HistogramVec
	age         *prometheus.HistogramVec
	dead        *prometheus.CounterVec
	outdated    *prometheus.CounterVec
	sends       cache[send, sendSeries]
	processes   cache[process, processSeries]

	mu    sync.Mutex
	buses []*bus.Bus
}

// send names the series of one kind of publish; process those of one kind of handling.
type (
	send       struct{ topic, failed string }
	sendSeries struct {
		took  prometheus.Observer
		count prometheus.Counter
	}
	process struct {
		group, topic string
		verdict      bus.Verdict
	}
	processSeries struct {
		took prometheus.Observer
		age  prometheus.Observer // nil: not of this verdict
	}
)

// New gives metrics of no bus yet, and of the process. What goes wrong with a scrape is logged.
func New(log *slog.Logger) *Metrics {
	latency := []float64{.0005, .001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	opts := func(name, help, operation string) prometheus.Opts {
		return prometheus.Opts{Name: name, Help: help, ConstLabels: prometheus.Labels{
			"messaging_system": "kafka", "messaging_operation_name": operation, "messaging_operation_type": operation,
		}}
	}
	histogram := func(o prometheus.Opts, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: o.Name, Help: o.Help, ConstLabels: o.ConstLabels, Buckets: buckets}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(), log: log,
		sendTime: histogram(opts("messaging_client_operation_duration_seconds", "How long a publish waited for its outcome.", "send"),
			latency, labelTopic, labelError),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts(opts("messaging_client_sent_messages_total", "Events given to publish, by what became of them.", "send")),
			[]string{labelTopic, labelError}),
		processTime: histogram(opts("messaging_process_duration_seconds", "How long a handler ran, by what it answered.", "process"),
			latency, labelGroup, labelTopic, labelOutcome, labelError),
		age: histogram(prometheus.Opts{Name: "omnibus_event_latency_seconds", Help: "From the timestamp of an event to the end of the handler that was through with it."},
			append(latency, 30, 60, 300, 3600), labelGroup, labelTopic),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "omnibus_dead_letters_total", Help: "Dead letters written, by their class."},
			[]string{labelGroup, labelTopic, labelClass}),
		outdated: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "omnibus_outdated_events_total", Help: "Uses of event types that are deprecated or have a later version."},
			[]string{labelType, labelGroup, labelUse}),
	}
	m.sends.make, m.sends.other = m.newSend, func(k send) send { k.topic = otherTopic; return k }
	m.processes.make, m.processes.other = m.newProcess, func(k process) process { k.topic = otherTopic; return k }
	m.registry.MustRegister(
		m.sendTime, m.sent, m.processTime, m.age, m.dead, m.outdated,
		consumerMetrics{m.watched}, &lagMetrics{measure: m.lag, now: time.Now},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *Metrics) newSend(k send) sendSeries {
	return sendSeries{m.sendTime.WithLabelValues(k.topic, k.failed), m.sent.WithLabelValues(k.topic, k.failed)}
}

func (m *Metrics) newProcess(k process) processSeries {
	failed := ""
	if k.verdict != bus.Done && k.verdict != bus.Skipped {
		failed = k.verdict.String()
	}
	s := processSeries{took: m.processTime.WithLabelValues(k.group, k.topic, k.verdict.String(), failed)}
	if k.verdict == bus.Done {
		s.age = m.age.WithLabelValues(k.group, k.topic)
	}
	return s
}

// Watch adds a bus: what its consumers do is measured, and the lag of the cluster's groups through the first one that is added.
func (m *Metrics) Watch(b *bus.Bus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.buses = append(m.buses, b)
}

func (m *Metrics) watched() []*bus.Bus {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.buses)
}

// lag measures all groups of the cluster.
func (m *Metrics) lag(ctx context.Context) ([]bus.PartitionLag, error) {
	buses := m.watched()
	if len(buses) == 0 {
		return nil, nil
	}
	lags, err := buses[0].Lag(ctx)
	if err != nil {
		m.log.DebugContext(ctx, "lag cannot be measured for the metrics", slog.String("error", err.Error()))
	}
	return lags, err
}

// Handler serves the metrics in the text form of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	})
}

// Trace gives the hooks that measure a bus; put them into its Config. What is in also is called as well; nil is nothing. The hooks
// never wait for anything, allocate nothing, and take less than a microsecond each.
func (m *Metrics) Trace(also *bus.Trace) *bus.Trace {
	var t bus.Trace
	if also != nil {
		t = *also
	}
	published, handled, batch, dead, outdated := t.Published, t.Handled, t.Batch, t.Dead, t.Outdated
	t.Published = func(ctx context.Context, e event.Envelope, r bus.Result) {
		m.published(r)
		if published != nil {
			published(ctx, e, r)
		}
	}
	t.Handled = func(ctx context.Context, d bus.Delivery, v bus.Verdict, took time.Duration, err error) {
		m.handled(d, v, took, time.Now())
		if handled != nil {
			handled(ctx, d, v, took, err)
		}
	}
	t.Batch = func(ctx context.Context, group string, rs []bus.Record, took time.Duration, err error) {
		m.batch(group, rs, took, err, time.Now())
		if batch != nil {
			batch(ctx, group, rs, took, err)
		}
	}
	t.Dead = func(ctx context.Context, d bus.DeadLetter) {
		m.dead.WithLabelValues(d.Group, string(d.Origin.Topic), d.Class).Inc()
		if dead != nil {
			dead(ctx, d)
		}
	}
	t.Outdated = func(ctx context.Context, u bus.Outdated) {
		m.outdated.WithLabelValues(string(u.Type), u.Group, string(u.Use)).Inc()
		if outdated != nil {
			outdated(ctx, u)
		}
	}
	return &t
}

func (m *Metrics) published(r bus.Result) {
	k := send{topic: string(r.Topic)}
	switch {
	case r.Err == nil:
	case errors.Is(r.Err, bus.ErrUnknown):
		k.failed = "unknown"
	default:
		k.failed = "not_sent"
		if errors.Is(r.Err, bus.ErrUnknownTopic) || errors.Is(r.Err, bus.ErrInvalid) && k.topic == "" {
			k.topic = otherTopic // whatever a caller made up must not become a series
		}
	}
	s := m.sends.get(k)
	s.took.Observe(r.Took.Seconds())
	s.count.Inc()
}

func (m *Metrics) handled(d bus.Delivery, v bus.Verdict, took time.Duration, now time.Time) {
	s := m.processes.get(process{d.Group, string(d.Topic), v})
	s.took.Observe(took.Seconds())
	if s.age != nil {
		s.age.Observe(max(0, now.Sub(d.Timestamp)).Seconds())
	}
}

func (m *Metrics) batch(group string, rs []bus.Record, took time.Duration, err error, now time.Time) {
	if len(rs) == 0 {
		return
	}
	s := m.processes.get(process{group, string(rs[0].Topic), bus.Judge(err)})
	s.took.Observe(took.Seconds())
	if s.age != nil {
		for i := range rs {
			s.age.Observe(max(0, now.Sub(rs[i].Timestamp)).Seconds())
		}
	}
}
