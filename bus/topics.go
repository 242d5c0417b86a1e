package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/event"
)

const (
	undeclaredPartitions = 3
	undeclaredRetention  = 7 * 24 * time.Hour
	dlqRetention         = 30 * 24 * time.Hour
	usualMaxMessage      = 1_048_588 // Kafka's own default
	batchOverhead        = 16 << 10  // what headers and the batch add to key and value

	appearWithin = 30 * time.Second
	appearPoll   = 50 * time.Millisecond

	configRetention  = "retention.ms"
	configMaxMessage = "max.message.bytes"
	configMinInSync  = "min.insync.replicas"
)

// TopicDifference is one way in which a topic on the broker is not what the catalogue says.
type TopicDifference struct {
	Topic            event.Topic
	What, Have, Want string
}

func (d TopicDifference) String() string {
	return fmt.Sprintf("%s: %s is %s, declared %s", d.Topic, d.What, d.Have, d.Want)
}

// topicPlan is what a topic should be.
type topicPlan struct {
	partitions int
	retention  time.Duration
	maxMessage int
	declared   bool
	state      bool // see EnsureState

	replication int               // 0: as all
	configs     map[string]string // not nil: exactly these
}

// EnsureTopics creates the topics that are missing, each with its dead-letter topic; with no topics given, those of the
// catalogue. It never changes a topic that is there: how it differs from its declaration is returned. Topics that the
// catalogue lacks get 3 partitions and 7 days.
func (b *Bus) EnsureTopics(ctx context.Context, topics ...event.Topic) ([]TopicDifference, error) {
	if len(topics) == 0 {
		for s := range b.cfg.Catalog.All() {
			topics = append(topics, b.topicOf(s.Topic))
		}
	}
	if len(topics) == 0 {
		return nil, nil
	}
	plans := make(map[event.Topic]topicPlan, 2*len(topics))
	for _, t := range topics {
		if err := legalTopic(t); err != nil {
			return nil, fmt.Errorf("ensure topics: %w", err)
		}
		plans[t] = b.planFor(t)
		if !strings.HasPrefix(string(t), "_") {
			plans[t.DLQ()] = b.planFor(t.DLQ())
		}
	}
	names := make([]string, 0, len(plans))
	for t := range plans {
		names = append(names, string(t))
		if _, ok := plans[t.Source()]; !ok { // a dead-letter topic on its own follows the topic that is there
			names = append(names, string(t.Source()))
		}
	}
	meta, brokers, err := clusterMetadata(ctx, b.client, names...)
	if err != nil {
		return nil, fmt.Errorf("ensure topics: %w", b.reach(err))
	}
	there := make(map[event.Topic]kadm.TopicDetail)
	for name, t := range meta {
		switch {
		case errors.Is(t.Err, kerr.UnknownTopicOrPartition):
		case t.Err != nil && !kerr.IsRetriable(t.Err):
			return nil, &Error{Op: "ensure topic", Topic: event.Topic(name), Partition: -1, Offset: -1, Err: b.reach(t.Err)}
		default:
			there[event.Topic(name)] = t
		}
	}
	configs, err := b.topicConfigs(ctx, slices.Sorted(maps.Keys(there)))
	if err != nil {
		return nil, fmt.Errorf("ensure topics: %w", err)
	}
	for t, p := range plans { // a dead-letter topic is measured by its topic as it is
		source, ok := there[t.Source()]
		if !t.IsDLQ() || !ok {
			continue
		}
		p.partitions = cmp.Or(len(source.Partitions), p.partitions)
		if n, err := strconv.Atoi(configs[t.Source()][configMaxMessage]); err == nil {
			p.maxMessage = n + dlqRoom
		}
		plans[t] = p
	}
	replication := cmp.Or(b.cfg.Replication, max(1, min(3, brokers)))
	if err := b.createTopics(ctx, plans, there, replication); err != nil {
		return nil, err
	}
	var diffs []TopicDifference
	for _, t := range slices.Sorted(maps.Keys(plans)) {
		if have, ok := there[t]; ok && plans[t].declared {
			diffs = append(diffs, plans[t].differences(have, configs[t], replication)...)
		}
	}
	return diffs, nil
}

// legalTopic checks what Kafka demands of a name. The catalogue does that for declarations.
func legalTopic(t event.Topic) error {
	_, err := event.NewCatalog(event.Spec{Topic: t.Source()})
	return err
}

func (b *Bus) planFor(t event.Topic) topicPlan {
	p := topicPlan{
		partitions: undeclaredPartitions,
		retention:  undeclaredRetention,
		maxMessage: max(usualMaxMessage, b.cfg.MaxEventBytes+batchOverhead),
	}
	var s event.Spec
	if s, p.declared = b.cfg.Catalog.Lookup(b.typeOf(t.Source())); p.declared {
		p.partitions, p.retention = s.Partitions, s.Retention
	}
	if t.IsDLQ() {
		p.retention = dlqRetention
		p.maxMessage += dlqRoom
	}
	return p
}

