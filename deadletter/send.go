package deadletter

import (
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Names of headers that an event sent again carries.
const (
	headerDLQ         = "omnibus-dlq-"
	headerOrigin      = headerDLQ + "original-"
	headerGroup       = headerDLQ + "consumer-group" // which group failed, also where all get it
	headerRedrives    = headerDLQ + "redrive-count"
	headerTargetGroup = "omnibus-target-group" // other groups settle the event without handling it
	headerEditedFrom  = "omnibus-edited-from"  // where the dead letter lies whose edited event this is
)

// again is the record that sends a dead letter to a topic again: its own key, value and headers, or those of its draft; where it
// first came from, so that its next dead letter has the same identity; how often it was sent again; and for whom.
func again(d bus.DeadLetter, draft *Draft, to event.Topic, allGroups bool) bus.Record {
	rec := bus.Record{Topic: to, Key: d.Key, Value: d.Value}
	headers := d.OriginalHeaders()
	if draft != nil {
		rec.Value, headers = draft.Value, draft.Headers
	}
	for _, h := range headers {
		if h.Name != headerTargetGroup && (draft == nil || h.Name != headerEditedFrom) {
			rec.Headers = append(rec.Headers, h)
		}
	}
	add := func(name, value string) {
		rec.Headers = append(rec.Headers, bus.Header{Name: name, Value: []byte(value)})
	}
	if draft != nil {
		add(headerEditedFrom, string(d.Topic)+"/"+strconv.Itoa(int(d.Partition))+"@"+strconv.FormatInt(d.Offset, 10))
	}
	for _, h := range d.Headers {
		if strings.HasPrefix(h.Name, headerOrigin) || h.Name == headerGroup {
			rec.Headers = append(rec.Headers, h)
		}
	}
	if rec.Header(headerOrigin+"topic") == nil { // nobody of ours made it a dead letter: it came from where it lies
		add(headerOrigin+"topic", string(d.Topic))
		add(headerOrigin+"partition", strconv.Itoa(int(d.Partition)))
		add(headerOrigin+"offset", strconv.FormatInt(d.Offset, 10))
	}
	add(headerRedrives, strconv.Itoa(d.Redrives+1))
	if !allGroups && d.Group != "" {
		add(headerTargetGroup, d.Group)
	}
	return rec
}

// waves cuts letters into runs of at most size that are sent at once. In order, no two of a wave have the same key.
func waves(letters []sendable, size int, inOrder bool) [][]sendable {
	if !inOrder {
		return slices.Collect(slices.Chunk(letters, size))
	}
	var out [][]sendable
	var full int // waves before it take no more
	at := map[string]int{}
	for _, l := range letters {
		n := full
		if last, seen := at[l.lane()]; seen {
			n = max(n, last+1)
		}
		for n < len(out) && len(out[n]) >= size {
			n++
		}
		if n == len(out) {
			out = append(out, nil)
		}
		out[n] = append(out[n], l)
		at[l.lane()] = n
		for full < len(out) && len(out[full]) >= size {
			full++
		}
	}
	return out
}

// sendable is a dead letter of a batch with its bytes.
type sendable struct {
	item
	dead    bus.DeadLetter
	draft   *Draft
	arrived *place // where an earlier run has sent it without having said so
}

// lane is what keeps its order: a key of a partition, or its records without a key.
func (s sendable) lane() string {
	key := "-"
	if s.dead.Key != nil {
		key = "=" + string(s.dead.Key)
	}
	return string(s.identity.Topic) + "/" + strconv.Itoa(int(s.identity.Partition)) + "/" + key
}
