package event_test

import (
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/event"
)

// named are the 43 topics of the quick reference and the architecture document.
var named = []struct {
	topic, domain, operation string
	pattern                  event.Pattern
}{
	{"omninode.codegen.request.validate.v1", "codegen", "validate", event.Request},
	{"omninode.codegen.response.validate.v1", "codegen", "validate", event.Response},
	{"omninode.codegen.request.analyze.v1", "codegen", "analyze", event.Request},
	{"omninode.codegen.response.analyze.v1", "codegen", "analyze", event.Response},
	{"omninode.codegen.request.pattern.v1", "codegen", "pattern", event.Request},
	{"omninode.codegen.response.pattern.v1", "codegen", "pattern", event.Response},
	{"omninode.codegen.request.mixin.v1", "codegen", "mixin", event.Request},
	{"omninode.codegen.response.mixin.v1", "codegen", "mixin", event.Response},
	{"omninode.intelligence.event.quality_assessed.v1", "intelligence", "quality_assessed", event.Fact},
	{"omninode.intelligence.event.pattern_learned.v1", "intelligence", "pattern_learned", event.Fact},
	{"omninode.intelligence.event.performance_baseline.v1", "intelligence", "performance_baseline", event.Fact},
	{"omninode.intelligence.event.optimization_identified.v1", "intelligence", "optimization_identified", event.Fact},
	{"omninode.bridge.request.stamp.v1", "bridge", "stamp", event.Request},
	{"omninode.bridge.response.stamp.v1", "bridge", "stamp", event.Response},
	{"omninode.bridge.request.batch_stamp.v1", "bridge", "batch_stamp", event.Request},
	{"omninode.bridge.response.batch_stamp.v1", "bridge", "batch_stamp", event.Response},
	{"omninode.bridge.request.verify.v1", "bridge", "verify", event.Request},
	{"omninode.bridge.response.verify.v1", "bridge", "verify", event.Response},
	{"omninode.bridge.event.metadata_stamped.v1", "bridge", "metadata_stamped", event.Fact},
	{"omninode.bridge.event.document_processed.v1", "bridge", "document_processed", event.Fact},
	{"omninode.bridge.event.validation_failed.v1", "bridge", "validation_failed", event.Fact},
	{"omninode.bridge.event.performance_metrics.v1", "bridge", "performance_metrics", event.Fact},
	{"omninode.search.event.document_indexed.v1", "search", "document_indexed", event.Fact},
	{"omninode.search.event.collection_updated.v1", "search", "collection_updated", event.Fact},
	{"omninode.search.event.vector_optimized.v1", "search", "vector_optimized", event.Fact},
	{"omninode.document.event.indexed.v1", "document", "indexed", event.Fact},
	{"omninode.onex.event.node_started.v1", "onex", "node_started", event.Fact},
	{"omninode.onex.event.node_completed.v1", "onex", "node_completed", event.Fact},
	{"omninode.onex.event.node_failed.v1", "onex", "node_failed", event.Fact},
	{"omninode.onex.event.workflow_state.v1", "onex", "workflow_state", event.Fact},
	{"omninode.onex.request.workflow_trigger.v1", "onex", "workflow_trigger", event.Request},
	{"omninode.onex.request.node_invoke.v1", "onex", "node_invoke", event.Request},
	{"omninode.audit.agent_execution.v1", "audit", "agent_execution", event.Audit},
	{"omninode.audit.quality_snapshot.v1", "audit", "quality_snapshot", event.Audit},
	{"omninode.audit.pattern_creation.v1", "audit", "pattern_creation", event.Audit},
	{"omninode.audit.performance_baseline.v1", "audit", "performance_baseline", event.Audit},
	{"omninode.system.event.alert.v1", "system", "alert", event.Fact},
	{"omninode.service.event.lifecycle.v1", "service", "lifecycle", event.Fact},
	{"omninode.service.event.health.v1", "service", "health", event.Fact},
	{"omninode.infra.event.service_registered.v1", "infra", "service_registered", event.Fact},
	{"omninode.infra.event.service_health.v1", "infra", "service_health", event.Fact},
	{"omninode.infra.event.service_deregistered.v1", "infra", "service_deregistered", event.Fact},
	{"omninode.infra.request.health_check.v1", "infra", "health_check", event.Request},
}

func TestNamedTopicsFollowTheGrammar(t *testing.T) {
	if len(named) != 43 {
		t.Fatalf("%d topics, want 43", len(named))
	}
	for _, tc := range named {
		for _, name := range []string{tc.topic, tc.topic + ".dlq"} {
			got, err := event.ParseTopic(name)
			if err != nil {
				t.Error(err)
				continue
			}
			if got.Domain() != tc.domain || got.Pattern() != tc.pattern || got.Operation() != tc.operation || got.Major() != 1 {
				t.Errorf("%s: %s %s %s %d", got, got.Domain(), got.Pattern(), got.Operation(), got.Major())
			}
			if got.Source() != event.Topic(tc.topic) || got.Subject() != tc.topic+"-value" || got.DLQ() != event.Topic(tc.topic+".dlq") || got.IsDLQ() != strings.HasSuffix(name, ".dlq") {
				t.Errorf("%s: source %s, dlq %s, IsDLQ %v", got, got.Source(), got.DLQ(), got.IsDLQ())
			}
		}
	}
}

