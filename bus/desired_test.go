package bus

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
)

// lines are changes in short: what, from, to, and whether it is left.
func lines(changes []TopicChange) []string {
	var out []string
	for _, c := range changes {
		line := string(c.Topic) + " " + strings.TrimSpace(c.Do+" "+c.Setting) + ": " + c.Have + " -> " + c.Want
		if c.Left != "" {
			line += " (left: " + c.Left + ")"
		}
		if c.Warning != "" {
			line += " (" + c.Warning + ")"
		}
		out = append(out, line)
	}
	return out
}

func TestDiffTopics(t *testing.T) {
	topic := func(name event.Topic, partitions int, configs map[string]string) TopicInfo {
		return TopicInfo{Name: name, Replication: 1, Partitions: make([]PartitionInfo, partitions), Configs: configs}
	}
	usual := map[string]string{"retention.ms": "604800000", "max.message.bytes": "1048588", "cleanup.policy": "delete"}
	letters := topic("t.dlq", 3, map[string]string{"retention.ms": "2592000000", "max.message.bytes": "1114124"})
	const moved = " (keys move to other partitions: events of one key from before and after may be handled out of order)"
	for _, tt := range []struct {
		name    string
		desired DesiredTopic
		there   []TopicInfo
		shrink  bool
		want    []string
	}{
		{name: "as it should be", desired: DesiredTopic{Partitions: 3, Configs: map[string]string{"retention.ms": "604800000"}}, there: []TopicInfo{topic("t", 3, usual), letters}},
		{name: "nothing is desired of it", there: []TopicInfo{topic("t", 3, usual), letters}},
		{name: "not there", desired: DesiredTopic{Partitions: 2}, want: []string{
			"t create:  -> partitions 2, replicas 2, max.message.bytes 1048588, min.insync.replicas 2, retention.ms 604800000",
			"t.dlq create:  -> partitions 2, replicas 2, max.message.bytes 1114124, min.insync.replicas 2, retention.ms 2592000000",
		}},
		{name: "compacted, larger, without dead letters", desired: DesiredTopic{NoDLQ: true, Replication: 1, Configs: map[string]string{"cleanup.policy": "compact"}, AtLeast: map[string]int64{"max.message.bytes": 5}}, want: []string{
			"t create:  -> partitions 3, replicas 1, cleanup.policy compact, max.message.bytes 5",
		}},
		{name: "only its dead letters are missing", there: []TopicInfo{topic("t", 5, usual)}, want: []string{
			"t.dlq create:  -> partitions 5, replicas 2, max.message.bytes 1114124, min.insync.replicas 2, retention.ms 2592000000",
		}},
		{name: "more partitions", desired: DesiredTopic{Partitions: 6}, there: []TopicInfo{topic("t", 3, usual), letters}, want: []string{
			"t grow: 3 -> 6" + moved, "t.dlq grow: 3 -> 6" + moved,
		}},
		{name: "fewer partitions", desired: DesiredTopic{Partitions: 1}, there: []TopicInfo{topic("t", 3, usual), letters}, shrink: true, want: []string{
			"t grow: 3 -> 1 (left: Kafka cannot take partitions away: make a new topic)",
		}},
		{name: "more replicas", desired: DesiredTopic{Replication: 3, NoDLQ: true}, there: []TopicInfo{topic("t", 3, usual)}, want: []string{
			"t replicate: 1 -> 3 (left: replicas are moved with the tools of the cluster: kafka-reassign-partitions, or rpk)",
		}},
		{name: "kept longer", desired: DesiredTopic{Configs: map[string]string{"retention.ms": "-1"}}, there: []TopicInfo{topic("t", 3, usual), letters}, want: []string{
			"t set retention.ms: 604800000 -> -1",
		}},
		{name: "kept shorter", desired: DesiredTopic{Configs: map[string]string{"retention.ms": "3600000"}}, there: []TopicInfo{topic("t", 3, usual), letters}, want: []string{
			"t set retention.ms: 604800000 -> 3600000 (left: records older than 1h0m0s are deleted)",
		}},
		{name: "kept shorter, and so asked for", desired: DesiredTopic{Configs: map[string]string{"retention.ms": "3600000"}}, there: []TopicInfo{topic("t", 3, usual), letters}, shrink: true, want: []string{
			"t set retention.ms: 604800000 -> 3600000 (records older than 1h0m0s are deleted)",
		}},
		{name: "another rule of removal", desired: DesiredTopic{Configs: map[string]string{"cleanup.policy": "compact"}}, there: []TopicInfo{topic("t", 3, usual), letters}, want: []string{
			"t set cleanup.policy: delete -> compact (left: records are removed by another rule than before)",
		}},
		{name: "larger records", desired: DesiredTopic{AtLeast: map[string]int64{"max.message.bytes": 2000000}}, there: []TopicInfo{topic("t", 3, usual), letters}, want: []string{
			"t set max.message.bytes: 1048588 -> 2000000", "t.dlq set max.message.bytes: 1114124 -> 2065536",
		}},
		{name: "larger records than needed", desired: DesiredTopic{AtLeast: map[string]int64{"max.message.bytes": 20}}, there: []TopicInfo{topic("t", 3, usual), letters}},
		{name: "dead letters kept for ever", there: []TopicInfo{topic("t", 3, usual), topic("t.dlq", 3, map[string]string{"retention.ms": "-1", "max.message.bytes": "2000000"})}},
		{name: "settings that are not shown", desired: DesiredTopic{NoDLQ: true, Configs: map[string]string{"retention.ms": "1"}}, there: []TopicInfo{topic("t", 3, nil)}, want: []string{
			"t set:  ->  (left: the broker does not show its settings to us)",
		}},
	} {
		there := map[event.Topic]TopicInfo{}
		for _, i := range tt.there {
			there[i.Name] = i
		}
		tt.desired.Name = "t"
		if diff := cmp.Diff(tt.want, lines(diffTopics([]DesiredTopic{tt.desired}, there, 2, tt.shrink))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
