package event

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// cause is what a handler's context carries: the event it handles, and how often it has published each type so far.
type cause struct {
	envelope Envelope
	group    string
	mu       sync.Mutex
	count    map[Topic]int
}

type causeKey struct{}

// WithCause returns a context in which published events follow from e: the same correlation, its id as causation, its
// metadata, and ids derived from (e's id, group, type, n-th publish), so that a redelivered handler publishes the same ids.
func WithCause(ctx context.Context, e Envelope, group string) context.Context {
	return context.WithValue(ctx, causeKey{}, &cause{envelope: e, group: group})
}

// CauseOf returns the event that ctx follows from, if any.
func CauseOf(ctx context.Context) (Envelope, bool) {
	c, ok := ctx.Value(causeKey{}).(*cause)
	if !ok {
		return Envelope{}, false
	}
	return c.envelope, true
}

type correlationKey struct{}

// WithCorrelation returns a context in which published events carry id, unless they follow from an event.
func WithCorrelation(ctx context.Context, id CorrelationID) context.Context {
	return context.WithValue(ctx, correlationKey{}, id)
}

// New makes the envelope of an event that happens now: id, correlation, causation and metadata from ctx.
func New(ctx context.Context, typ Topic, payload []byte, from Source, now time.Time) Envelope {
	e := Envelope{Type: typ, Time: now.UTC().Truncate(time.Millisecond), Version: "1.0.0", Source: from, Payload: payload}
	if c, ok := ctx.Value(causeKey{}).(*cause); ok {
		c.mu.Lock()
		if c.count == nil {
			c.count = map[Topic]int{}
		}
		c.count[typ]++
		n := c.count[typ]
		c.mu.Unlock()
		e.ID = DeriveID(c.envelope.ID, c.group+"\x00"+string(typ)+"\x00"+strconv.Itoa(n))
		e.CorrelationID = c.envelope.CorrelationID
		e.CausationID = c.envelope.ID
		e.Metadata = c.envelope.Metadata
		return e
	}
	e.ID = NewID()
	e.CorrelationID, _ = ctx.Value(correlationKey{}).(CorrelationID)
	if e.CorrelationID == "" {
		e.CorrelationID = CorrelationID(NewID().String())
	}
	return e
}
