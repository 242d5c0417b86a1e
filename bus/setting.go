package bus

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/event"
)

// SettingError says why a setting of a topic cannot be what it should be: by what is known of Kafka's settings, or by what the
// broker answered.
type SettingError struct {
	Topic   event.Topic
	Setting string // empty: the broker did not say which
	Why     string
}

func (e *SettingError) Error() string {
	return strings.TrimSpace("settings of "+string(e.Topic)+": "+e.Setting) + ": " + e.Why
}

// The values that settings take.
const (
	anyText    = ""
	wholeNum   = "a whole number"
	partOfOne  = "a number from 0 to 1"
	trueFalse  = "true|false"
	policies   = "delete|compact|compact,delete|delete,compact"
	codecs     = "uncompressed|gzip|snappy|lz4|zstd|producer"
	timeStamps = "CreateTime|LogAppendTime"
)

// kafkaSettings are those of a topic in Kafka, and what they take. Brokers of other makes have more of their own.
func kafkaSettings() map[string]string {
	return map[string]string{
		"cleanup.policy": policies, "compression.type": codecs, "compression.gzip.level": wholeNum, "compression.lz4.level": wholeNum,
		"compression.zstd.level": wholeNum, "delete.retention.ms": wholeNum, "file.delete.delay.ms": wholeNum, "flush.messages": wholeNum,
		"flush.ms": wholeNum, "follower.replication.throttled.replicas": anyText, "index.interval.bytes": wholeNum,
		"leader.replication.throttled.replicas": anyText, "local.retention.bytes": wholeNum, "local.retention.ms": wholeNum,
		"max.compaction.lag.ms": wholeNum, configMaxMessage: wholeNum, "message.timestamp.after.max.ms": wholeNum,
		"message.timestamp.before.max.ms": wholeNum, "message.timestamp.type": timeStamps, "min.cleanable.dirty.ratio": partOfOne,
		"min.compaction.lag.ms": wholeNum, configMinInSync: wholeNum, "preallocate": trueFalse, "remote.storage.enable": trueFalse,
		"retention.bytes": wholeNum, configRetention: wholeNum, "segment.bytes": wholeNum, "segment.index.bytes": wholeNum,
		"segment.jitter.ms": wholeNum, "segment.ms": wholeNum, "unclean.leader.election.enable": trueFalse,
	}
}

// TopicSettingNames are the settings that Kafka has for topics, in order.
func TopicSettingNames() []string { return slices.Sorted(maps.Keys(kafkaSettings())) }

// legalSetting checks a setting before a broker sees it, because not every broker checks. shown are the settings that the broker
// shows of the topic, those of its own make among them.
func legalSetting(t event.Topic, name, value string, shown map[string]string) error {
	takes, known := kafkaSettings()[name]
	_, there := shown[name]
	refuse := func(why string, args ...any) error { return &SettingError{t, name, fmt.Sprintf(why, args...)} }
	ok := true
	switch {
	case !known && !there && !strings.HasPrefix(name, "redpanda.") && !strings.HasPrefix(name, "confluent."):
		return refuse("neither Kafka nor this broker has such a setting")
	case takes == wholeNum:
		_, err := strconv.ParseInt(value, 10, 64)
		ok = err == nil
	case takes == partOfOne:
		f, err := strconv.ParseFloat(value, 64)
		ok = err == nil && f >= 0 && f <= 1
	case takes != anyText:
		ok = slices.Contains(strings.Split(takes, "|"), value)
		takes = "one of " + strings.ReplaceAll(takes, "|", ", ")
	}
	if !ok {
		return refuse("%q is not %s", value, takes)
	}
	return nil
}
