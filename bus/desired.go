package bus

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// DesiredTopic is what a topic should be. What is left at zero may be as it is.
type DesiredTopic struct {
	Name        event.Topic
	Partitions  int               // where the topic is made, the default is 3
	Replication int               // where the topic is made, the default is 3, on fewer brokers as many as there are
	Configs     map[string]string // settings by Kafka's names
	AtLeast     map[string]int64  // settings of which more is as good; -1 of retention is for ever
	NoDLQ       bool              // no dead-letter topic beside it; names that begin with "_" and dead-letter topics have none anyway
}

// TopicChange is one step from what a topic is to what it should be.
type TopicChange struct {
	Topic       event.Topic       `json:"topic"`
	Do          string            `json:"do"`                   // create, grow, replicate, set or unset
	Setting     string            `json:"setting,omitzero"`     // of set and unset
	Have        string            `json:"have"`                 // empty: nothing
	Want        string            `json:"want"`                 // empty: the default
	Partitions  int               `json:"partitions,omitzero"`  // of create and grow
	Replication int               `json:"replication,omitzero"` // of create
	Configs     map[string]string `json:"configs,omitzero"`     // of create
	Left        string            `json:"left,omitzero"`        // not empty: it is not done, and why
	Warning     string            `json:"warning,omitzero"`
}

// What a step does.
const (
	stepCreate    = "create"
	stepGrow      = "grow"
	stepReplicate = "replicate"
	stepSet       = "set"
	stepUnset     = "unset"
)

// diffTopics says how to come from what is there to what is desired. It never deletes, and what takes something away it leaves
// unless shrink says otherwise. Replication is that of topics for which nothing else is desired.
func diffTopics(desired []DesiredTopic, there map[event.Topic]TopicInfo, replication int, shrink bool) []TopicChange {
	var all []TopicChange
	for _, d := range slices.SortedFunc(slices.Values(desired), func(x, y DesiredTopic) int { return strings.Compare(string(x.Name), string(y.Name)) }) {
		changes, is := diffTopic(d, there, replication, shrink)
		all = append(all, changes...)
		if d.NoDLQ || d.Name.IsDLQ() || strings.HasPrefix(string(d.Name), "_") {
			continue
		}
		letters := DesiredTopic{Name: d.Name.DLQ(), Partitions: is.partitions, Replication: d.Replication, AtLeast: map[string]int64{
			configRetention: dlqRetention.Milliseconds(), configMaxMessage: is.maxMessage + dlqRoom,
		}}
		changes, _ = diffTopic(letters, there, replication, shrink)
		all = append(all, changes...)
	}
	return all
}

// topicShape is what the dead letters of a topic have to follow, as it is once the changes were made.
type topicShape struct {
	partitions int
	maxMessage int64
}

