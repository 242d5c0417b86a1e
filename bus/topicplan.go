package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// TopicPlan is how to come from the topics that are there to those that are desired. It can be kept as JSON.
type TopicPlan struct {
	Changes []TopicChange          `json:"changes"`
	IDs     map[event.Topic]string `json:"ids"` // of the topics that are there
}

// Doable counts the changes that are made by [Bus.ApplyTopics].
func (p TopicPlan) Doable() (n int) {
	for _, c := range p.Changes {
		if c.Left == "" {
			n++
		}
	}
	return n
}

// PlanTopics compares the topics of the cluster with what is desired, and changes nothing. Without desired, that is the
// catalogue: its topics as [Bus.EnsureTopics] makes them. Each comes with its dead-letter topic. Nothing is ever deleted; what
// takes something away, such as a shorter retention, is in the plan but left as it is, unless shrink says otherwise.
func (b *Bus) PlanTopics(ctx context.Context, shrink bool, desired ...DesiredTopic) (TopicPlan, error) {
	failed := func(err error) (TopicPlan, error) { return TopicPlan{}, fmt.Errorf("plan topics: %w", err) }
	if len(desired) == 0 {
		for s := range b.cfg.Catalog.All() {
			desired = append(desired, DesiredTopic{Name: b.topicOf(s.Topic)})
		}
	}
	var names []event.Topic
	for i, d := range desired {
		if err := legalTopic(d.Name); err != nil {
			return failed(err)
		}
		names = append(names, d.Name, d.Name.DLQ())
		desired[i] = b.declared(d)
	}
	there, brokers, err := b.topicsThere(ctx, names)
	if err != nil {
		return failed(err)
	}
	for _, d := range desired {
		for _, name := range slices.Sorted(maps.Keys(d.Configs)) {
			if err := legalSetting(d.Name, name, d.Configs[name], there[d.Name].Configs); err != nil {
				return failed(err)
			}
		}
	}
	replication := cmp.Or(b.cfg.Replication, max(1, min(3, brokers)))
	return planOf(diffTopics(desired, there, replication, shrink), there), nil
}

// PlanTopicSettings is how to set and unset settings of one topic. Unsetting what is not set for this topic is no change. A
// setting or value that cannot be is a [SettingError], also from [Bus.PlanTopics].
func (b *Bus) PlanTopicSettings(ctx context.Context, t event.Topic, set map[string]string, unset ...string) (TopicPlan, error) {
	failed := func(err error) (TopicPlan, error) {
		return TopicPlan{}, &Error{Op: "plan settings", Topic: t, Partition: -1, Offset: -1, Err: err}
	}
	own, err := b.TopicSettings(ctx, t)
	if err != nil {
		return failed(err)
	}
	there, _, err := b.topicsThere(ctx, []event.Topic{t})
	if err != nil {
		return failed(err)
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if err := legalSetting(t, name, set[name], there[t].Configs); err != nil {
			return failed(err)
		}
	}
	changes, _ := diffTopic(DesiredTopic{Name: t, Configs: set}, there, 0, true)
	for _, name := range slices.Sorted(slices.Values(unset)) {
		for _, s := range own {
			if s.Name == name && s.Origin == OriginTopic {
				changes = append(changes, TopicChange{Topic: t, Do: stepUnset, Setting: name, Have: s.Value})
			}
		}
	}
	return planOf(changes, there), nil
}

func planOf(changes []TopicChange, there map[event.Topic]TopicInfo) TopicPlan {
	p := TopicPlan{Changes: changes, IDs: map[event.Topic]string{}}
	for _, c := range changes {
		if t, ok := there[c.Topic]; ok {
			p.IDs[c.Topic] = t.ID
		}
	}
	return p
}

// declared completes d with what the catalogue says of the topic.
func (b *Bus) declared(d DesiredTopic) DesiredTopic {
	p := b.planFor(d.Name)
	if !p.declared || d.Name.IsDLQ() {
		return d
	}
	d.Partitions = cmp.Or(d.Partitions, p.partitions)
	if _, said := d.Configs[configRetention]; !said {
		d.Configs = maps.Clone(d.Configs)
		if d.Configs == nil {
			d.Configs = map[string]string{}
		}
		d.Configs[configRetention] = strconv.FormatInt(p.retention.Milliseconds(), 10)
	}
	if _, said := d.AtLeast[configMaxMessage]; !said {
		d.AtLeast = maps.Clone(d.AtLeast)
		if d.AtLeast == nil {
			d.AtLeast = map[string]int64{}
		}
		d.AtLeast[configMaxMessage] = int64(p.maxMessage)
	}
	return d
}

// topicsThere describes those of names that exist, and says how many brokers there are.
func (b *Bus) topicsThere(ctx context.Context, names []event.Topic) (map[event.Topic]TopicInfo, int, error) {
	asked := make([]string, len(names))
	for i, n := range names {
		asked[i] = string(n)
	}
	meta, brokers, err := clusterMetadata(ctx, b.client, asked...)
	if err != nil {
		return nil, 0, b.reach(err)
	}
	var globs []event.Glob
	for name, t := range meta {
		if !errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
			globs = append(globs, event.Glob(name))
		}
	}
	out := make(map[event.Topic]TopicInfo, len(globs))
	if len(globs) == 0 {
		return out, brokers, nil
	}
	infos, err := b.Topics(ctx, globs...)
	for _, t := range infos {
		out[t.Name] = t
	}
	return out, brokers, err
}

// ApplyTopics makes the changes of p that are not left, and returns once the cluster shows them all. Where the cluster is not any
// more what p was made for it is a [StalePlanError], and nothing is changed; settings that the broker refuses are a
// [SettingError].
func (b *Bus) ApplyTopics(ctx context.Context, p TopicPlan) error {
	failed := func(err error) error { return fmt.Errorf("apply topics: %w", err) }
	changes := slices.DeleteFunc(slices.Clone(p.Changes), func(c TopicChange) bool { return c.Left != "" })
	names := topicsOf(changes)
	there, _, err := b.topicsThere(ctx, names)
	if err != nil {
		return failed(err)
	}
	if err := p.stillHolds(changes, there); err != nil {
		return failed(err)
	}
	if err := b.makeTopics(ctx, changes); err != nil {
		return failed(err)
	}
	if err := b.grow(ctx, changes); err != nil {
		return failed(err)
	}
	if err := b.alter(ctx, changes); err != nil {
		return failed(err)
	}
	ctx, cancel := context.WithTimeout(ctx, appearWithin)
	defer cancel()
	for {
		there, _, err := b.topicsThere(ctx, names)
		missing := notYet(changes, there)
		if err == nil && missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return failed(errors.Join(fmt.Errorf("the cluster took it and does not show it: %s: %w", missing, context.Cause(ctx)), err))
		case <-time.After(appearPoll):
		}
	}
}

func topicsOf(changes []TopicChange) []event.Topic {
	var names []event.Topic
	for _, c := range changes {
		names = append(names, c.Topic)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// stillHolds checks that the cluster is what p was made for.
func (p TopicPlan) stillHolds(changes []TopicChange, there map[event.Topic]TopicInfo) error {
	var changed []string
	say := func(format string, args ...any) { changed = append(changed, fmt.Sprintf(format, args...)) }
	for _, c := range changes {
		t, ok := there[c.Topic]
		switch {
		case c.Do == stepCreate && ok:
			say("%s is there now", c.Topic)
		case c.Do == stepCreate:
		case !ok:
			say("%s is gone", c.Topic)
		case t.ID != p.IDs[c.Topic]:
			say("%s was deleted and made anew", c.Topic)
		case c.Do == stepGrow && strconv.Itoa(len(t.Partitions)) != c.Have:
			say("%s had %s partitions, and has %d now", c.Topic, c.Have, len(t.Partitions))
		case (c.Do == stepSet || c.Do == stepUnset) && t.Configs[c.Setting] != c.Have:
			say("%s of %s was %s, and is %s now", c.Setting, c.Topic, cmp.Or(c.Have, "unset"), cmp.Or(t.Configs[c.Setting], "unset"))
		}
	}
	if changed != nil {
		return &StalePlanError{changed}
	}
	return nil
}

// notYet names a change that the cluster does not show, "" where it shows all. What a setting is once it is unset is the
// broker's business.
func notYet(changes []TopicChange, there map[event.Topic]TopicInfo) string {
	for _, c := range changes {
		t, ok := there[c.Topic]
		switch {
		case !ok:
			return string(c.Topic)
		case (c.Do == stepCreate || c.Do == stepGrow) && len(t.Partitions) != c.Partitions:
			return fmt.Sprintf("the partitions of %s", c.Topic)
		case c.Do == stepSet && t.Configs != nil && !same(t.Configs[c.Setting], c.Want):
			return c.Setting + " of " + string(c.Topic)
		}
	}
	return ""
}

// makeTopics creates the topics that are to be created.
func (b *Bus) makeTopics(ctx context.Context, changes []TopicChange) error {
	plans := map[event.Topic]topicPlan{}
	for _, c := range changes {
		if c.Do == stepCreate {
			plans[c.Topic] = topicPlan{partitions: c.Partitions, replication: c.Replication, configs: c.Configs}
		}
	}
	return b.createTopics(ctx, plans, nil, 1)
}

func (b *Bus) grow(ctx context.Context, changes []TopicChange) error {
	for _, c := range changes {
		if c.Do != stepGrow {
			continue
		}
		done, err := b.admin.UpdatePartitions(ctx, c.Partitions, string(c.Topic))
		if err == nil {
			err = done[string(c.Topic)].Err
		}
		if err != nil {
			return &Error{Op: "add partitions", Topic: c.Topic, Partition: -1, Offset: -1, Err: b.reach(err)}
		}
	}
	return nil
}

// alter sets and unsets settings: those of one topic at once, or not at all.
func (b *Bus) alter(ctx context.Context, changes []TopicChange) error {
	alters := map[event.Topic][]kadm.AlterConfig{}
	for _, c := range changes {
		switch c.Do {
		case stepSet:
			alters[c.Topic] = append(alters[c.Topic], kadm.AlterConfig{Op: kadm.SetConfig, Name: c.Setting, Value: &c.Want})
		case stepUnset:
			alters[c.Topic] = append(alters[c.Topic], kadm.AlterConfig{Op: kadm.DeleteConfig, Name: c.Setting})
		}
	}
	for _, t := range slices.Sorted(maps.Keys(alters)) {
		answers, err := b.admin.AlterTopicConfigs(ctx, alters[t], string(t))
		if err != nil {
			return &Error{Op: "set", Topic: t, Partition: -1, Offset: -1, Err: b.reach(err)}
		}
		for _, a := range answers {
			switch {
			case errors.Is(a.Err, kerr.InvalidConfig), errors.Is(a.Err, kerr.InvalidRequest):
				return refusedSetting(t, a.Err, a.ErrMessage)
			case a.Err != nil:
				return &Error{Op: "set", Topic: t, Partition: -1, Offset: -1, Err: b.reach(a.Err)}
			}
		}
	}
	return nil
}

func refusedSetting(t event.Topic, err error, message string) error {
	why := message
	if code, ok := errors.AsType[*kerr.Error](err); ok && why == "" {
		why = code.Description
	}
	return &SettingError{Topic: t, Why: "the broker refuses it: " + why}
}

// TopicSetting is one setting of a topic, and where its value is from.
type TopicSetting struct {
	Name   string
	Value  string // empty where it is secret
	Origin string // OriginTopic, OriginBroker or OriginDefault
	Secret bool
}

// Where a setting is from.
const (
	OriginTopic   = "topic"   // it was set for this topic
	OriginBroker  = "broker"  // the cluster or a broker sets it for all topics
	OriginDefault = "default" // nobody set it
)

// TopicSettings lists the settings of a topic in the order of their names.
func (b *Bus) TopicSettings(ctx context.Context, t event.Topic) ([]TopicSetting, error) {
	failed := func(err error) ([]TopicSetting, error) {
		return nil, &Error{Op: "describe topic", Topic: t, Partition: -1, Offset: -1, Err: err}
	}
	described, err := b.admin.DescribeTopicConfigs(ctx, string(t))
	if err != nil {
		return failed(b.reach(err))
	}
	var out []TopicSetting
	for _, d := range described {
		if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			return failed(ErrUnknownTopic)
		}
		if d.Err != nil {
			return failed(b.reach(d.Err))
		}
		for _, c := range d.Configs {
			out = append(out, TopicSetting{Name: c.Key, Value: c.MaybeValue(), Origin: origin(c.Source), Secret: c.Sensitive})
		}
	}
	slices.SortFunc(out, func(x, y TopicSetting) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

func origin(s kmsg.ConfigSource) string {
	switch s {
	case kmsg.ConfigSourceDynamicTopicConfig:
		return OriginTopic
	case kmsg.ConfigSourceDefaultConfig:
		return OriginDefault
	default:
		return OriginBroker
	}
}
