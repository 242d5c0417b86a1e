package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxCommitMetadata is offset.metadata.max.bytes of other brokers, which the broker inside lacks.
const maxCommitMetadata = 4096

// limitCommitMetadata makes the broker refuse the partitions of a commit whose metadata is too large; the rest of the commit
// counts. Each such topic becomes a fault of this one request, because only a fault answers single partitions.
func limitCommitMetadata(c *controls) {
	var last []*kfake.FaultHandle // of the request before, which is over: a commit refused as a whole leaves its faults behind
	c.add(kmsg.OffsetCommit, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		for _, h := range last {
			h.Remove()
		}
		last = last[:0]
		req, ok := kreq.(*kmsg.OffsetCommitRequest)
		if !ok {
			return nil, nil, false
		}
		for _, t := range req.Topics {
			large := largeMetadata(t)
			if len(large) == 0 {
				continue
			}
			last = append(last, c.inner.Fault(kfake.Fault{
				Keys:       []kmsg.Key{kmsg.OffsetCommit},
				Group:      req.Group,
				Topic:      t.Topic,
				TopicID:    t.TopicID,
				Partitions: large,
				Err:        kerr.OffsetMetadataTooLarge,
				When:       func(r kmsg.Request) bool { return r == kreq },
			}))
		}
		return nil, nil, false
	})
}

func largeMetadata(t kmsg.OffsetCommitRequestTopic) []int32 {
	var large []int32
	for _, p := range t.Partitions {
		if p.Metadata != nil && len(*p.Metadata) > maxCommitMetadata {
			large = append(large, p.Partition)
		}
	}
	return large
}
