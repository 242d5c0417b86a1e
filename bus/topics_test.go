package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

const (
	asked  event.Topic = "omninode.codegen.request.validate.v1"
	scored event.Topic = "omninode.intelligence.event.quality_assessed.v1"
)

func TestEnsureTopicsCreatesTheCatalogue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t, event.Spec{Topic: asked, Tier: "high"}, event.Spec{Topic: scored, Tier: "low", Retention: time.Hour})
		diffs, err := r.EnsureTopics(t.Context())
		if err != nil || len(diffs) > 0 {
			t.Fatalf("first time: %v, %v", diffs, err)
		}
		infos, err := r.Topics(t.Context(), "*", "*.dlq")
		if err != nil {
			t.Fatal(err)
		}
		type topic struct {
			Name       event.Topic
			Partitions int
			Retention  time.Duration
			MaxMessage string
		}
		var got []topic
		for _, i := range infos {
			got = append(got, topic{i.Name, len(i.Partitions), i.Retention, i.Configs["max.message.bytes"]})
			if !i.Declared || i.Replication != 1 || i.Configs["min.insync.replicas"] == "2" {
				t.Errorf("%s: declared %v, replication %d, min in sync %s", i.Name, i.Declared, i.Replication, i.Configs["min.insync.replicas"])
			}
		}
		want := []topic{
			{asked, 6, 7 * 24 * time.Hour, "1048588"},
			{asked.DLQ(), 6, 30 * 24 * time.Hour, "1114124"},
			{scored, 1, time.Hour, "1048588"},
			{scored.DLQ(), 1, 30 * 24 * time.Hour, "1114124"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diffs, err := r.EnsureTopics(t.Context()); err != nil || len(diffs) > 0 {
			t.Errorf("second time: %v, %v", diffs, err)
		}
	})
}

func TestEnsureTopicsReportsDifferencesAndChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t, event.Spec{Topic: asked, Tier: "high"})
		r.create(2, map[string]*string{"retention.ms": new("-1"), "max.message.bytes": new("2000000")}, string(asked))
		want := []bus.TopicDifference{
			{Topic: asked, What: "partitions", Have: "2", Want: "6"},
			{Topic: asked, What: "retention", Have: "unlimited", Want: "168h0m0s"},
		}
		for range 2 {
			diffs, err := r.EnsureTopics(t.Context(), asked)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, diffs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		infos, err := r.Topics(t.Context(), event.Glob(asked), event.Glob(asked.DLQ()))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(infos[0].Partitions); n != 2 {
			t.Errorf("the topic has %d partitions now, want 2 as before", n)
		}
		if dlq := infos[1]; len(dlq.Partitions) != 2 || dlq.Configs["max.message.bytes"] != "2065536" {
			t.Errorf("the dead-letter topic does not follow its topic as it is: %d partitions, %s bytes", len(dlq.Partitions), dlq.Configs["max.message.bytes"])
		}
	})
}

func TestEnsureTopicsOfUndeclaredOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(5, nil, "there.already")
		if diffs, err := r.EnsureTopics(t.Context(), "mine", "_internal", "there.already.dlq"); err != nil || len(diffs) > 0 {
			t.Fatalf("%v, %v", diffs, err)
		}
		infos, err := r.Topics(t.Context(), "*", "*.dlq", "_int*")
		if err != nil {
			t.Fatal(err)
		}
		got := map[event.Topic]int{}
		for _, i := range infos {
			got[i.Name] = len(i.Partitions)
			if i.Declared {
				t.Errorf("%s counts as declared", i.Name)
			}
		}
		want := map[event.Topic]int{"mine": 3, "mine.dlq": 3, "_internal": 3, "there.already": 5, "there.already.dlq": 5}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := r.EnsureTopics(t.Context(), "not a name"); err == nil {
			t.Error("an illegal name: no error")
		}
	})
}

func TestEnsureTopicsReplicates(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	catalog, err := event.NewCatalog(event.Spec{Topic: asked})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bus.Open(t.Context(), bus.Config{
		Brokers: c.ListenAddrs(), Service: "test", Catalog: catalog, MaxEventBytes: 3_000_000, Topics: map[event.Topic]event.Topic{asked: "elsewhere"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // nothing was published
	if diffs, err := b.EnsureTopics(t.Context()); err != nil || len(diffs) > 0 {
		t.Fatalf("%v, %v", diffs, err)
	}
	infos, err := b.Topics(t.Context(), "*")
	if err != nil {
		t.Fatal(err)
	}
	if len(infos) != 1 || infos[0].Name != "elsewhere" || !infos[0].Declared {
		t.Fatalf("the override's topic is not there: %+v", infos)
	}
	i := infos[0]
	if i.Replication != 3 || i.Configs["min.insync.replicas"] != "2" || i.Configs["max.message.bytes"] != "3016384" {
		t.Errorf("replication %d, min in sync %s, max message %s", i.Replication, i.Configs["min.insync.replicas"], i.Configs["max.message.bytes"])
	}
}

func TestTopicsDescribesPartitions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(2, nil, "t", "u", "_x")
		r.write("t", 1, "a", "b", "c")
		deleted, err := r.admin.DeleteRecords(t.Context(), kadm.Offsets{"t": {1: kadm.Offset{Topic: "t", Partition: 1, At: 1}}})
		if err := errors.Join(err, deleted.Error()); err != nil {
			t.Fatal(err)
		}
		infos, err := r.Topics(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		want := []bus.TopicInfo{{Name: "t", Replication: 1, Partitions: []bus.PartitionInfo{
			{Partition: 0, Start: 0, End: 0, Replicas: []int32{0}, InSync: []int32{0}},
			{Partition: 1, Start: 1, End: 3, Replicas: []int32{0}, InSync: []int32{0}},
		}}}
		if diff := cmp.Diff(want, infos, cmpopts.IgnoreFields(bus.TopicInfo{}, "ID", "Configs", "Retention")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(infos[0].ID) != 36 {
			t.Errorf("id %q is no UUID", infos[0].ID)
		}
		all, err := r.Topics(t.Context())
		if err != nil || len(all) != 2 {
			t.Errorf("without globs: %d topics, %v; want t and u", len(all), err)
		}
		if _, err := r.Topics(t.Context(), "nope"); !errors.Is(err, bus.ErrUnknownTopic) {
			t.Errorf("unknown: %v", err)
		}
	})
}
