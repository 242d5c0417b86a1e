package bus

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// PartitionOf is where a key lies in a topic of so many partitions, 1 or more: murmur2, as Java's clients compute it. Records
// without a key lie anywhere.
func PartitionOf(key []byte, partitions int) int32 {
	return int32(kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(&kgo.Record{Key: nonNil(key)}, partitions))
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// partitioner goes by the key, as [PartitionOf] says, unless a record is to keep its partition.
type partitioner struct{ byKey kgo.Partitioner }

func newPartitioner() kgo.Partitioner { return partitioner{kgo.StickyKeyPartitioner(nil)} }

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{p.byKey.ForTopic(topic)}
}

type topicPartitioner struct{ kgo.TopicPartitioner }

// keptPartition is the context of a record that keeps its partition. The client writes over the partition that a record names
// before it asks for the last time.
type keptPartition struct {
	context.Context //nolint:containedctx // a context is what it is
	partition       int32
}

func (p topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	_, kept := r.Context.(keptPartition)
	return kept || p.TopicPartitioner.RequiresConsistency(r)
}

func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	if kept, ok := r.Context.(keptPartition); ok {
		return int(kept.partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}

// OnNewBatch lets the records without a key go on to another partition with each batch.
func (p topicPartitioner) OnNewBatch() {
	if sticky, ok := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); ok {
		sticky.OnNewBatch()
	}
}
