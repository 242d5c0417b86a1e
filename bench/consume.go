package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
)

const (
	rawPoll        = "raw kgo, poll loop"
	busBatches     = "Consume batches, committed"
	busPattern     = "Consume envelopes, no validation"
	busPatternFull = "Consume envelopes, validated"
	busTyped       = "Consume Go payloads, validated"
	watermillAck   = "Watermill, acknowledged"
)

// fillFactor is how many more events the fast lanes read: the raw client reads a million in a second.
const fillFactor = 5

// consumeLanes all read topic.
func consumeLanes(topic string) []lane {
	seen := func(m *counter) bus.HandlerFunc {
		return func(context.Context, bus.Delivery) error { m.saw(1); return nil }
	}
	return []lane{
		{name: rawPoll, run: consumeRaw(topic)},
		{name: busBatches, run: consumeBus(topic, bus.NoValidation, func(m *counter) bus.Handler {
			return bus.HandleBatch(event.Glob(topic), bus.Batch{Linger: 5 * time.Millisecond}, func(_ context.Context, rs []bus.Record) error {
				m.saw(len(rs))
				return nil
			})
		})},
		{name: busPattern, less: fillFactor, run: consumeBus(topic, bus.NoValidation, func(m *counter) bus.Handler { return bus.HandlePattern(event.Glob(topic), seen(m)) })},
		{name: busPatternFull, less: fillFactor, run: consumeBus(topic, bus.Validate, func(m *counter) bus.Handler { return bus.HandlePattern(event.Glob(topic), seen(m)) })},
		{name: busTyped, less: fillFactor, run: consumeBus(topic, bus.Validate, func(m *counter) bus.Handler {
			return bus.Handle(func(context.Context, bus.Event[bridge.MetadataStamped]) error { m.saw(1); return nil })
		})},
		{name: watermillAck, less: fillFactor, run: consumeWatermill(topic)},
	}
}

// counter begins the meter when a tenth of the events was seen, so that neither joining the group nor what was fetched
// meanwhile counts, and ends it at the last.
type counter struct {
	meter *meter
	skip  int64
	want  int64
	seen  atomic.Int64
	begun chan struct{}
	done  chan struct{}
}

func newCounter(m *meter, want int) *counter {
	m.skipped = want / 10
	return &counter{meter: m, skip: int64(m.skipped), want: int64(want), begun: make(chan struct{}), done: make(chan struct{})}
}

func (c *counter) saw(n int) {
	to := c.seen.Add(int64(n))
	from := to - int64(n)
	if from <= c.skip && to > c.skip {
		c.meter.begin()
		close(c.begun)
	}
	if from < c.want && to >= c.want {
		<-c.begun // another goroutine may be about to
		c.meter.end()
		close(c.done)
	}
}

// fill puts n events into a new topic.
func fill(ctx context.Context, on *target, n int) (topic string, err error) {
	if topic, err = on.topic(ctx, "consume", 6); err != nil {
		return "", err
	}
	b, err := on.open(ctx, topic, bus.NoValidation)
	if err != nil {
		return "", err
	}
	err = batches(ctx, b, 8, n, func(s *sample) bus.Outgoing { return bus.Outgoing{Envelope: &s.envelope} }, &meter{})
	return topic, errors.Join(err, b.Close())
}

func group() string { return "bench-" + event.NewID().String() }

func consumeRaw(topic string) func(context.Context, *target, int, *meter) error {
	return func(ctx context.Context, on *target, n int, m *meter) error {
		cl, err := kgo.NewClient(
			kgo.SeedBrokers(on.brokers...), kgo.ConsumerGroup(group()), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
			kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(time.Second), kgo.DisableClientMetrics(),
		)
		if err != nil {
			return err
		}
		defer cl.Close()
		c := newCounter(m, n)
		for c.seen.Load() < int64(n) {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return err
			}
			for it := fetches.RecordIter(); !it.Done(); {
				it.Next()
				c.saw(1)
			}
		}
		return nil
	}
}

func consumeBus(topic string, v bus.Validation, handler func(*counter) bus.Handler) func(context.Context, *target, int, *meter) error {
	return func(ctx context.Context, on *target, n int, m *meter) error {
		b, err := on.open(ctx, topic, v)
		if err != nil {
			return err
		}
		c := newCounter(m, n)
		running, stop := context.WithCancel(ctx)
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- b.Consume(running, bus.Consumer{Group: group()}, handler(c)) }()
		select {
		case <-c.done:
			stop()
			err = <-ended
		case err = <-ended:
			err = errors.Join(err, fmt.Errorf("ended after %d of %d events", c.seen.Load(), n))
		}
		return errors.Join(err, b.Close())
	}
}

func consumeWatermill(topic string) func(context.Context, *target, int, *meter) error {
	return func(ctx context.Context, on *target, n int, m *meter) error {
		cfg := kafka.DefaultSaramaSubscriberConfig()
		cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
		sub, err := kafka.NewSubscriber(kafka.SubscriberConfig{
			Brokers: on.brokers, Unmarshaler: marshaler, OverwriteSaramaConfig: cfg, ConsumerGroup: group(),
		}, watermill.NopLogger{})
		if err != nil {
			return err
		}
		messages, err := sub.Subscribe(ctx, topic)
		if err != nil {
			return errors.Join(err, sub.Close())
		}
		c := newCounter(m, n)
		for c.seen.Load() < int64(n) {
			select {
			case msg := <-messages:
				c.saw(1)
				msg.Ack()
			case <-ctx.Done():
				return errors.Join(ctx.Err(), sub.Close())
			}
		}
		go func() { // what it has fetched it wants taken before it closes
			for msg := range messages {
				msg.Ack()
			}
		}()
		return sub.Close()
	}
}
