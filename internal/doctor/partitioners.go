package doctor

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// sample is how many of the newest records of each partition are looked at.
const sample = 50

// checkPartitioners looks where the newest records with a key lie: programs that hash keys in another way put the same key on
// another partition, and its order is gone.
func checkPartitioners(ctx context.Context, e *exam) []Finding {
	b, err := e.open(ctx)
	if err != nil {
		return broken(ctx, "connect", err)
	}
	topics, err := e.allTopics(ctx)
	if err != nil {
		return broken(ctx, "list topics", err)
	}
	keys := newKeyPlaces()
	for _, t := range topics {
		if len(t.Partitions) > 1 && !t.Name.IsDLQ() && t.Name[0] != '_' {
			keys.partitions[t.Name] = len(t.Partitions)
		}
	}
	var filled []event.Glob
	for _, t := range topics {
		if keys.partitions[t.Name] > 0 && slices.ContainsFunc(t.Partitions, func(p bus.PartitionInfo) bool { return p.End > p.Start }) {
			filled = append(filled, event.Glob(t.Name))
		}
	}
	if len(filled) > 0 {
		for rec, err := range b.Scan(ctx, bus.Range{Topics: filled, From: bus.FromEnd(sample)}) {
			if err != nil {
				return broken(ctx, "read the newest records", err)
			}
			keys.see(rec)
		}
	}
	return keys.judge()
}

// keyPlaces counts where keys lie.
type keyPlaces struct {
	partitions map[event.Topic]int
	topics     map[event.Topic]*places
}

// places are those of the keys of one topic.
type places struct {
	keyed, wrong, crc int // records with a key; those that do not lie where we put them; of these, where CRC32 puts them
	by                map[string]bool
	last              bus.Coordinates
}

func newKeyPlaces() *keyPlaces {
	return &keyPlaces{partitions: map[event.Topic]int{}, topics: map[event.Topic]*places{}}
}

func (k *keyPlaces) see(rec bus.Record) {
	n := k.partitions[rec.Topic]
	if rec.Key == nil || n < 2 {
		return
	}
	t := k.topics[rec.Topic]
	if t == nil {
		t = &places{by: map[string]bool{}}
		k.topics[rec.Topic] = t
	}
	t.keyed++
	if bus.PartitionOf(rec.Key, n) == rec.Partition {
		return
	}
	t.wrong++
	t.last = rec.Coordinates()
	if int32(crc32.ChecksumIEEE(rec.Key)%uint32(n)) == rec.Partition {
		t.crc++
	}
	if e, err := event.Decode(rec.Value); err == nil && e.Source.Service != "" {
		t.by[e.Source.Service] = true
	}
}

func (k *keyPlaces) judge() []Finding {
	var found []Finding
	keyed := 0
	for _, topic := range slices.Sorted(maps.Keys(k.topics)) {
		t := k.topics[topic]
		keyed += t.keyed
		if t.wrong == 0 {
			continue
		}
		what := fmt.Sprintf("%s: %d of the newest %d records with a key do not lie where murmur2 puts it, %s the last: the order of their keys is not kept", topic, t.wrong, t.keyed, t.last)
		if names := slices.Sorted(maps.Keys(t.by)); len(names) > 0 {
			what += "; published by " + few(names)
		}
		fix := "make every producer hash keys with murmur2, as Java, franz-go and Omnibus do"
		if t.crc == t.wrong {
			what += ". They lie where CRC32 puts them, as librdkafka does by default (consistent_random: confluent-kafka, kcat)"
			fix = "partitioner=murmur2_random in the configuration of those producers (kcat: -X partitioner=murmur2_random)"
		} else if t.wrong > 0 {
			what += ". Another partitioner put them there, or the topic was given more partitions"
		}
		found = append(found, Finding{Warn, what, fix})
	}
	switch {
	case len(found) > 0:
		return found
	case keyed == 0:
		return []Finding{{OK, "no record with a key yet, in a topic of several partitions", ""}}
	}
	return []Finding{{OK, strings.TrimSpace(fmt.Sprintf("the newest %s with a key lie where murmur2 puts them", count(keyed, "record", "records"))), ""}}
}
