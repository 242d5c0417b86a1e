package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/omninode-ai/omnibus/event"
)

// EnsureState creates the topics that are missing, for state that lives in the log: one partition, so that all records have one
// order; compacted, so that the newest record of each key stays; stamped by the broker, so that all times come from one clock.
// Names must begin with "_". It never changes a topic that is there.
func (b *Bus) EnsureState(ctx context.Context, topics ...event.Topic) error {
	names := make([]string, len(topics))
	for i, t := range topics {
		if !strings.HasPrefix(string(t), "_") {
			return fmt.Errorf("ensure state topic %s: its name must begin with \"_\"", t)
		}
		if err := legalTopic(t); err != nil {
			return fmt.Errorf("ensure state topic: %w", err)
		}
		names[i] = string(t)
	}
	if len(names) == 0 {
		return nil
	}
	meta, brokers, err := clusterMetadata(ctx, b.client, names...)
	if err != nil {
		return fmt.Errorf("ensure state topics: %w", b.reach(err))
	}
	plans, there := map[event.Topic]topicPlan{}, map[event.Topic]kadm.TopicDetail{}
	for _, t := range topics {
		switch found := meta[string(t)]; {
		case errors.Is(found.Err, kerr.UnknownTopicOrPartition):
			plans[t] = topicPlan{partitions: 1, maxMessage: max(usualMaxMessage, b.cfg.MaxEventBytes+batchOverhead) + dlqRoom, state: true}
		case found.Err != nil && !kerr.IsRetriable(found.Err):
			return &Error{Op: "ensure state topic", Topic: t, Partition: -1, Offset: -1, Err: b.reach(found.Err)}
		}
	}
	return b.createTopics(ctx, plans, there, max(1, min(3, brokers)))
}

func stateConfigs() map[string]string {
	return map[string]string{"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
}

// StateTopics are the topics in which buses keep state, made when they first need them.
func StateTopics() []event.Topic { return []event.Topic{parkedTopic, plansTopic, seatTopic} }
