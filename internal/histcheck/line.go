package histcheck

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Kind is what a line of a ledger says.
type Kind string

// The kinds. What is in brackets is what a line of the kind carries besides its process and time.
const (
	Invoke  Kind = "pub.invoke"  // a publish begins [Event, Topic]
	OK      Kind = "pub.ok"      // it was acknowledged [Event, at]
	Fail    Kind = "pub.fail"    // it is certainly not in the log [Event, Note: why]
	Unknown Kind = "pub.unknown" // it may be in the log, or get there yet [Event, Note: why]

	Start   Kind = "start"   // a handler begins [Group, Event, at, Attempt, Run]
	Done    Kind = "done"    // it succeeded [Group, at, Run]
	Retry   Kind = "retry"   // it failed, and what becomes of the event is open [Group, at, Attempt, Run, Note: why]
	Skip    Kind = "skip"    // it chose to skip the event [Group, at, Run]
	DeadAck Kind = "dlq.ack" // a dead letter was acknowledged [Group, at: of the event]

	Commit Kind = "commit" // positions were sent [Group, at: the watermark, Taken, Note: why it was refused]
	Assign Kind = "assign" // a partition was given to the process [Group, at: where it goes on reading]
	Revoke Kind = "revoke" // it was given back in order [Group, Topic, Partition]
	Lost   Kind = "lost"   // it was found to be another's already [Group, Topic, Partition]

	Exit Kind = "exit" // the end of the process [Note: empty when it was clean]

	FaultOn  Kind = "fault.on"  // [Note: which]
	FaultOff Kind = "fault.off" // [Note: which]
	Reach    Kind = "reach"     // something rare happened [Note: its marker]
)

// Foreign is the note of a publish that failed because another caller gave up.
const Foreign = "another caller gave up"

// Line is one line of a ledger.
type Line struct {
	Kind    Kind   `json:"k"`
	Process string `json:"p"`
	Wall    int64  `json:"w"` // nanoseconds since 1970
	Mono    int64  `json:"m"` // nanoseconds since the ledger was opened

	Group     string `json:"g,omitzero"`
	Topic     string `json:"t,omitzero"`
	Partition int32  `json:"tp,omitzero"`
	Offset    int64  `json:"o,omitzero"`
	Event     *Event `json:"e,omitempty"`
	Attempt   int    `json:"a,omitzero"`
	Run       int64  `json:"r,omitzero"`     // which call of a handler in this process
	Taken     int64  `json:"taken,omitzero"` // when the position was read, as Wall
	Note      string `json:"n,omitzero"`
}

// AppendJSON appends the line with its line feed.
func (l Line) AppendJSON(b []byte) ([]byte, error) {
	raw, err := jsonx.Marshal(l)
	if err != nil {
		return b, fmt.Errorf("encode ledger line: %w", err)
	}
	return append(append(b, raw...), '\n'), nil
}

// ParseLine reads a line, without its line feed. What it accepts is complete: an end that was torn off is an error.
func ParseLine(b []byte) (Line, error) {
	var l Line
	if err := jsonx.Unmarshal(bytes.TrimSuffix(b, []byte{'\r'}), &l); err != nil {
		return Line{}, err
	}
	if l.Kind == "" || l.Process == "" {
		return Line{}, errors.New("ledger line without kind or process")
	}
	if needsEvent[l.Kind] && l.Event == nil {
		return Line{}, fmt.Errorf("ledger line %s without an event", l.Kind)
	}
	if l.Event != nil && !l.Event.plausible() {
		return Line{}, fmt.Errorf("ledger line %s of event %s/%d, number %d of its key", l.Kind, l.Event.Producer, l.Event.Seq, l.Event.KeySeq)
	}
	if l.Partition < 0 || l.Offset < -1 {
		return Line{}, fmt.Errorf("ledger line %s at %s[%d]@%d", l.Kind, l.Topic, l.Partition, l.Offset)
	}
	return l, nil
}

var needsEvent = map[Kind]bool{Invoke: true, OK: true, Fail: true, Unknown: true, Start: true}

// String is the line for people.
func (l Line) String() string {
	s := fmt.Sprintf("%s %-12s %-11s", time.Unix(0, l.Wall).UTC().Format("15:04:05.000000"), l.Process, l.Kind)
	if l.Group != "" {
		s += " group " + l.Group
	}
	if l.Topic != "" {
		s += fmt.Sprintf(" %s[%d]@%d", l.Topic, l.Partition, l.Offset)
	}
	if e := l.Event; e != nil {
		s += fmt.Sprintf(" %s/%d key %s/%d", e.Producer, e.Seq, e.Key, e.KeySeq)
	}
	if l.Attempt > 0 {
		s += fmt.Sprintf(" attempt %d", l.Attempt)
	}
	if l.Note != "" {
		s += ": " + l.Note
	}
	return s
}
