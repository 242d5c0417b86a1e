package telemetry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omninode-ai/omnibus/bus"
)

// consumerMetrics reads what the consumers are doing at each scrape, so that it costs nothing between.
type consumerMetrics struct {
	buses func() []*bus.Bus
}

// metric is one family whose values are read at a scrape.
type metric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	labels int
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, len(labels)}
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, len(labels)}
}

var (
	consumed = metric{prometheus.NewDesc(
		"messaging_client_consumed_messages_total", "Deliveries to handlers, by what became of them; an event counts at each attempt.",
		[]string{labelGroup, labelTopic, labelOutcome},
		prometheus.Labels{"messaging_system": "kafka", "messaging_operation_name": "process", "messaging_operation_type": "process"},
	), prometheus.CounterValue, 3}
	inFlight    = gauge("omnibus_consumer_in_flight", "Handlers that run now.", labelGroup)
	maxInFlight = gauge("omnibus_consumer_max_in_flight", "How many handlers may run at once.", labelGroup)
	waiting     = gauge("omnibus_consumer_waiting_messages", "Events in hand that would be handled now if there were room.", labelGroup)
	stuck       = gauge("omnibus_consumer_stuck_handlers", "Handlers that run for longer than they should.", labelGroup)
	failing     = gauge("omnibus_consumer_commit_failing", "1 while commits fail.", labelGroup)
	rebalances  = counter("omnibus_consumer_rebalances_total", "How often partitions came and went.", labelGroup, labelKind)
	missing     = gauge("omnibus_consumer_missing_topics", "Topics of a pattern that are gone from the cluster.", labelGroup)
	parked      = gauge("omnibus_consumer_parked_keys", "Keys that wait for another attempt.", labelGroup, labelTopic, labelPartition)
	span        = gauge("omnibus_consumer_span_used_ratio", "Offsets between the watermark and the newest event in hand, as a part of what is allowed.", labelGroup, labelTopic, labelPartition)
	set         = gauge("omnibus_consumer_metadata_used_ratio", "Bytes of the completed set in the last commit, as a part of what is allowed.", labelGroup, labelTopic, labelPartition)
	unsettled   = gauge("omnibus_consumer_unsettled_messages", "Events in hand that are not settled.", labelGroup, labelTopic, labelPartition)
	paused      = gauge("omnibus_consumer_paused_partitions", "Partitions that are not fetched because there is no room.", labelGroup, labelTopic)
	inOutage    = gauge("omnibus_consumer_outage_partitions", "Partitions that wait for the end of an outage.", labelGroup, labelTopic)
	outages     = counter("omnibus_consumer_outages_total", "How often a partition began to wait for the end of an outage.", labelGroup, labelTopic)
	validated   = counter("omnibus_schema_validations_total", "Events held against their schema, by side and by what decided: the compiled program, the slower library, or the library's no.", labelType, labelSide, labelDecided)
	slowRules   = gauge("omnibus_schema_slow_rules", "Rules of an event type's schema that are left to the slower library.", labelType, labelSide)
	faults      = gauge("omnibus_faults", "Reasons why something does not work; see /readyz.")
	degraded    = gauge("omnibus_degraded", "Reasons why something does not work fully; see /readyz.")
)

// Describe says nothing: which families there are depends on what the consumers do.
func (consumerMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads the consumers of all buses, and their schemas.
func (c consumerMetrics) Collect(out chan<- prometheus.Metric) {
	v := values{}
	v.add(faults, 0)
	v.add(degraded, 0)
	for _, b := range c.buses() {
		v.add(faults, float64(len(b.Faults())))
		v.add(degraded, float64(len(b.Degraded())))
		for _, s := range b.Consumers() {
			v.consumer(s)
		}
		for _, s := range b.Validations() {
			v.schema(s)
		}
	}
	v.send(out)
}

func (v values) consumer(s bus.ConsumerState) {
	g := s.Group
	v.add(inFlight, float64(s.InFlight), g)
	v.add(maxInFlight, float64(s.MaxInFlight), g)
	v.add(waiting, float64(s.Waiting), g)
	v.add(stuck, float64(len(s.Stuck)), g)
	v.add(missing, float64(len(s.Missing)), g)
	v.max(failing, flag(s.CommitFails != nil), g)
	v.add(rebalances, float64(s.Rebalances.Assigned), g, "assigned")
	v.add(rebalances, float64(s.Rebalances.Revoked), g, "revoked")
	v.add(rebalances, float64(s.Rebalances.Lost), g, "lost")
	for _, t := range s.Topics {
		topic := string(t.Topic)
		for outcome, n := range map[string]int64{
			"done": t.Done, "skipped": t.Skipped, "dead": t.Dead, "dropped": t.Dropped, "retry": t.Retried, "pause": t.Paused,
		} {
			v.add(consumed, float64(n), g, topic, outcome)
		}
		v.add(outages, float64(t.Outages), g, topic)
		v.add(paused, 0, g, topic)
		v.add(inOutage, 0, g, topic)
	}
	for _, p := range s.Partitions {
		topic, n := string(p.Topic), strconv.Itoa(int(p.Partition))
		v.add(parked, float64(p.ParkedKeys), g, topic, n)
		v.add(unsettled, float64(p.Unsettled), g, topic, n)
		v.max(span, float64(p.Span)/float64(p.SpanLimit), g, topic, n)
		v.max(set, float64(p.MetadataBytes)/float64(p.MetadataLimit), g, topic, n)
		v.add(paused, flag(p.Paused), g, topic)
		v.add(inOutage, flag(p.Outage != nil), g, topic)
	}
}

func (v values) schema(s bus.Validations) {
	typ, side := string(s.Type), "consume"
	if s.Publisher {
		side = "publish"
	}
	for decided, n := range map[string]uint64{"program": s.Counts.Program, "library": s.Counts.Slow, "refused": s.Counts.Refused} {
		v.add(validated, float64(n), typ, side, decided)
	}
	v.max(slowRules, float64(len(s.Slow)), typ, side)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// values collects samples. Several consumers of one group, or several broadcasts, share a sample: a series may be sent once only.
type values map[sample]float64

type sample struct {
	metric

	values [3]string
}

func sampleOf(m metric, labels []string) sample {
	s := sample{metric: m}
	copy(s.values[:], labels)
	return s
}

func (v values) add(m metric, by float64, labels ...string) { v[sampleOf(m, labels)] += by }

func (v values) max(m metric, to float64, labels ...string) {
	s := sampleOf(m, labels)
	v[s] = max(v[s], to)
}

func (v values) send(out chan<- prometheus.Metric) {
	for s, value := range v {
		out <- prometheus.MustNewConstMetric(s.desc, s.kind, value, s.values[:s.labels]...)
	}
}
