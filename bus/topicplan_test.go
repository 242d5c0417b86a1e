package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func (r *logRig) plan(shrink bool, desired ...bus.DesiredTopic) bus.TopicPlan {
	r.tb.Helper()
	p, err := r.PlanTopics(r.tb.Context(), shrink, desired...)
	if err != nil {
		r.tb.Fatal(err)
	}
	return p
}

// TestPlanOfTheCatalogueIsWhatEnsureTopicsMakes: one truth about topics, whichever way they are made.
func TestPlanOfTheCatalogueIsWhatEnsureTopicsMakes(t *testing.T) {
	specs := []event.Spec{{Topic: asked, Tier: "high"}, {Topic: scored, Tier: "low", Retention: time.Hour}}
	bubble(t, func(t *testing.T) {
		r := newLogRig(t, specs...)
		p := r.plan(false)
		if p.Doable() != 4 || len(p.Changes) != 4 {
			t.Fatalf("an empty cluster: %+v", p.Changes)
		}
		if err := r.ApplyTopics(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if again := r.plan(false); len(again.Changes) > 0 {
			t.Errorf("applied, and there are changes: %+v", again.Changes)
		}
		if diffs, err := r.EnsureTopics(t.Context()); err != nil || len(diffs) > 0 {
			t.Errorf("EnsureTopics finds differences: %v, %v", diffs, err)
		}
		var stale *bus.StalePlanError
		if err := r.ApplyTopics(t.Context(), p); !errors.As(err, &stale) || len(stale.Changed) != 4 {
			t.Errorf("applied twice: %v", err)
		}
	})
	bubble(t, func(t *testing.T) {
		r := newLogRig(t, specs...)
		if _, err := r.EnsureTopics(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p := r.plan(false); len(p.Changes) > 0 {
			t.Errorf("after EnsureTopics there are changes: %+v", p.Changes)
		}
	})
}

func TestApplyTopicsChangesWhatIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(2, map[string]*string{"retention.ms": new("7200000")}, "t", "other")
		want := bus.DesiredTopic{Name: "t", Partitions: 4, Configs: map[string]string{"retention.ms": "3600000", "max.message.bytes": "2000000"}}
		gentle := r.plan(false, want)
		if gentle.Doable() != len(gentle.Changes)-1 {
			t.Errorf("a shorter retention is not left alone: %+v", gentle.Changes)
		}
		if err := r.ApplyTopics(t.Context(), r.plan(true, want)); err != nil {
			t.Fatal(err)
		}
		if again := r.plan(true, want); len(again.Changes) > 0 {
			t.Errorf("applied, and there are changes: %+v", again.Changes)
		}
		infos, err := r.Topics(t.Context(), "t", "t.dlq", "other")
		if err != nil {
			t.Fatal(err)
		}
		got := map[event.Topic][]any{}
		for _, i := range infos {
			got[i.Name] = []any{len(i.Partitions), i.Retention, i.Configs["max.message.bytes"]}
		}
		if diff := cmp.Diff(map[event.Topic][]any{
			"t": {4, time.Hour, "2000000"}, "t.dlq": {4, 30 * 24 * time.Hour, "2065536"}, "other": {2, 2 * time.Hour, "1048588"},
		}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var stale *bus.StalePlanError
		if err := r.ApplyTopics(t.Context(), gentle); !errors.As(err, &stale) {
			t.Errorf("an older plan: %v", err)
		}
		r.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.IncrementalAlterConfigs}, Err: kerr.InvalidConfig, Count: 1})
		var refused *bus.SettingError
		if err := r.ApplyTopics(t.Context(), r.plan(true, bus.DesiredTopic{Name: "t", Configs: map[string]string{"retention.ms": "1"}})); !errors.As(err, &refused) || refused.Topic != "t" {
			t.Errorf("what the broker refuses: %v", err)
		}
	})
}

func TestSettingsAreSetAndUnset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t")
		origin := func(name string) bus.TopicSetting {
			all, err := r.TopicSettings(t.Context(), "t")
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range all {
				if s.Name == name {
					return s
				}
			}
			t.Fatalf("no setting %s", name)
			return bus.TopicSetting{}
		}
		before := origin("retention.ms")
		if before.Origin != bus.OriginDefault {
			t.Errorf("at first: %+v", before)
		}
		run := func(set map[string]string, unset ...string) {
			p, err := r.PlanTopicSettings(t.Context(), "t", set, unset...)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Changes) != 1 || p.Doable() != 1 {
				t.Fatalf("%+v", p)
			}
			if err := r.ApplyTopics(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		run(map[string]string{"retention.ms": "1000"})
		if s := origin("retention.ms"); s.Value != "1000" || s.Origin != bus.OriginTopic {
			t.Errorf("set: %+v", s)
		}
		run(nil, "retention.ms")
		if s := origin("retention.ms"); s != before {
			t.Errorf("unset: %+v, want %+v", s, before)
		}
		if p, err := r.PlanTopicSettings(t.Context(), "t", nil, "retention.ms"); err != nil || len(p.Changes) > 0 {
			t.Errorf("unset twice: %+v, %v", p, err)
		}
		if _, err := r.PlanTopicSettings(t.Context(), "nope", nil, "retention.ms"); !errors.Is(err, bus.ErrUnknownTopic) {
			t.Errorf("unknown topic: %v", err)
		}
	})
}

func TestSettingsThatCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t")
		for _, tt := range []struct {
			name, value string
			ok          bool
		}{
			{"retention.ms", "1000", true},
			{"retention.ms", "-1", true},
			{"retention.ms", "soon", false},
			{"retention.ms", "1.5", false},
			{"cleanup.policy", "compact,delete", true},
			{"cleanup.policy", "forget", false},
			{"min.cleanable.dirty.ratio", "0.1", true},
			{"min.cleanable.dirty.ratio", "2", false},
			{"preallocate", "yes", false},
			{"leader.replication.throttled.replicas", "*", true},
			{"redpanda.remote.read", "true", true},
			{"retention", "1000", false},
		} {
			_, planned := r.PlanTopics(t.Context(), true, bus.DesiredTopic{Name: "t", Configs: map[string]string{tt.name: tt.value}})
			_, set := r.PlanTopicSettings(t.Context(), "t", map[string]string{tt.name: tt.value})
			for _, err := range []error{planned, set} {
				var refused *bus.SettingError
				if is := errors.As(err, &refused); is == tt.ok || is && refused.Setting != tt.name {
					t.Errorf("%s=%s: %v", tt.name, tt.value, err)
				}
			}
		}
	})
}
