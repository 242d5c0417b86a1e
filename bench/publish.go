package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

const (
	batchSize  = 1_000
	manyCaller = 256
)

const (
	rawAsync      = "raw kgo, asynchronous"
	rawSync       = "raw kgo, 256 callers wait"
	busRaw1       = "PublishAll bytes, 1 caller"
	busRaw8       = "PublishAll bytes, 8 callers"
	busEnvelope   = "PublishAll envelopes, no validation"
	busValidated  = "PublishAll envelopes, validated"
	busPayload    = "PublishAll Go payloads, validated"
	busSingle     = "Publish, 256 callers, validated"
	watermillOne  = "Watermill, 1 caller"
	watermillMany = "Watermill, 256 callers"
)

func publishLanes() []lane {
	bytes := func(topic string, s *sample) bus.Outgoing {
		return bus.Outgoing{Topic: event.Topic(topic), Raw: s.raw, Key: s.key}
	}
	envelopes := func(_ string, s *sample) bus.Outgoing { return bus.Outgoing{Envelope: &s.envelope} }
	payloads := func(_ string, s *sample) bus.Outgoing { return bus.Outgoing{Payload: s.payload} }
	return []lane{
		{name: rawAsync, run: publishRaw},
		{name: rawSync, less: 4, run: publishRawSync},
		{name: busRaw1, run: publishAll(1, bus.NoValidation, bytes)},
		{name: busRaw8, run: publishAll(8, bus.NoValidation, bytes)},
		{name: busEnvelope, run: publishAll(8, bus.NoValidation, envelopes)},
		{name: busValidated, run: publishAll(8, bus.Validate, envelopes)},
		{name: busPayload, run: publishAll(8, bus.Validate, payloads)},
		{name: busSingle, less: 4, run: publishSingle},
		{name: watermillOne, less: 100, run: publishWatermill(1)},
		{name: watermillMany, less: 20, run: publishWatermill(manyCaller)},
	}
}

// rawClient has the settings of the bus's own producer.
func rawClient(on *target) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(on.brokers...), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(10_000), kgo.DisableClientMetrics(),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
	)
}

func publishRaw(ctx context.Context, on *target, n int, m *meter) error {
	return on.onTopic(ctx, "publish", func(topic string) error {
		cl, err := rawClient(on)
		if err != nil {
			return err
		}
		defer cl.Close()
		ss, err := makeSamples(samples, keys)
		if err != nil {
			return err
		}
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: ss[0].key, Value: ss[0].raw}).FirstErr(); err != nil {
			return err
		}
		var failed atomic.Pointer[error]
		m.begin()
		for i := range n {
			s := &ss[i%samples]
			cl.Produce(ctx, &kgo.Record{Topic: topic, Key: s.key, Value: s.raw}, func(_ *kgo.Record, err error) {
				if err != nil {
					failed.Store(&err)
				}
			})
		}
		err = cl.Flush(ctx)
		m.end()
		if p := failed.Load(); p != nil {
			err = errors.Join(err, *p)
		}
		return err
	})
}

func publishRawSync(ctx context.Context, on *target, n int, m *meter) error {
	return on.onTopic(ctx, "publish", func(topic string) error {
		cl, err := rawClient(on)
		if err != nil {
			return err
		}
		defer cl.Close()
		return callers(manyCaller, n, m, func(s *sample) error {
			return cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: s.key, Value: s.raw}).FirstErr()
		})
	})
}

// callers lets many goroutines publish n samples, one at a time each.
func callers(many, n int, m *meter, publish func(*sample) error) error {
	ss, err := makeSamples(samples, keys)
	if err != nil {
		return err
	}
	if err := publish(&ss[0]); err != nil {
		return err
	}
	var next atomic.Int64
	errs := make([]error, many)
	var wg sync.WaitGroup
	m.begin()
	for c := range many {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || errs[c] != nil {
					return
				}
				errs[c] = publish(&ss[i%samples])
			}
		})
	}
	wg.Wait()
	m.end()
	return errors.Join(errs...)
}

func publishAll(many int, v bus.Validation, form func(string, *sample) bus.Outgoing) func(context.Context, *target, int, *meter) error {
	return func(ctx context.Context, on *target, n int, m *meter) error {
		return on.onTopic(ctx, "publish", func(topic string) error {
			b, err := on.open(ctx, topic, v)
			if err != nil {
				return err
			}
			err = batches(ctx, b, many, n, func(s *sample) bus.Outgoing { return form(topic, s) }, m)
			return errors.Join(err, b.Close())
		})
	}
}

func batches(ctx context.Context, b *bus.Bus, many, n int, form func(*sample) bus.Outgoing, m *meter) error {
	ss, err := makeSamples(samples, keys)
	if err != nil {
		return err
	}
	if _, err := b.PublishAll(ctx, form(&ss[0])); err != nil {
		return err
	}
	var next atomic.Int64
	errs := make([]error, many)
	var wg sync.WaitGroup
	m.begin()
	for c := range many {
		wg.Go(func() {
			batch := make([]bus.Outgoing, 0, batchSize)
			for errs[c] == nil {
				from := int(next.Add(batchSize)) - batchSize
				batch = batch[:0]
				for i := from; i < min(from+batchSize, n); i++ {
					batch = append(batch, form(&ss[i%samples]))
				}
				if len(batch) == 0 {
					return
				}
				_, errs[c] = b.PublishAll(ctx, batch...)
			}
		})
	}
	wg.Wait()
	m.end()
	return errors.Join(errs...)
}

func publishSingle(ctx context.Context, on *target, n int, m *meter) error {
	return on.onTopic(ctx, "publish", func(topic string) error {
		b, err := on.open(ctx, topic, bus.Validate)
		if err != nil {
			return err
		}
		err = callers(manyCaller, n, m, func(s *sample) error {
			_, err := b.Publish(ctx, s.payload)
			return err
		})
		return errors.Join(err, b.Close())
	})
}

// keyHeader carries a sample's key to Watermill's marshaler.
const keyHeader = "key"

var marshaler = kafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) { return m.Metadata.Get(keyHeader), nil })

func publishWatermill(many int) func(context.Context, *target, int, *meter) error {
	return func(ctx context.Context, on *target, n int, m *meter) error {
		return on.onTopic(ctx, "publish", func(topic string) error {
			cfg := kafka.DefaultSaramaSyncPublisherConfig()
			cfg.Producer.RequiredAcks = sarama.WaitForAll
			pub, err := kafka.NewPublisher(kafka.PublisherConfig{Brokers: on.brokers, Marshaler: marshaler, OverwriteSaramaConfig: cfg}, watermill.NopLogger{})
			if err != nil {
				return err
			}
			err = callers(many, n, m, func(s *sample) error {
				msg := message.NewMessage(event.NewID().String(), s.raw)
				msg.Metadata.Set(keyHeader, string(s.key))
				return pub.Publish(topic, msg)
			})
			return errors.Join(err, pub.Close())
		})
	}
}
