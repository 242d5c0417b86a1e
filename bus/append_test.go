package bus_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func TestAppendKeepsEveryByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStage(t, "")
		want := []bus.Record{
			{Topic: r.topic},
			{Topic: r.topic, Key: []byte{}, Value: []byte{}},
			{Topic: r.topic, Key: []byte{0xff}, Value: []byte("no event"), Headers: []bus.Header{{Name: "omnibus-target-group", Value: []byte("g")}, {Name: "omnibus-target-group"}}},
		}
		results, err := r.Append(t.Context(), append(want, bus.Record{Topic: "omninode.nowhere.event.x.v1"})...)
		if !errors.Is(err, bus.ErrUnknownTopic) || !errors.Is(results[3].Err, bus.ErrNotSent) {
			t.Errorf("a topic that is not there: %v", err)
		}
		for i, w := range want {
			if results[i].Err != nil {
				t.Fatal(results[i].Err)
			}
			got := bus.Record{Topic: w.Topic}
			from := bus.Range{Topics: []event.Glob{event.Glob(r.topic)}, Partitions: []int32{results[i].Partition}, From: bus.AtOffset(results[i].Offset), To: bus.AtOffset(results[i].Offset + 1)}
			for rec, err := range r.Scan(t.Context(), from) {
				if err != nil {
					t.Fatal(err)
				}
				got.Key, got.Value, got.Headers = rec.Key, rec.Value, rec.Headers
			}
			if diff := cmp.Diff(w, got); diff != "" {
				t.Errorf("record %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

func TestEnsureStateMakesOneCompactedPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStage(t, "")
		for range 2 { // the second time it is there
			if err := r.EnsureState(t.Context(), "_suite.state"); err != nil {
				t.Fatal(err)
			}
		}
		infos, err := r.Topics(t.Context(), "_suite.state")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "partitions", len(infos[0].Partitions), 1)
		equal(t, "policy", infos[0].Configs["cleanup.policy"], "compact")
		equal(t, "clock", infos[0].Configs["message.timestamp.type"], "LogAppendTime")
		if err := r.EnsureState(t.Context(), r.topic); err == nil {
			t.Error("a topic of events was taken for state")
		}
		if _, err := r.Append(t.Context(), bus.Record{Topic: "_suite.state", Key: []byte("k"), Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	})
}