// createTopics creates what is planned and not there, with one request, and waits until it can be used.
func (b *Bus) createTopics(ctx context.Context, plans map[event.Topic]topicPlan, there map[event.Topic]kadm.TopicDetail, replication int) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	for _, t := range slices.Sorted(maps.Keys(plans)) {
		if _, ok := there[t]; ok {
			continue
		}
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic = string(t)
		rt.NumPartitions = int32(plans[t].partitions)
		rt.ReplicationFactor = int16(cmp.Or(plans[t].replication, replication))
		configs := plans[t].configs
		if configs == nil {
			configs = plans[t].settings(replication)
		}
		for _, name := range slices.Sorted(maps.Keys(configs)) {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = name, new(configs[name])
			rt.Configs = append(rt.Configs, c)
		}
		req.Topics = append(req.Topics, rt)
	}
	if len(req.Topics) == 0 {
		return nil
	}
	resp, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return fmt.Errorf("create topics: %w", b.reach(err))
	}
	var errs []error
	var made []string
	for _, t := range resp.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) { // somebody else was faster
			made = append(made, t.Topic)
			continue
		}
		if errors.Is(err, kerr.InvalidConfig) {
			message := ""
			if t.ErrorMessage != nil {
				message = *t.ErrorMessage
			}
			errs = append(errs, refusedSetting(event.Topic(t.Topic), err, message))
			continue
		}
		err = b.reach(err)
		if t.ErrorMessage != nil && *t.ErrorMessage != "" {
			err = fmt.Errorf("%w (%s)", err, *t.ErrorMessage)
		}
		errs = append(errs, &Error{Op: "create topic", Topic: event.Topic(t.Topic), Partition: -1, Offset: -1, Err: err})
	}
	if len(made) > 0 {
		errs = append(errs, b.awaitTopics(ctx, made))
	}
	return errors.Join(errs...)
}

// settings are those that the topic is created with.
func (p topicPlan) settings(replication int) map[string]string {
	configs := map[string]string{configMaxMessage: strconv.Itoa(p.maxMessage)}
	if p.state {
		maps.Copy(configs, stateConfigs())
	} else {
		configs[configRetention] = strconv.FormatInt(p.retention.Milliseconds(), 10)
	}
	if replication > 1 {
		configs[configMinInSync] = "2"
	}
	return configs
}

// awaitTopics returns once every partition of the topics has a leader.
func (b *Bus) awaitTopics(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, appearWithin)
	defer cancel()
	for {
		meta, _, err := clusterMetadata(ctx, b.client, names...)
		if err == nil {
			names = slices.DeleteFunc(names, func(name string) bool { return usable(meta[name]) })
			if len(names) == 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("create topics: wait for the leaders of %v: %w", names, context.Cause(ctx))
		case <-time.After(appearPoll):
		}
	}
}

func usable(t kadm.TopicDetail) bool {
	for _, p := range t.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return false
		}
	}
	return t.Err == nil && len(t.Partitions) > 0
}

func (p topicPlan) differences(have kadm.TopicDetail, configs map[string]string, replication int) []TopicDifference {
	var diffs []TopicDifference
	differs := func(what, have, want string) {
		if have != want {
			diffs = append(diffs, TopicDifference{Topic: event.Topic(have), What: what, Have: have, Want: want})
		}
	}
	differs("partitions", strconv.Itoa(len(have.Partitions)), strconv.Itoa(p.partitions))
	differs("replication", strconv.Itoa(have.Partitions.NumReplicas()), strconv.Itoa(replication))
	if ms, ok := configs[configRetention]; ok {
		differs("retention", readRetention(ms), p.retention.String())
	}
	if n, err := strconv.Atoi(configs[configMaxMessage]); err == nil && n < p.maxMessage {
		differs(configMaxMessage, strconv.Itoa(n), "at least "+strconv.Itoa(p.maxMessage))
	}
	for i := range diffs {
		diffs[i].Topic = event.Topic(have.Topic)
	}
	return diffs
}

func readRetention(ms string) string {
	d, err := parseRetention(ms)
	switch {
	case err != nil:
		return ms
	case d < 0:
		return "unlimited"
	}
	return d.String()
}

func parseRetention(ms string) (time.Duration, error) {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > int64(1<<63-1)/int64(time.Millisecond) {
		return -1, nil
	}
	return time.Duration(n) * time.Millisecond, nil
}

// topicConfigs are the settings of topics, those that are secret left out. It returns what it has even where it fails for some.
func (b *Bus) topicConfigs(ctx context.Context, topics []event.Topic) (configs map[event.Topic]map[string]string, err error) {
	err = newTopic(ctx, func() error {
		configs, err = b.topicConfigsNow(ctx, topics)
		return err
	})
	return configs, err
}