func diffTopic(d DesiredTopic, there map[event.Topic]TopicInfo, replication int, shrink bool) ([]TopicChange, topicShape) {
	have, ok := there[d.Name]
	if !ok {
		c := creation(d, replication)
		limit, _ := strconv.ParseInt(c.Configs[configMaxMessage], 10, 64) // creation sets it
		return []TopicChange{c}, topicShape{c.Partitions, limit}
	}
	is := topicShape{partitions: max(len(have.Partitions), d.Partitions), maxMessage: usualMaxMessage}
	if n, err := strconv.ParseInt(have.Configs[configMaxMessage], 10, 64); err == nil {
		is.maxMessage = n
	}
	var changes []TopicChange
	switch n := len(have.Partitions); {
	case d.Partitions > n:
		changes = append(changes, TopicChange{
			Topic: d.Name, Do: stepGrow, Have: strconv.Itoa(n), Want: strconv.Itoa(d.Partitions), Partitions: d.Partitions,
			Warning: "keys move to other partitions: events of one key from before and after may be handled out of order",
		})
	case d.Partitions > 0 && d.Partitions < n:
		changes = append(changes, TopicChange{
			Topic: d.Name, Do: stepGrow, Have: strconv.Itoa(n), Want: strconv.Itoa(d.Partitions), Partitions: d.Partitions,
			Left: "Kafka cannot take partitions away: make a new topic",
		})
	}
	if n := have.Replication; d.Replication > 0 && d.Replication != n {
		changes = append(changes, TopicChange{
			Topic: d.Name, Do: stepReplicate, Have: strconv.Itoa(n), Want: strconv.Itoa(d.Replication),
			Left: "replicas are moved with the tools of the cluster: kafka-reassign-partitions, or rpk",
		})
	}
	if have.Configs == nil && len(d.Configs)+len(d.AtLeast) > 0 {
		changes = append(changes, TopicChange{Topic: d.Name, Do: stepSet, Left: "the broker does not show its settings to us"})
		return changes, is
	}
	wanted := maps.Clone(d.Configs)
	if wanted == nil {
		wanted = map[string]string{}
	}
	for name, least := range d.AtLeast {
		if _, exactly := d.Configs[name]; !exactly && below(name, have.Configs[name], least) {
			wanted[name] = strconv.FormatInt(least, 10)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if same(have.Configs[name], wanted[name]) {
			continue
		}
		c := setting(d.Name, name, have.Configs[name], wanted[name])
		if c.Warning != "" && !shrink {
			c.Left, c.Warning = c.Warning, ""
		} else if n, err := strconv.ParseInt(wanted[name], 10, 64); err == nil && name == configMaxMessage {
			is.maxMessage = n
		}
		changes = append(changes, c)
	}
	return changes, is
}

// creation is the step that makes a topic, with what the bus gives every topic where nothing else is desired.
func creation(d DesiredTopic, replication int) TopicChange {
	c := TopicChange{Topic: d.Name, Do: stepCreate, Partitions: d.Partitions, Replication: d.Replication, Configs: map[string]string{}}
	if c.Partitions == 0 {
		c.Partitions = undeclaredPartitions
	}
	if c.Replication == 0 {
		c.Replication = replication
	}
	retention := undeclaredRetention
	if d.Name.IsDLQ() {
		retention = dlqRetention
	}
	if policy := d.Configs["cleanup.policy"]; policy == "" || strings.Contains(policy, "delete") {
		c.Configs[configRetention] = strconv.FormatInt(retention.Milliseconds(), 10)
	}
	c.Configs[configMaxMessage] = strconv.Itoa(usualMaxMessage)
	if c.Replication > 1 {
		c.Configs[configMinInSync] = "2"
	}
	for name, least := range d.AtLeast {
		c.Configs[name] = strconv.FormatInt(least, 10)
	}
	maps.Copy(c.Configs, d.Configs)
	c.Want = fmt.Sprintf("partitions %d, replicas %d", c.Partitions, c.Replication)
	for _, name := range slices.Sorted(maps.Keys(c.Configs)) {
		c.Want += ", " + name + " " + c.Configs[name]
	}
	return c
}

// setting is the step that sets a setting; its warning says what is lost by it.
func setting(t event.Topic, name, have, want string) TopicChange {
	c := TopicChange{Topic: t, Do: stepSet, Setting: name, Have: have, Want: want}
	n, err := strconv.ParseInt(want, 10, 64)
	switch {
	case name == "cleanup.policy":
		c.Warning = "records are removed by another rule than before"
	case err != nil || !lower(name, have, n):
	case name == configRetention:
		c.Warning = fmt.Sprintf("records older than %s are deleted", time.Duration(n)*time.Millisecond)
	case name == "retention.bytes":
		c.Warning = fmt.Sprintf("records beyond %d bytes of a partition are deleted", n)
	case name == configMaxMessage:
		c.Warning = fmt.Sprintf("records above %d bytes are refused", n)
	case name == configMinInSync:
		c.Warning = "records are acknowledged by fewer copies"
	}
	return c
}

// same compares two values of a setting as what they are.
func same(have, want string) bool {
	h, err := strconv.ParseInt(have, 10, 64)
	w, err2 := strconv.ParseInt(want, 10, 64)
	if err == nil && err2 == nil {
		return h == w
	}
	return have == want
}

// lower reports whether want is below have, for ever being above all.
func lower(name, have string, want int64) bool {
	h, err := strconv.ParseInt(have, 10, 64)
	if err != nil {
		return false
	}
	if strings.HasPrefix(name, "retention.") && (h < 0 || want < 0) {
		return h < 0 && want >= 0
	}
	return want < h
}

// below reports whether have is not yet least.
func below(name, have string, least int64) bool {
	h, err := strconv.ParseInt(have, 10, 64)
	if err != nil || strings.HasPrefix(name, "retention.") && h < 0 {
		return err != nil
	}
	return h < least
}
