package bus

import (
	"errors"
	"fmt"
	"time"
)

// Verdict is what becomes of an event after a handler answered.
type Verdict int

// The verdicts.
const (
	Done      Verdict = iota // settled: the handler is through
	Skipped                  // settled: the handler chose to skip it, and that is counted
	WillRetry                // tried again later; its key waits, others go on
	WillPause                // an outage: the partition waits and one event probes
	Dead                     // to the dead letters, and settled once the broker acknowledged that
)

func (v Verdict) String() string {
	return [...]string{"done", "skipped", "retry", "pause", "dead"}[v]
}

type verdictError struct {
	verdict Verdict
	after   time.Duration // of WillRetry: at least this long; 0: by the schedule
	err     error
}

func (a *verdictError) Error() string { return a.err.Error() }
func (a *verdictError) Unwrap() error { return a.err }

// Permanent says that no later try will help: the event goes to the dead letters at once.
func Permanent(err error) error { return &verdictError{verdict: Dead, err: orUnnamed(err)} }

// Unavailable says that something the handler needs is down: the partition pauses and one event probes. It never makes a
// dead letter and uses up no attempt.
func Unavailable(err error) error { return &verdictError{verdict: WillPause, err: orUnnamed(err)} }

// RetryAfter asks for another try, not before d. It uses up an attempt.
func RetryAfter(d time.Duration, err error) error {
	return &verdictError{verdict: WillRetry, after: max(d, time.Nanosecond), err: orUnnamed(err)}
}

// Skip settles the event without handling it. It is counted, with the reason.
func Skip(reason string) error { return &verdictError{verdict: Skipped, err: errors.New(reason)} }

func orUnnamed(err error) error {
	if err == nil {
		return errors.New("no reason given")
	}
	return err
}

// Judge is the rule that turns a handler's error into a verdict, retries not yet counted. It is pure. The outermost of
// [Permanent], [Unavailable], [RetryAfter] and [Skip] decides. Where errors were joined, each is judged and the order they stand
// in is no matter: an outage before a dead letter, a dead letter before a retry, and it is skipped only if all of them say so.
func Judge(err error) Verdict {
	verdict, _ := judge(err)
	return verdict
}

// judge is Judge, and how long a retry is to wait at least.
func judge(err error) (Verdict, time.Duration) {
	for err != nil {
		switch e := err.(type) { //nolint:errorlint // the chain is walked here, as joined errors part it
		case *verdictError:
			return e.verdict, e.after
		case *contentError:
			return Dead, 0
		case interface{ Unwrap() []error }:
			return judgeAll(e.Unwrap())
		}
		next := errors.Unwrap(err)
		if next == nil {
			return WillRetry, 0
		}
		err = next
	}
	return Done, 0
}

func judgeAll(errs []error) (verdict Verdict, after time.Duration) {
	weight := [...]int{Done: 0, Skipped: 1, WillRetry: 2, Dead: 3, WillPause: 4}
	for _, err := range errs {
		v, a := judge(err)
		if weight[v] > weight[verdict] {
			verdict = v
		}
		after = max(after, a)
	}
	if verdict == Done {
		verdict = WillRetry // an error that wraps nothing
	}
	return verdict, after
}

// contentError is about the bytes, never about availability: it goes to the dead letters without a retry.
type contentError struct {
	class string
	err   error
}

func (e *contentError) Error() string { return e.err.Error() }
func (e *contentError) Unwrap() error { return e.err }

// Classes of dead letters.
const (
	ClassUndecodable   = "undecodable"       // not an event at all
	ClassInvalid       = "invalid"           // against the schema
	ClassNoDispatcher  = "no_dispatcher"     // no handler takes this event type
	ClassUpcast        = "upcast_failed"     // it could not be made an event of the type that the handler takes, see [Upcast]
	ClassUnknownSchema = "unknown_schema"    // it follows a schema that the registry does not have, and nor does the catalogue
	ClassPermanent     = "permanent"         // the handler said so
	ClassExhausted     = "retries_exhausted" // every attempt failed
	ClassKeyParked     = "key_parked"        // an earlier event of its key went to the dead letters, see ParkKey
	ClassCrashSuspect  = "crash_suspect"     // the process ended again and again while it was handled: it was not tried any more
)

// class is the class of the dead letter that err makes.
func class(err error) string {
	if c, ok := errors.AsType[*contentError](err); ok {
		return c.class
	}
	if Judge(err) == Dead {
		return ClassPermanent
	}
	return ClassExhausted
}

// PanicError is a handler's panic. It counts as a failure like any other error.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }
