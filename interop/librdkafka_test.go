package interop_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// produceAll produces messages in order and returns them as delivered, with their partitions and offsets.
func (f fixture) produceAll(ctx context.Context, t *testing.T, config kafka.ConfigMap, messages []*kafka.Message) []*kafka.Message {
	t.Helper()
	all := kafka.ConfigMap{
		"bootstrap.servers":  f.brokers,
		"enable.idempotence": true,
		"partitioner":        "murmur2_random",
	}
	maps.Copy(all, config)
	p, err := kafka.NewProducer(&all)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	reports := make(chan kafka.Event, len(messages))
	for _, m := range messages {
		m.TopicPartition = kafka.TopicPartition{Topic: &f.topic, Partition: kafka.PartitionAny}
		if err := p.Produce(m, reports); err != nil {
			t.Fatal(err)
		}
	}
	delivered := make([]*kafka.Message, len(messages))
	for i := range messages {
		select {
		case e := <-reports:
			m, ok := e.(*kafka.Message)
			if !ok {
				t.Fatalf("librdkafka reports %v", e)
			}
			if m.TopicPartition.Error != nil {
				t.Fatal(m.TopicPartition.Error)
			}
			delivered[i] = m
		case <-ctx.Done():
			t.Fatalf("%d of %d delivered: %v", i, len(messages), ctx.Err())
		}
	}
	return delivered
}

// member is a librdkafka consumer of the topic in a group, which begins at the earliest message.
func (f fixture) member(t *testing.T, group string) *kafka.Consumer {
	t.Helper()
	c, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers":  f.brokers,
		"group.id":           group,
		"auto.offset.reset":  "earliest",
		"enable.auto.commit": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(f.topic, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// read returns the next n messages.
func read(ctx context.Context, t *testing.T, c *kafka.Consumer, n int) []*kafka.Message {
	t.Helper()
	var got []*kafka.Message
	for len(got) < n {
		if ctx.Err() != nil {
			t.Fatalf("%d of %d messages: %v", len(got), n, ctx.Err())
		}
		m, err := c.ReadMessage(time.Second)
		var kerr kafka.Error
		if errors.As(err, &kerr) && kerr.IsTimeout() {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	return got
}

func closeConsumer(t *testing.T, c *kafka.Consumer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
