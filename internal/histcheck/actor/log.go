package actor

import (
	"context"
	"hash/crc32"
	"iter"
	"strings"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Log reads what the topics, and the dead-letter topics among them, hold now, each partition in order.
func Log(ctx context.Context, b *bus.Bus, topics ...event.Topic) iter.Seq2[histcheck.Record, error] {
	return func(yield func(histcheck.Record, error) bool) {
		globs := make([]event.Glob, len(topics))
		for i, t := range topics {
			globs[i] = event.Glob(t)
		}
		for rec, err := range b.Scan(ctx, bus.Range{Topics: globs}) {
			if err != nil {
				yield(histcheck.Record{}, err)
				return
			}
			if !yield(record(rec), nil) {
				return
			}
		}
	}
}

func record(rec bus.Record) histcheck.Record {
	r := histcheck.Record{Topic: string(rec.Topic), Partition: rec.Partition, Offset: rec.Offset, Sum: sum(rec)}
	if e, err := event.Decode(rec.Value); err == nil {
		if jsonx.Unmarshal(e.Payload, &r.Event) == nil {
			r.Event.CRC, r.Event.Body = r.Event.Sum(), ""
			r.Valid = r.Event.ID == e.ID.String()
		}
	}
	if rec.Topic.IsDLQ() {
		d := bus.ParseDeadLetter(rec)
		r.Dead = &histcheck.DeadLetter{
			Group: d.Group, Topic: string(d.Origin.Topic), Partition: d.Origin.Partition, Offset: d.Origin.Offset, Lacks: lacks(rec),
		}
	}
	return r
}

const dlqPrefix = "omnibus-dlq-"

// sum is the CRC of the key, the value and the headers, but for those that make a dead letter of it.
func sum(rec bus.Record) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var crc uint32
	add := func(b []byte) {
		crc = crc32.Update(crc, table, []byte{byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16)})
		crc = crc32.Update(crc, table, b)
	}
	add(rec.Key)
	add(rec.Value)
	for _, h := range rec.Headers {
		if !strings.HasPrefix(h.Name, dlqPrefix) {
			add([]byte(h.Name))
			add(h.Value)
		}
	}
	return crc
}

// lacks names the headers that every dead letter has and this one has not.
func lacks(rec bus.Record) []string {
	var missing []string
	for _, name := range []string{
		"original-topic", "original-topic-id", "original-partition", "original-offset", "original-timestamp", "error-class", "error-type",
		"error-message", "error-fingerprint", "retry-count", "first-failed-at", "failed-at", "consumer-group", "consumer-instance", "redrive-count",
	} {
		if rec.Header(dlqPrefix+name) == nil {
			missing = append(missing, dlqPrefix+name)
		}
	}
	return missing
}
