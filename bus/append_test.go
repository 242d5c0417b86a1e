package bus_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

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

func TestARecordKeepsItsTimeAndPartitionWhereAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStage(t, "")
		then := time.Date(2020, 2, 29, 12, 0, 0, 7e6, time.UTC)
		at := func(p int32, value string) *bus.Record {
			return &bus.Record{Topic: r.topic, Partition: p, Timestamp: then, Key: []byte("k"), Value: []byte(value)}
		}
		byKey := bus.PartitionOf([]byte("k"), 2)
		results, err := r.PublishAll(
			t.Context(),
			bus.Outgoing{Record: at(0, "0"), KeepTime: true, KeepPartition: true},
			bus.Outgoing{Record: at(1, "1"), KeepTime: true, KeepPartition: true},
			bus.Outgoing{Record: at(1-byKey, "by key, now")},
			bus.Outgoing{Record: at(2, ""), KeepPartition: true},
			bus.Outgoing{Record: at(-1, ""), KeepPartition: true},
		)
		for i, want := range []int32{0, 1, byKey, -1, -1} {
			equal(t, fmt.Sprintf("partition of %d, by key %d", i, byKey), results[i].Partition, want)
		}
		for _, refused := range results[3:] {
			if !errors.Is(refused.Err, bus.ErrInvalid) || !errors.Is(refused.Err, bus.ErrNotSent) {
				t.Errorf("a partition that is not there: %v", refused.Err)
			}
		}
		if err == nil {
			t.Error("no joined error")
		}
		var kept int
		for rec, err := range r.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(r.topic)}}) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Timestamp.Equal(then) {
				kept++
			} else if string(rec.Value) != "by key, now" {
				t.Errorf("%s: its time is %v, want %v", rec.Value, rec.Timestamp, then)
			}
		}
		equal(t, "records of then", kept, 2)
	})
}

func TestEncoderMakesWhatIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStage(t, "")
		enc, err := bus.NewEncoder(bus.Config{Brokers: []string{"nobody:1"}, Service: "suite", Catalog: r.catalog})
		if err != nil {
			t.Fatal(err)
		}
		e := r.envelope("k", 1)
		tombstone := &bus.Record{Topic: r.topic, Partition: 1}
		out := []bus.Outgoing{
			{Envelope: &e, Headers: []bus.Header{{Name: "h", Value: []byte("v")}}},
			{Envelope: &e, Key: []byte{}},
			{Envelope: &e, NullKey: true},
			{Topic: r.topic, Raw: []byte("raw")},
			{Record: tombstone, KeepPartition: true},
		}
		results, err := r.PublishAll(t.Context(), out...)
		if err != nil {
			t.Fatal(err)
		}
		written := map[bus.Coordinates]bus.Record{}
		for rec, err := range r.Scan(t.Context(), bus.Range{Topics: []event.Glob{event.Glob(r.topic)}}) {
			if err != nil {
				t.Fatal(err)
			}
			written[rec.Coordinates()] = rec
		}
		for i, o := range out {
			got, err := enc.Encode(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			want := written[bus.Coordinates{Topic: results[i].Topic, Partition: results[i].Partition, Offset: results[i].Offset}]
			want.Offset, want.Timestamp, got.Timestamp = -1, time.Time{}, time.Time{}
			if !o.KeepPartition {
				want.Partition = -1
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d (-want +got):\n%s", i, diff)
			}
		}
		e.Payload = []byte(`{"key":"k"}`)
		if _, err := enc.Encode(t.Context(), bus.Outgoing{Envelope: &e}); !errors.Is(err, bus.ErrInvalid) {
			t.Errorf("against the schema: %v", err)
		}
		if _, err := enc.Encode(t.Context(), bus.Outgoing{Topic: r.topic, Raw: make([]byte, 2<<20)}); !errors.Is(err, bus.ErrTooLarge) {
			t.Errorf("too large: %v", err)
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
