package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func (r *logRig) commit(group, topic string, partition int32, at int64) {
	r.tb.Helper()
	done, err := r.admin.CommitOffsets(r.tb.Context(), group, kadm.Offsets{topic: {partition: kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1}}})
	if err := errors.Join(err, done.Error()); err != nil {
		r.tb.Fatal(err)
	}
}

// join makes a member of group and returns once it has partitions.
func (r *logRig) join(group string, topics ...string) *kgo.Client {
	r.tb.Helper()
	assigned := make(chan struct{}, 1)
	c := r.client(
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...), kgo.ClientID("member"), kgo.InstanceID("one"), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) {
			select {
			case assigned <- struct{}{}:
			default:
			}
		}),
	)
	select {
	case <-assigned:
	case <-time.After(time.Minute):
		r.tb.Fatal("the member was assigned nothing")
	}
	return c
}

func TestGroupsAreDescribed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(2, nil, "t")
		if got, err := r.Groups(t.Context()); err != nil || len(got) > 0 {
			t.Errorf("no groups: %v, %v", got, err)
		}
		r.commit("idle", "t", 0, 0)
		r.join("busy", "t")
		got, err := r.Groups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []bus.GroupInfo{
			{Name: "busy", State: "Stable", Protocol: "cooperative-sticky", Members: []bus.Member{{
				InstanceID: "one", ClientID: "member", Assigned: map[event.Topic][]int32{"t": {0, 1}},
			}}},
			{Name: "idle", State: "Empty"},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(bus.Member{}, "ID", "Host")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		one, err := r.Groups(t.Context(), "idle")
		if err != nil || len(one) != 1 || one[0].Name != "idle" {
			t.Errorf("by name: %v, %v", one, err)
		}
		_, err = r.Groups(t.Context(), "idle", "nobody", "noone")
		if !errors.Is(err, bus.ErrUnknownGroup) || !strings.Contains(err.Error(), "nobody") || !strings.Contains(err.Error(), "noone") {
			t.Errorf("unknown groups: %v", err)
		}
	})
}

func TestLagCountsEventsAndTheirAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(4, nil, "t")
		now := time.Now()
		for i := range 5 {
			for p := range int32(3) {
				r.writeAt("t", p, now.Add(-time.Duration(5-i)*time.Minute), "x")
			}
		}
		for range 3 { // offsets without a record at the position
			r.transact("t", 2, kgo.TryAbort, "y")
		}
		r.write("t", 2, "z")
		deleted, err := r.admin.DeleteRecords(t.Context(), kadm.Offsets{"t": {1: kadm.Offset{Topic: "t", Partition: 1, At: 3}}})
		if err := errors.Join(err, deleted.Error()); err != nil {
			t.Fatal(err)
		}
		r.commit("g", "t", 0, 5)
		r.commit("g", "t", 1, 1) // what lay there is gone: the age is that of the first that is left
		r.commit("g", "t", 2, 5)
		r.commit("g", "t", 3, 0)
		r.commit("h", "t", 0, 2) // another group in the same partition
		got, err := r.Lag(t.Context(), "g", "h")
		if err != nil {
			t.Fatal(err)
		}
		want := []bus.PartitionLag{
			{Group: "g", Topic: "t", Partition: 0, Committed: 5, End: 5, Known: true},
			{Group: "g", Topic: "t", Partition: 1, Committed: 1, End: 5, Messages: 4, Age: 2 * time.Minute, Known: true, Why: "the log begins at 3: what lay before was gone before the group read it"},
			{Group: "g", Topic: "t", Partition: 2, Committed: 5, End: 12, Messages: 7, Known: true},
			{Group: "g", Topic: "t", Partition: 3, Committed: 0, End: 0, Known: true},
			{Group: "h", Topic: "t", Partition: 0, Committed: 2, End: 5, Messages: 3, Age: 3 * time.Minute, Known: true},
			{Group: "h", Topic: "t", Partition: 1, Committed: -1, End: 5, Why: "no position in this partition, and there are records"},
			{Group: "h", Topic: "t", Partition: 2, Committed: -1, End: 12, Why: "no position in this partition, and there are records"},
		}
		seconds := cmp.Transformer("seconds", func(d time.Duration) int64 { return int64(d.Seconds()) })
		if diff := cmp.Diff(want, got, seconds); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		all, err := r.Lag(t.Context())
		if err != nil || !cmp.Equal(want, all, seconds) {
			t.Errorf("all groups: %v, %v", all, err)
		}
	})
}

func TestLagThatNobodyKnowsIsNotZero(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		topics := []string{"anew", "fine", "fresh", "gone", "mute", "shy"}
		r.create(1, nil, topics...)
		for _, topic := range topics {
			r.write(topic, 0, "a", "b")
		}
		r.join("h", "fresh") // holds a partition and has committed nothing
		for _, topic := range []string{"fine", "gone", "mute", "shy"} {
			r.commit("g", topic, 0, 1)
		}
		r.commit("g", "anew", 0, 9)
		r.broker.Fault(
			kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "gone", Err: kerr.UnknownTopicOrPartition, Count: -1},
			kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "mute", Err: kerr.KafkaStorageError, Count: -1},
			kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "shy", Err: kerr.TopicAuthorizationFailed, Count: -1},
		)
		got, err := r.Lag(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []struct{ topic, why string }{
			{"anew", "committed 9 is beyond the end of the log at 2"},
			{"fine", ""},
			{"gone", "the topic does not exist any more"},
			{"mute", "log: "},
			{"shy", "first unsettled record: "},
			{"fresh", "nothing committed yet"},
		}
		if len(got) != len(want) {
			t.Fatalf("got %+v", got)
		}
		for i, w := range want {
			g := got[i]
			if string(g.Topic) != w.topic || g.Known != (w.why == "") || !strings.Contains(g.Why, w.why) || !g.Known && (g.Messages != 0 || g.Age != 0) {
				t.Errorf("got %+v, want %+v", g, w)
			}
		}
		if fine := got[1]; fine.Messages != 1 {
			t.Errorf("the partition that is fine: %+v", fine)
		}
	})
}

func TestLagWhereCommitsCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t")
		r.commit("g", "t", 0, 0)
		r.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Group: "g", Err: kerr.GroupAuthorizationFailed, Count: -1})
		got, err := r.Lag(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].Group != "g" || got[0].Known || got[0].Why == "" {
			t.Errorf("got %+v, want one that is not known", got)
		}
	})
}

func TestLagOfUnknownGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		if _, err := r.Lag(t.Context(), "nobody"); !errors.Is(err, bus.ErrUnknownGroup) {
			t.Errorf("got %v, want ErrUnknownGroup", err)
		}
	})
}