func TestParseTopicRefuses(t *testing.T) {
	for _, tc := range []struct{ in, why string }{
		{"", "0 characters"},
		{strings.Repeat("a", 250), "250 characters"},
		{".", "Kafka allows letters"},
		{"..", "Kafka allows letters"},
		{"omninode.shop.event.a b.v1", "Kafka allows letters"},
		{"omninode.shop.event.é.v1", "Kafka allows letters"},
		{"omninode.shop.event.a/b.v1", "Kafka allows letters"},
		{"orders", "not of the form"},
		{"dev.shop.event.sold.v1", "not of the form"},
		{"omninode.shop.event.sold", "not of the form"},
		{"omninode.shop.event.sold.v1.x", "not of the form"},
		{"omninode.shop.command.sold.v1", "not of the form"},
		{"omninode.shop.event.sold.1", "not of the form"},
		{"omninode.shop.event.sold.v", "not of the form"},
		{"omninode.shop.event.sold.v0", "not of the form"},
		{"omninode.shop.event.sold.v01", "not of the form"},
		{"omninode.shop.event.sold.v-1", "not of the form"},
		{"omninode.shop.event.sold.v99999999999999999999", "not of the form"},
		{"omninode.shop.event.sold.v1.dlq.dlq", "not of the form"},
		{"omninode.Shop.event.sold.v1", "not of the form"},
		{"omninode.shop.event.Sold.v1", "not of the form"},
		{"omninode.shop.event.1st.v1", "not of the form"},
		{"omninode.shop.event..v1", "not of the form"},
		{"omninode.shop.sold.v1", "not of the form"},
		{".dlq", "not of the form"},
	} {
		got, err := event.ParseTopic(tc.in)
		if err == nil || got != "" || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("ParseTopic(%q) = %q, %v; want an error that says %q", tc.in, got, err, tc.why)
		}
	}
}

func TestParseTopicAccepts(t *testing.T) {
	for _, in := range []string{
		"omninode.shop.event.sold.v1", "omninode.shop.event.sold.v12", "omninode.shop_2.response.batch_sell.v1", "omninode.shop.audit.sold.v1",
		"omninode.audit.sold.v1", "omninode.audit.event.sold.v3",
	} {
		if got, err := event.ParseTopic(in); err != nil || string(got) != in {
			t.Errorf("ParseTopic(%q) = %q, %v", in, got, err)
		}
	}
}

func TestGlobMatch(t *testing.T) {
	const sold = "omninode.shop.event.sold.v1"
	for _, tc := range []struct {
		glob, topic string
		want        bool
	}{
		{sold, sold, true},
		{sold, sold + ".dlq", false},
		{sold + ".dlq", sold + ".dlq", true},
		{"orders", "orders", true},
		{"*", sold, true},
		{"*", sold + ".dlq", false},
		{"*", "_omnibus.receipts", false},
		{"omninode.*", sold, true},
		{"omninode.*", sold + ".dlq", false},
		{"omninode.*.dlq", sold + ".dlq", true},
		{"omninode.*.dlq", "omninode.audit.sold.v1.dlq", true},
		{"omninode.*.dlq", sold, false},
		{"*.dlq", sold + ".dlq", true},
		{"_*", "_omnibus.receipts", true},
		{"_*", sold, false},
		{"_*", "__consumer_offsets", true},
		{"omninode.shop.*", sold, true},
		{"omninode.sh*p.*.v1", sold, true},
		{"omninode.shop.*.sold.v1", sold, true},
		{"omninode.shop.request.*", sold, false},
		{"*.v1", sold, true},
		{"*.v2", sold, false},
		{"*sold*", sold, true},
		{"*event*event*", sold, false},
		{"omninode.*node*", "omninode.shop.event.sold.v1", false},
		{"ab*ba", "aba", false},
		{"ab*ba", "abba", true},
		{"a**b", "ab", true},
		{"", "", true},
		{"", sold, false},
	} {
		if got := event.Glob(tc.glob).Match(event.Topic(tc.topic)); got != tc.want {
			t.Errorf("Glob(%q).Match(%q) = %v", tc.glob, tc.topic, got)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	for _, tc := range named {
		f.Add(tc.topic)
	}
	f.Add("omninode.audit.v1")
	f.Add("omninode.shop.event.sold.v1.dlq")
	f.Fuzz(func(t *testing.T, s string) {
		topic, err := event.ParseTopic(s)
		if err != nil {
			return
		}
		if string(topic) != s {
			t.Fatalf("ParseTopic(%q) = %q", s, topic)
		}
		if topic.Domain() == "" || topic.Operation() == "" || topic.Major() < 1 || topic.Pattern() == "" {
			t.Errorf("%q: parts are missing", s)
		}
		if topic.Source().DLQ().Source() != topic.Source() {
			t.Errorf("%q: there is no way back from the dead-letter topic", s)
		}
		if !event.Glob(s).Match(topic) || event.Glob(s).IsPattern() {
			t.Errorf("%q does not match itself", s)
		}
	})
}