func (b *Bus) topicConfigsNow(ctx context.Context, topics []event.Topic) (map[event.Topic]map[string]string, error) {
	out := make(map[event.Topic]map[string]string, len(topics))
	if len(topics) == 0 {
		return out, nil
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = string(t)
	}
	described, err := b.admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", b.reach(err))
	}
	var errs []error
	for _, d := range described {
		if d.Err != nil {
			errs = append(errs, &Error{Op: "describe topic", Topic: event.Topic(d.Name), Partition: -1, Offset: -1, Err: b.reach(d.Err)})
			continue
		}
		m := make(map[string]string, len(d.Configs))
		for _, c := range d.Configs {
			if c.Value != nil && !c.Sensitive {
				m[c.Key] = *c.Value
			}
		}
		out[event.Topic(d.Name)] = m
	}
	return out, errors.Join(errs...)
}

// TopicInfo is a topic as the broker has it.
type TopicInfo struct {
	Name        event.Topic
	ID          string // a UUID; empty where the broker has none
	Partitions  []PartitionInfo
	Replication int
	Declared    bool              // in the catalogue, or the dead letters of one that is
	Retention   time.Duration     // below zero: for ever
	Configs     map[string]string // nil: the broker does not show them to us
}

// PartitionInfo is one partition of a topic. End is the offset of the next record.
type PartitionInfo struct {
	Partition, Leader int32 // Leader -1: none now
	Start, End        int64 // -1: not known, because there is no leader
	Replicas, InSync  []int32
}

// Topics describes the topics that any of the globs matches, in the order of their names; without globs all of them, dead-letter
// topics too, but no internal ones.
func (b *Bus) Topics(ctx context.Context, globs ...event.Glob) ([]TopicInfo, error) {
	if len(globs) == 0 {
		globs = []event.Glob{"*", "*.dlq"}
	}
	meta, _, err := clusterMetadata(ctx, b.client, named(globs)...)
	if err != nil {
		return nil, fmt.Errorf("topics: %w", b.reach(err))
	}
	for _, g := range globs {
		if t, ok := meta[string(g)]; !g.IsPattern() && (!ok || errors.Is(t.Err, kerr.UnknownTopicOrPartition)) {
			return nil, &Error{Op: "topics", Topic: event.Topic(g), Partition: -1, Offset: -1, Err: ErrUnknownTopic}
		}
	}
	var infos []TopicInfo
	var names []event.Topic
	for _, t := range meta.Sorted() {
		name := event.Topic(t.Topic)
		if !matchesAny(globs, name) {
			continue
		}
		if t.Err != nil && !kerr.IsRetriable(t.Err) {
			return nil, &Error{Op: "topics", Topic: name, Partition: -1, Offset: -1, Err: b.reach(t.Err)}
		}
		info := TopicInfo{Name: name, Replication: t.Partitions.NumReplicas()}
		if t.ID != (kadm.TopicID{}) {
			info.ID = uuidText(t.ID)
		}
		_, info.Declared = b.cfg.Catalog.Lookup(b.typeOf(name.Source()))
		for _, p := range t.Partitions.Sorted() {
			info.Partitions = append(info.Partitions, PartitionInfo{Partition: p.Partition, Leader: p.Leader, Start: -1, End: -1, Replicas: p.Replicas, InSync: p.ISR})
		}
		infos = append(infos, info)
		names = append(names, name)
	}
	if len(infos) == 0 {
		return nil, nil
	}
	configs, err := b.topicConfigs(ctx, names)
	if configs == nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	if err != nil { // some may not be shown to us, and some may be gone by now
		b.log.DebugContext(ctx, "topics: settings", slog.Any("error", err))
	}
	if err := b.fillOffsets(ctx, infos); err != nil {
		return nil, err
	}
	for i, t := range infos {
		infos[i].Configs = configs[t.Name]
		if d, err := parseRetention(configs[t.Name][configRetention]); err == nil {
			infos[i].Retention = d
		}
	}
	return infos, nil
}

// fillOffsets sets the start and end of every partition that has a leader.
func (b *Bus) fillOffsets(ctx context.Context, infos []TopicInfo) error {
	ask := make(map[topicPartition]*PartitionInfo)
	for i, t := range infos {
		for j, p := range t.Partitions {
			if p.Leader >= 0 {
				ask[topicPartition{t.Name, p.Partition}] = &infos[i].Partitions[j]
			}
		}
	}
	start, err := listOffsets(ctx, b.client, maps.Keys(ask), listEarliest)
	if err != nil {
		return fmt.Errorf("topics: %w", b.reach(err))
	}
	end, err := listOffsets(ctx, b.client, maps.Keys(ask), listLatest)
	if err != nil {
		return fmt.Errorf("topics: %w", b.reach(err))
	}
	for at, p := range ask {
		if s, e := start[at], end[at]; s.err == nil && e.err == nil {
			p.Start, p.End = s.offset, e.offset
		}
	}
	return nil
}

// uuidText writes id the way UUIDs are written.
func uuidText(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
