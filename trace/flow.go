package trace

import (
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Flow is what is known of one correlation.
type Flow struct {
	CorrelationID event.CorrelationID
	Roots         []*Node   // what nothing in the flow caused, a track each, in the order of time
	Began, Ended  time.Time // the first and the last moment that a record speaks of
	Events        int       // different events that were seen, in their topic or as a dead letter
	Failed        int       // of them, those with a dead letter that was not sent again
	Services      []string  // that published, in the order of their names
}

// Node is one event of a flow, with what it caused.
type Node struct {
	ID          event.ID
	Type        event.Topic
	Source      event.Source
	CausationID event.ID // as the envelope has it; it may be of an event that is not there
	Said        time.Time
	// At is where the event lies; nil where it was not found and is known from its dead letters, or from its effects alone.
	At *bus.Coordinates
	// Time is when it was written there, by the record: envelopes of a handler may repeat the time of their cause. Of an event that
	// was not found it is what its dead letter says, or the time of its first effect.
	Time     time.Time
	Copies   []Copy       // further records with the same id
	Dead     []DeadLetter // in the order of their failure
	Children []*Node      // in the order of time

	Link       Link
	Answers    event.ID      // of a response: the request
	Took       time.Duration // of a response: since the request was written; may be below zero where clocks differ
	Unanswered bool          // of a request: no response was seen
	Ahead      time.Duration // above zero: the record is that much earlier than its cause's, so that clocks differ
	Cycle      bool          // its causes lead back to itself; what it says of its own cause is left out
	Missing    bool          // only named, as a cause: no record and no dead letter of it was found
	Unreadable bool          // the record is not an event; what is known is from its headers

	Count  int       // how many events it stands for: 1, or more after [Flow.Collapse]
	Until  time.Time // of more than one: the time of the last; Time is that of the first
	Hidden int       // events below it that [Flow.Cut] took away
}

// Link says how a node comes to be below another one.
type Link string

// The links.
const (
	Root          Link = ""            // below none
	ByCausation   Link = "causation"   // it names the other as its cause
	ByCorrelation Link = "correlation" // it names no cause; it is the one response of the flow that fits the one request
)

// Copy is another record with the id of an event.
type Copy struct {
	At       bus.Coordinates
	Time     time.Time
	Redrives int    // 0: published again; else it was sent again from the dead letters, for the n-th time
	Group    string // that failed, where it was sent again
	Target   string // the one group that handles it; empty: all of them
	Edited   bool   // sent again with another content
}

// DeadLetter is a failure of an event in one group. It is without key, value, headers and stack.
type DeadLetter struct {
	bus.DeadLetter

	Sent  *Copy // the copy that was sent again because of it; nil: none was seen
	Count int   // how many it stands for: 1, or more after [Flow.Collapse]
}

// Failed reports whether n has a dead letter that was not sent again.
func (n *Node) Failed() bool {
	for _, d := range n.Dead {
		if d.Sent == nil {
			return true
		}
	}
	return false
}

// All calls visit for every node, each before what it caused, with how deep it lies; roots are at 0.
func (f *Flow) All(visit func(n, parent *Node, depth int)) {
	var walk func(n, parent *Node, depth int)
	walk = func(n, parent *Node, depth int) {
		visit(n, parent, depth)
		for _, c := range n.Children {
			walk(c, n, depth+1)
		}
	}
	for _, r := range f.Roots {
		walk(r, nil, 0)
	}
}

// DeadLetters are those of all events, in the order of their failure.
func (f *Flow) DeadLetters() []DeadLetter {
	var all []DeadLetter
	f.All(func(n, _ *Node, _ int) { all = append(all, n.Dead...) })
	sortDead(all)
	return all
}
