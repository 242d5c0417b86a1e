package bus

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// clusterMetadata is what the cluster says now about topics, or about all where none is named, and how many brokers it has.
// [kadm.Client] answers the same question from a cache that is up to five seconds old, which is no use to anybody who waits
// for a change.
func clusterMetadata(ctx context.Context, client *kgo.Client, topics ...string) (kadm.TopicDetails, int, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(name)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, 0, err
	}
	details := make(kadm.TopicDetails, len(resp.Topics))
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		d := kadm.TopicDetail{
			Topic: *t.Topic, ID: t.TopicID, IsInternal: t.IsInternal, Err: kerr.ErrorForCode(t.ErrorCode),
			Partitions: make(kadm.PartitionDetails, len(t.Partitions)),
		}
		for _, p := range t.Partitions {
			d.Partitions[p.Partition] = kadm.PartitionDetail{
				Topic: *t.Topic, Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch,
				Replicas: p.Replicas, ISR: p.ISR, OfflineReplicas: p.OfflineReplicas, Err: kerr.ErrorForCode(p.ErrorCode),
			}
		}
		details[*t.Topic] = d
	}
	return details, len(resp.Brokers), nil
}

// newTopic asks again for two seconds where the answer is that a topic does not exist: in a cluster of several brokers, one
// that is asked may not have heard of a topic that another has just made.
func newTopic(ctx context.Context, ask func() error) error {
	const within, every = 2 * time.Second, 100 * time.Millisecond
	for waited := time.Duration(0); ; waited += every {
		err := ask()
		unknown := errors.Is(err, ErrUnknownTopic) || errors.Is(err, kerr.UnknownTopicOrPartition)
		if !unknown || waited >= within {
			return err
		}
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}
