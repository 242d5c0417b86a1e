package broker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/event"
)

// Fault is something that a broker does wrong on purpose, so that services can be tested against it.
type Fault struct {
	// ID is given by [Faults.Add].
	ID int
	// Key says which requests fail: one of [FaultKeys].
	Key string
	// Topic selects them by topic; '*' stands for any characters. Default: all topics.
	Topic string
	// Error is the answer, by Kafka's name for it: NOT_LEADER_OR_FOLLOWER, say. A request that is answered with one has not been
	// done, but for REQUEST_TIMED_OUT and NOT_ENOUGH_REPLICAS_AFTER_APPEND. [FaultDrop] does it and hangs up in place of the
	// answer. Default: the right answer, after Delay.
	Error string
	// Count is how many requests fail. Default: all until the fault is cleared.
	Count int
	// Delay is how much later than usual the answer comes. Default: not at all.
	Delay time.Duration
	// Hits counts the requests that met the fault.
	Hits int
}

// FaultDrop is the [Fault.Error] of a lost answer: the request is done, and the connection breaks before the client knows.
const FaultDrop = "DROP"

// faultKeys lists the requests by what people call them.
func faultKeys() map[string][]kmsg.Key {
	return map[string][]kmsg.Key{
		"produce":     {kmsg.Produce},
		"fetch":       {kmsg.Fetch},
		"commit":      {kmsg.OffsetCommit},
		"committed":   {kmsg.OffsetFetch},
		"offsets":     {kmsg.ListOffsets},
		"metadata":    {kmsg.Metadata},
		"create":      {kmsg.CreateTopics},
		"init":        {kmsg.InitProducerID},
		"coordinator": {kmsg.FindCoordinator},
		"join":        {kmsg.JoinGroup, kmsg.SyncGroup},
		"heartbeat":   {kmsg.Heartbeat},
	}
}

// FaultKeys lists what [Fault.Key] may be.
func FaultKeys() []string { return slices.Sorted(maps.Keys(faultKeys())) }

// FaultErrors lists what [Fault.Error] may be.
func FaultErrors() []string {
	names := append(slices.Collect(maps.Keys(kafkaErrors())), FaultDrop)
	slices.Sort(names)
	return names
}

// kafkaErrors are Kafka's errors by name, with the names that newer versions gave to old ones.
func kafkaErrors() map[string]*kerr.Error {
	byName := map[string]*kerr.Error{
		"NOT_LEADER_OR_FOLLOWER":       kerr.NotLeaderForPartition,
		"COORDINATOR_LOAD_IN_PROGRESS": kerr.CoordinatorLoadInProgress,
	}
	const lastCode = 200 // there are fewer
	for code := int16(-1); code < lastCode; code++ {
		if code == 0 {
			continue
		}
		if e := kerr.TypedErrorForCode(code); e.Code == code {
			byName[e.Message] = e
		}
	}
	return byName
}

// FaultError says which field of a [Fault] is wrong, and what it may be where that is one of a list.
type FaultError struct {
	Field string // as in Fault
	Value string
	Known []string
	Why   string
}

func (e *FaultError) Error() string {
	if e.Why != "" {
		return fmt.Sprintf("fault %s %q: %s", strings.ToLower(e.Field), e.Value, e.Why)
	}
	return fmt.Sprintf("fault %s %q is not known", strings.ToLower(e.Field), e.Value)
}

// Check returns a [*FaultError] where the fault cannot be.
func (f Fault) Check() error {
	keys, ok := faultKeys()[f.Key]
	if !ok {
		return &FaultError{Field: "Key", Value: f.Key, Known: FaultKeys()}
	}
	if _, ok := kafkaErrors()[f.Error]; !ok && f.Error != FaultDrop && f.Error != "" {
		return &FaultError{Field: "Error", Value: f.Error, Known: FaultErrors()}
	}
	switch {
	case f.Topic != "" && !namesTopics(keys):
		return &FaultError{Field: "Topic", Value: f.Topic, Why: "requests of key " + f.Key + " name no topic"}
	case f.Count < 0:
		return &FaultError{Field: "Count", Value: strconv.Itoa(f.Count), Why: "it is negative"}
	case f.Delay < 0:
		return &FaultError{Field: "Delay", Value: f.Delay.String(), Why: "it is negative"}
	case f.Error == "" && f.Delay == 0:
		return &FaultError{Field: "Error", Known: FaultErrors(), Why: "a fault without a delay needs one"}
	}
	return nil
}

func (f Fault) String() string {
	var s strings.Builder
	s.WriteString(f.Key)
	if f.Topic != "" {
		s.WriteString(" of " + f.Topic)
	}
	if f.Delay > 0 {
		s.WriteString(" is answered " + f.Delay.String() + " late")
	}
	if f.Delay > 0 && f.Error != "" {
		s.WriteString(" and")
	}
	switch f.Error {
	case "":
	case FaultDrop:
		s.WriteString(" loses the answer")
	default:
		s.WriteString(" fails with " + f.Error)
	}
	return s.String()
}

// selects says which of a request's topics the fault is about, and whether it is about the request at all.
func (f Fault) selects(topics []string) (which []string, ok bool) {
	if f.Topic == "" {
		return nil, true
	}
	for _, t := range topics {
		if event.Glob(f.Topic).Match(event.Topic(t)) {
			which = append(which, t)
		}
	}
	return which, len(which) > 0
}
