package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// Upcaster makes of the payload of an older event type, as it is read, that of a later one. [Upcast] and [UpcastType] make it.
type Upcaster struct {
	from, to event.Topic
	fn       func(ctx context.Context, payload []byte) ([]byte, error)
}

// Upcast makes To of From. With it in [Config], whoever handles To by type ([Handle], [HandleType]) reads the topic of From too,
// and sees its events as To: type, version and payload are To's, id, time and all else are the event's own, and the record keeps
// its bytes. Upcasters form chains: of 1 to 2 and 2 to 3, a handler of 3 takes all three. [event.CauseOf] of ctx gives the envelope.
//
// What fn answers is held against the schema of To. Where it does not fit, and where fn fails, the event becomes a dead letter of
// class [ClassUpcast] at once, as it was published; only [Unavailable] and [Skip] mean what they mean in a handler.
func Upcast[From, To event.Payload](fn func(ctx context.Context, p From) (To, error)) Upcaster {
	var from From
	var to To
	return UpcastType(from.EventTopic(), to.EventTopic(), func(ctx context.Context, payload []byte) ([]byte, error) {
		var p From
		if err := decodePayload(payload, &p); err != nil {
			return nil, err
		}
		out, err := fn(ctx, p)
		if err != nil {
			return nil, err
		}
		return jsonx.Marshal(out)
	})
}

// UpcastType is [Upcast] of payloads as they are: JSON objects.
func UpcastType(from, to event.Topic, fn func(ctx context.Context, payload []byte) ([]byte, error)) Upcaster {
	return Upcaster{from, to, fn}
}

// upcasts are the upcasters of a bus. From every type there is one way at most.
type upcasts struct {
	next map[event.Topic]Upcaster
	into map[event.Topic][]event.Topic // type → those that become it, in the order of their names
}

func newUpcasts(all []Upcaster) (upcasts, error) {
	u := upcasts{next: map[event.Topic]Upcaster{}, into: map[event.Topic][]event.Topic{}}
	for _, up := range all {
		switch other, twice := u.next[up.from]; {
		case up.from == "" || up.to == "" || up.fn == nil:
			return u, fmt.Errorf("config: Upcasts: the upcaster from %q to %q is not complete: make it with Upcast or UpcastType", up.from, up.to)
		case twice:
			return u, fmt.Errorf("config: Upcasts: %s would become both %s and %s; leave one of them", up.from, other.to, up.to)
		}
		u.next[up.from] = up
	}
	for _, from := range slices.Sorted(maps.Keys(u.next)) {
		for up, ok := u.next[from]; ok; up, ok = u.next[up.to] {
			if up.to == from {
				return u, fmt.Errorf("config: Upcasts: %s would become itself, by way of %s", from, up.from)
			}
			if slices.Contains(u.into[up.to], from) {
				break // a ring that it leads into: those in it are told of
			}
			u.into[up.to] = append(u.into[up.to], from)
		}
	}
	return u, nil
}

// raise makes of d what it is as an event of type to.
func (b *Bus) raise(ctx context.Context, d *Delivery, to event.Topic) error {
	d.UpcastFrom = d.Envelope.Type
	for d.Envelope.Type != to {
		up := b.upcasts.next[d.Envelope.Type]
		e, err := b.step(event.WithCause(ctx, d.Envelope, d.Group+"/upcast"), up, d.Envelope)
		if v := Judge(err); v == WillPause || v == Skipped {
			return err
		}
		if err != nil {
			return &contentError{ClassUpcast, fmt.Errorf("upcast %s to %s: %w", up.from, up.to, err)}
		}
		d.Envelope = e
	}
	return nil
}

// step is one upcaster. An error of it that is not about the event is an [Unavailable].
func (b *Bus) step(ctx context.Context, up Upcaster, e event.Envelope) (event.Envelope, error) {
	payload, err := up.call(ctx, e.Payload)
	if err != nil {
		return e, err
	}
	e.Type, e.Payload = up.to, payload
	spec, declared := b.cfg.Catalog.Lookup(up.to)
	if !declared {
		return e, nil
	}
	e.Version = spec.Version
	if e.Payload, err = spec.Normalize(payload); err != nil {
		return e, err
	}
	if b.cfg.Validation != Validate {
		return e, nil
	}
	if err = b.schemas.check(spec, schema.Consumer, e.Payload); err != nil && !errors.Is(err, ErrInvalid) {
		return e, Unavailable(err) // nobody can tell now
	}
	return e, err
}

// call runs the upcaster; its panic is a failure.
func (u Upcaster) call(ctx context.Context, payload []byte) (out []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return u.fn(ctx, payload)
}
