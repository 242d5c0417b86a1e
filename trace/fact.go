package trace

import (
	"strconv"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Names of headers that a record carries beside its envelope.
const (
	headerEventID     = "omnibus-event-id"
	headerEventType   = "omnibus-event-type"
	headerCorrelation = "omnibus-correlation-id"
	headerTarget      = "omnibus-target-group"
	headerEdited      = "omnibus-edited-from"
	headerRedrives    = "omnibus-dlq-redrive-count"
)

// fact is what one record says.
type fact struct {
	at       bus.Coordinates
	time     time.Time
	envelope event.Envelope
	other    event.ID        // of an event without an id that was sent again: the one that its new place gives it
	dead     *bus.DeadLetter // nil: an event, and not a dead letter
	first    time.Time       // of a dead letter and of what was sent again: when the event was written
	redrives int
	group    string // that failed
	target   string
	edited   bool
	readable bool
}

// read takes a record for what it says. The envelope is the truth; headers stand in where it cannot be read.
func read(r bus.Record) fact {
	f := fact{at: r.Coordinates(), time: r.Timestamp.UTC(), target: string(r.Header(headerTarget)), edited: r.Header(headerEdited) != nil}
	at := event.At{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp}
	f.redrives, _ = strconv.Atoi(string(r.Header(headerRedrives))) // a foreign value counts as none
	if dead := bus.ParseDeadLetter(r); r.Topic.IsDLQ() || f.redrives > 0 && dead.Origin.Offset >= 0 {
		at = event.At{Topic: dead.Origin.Topic, Partition: dead.Origin.Partition, Offset: dead.Origin.Offset, Time: dead.OriginTime}
		f.first, f.group = dead.OriginTime, dead.Group
		if r.Topic.IsDLQ() {
			if dead.FailedAt.IsZero() { // nobody of ours wrote it
				dead.FailedAt = r.Timestamp.UTC()
			}
			dead.Key, dead.Value, dead.Headers, dead.Stack = nil, nil, nil, ""
			f.dead, f.redrives = &dead, dead.Redrives
		}
	}
	e, err := event.Decode(r.Value)
	f.readable = err == nil
	if err != nil {
		e = event.Envelope{Type: event.Topic(r.Header(headerEventType)), CorrelationID: event.CorrelationID(r.Header(headerCorrelation))}
		e.ID, _ = event.ParseID(string(r.Header(headerEventID))) // none, or one that is no id: completed below
	}
	if e.ID.IsZero() && f.dead == nil && f.redrives > 0 {
		f.other = event.IDAt(r.Topic, r.Partition, r.Offset)
	}
	e.Complete(at)
	e.Payload, e.Unknown = nil, nil
	f.envelope = e
	return f
}
