package deadletter

import (
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// State is what became of a dead letter.
type State string

// The states. Where nothing was decided, a dead letter is pending; one that fails again is pending again, whatever it was.
const (
	Pending     State = "pending"
	Drafted     State = "draft"       // pending, with an edited event that the next retry sends
	Sent        State = "sent"        // sent again and acknowledged
	Resolved    State = "resolved"    // dealt with otherwise, says a note
	Purged      State = "purged"      // to be forgotten; the record stays until retention takes it
	Quarantined State = "quarantined" // has come back too often
)

// States lists them all.
func States() []State { return []State{Pending, Drafted, Sent, Resolved, Purged, Quarantined} }

// Letter is a dead letter with what was decided about it. The embedded one is its newest copy; where letters come in numbers it
// is without key, value, headers and stack: see [Desk.Show].
type Letter struct {
	bus.DeadLetter

	ID            string
	Identity      Identity
	EventType     event.Topic
	EventID       event.ID
	CorrelationID event.CorrelationID
	Bytes         int // of key and value
	Copies        int // records with this identity
	State         State
	Decision      *Decision // the last one; nil where there is none about this copy
	Draft         *Draft    // nil where there is none about this copy
}

// Decision is what an operator, or a job, decided about a dead letter.
type Decision struct {
	State State            `json:"state"`
	Job   string           `json:"job,omitzero"`
	By    string           `json:"by"`
	At    time.Time        `json:"at"`
	Note  string           `json:"note,omitzero"`
	To    *bus.Coordinates `json:"-"` // where it was sent
}

// edition tells the copies of a dead letter apart that mean another failure: each has its redrive count, time and place.
type edition struct {
	Redrives  int         `json:"redrives"`
	FailedAt  time.Time   `json:"failed_at"`
	Topic     event.Topic `json:"topic"`
	Partition int32       `json:"partition"`
	Offset    int64       `json:"offset"`
}

func editionOf(d bus.DeadLetter) edition {
	return edition{Redrives: d.Redrives, FailedAt: d.FailedAt.UTC(), Topic: d.Topic, Partition: d.Partition, Offset: d.Offset}
}

func (e edition) coordinates() bus.Coordinates {
	return bus.Coordinates{Topic: e.Topic, Partition: e.Partition, Offset: e.Offset}
}

// newer orders the copies of one dead letter: by redrive count, then by the log where that has an order, else by the clocks of the
// instances that failed.
func (e edition) newer(than edition) bool {
	switch {
	case e.Redrives != than.Redrives:
		return e.Redrives > than.Redrives
	case e.Topic == than.Topic && e.Partition == than.Partition:
		return e.Offset > than.Offset
	}
	return e.FailedAt.After(than.FailedAt)
}

// covers reports whether what was decided about e also holds for the copy o. It errs on the side of not: a failure that nobody
// has seen must not be hidden. So o must not be later by any measure: by redrive count, by the clock of the instance that failed,
// nor, within a partition, by its place in the log.
func (e edition) covers(o edition) bool {
	if o.Redrives != e.Redrives {
		return o.Redrives < e.Redrives
	}
	if o.Topic == e.Topic && o.Partition == e.Partition && o.Offset > e.Offset {
		return false
	}
	return !o.FailedAt.After(e.FailedAt)
}

// read makes the letter of a record, its state not yet known.
func read(d bus.DeadLetter) Letter {
	identity := IdentityOf(d)
	if d.FailedAt.IsZero() { // nobody of ours wrote it
		d.FailedAt = d.Timestamp
	}
	l := Letter{
		DeadLetter: d, ID: identity.ID(), Identity: identity, State: Pending, Copies: 1, Bytes: len(d.Key) + len(d.Value),
		EventType: event.Topic(d.Header("omnibus-event-type")), CorrelationID: event.CorrelationID(d.Header("omnibus-correlation-id")),
	}
	l.EventID, _ = event.ParseID(string(d.Header("omnibus-event-id"))) // none, or one that is no id: completed below
	if l.EventType == "" || l.CorrelationID == "" || l.EventID.IsZero() {
		if e, err := event.Decode(d.Value); err == nil {
			e.Complete(event.At{Topic: d.Origin.Topic, Partition: d.Origin.Partition, Offset: d.Origin.Offset, Time: d.OriginTime})
			l.EventType, l.CorrelationID, l.EventID = e.Type, e.CorrelationID, e.ID
		}
	}
	if l.EventType == "" {
		l.EventType = d.Origin.Topic.Source()
	}
	return l
}

// light is l without what takes memory.
func (l Letter) light() Letter {
	l.Key, l.Value, l.Headers, l.Stack = nil, nil, nil, ""
	return l
}
