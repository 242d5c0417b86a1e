package bus

import (
	"context"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// Delivery is one event on its way to a handler.
type Delivery struct {
	Record
	Envelope event.Envelope // what the handler should look at: completed, with aliases and defaults applied
	Group    string         // that it is delivered to; empty for a broadcast
	Attempt  int            // 1 at first

	UpcastFrom event.Topic // the type that it was published as, where an [Upcaster] made it that of Envelope; else empty
}

// Event is a delivery whose payload was decoded into a T.
type Event[T any] struct {
	Delivery
	Payload T
}

type (
	// HandlerFunc handles one event. Its answer: nil is done; [Permanent], [Unavailable], [RetryAfter] and [Skip] say what
	// they say; any other error is tried again after 1, 2 and 4 seconds and then becomes a dead letter.
	HandlerFunc func(ctx context.Context, d Delivery) error
	// Middleware wraps a handler.
	Middleware func(next HandlerFunc) HandlerFunc
	// BatchFunc handles records as they are, in log order.
	BatchFunc func(ctx context.Context, rs []Record) error
	// HandlerOption changes one handler.
	HandlerOption func(*Handler)
)

// Handler is what a consumer runs: made by [Handle], [HandleType], [HandlePattern], [HandleBatch] or [HandleObject].
type Handler struct {
	topics event.Glob             // by topic name; or
	typ    event.Topic            // by event type, whose topic the bus knows
	takes  func(event.Topic) bool // further choice by event type; nil takes all
	fn     HandlerFunc
	batch  BatchFunc
	limits Batch
	use    []Middleware
	retry  []time.Duration // nil: the consumer's
}

// Handle handles the events whose payload is a T.
func Handle[T event.Payload](fn func(ctx context.Context, e Event[T]) error, opts ...HandlerOption) Handler {
	var zero T
	return HandleType(zero.EventTopic(), func(ctx context.Context, d Delivery) error {
		e := Event[T]{Delivery: d}
		if err := decodePayload(d.Envelope.Payload, &e.Payload); err != nil {
			return err
		}
		return fn(ctx, e)
	}, opts...)
}

// HandleType handles the events of one type, their payload left as it is.
func HandleType(typ event.Topic, fn HandlerFunc, opts ...HandlerOption) Handler {
	return Handler{typ: typ, fn: fn}.with(opts)
}

// HandlePattern handles every topic that glob matches; topics that appear later are read from their beginning.
func HandlePattern(glob event.Glob, fn HandlerFunc, opts ...HandlerOption) Handler {
	return Handler{topics: glob, fn: fn}.with(opts)
}

// HandleBatch is for sinks: the records of the matching topics as they are, in batches of one partition each. A [BatchError]
// settles the rest. It does not decode or validate.
func HandleBatch(glob event.Glob, limits Batch, fn BatchFunc, opts ...HandlerOption) Handler {
	return Handler{topics: glob, batch: fn, limits: limits.withDefaults()}.with(opts)
}

func (h Handler) with(opts []HandlerOption) Handler {
	for _, o := range opts {
		o(&h)
	}
	return h
}

// Use wraps the handler; the first middleware is the outermost. It has no effect on batches.
func Use(mw ...Middleware) HandlerOption {
	return func(h *Handler) { h.use = append(h.use, mw...) }
}

// Retry sets the waits before the second, third, ... attempt. Retry() means that there is only one attempt.
func Retry(after ...time.Duration) HandlerOption {
	return func(h *Handler) { h.retry = append([]time.Duration{}, after...) }
}

// Batch limits a batch.
type Batch struct {
	Max    int           // default 500 records
	Linger time.Duration // default 100 ms: how long the first record waits for company
}

func (b Batch) withDefaults() Batch {
	setDefault(&b.Max, 500)
	setDefault(&b.Linger, 100*time.Millisecond)
	return b
}

// BatchError says why, by the index in the batch. What it does not name is settled.
type BatchError map[int]error

func (e BatchError) Error() string {
	for _, err := range e {
		if len(e) == 1 {
			return err.Error()
		}
	}
	return "several records of the batch failed"
}

// Consumer says how to consume. Group or Broadcast must be set.
type Consumer struct {
	Group       string          // consumer group: its members share the events
	Broadcast   bool            // every instance sees every event: no group, no commits, from the latest unless From says otherwise
	From        Start           // where a group without a committed position begins; default: the earliest event
	MaxInFlight int             // default 100: handlers that run at once
	Retry       []time.Duration // default 1 s, 2 s, 4 s; empty but not nil: none
	Use         []Middleware
	DrainWithin time.Duration // default 30 s: how long running handlers may go on after the end
	StaticID    string        // static membership: the same name after a restart keeps the partitions

	OnExhausted Exhausted // default: a dead letter

	SessionTimeout time.Duration // default 10 s: after a kill, how long until others take over
	StuckAfter     time.Duration // default 1 min: a handler that runs for longer is reported as stuck; below zero: never
}

// Exhausted says what becomes of an event that no further attempt can help: its attempts are used up, its handler said
// [Permanent], or its content is bad. A crash suspect becomes a dead letter in any case.
type Exhausted int

// What becomes of an event that no further attempt can help.
const (
	ToDeadLetter  Exhausted = iota // it goes to the dead letters, and later events of its key go on
	ParkKey                        // it does, and later events of its key follow, in order, until [Bus.ReleaseKey]; not with batch handlers
	StopPartition                  // it stays unsettled and nothing later of its partition begins, until the consumer starts anew; see [Bus.Degraded]
)

func (e Exhausted) String() string {
	return [...]string{"dlq", "dlq_and_park_key", "stop_partition"}[e]
}

// Start is where reading begins.
type Start int

// Where reading begins.
const (
	DefaultStart Start = iota // a group: Earliest; broadcast: Latest
	Earliest
	Latest
)

// DefaultRetry are the waits before the second, third and fourth attempt.
func DefaultRetry() []time.Duration {
	return []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}
}

func (c Consumer) withDefaults() Consumer {
	setDefault(&c.MaxInFlight, 100)
	setDefault(&c.DrainWithin, 30*time.Second)
	setDefault(&c.SessionTimeout, 10*time.Second)
	setDefault(&c.StuckAfter, time.Minute)
	if c.From == DefaultStart {
		c.From = Earliest
		if c.Broadcast {
			c.From = Latest
		}
	}
	if c.Retry == nil {
		c.Retry = DefaultRetry()
	}
	return c
}

// Reads is the topics of b that h reads: those of older types too, where upcasters make them h's.
func (h Handler) Reads(b *Bus) []event.Glob { return h.globs(b) }

// Deliver hands one event to the handler, its own middleware around it, with no broker and no consumer: for tests. A batch
// handler gets a batch of one.
func (h Handler) Deliver(ctx context.Context, d Delivery) error {
	if h.batch != nil {
		return h.batch(ctx, []Record{d.Record})
	}
	fn := h.fn
	for _, mw := range slices.Backward(h.use) {
		fn = mw(fn)
	}
	return fn(ctx, d)
}
