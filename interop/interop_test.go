package interop_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func TestLibrdkafkaReadsWhatWePublish(t *testing.T) {
	ctx, f := setUp(t)
	const n = 200
	var outgoing []bus.Outgoing
	for i := range n {
		outgoing = append(outgoing, bus.Outgoing{
			Payload: probed{Name: fmt.Sprintf("name-%d", i%20), N: i},
			Headers: []bus.Header{{Name: "colour", Value: []byte("blue")}, {Name: "none", Value: nil}},
		})
	}
	results, err := f.bus.PublishAll(ctx, outgoing...)
	if err != nil {
		t.Fatal(err)
	}
	c := f.member(t, "readers")
	defer closeConsumer(t, c)
	type place struct {
		partition int32
		offset    int64
	}
	messages := map[place]*kafka.Message{}
	for _, m := range read(ctx, t, c, n) {
		messages[place{m.TopicPartition.Partition, int64(m.TopicPartition.Offset)}] = m
	}
	for i, r := range results {
		m := messages[place{r.Partition, r.Offset}]
		if m == nil {
			t.Fatalf("event %d: no message at partition %d, offset %d", i, r.Partition, r.Offset)
		}
		if got, want := string(m.Key), fmt.Sprintf("name-%d", i%20); got != want {
			t.Errorf("event %d: key %q, want %q", i, got, want)
		}
		e, err := event.Decode(m.Value)
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if e.ID != r.Envelope.ID || e.Type != (probed{}).EventTopic() {
			t.Errorf("event %d: id %s, type %s; want %s, %s", i, e.ID, e.Type, r.Envelope.ID, probed{}.EventTopic())
		}
		var payload probed
		if err := json.Unmarshal(e.Payload, &payload); err != nil || payload != outgoing[i].Payload {
			t.Errorf("event %d: payload %+v, want %+v (%v)", i, payload, outgoing[i].Payload, err)
		}
		want := []kafka.Header{
			{Key: "content-type", Value: []byte("application/json")},
			{Key: "omnibus-event-id", Value: []byte(e.ID.String())},
			{Key: "omnibus-event-type", Value: []byte(e.Type)},
			{Key: "omnibus-correlation-id", Value: []byte(e.CorrelationID)},
			{Key: "colour", Value: []byte("blue")},
			{Key: "none", Value: nil},
		}
		if diff := cmp.Diff(want, m.Headers); diff != "" {
			t.Fatalf("event %d: headers (-want +got):\n%s", i, diff)
		}
	}
}

func TestLibrdkafkaReadsWhatWePublishWithoutAKey(t *testing.T) {
	ctx, f := setUp(t)
	if _, err := f.bus.PublishAll(ctx, bus.Outgoing{Payload: probed{Name: "x"}, NullKey: true}); err != nil {
		t.Fatal(err)
	}
	c := f.member(t, "readers")
	defer closeConsumer(t, c)
	if m := read(ctx, t, c, 1)[0]; m.Key != nil {
		t.Errorf("key %q, want none", m.Key)
	}
}

func TestKeysLandOnTheSamePartitions(t *testing.T) {
	ctx, f := setUp(t)
	var outgoing []bus.Outgoing
	var messages []*kafka.Message
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 500 {
		key := []byte(fmt.Sprintf("schlüssel-%d", i))
		if i%2 == 1 { // any bytes, of every length modulo four
			key = make([]byte, 1+i%40)
			for j := range key {
				key[j] = byte(random.UintN(256))
			}
		}
		outgoing = append(outgoing, bus.Outgoing{Payload: probed{Name: "x", N: i}, Key: key})
		messages = append(messages, &kafka.Message{Key: key, Value: foreign(event.NewID(), "x", i)})
	}
	ours, err := f.bus.PublishAll(ctx, outgoing...)
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]int32{}
	for _, m := range f.produceAll(ctx, t, nil, messages) {
		theirs[string(m.Key)] = m.TopicPartition.Partition
	}
	used := map[int32]bool{}
	for i, r := range ours {
		key := string(outgoing[i].Key)
		if r.Partition != theirs[key] {
			t.Errorf("key %q: ours goes to partition %d, librdkafka's to %d", key, r.Partition, theirs[key])
		}
		used[r.Partition] = true
	}
	if len(used) != partitions {
		t.Errorf("only %d of %d partitions were used", len(used), partitions)
	}
}

func TestWeReadWhatLibrdkafkaPublishes(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			ctx, f := setUp(t)
			const n = 60
			ids := map[int]event.ID{}
			var messages []*kafka.Message
			for i := range n {
				ids[i] = event.NewID()
				m := &kafka.Message{
					Value: foreign(ids[i], "x", i),
					Headers: []kafka.Header{
						{Key: "colour", Value: []byte("blue")},
						{Key: "colour", Value: []byte("green")},
						{Key: "none", Value: nil},
					},
				}
				if i%3 != 0 {
					m.Key = fmt.Appendf(nil, "key-%d", i%3)
				}
				messages = append(messages, m)
			}
			f.produceAll(ctx, t, kafka.ConfigMap{"compression.type": codec}, messages)

			order := map[string][]int{}
			for _, e := range f.handleAll(ctx, t, n) {
				i := e.Payload.N
				order[string(e.Key)] = append(order[string(e.Key)], i)
				if e.Envelope.ID != ids[i] || e.Payload.Name != "x" || e.Envelope.Source.Service != "librdkafka" {
					t.Errorf("event %d: %+v", i, e.Envelope)
				}
				want := []bus.Header{
					{Name: "colour", Value: []byte("blue")},
					{Name: "colour", Value: []byte("green")},
					{Name: "none", Value: nil},
				}
				if diff := cmp.Diff(want, e.Headers); diff != "" {
					t.Fatalf("event %d: headers (-want +got):\n%s", i, diff)
				}
				if noKey := e.Key == nil; noKey != (i%3 == 0) {
					t.Errorf("event %d: key %q", i, e.Key)
				}
			}
			for key, got := range order {
				if key != "" && !slices.IsSorted(got) {
					t.Errorf("key %s: out of order: %v", key, got)
				}
			}
			if len(order) != 3 || len(order[""]) != n/3 {
				t.Errorf("events by key: %v", order)
			}
		})
	}
}

func TestALibrdkafkaGroupGoesOnWhereItCommitted(t *testing.T) {
	ctx, f := setUp(t)
	const n = 30
	var outgoing []bus.Outgoing
	for i := range n {
		outgoing = append(outgoing, bus.Outgoing{Payload: probed{Name: "one key", N: i}})
	}
	if _, err := f.bus.PublishAll(ctx, outgoing...); err != nil {
		t.Fatal(err)
	}
	numbers := func(messages []*kafka.Message) (got []int) {
		for _, m := range messages {
			e, err := event.Decode(m.Value)
			if err != nil {
				t.Fatal(err)
			}
			var p probed
			if err := json.Unmarshal(e.Payload, &p); err != nil {
				t.Fatal(err)
			}
			got = append(got, p.N)
		}
		return got
	}

	first := f.member(t, "goes-on")
	got := read(ctx, t, first, n/2)
	if _, err := first.CommitMessage(got[len(got)-1]); err != nil {
		t.Fatal(err)
	}
	closeConsumer(t, first)

	second := f.member(t, "goes-on")
	defer closeConsumer(t, second)
	got = append(got, read(ctx, t, second, n/2)...)

	want := make([]int, n)
	for i := range want {
		want[i] = i
	}
	if diff := cmp.Diff(want, numbers(got)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
