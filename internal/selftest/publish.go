package selftest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// published publishes and reads back: what was acknowledged must lie where the broker said, each event once.
func (s *suite) published(ctx context.Context) (o outcome, err error) {
	sent := series(s.cfg.Events, 0)
	o.did = fmt.Sprintf("published %d events of %d keys with acks=all and read them back", len(sent), keys)
	at, err := s.send(ctx, "published", sent)
	if err != nil {
		return o, err
	}
	found := map[mark]int{}
	for rec, err := range s.b.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(s.run.topic("published"))}}) {
		if err != nil {
			return o, err
		}
		m, err := markOfRecord(rec)
		if err != nil {
			o.fault("%v holds a record that nobody published: %v", rec.Coordinates(), err)
			continue
		}
		found[m]++
		if at[m] != rec.Coordinates() {
			o.fault("%v lies at %v, acknowledged was %v", m, rec.Coordinates(), at[m])
		}
	}
	for _, m := range inOrder(setOf(sent)) {
		switch {
		case found[m] == 0:
			o.fault("%v was acknowledged as %v and is not in the log", m, at[m])
		case found[m] > 1:
			o.fault("%v is in the log %d times", m, found[m])
		}
	}
	o.evidence = fmt.Sprintf("all %d where the broker said, each once", len(sent))
	return o, nil
}

func markOfRecord(rec bus.Record) (mark, error) {
	e, err := event.Decode(rec.Value)
	if err != nil {
		return mark{}, err
	}
	return markOf(bus.Delivery{Record: rec, Envelope: e})
}

// mixedBatch publishes a batch in which two of four are wrong.
func (s *suite) mixedBatch(ctx context.Context) (o outcome, err error) {
	o.did = "published a batch of four, of which one breaks its schema and one its size"
	topic := s.run.topic("ordered") // it is empty still, so that nothing else is counted
	good := func(n int) bus.Outgoing { return bus.Outgoing{Payload: probe{topic, "mixed", n}} }
	before, err := s.records(ctx, topic)
	if err != nil {
		return o, err
	}
	results, _ := s.b.PublishAll( // each result has its own error
		ctx, good(0), bus.Outgoing{Payload: probe{topic, "", -1}}, bus.Outgoing{Topic: topic, Raw: make([]byte, 2<<20)}, good(1),
	)
	for i, want := range []error{nil, bus.ErrInvalid, bus.ErrTooLarge, nil} {
		switch got := results[i].Err; {
		case !errors.Is(got, want):
			o.fault("item %d: %v, want %v", i, got, want)
		case got != nil && !errors.Is(got, bus.ErrNotSent):
			o.fault("item %d was refused and may be in the log: %v", i, got)
		}
	}
	after, err := s.records(ctx, topic)
	if err != nil {
		return o, err
	}
	if after-before != 2 {
		o.fault("%d records were added, want 2", after-before)
	}
	o.evidence = "the two good ones are in the log; the others are named as not sent"
	return o, nil
}

// tooLarge has the broker itself refuse a record.
func (s *suite) tooLarge(ctx context.Context) (o outcome, err error) {
	const size = 4 << 20
	o.did = "published 4 MiB into a topic that takes 1 MiB"
	catalog, err := s.run.catalog()
	if err != nil {
		return o, err
	}
	b, err := s.cfg.Open(ctx, catalog, func(c *bus.Config) { c.MaxEventBytes = 2 * size })
	if err != nil {
		return o, err
	}
	defer b.Close() //nolint:errcheck // all that it sent is settled
	topic := s.run.topic("ordered")
	before, err := s.records(ctx, topic)
	if err != nil {
		return o, err
	}
	noise := make([]byte, size) // that no compression makes smaller
	_, _ = rand.Read(noise)     // never fails, see crypto/rand
	results, _ := b.PublishAll(ctx, bus.Outgoing{Topic: topic, Raw: noise})
	if got := results[0].Err; !errors.Is(got, bus.ErrTooLarge) || !errors.Is(got, bus.ErrNotSent) {
		o.fault("the broker answered %v, want a refusal", got)
	}
	after, err := s.records(ctx, topic)
	if err != nil {
		return o, err
	}
	if after != before {
		o.fault("the log has grown by %d records", after-before)
	}
	o.evidence = "the broker refused it, and nothing was added"
	return o, nil
}

// records is how many offsets the topic spans.
func (s *suite) records(ctx context.Context, topic event.Topic) (n int64, err error) {
	infos, err := s.b.Topics(ctx, event.Glob(topic))
	for _, i := range infos {
		for _, p := range i.Partitions {
			n += p.End - p.Start
		}
	}
	return n, err
}

// partitioned compares where the keys of the published events lie with what Java and librdkafka compute.
func (s *suite) partitioned(ctx context.Context) (o outcome, err error) {
	o.did = fmt.Sprintf("computed murmur2 of %d keys", keys)
	lies := map[string]int32{}
	for rec, err := range s.b.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(s.run.topic("published"))}}) {
		if err != nil {
			return o, err
		}
		lies[string(rec.Key)] = rec.Partition
		if want := partitionOf(rec.Key, s.run.Partitions); rec.Partition != want {
			o.fault("key %q lies in partition %d, murmur2 says %d", rec.Key, rec.Partition, want)
		}
	}
	if len(lies) == 0 {
		return o, &untestedError{"no event was there to look at"}
	}
	used := map[int32]bool{}
	for p := range maps.Values(lies) {
		used[p] = true
	}
	o.evidence = fmt.Sprintf("%d keys in %d partitions, each where murmur2 says", len(lies), len(used))
	return o, nil
}
