package bus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/omninode-ai/omnibus/event"
)

// What a caller may branch on.
var (
	// ErrNotSent means that the event is certainly not in the log: it was refused before it was sent.
	ErrNotSent = errors.New("not sent")
	// ErrUnknown means that the event may be in the log, or may still arrive there. Publish it again with the same id.
	ErrUnknown = errors.New("outcome unknown")
	// ErrTooLarge means that the record is larger than the topic takes. It comes with ErrNotSent.
	ErrTooLarge = errors.New("too large")
	// ErrInvalid means that the content is wrong: bad JSON or against the schema. It comes with ErrNotSent.
	ErrInvalid = errors.New("invalid")
	// ErrUnknownTopic means that the catalogue, or the broker, lacks the topic.
	ErrUnknownTopic = errors.New("unknown topic")
	// ErrNoSchema means that no registry has the schema that is asked for.
	ErrNoSchema = errors.New("no such schema")
	// ErrUnreachable means that no broker answered.
	ErrUnreachable = errors.New("broker unreachable")
	// ErrUnauthorized means that the broker refused the login or the operation.
	ErrUnauthorized = errors.New("not authorized")
	// ErrClosed means that the bus was closed.
	ErrClosed = errors.New("bus closed")
	// ErrHandlers means that handlers overlap or cannot be used together.
	ErrHandlers = errors.New("handlers do not fit together")
	// ErrTruncated means that the log was cut under a group: events that it had not read are gone.
	ErrTruncated = errors.New("log truncated before it was read")
)

// Error says what was being done and where; Unwrap gives the cause.
type Error struct {
	Op        string // "publish", "consume", "dead letter", ...
	Topic     event.Topic
	Partition int32 // -1: not known
	Offset    int64 // -1: not known
	Err       error
}

func (e *Error) Error() string {
	s := e.Op
	if e.Topic != "" {
		s += " " + string(e.Topic)
		if e.Partition >= 0 {
			s += fmt.Sprintf("[%d]", e.Partition)
		}
		if e.Offset >= 0 {
			s += fmt.Sprintf("@%d", e.Offset)
		}
	}
	return s + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// AbandonedError reports what was still running when the drain time of a consumer was over. It will be delivered again.
type AbandonedError struct {
	Group  string
	Events []Coordinates
}

// Coordinates are where a record lies.
type Coordinates struct {
	Topic     event.Topic
	Partition int32
	Offset    int64
}

func (c Coordinates) String() string { return fmt.Sprintf("%s[%d]@%d", c.Topic, c.Partition, c.Offset) }

func (e *AbandonedError) Error() string {
	var at []string
	for i, c := range e.Events {
		if i == 3 {
			at = append(at, "…")
			break
		}
		at = append(at, c.String())
	}
	return fmt.Sprintf("consumer %s: %d events still running after the drain time: %s", e.Group, len(e.Events), strings.Join(at, ", "))
}

// UnresolvedError reports events whose outcome was not known when the bus closed.
type UnresolvedError struct{ Count int }

func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("close: the outcome of %d events is not known", e.Count)
}

// Is makes errors.Is(err, ErrUnknown) hold.
func (e *UnresolvedError) Is(target error) bool { return target == ErrUnknown }
