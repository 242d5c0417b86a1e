package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/spi"
)

// HandleObject registers an ONEX handler object for the topics that glob matches: true acknowledges, false retries, and its
// error says why. An event type that CanHandle refuses is left to the other handlers of the topic.
func HandleObject(glob event.Glob, h spi.EventHandler, opts ...HandlerOption) Handler {
	return Handler{
		topics: glob,
		takes:  func(t event.Topic) bool { return h.CanHandle(string(t)) },
		fn: func(ctx context.Context, d Delivery) error {
			envelope, err := d.Envelope.AppendJSON(nil)
			if err != nil {
				return err
			}
			ack, err := h.HandleEvent(ctx, envelope)
			if err == nil && !ack {
				return errNotAcknowledged
			}
			return err
		},
	}.with(opts)
}

var errNotAcknowledged = errors.New("handler did not acknowledge the event")

// dispatch finds the handler of an event: by topic, then by event type.
type dispatch struct {
	bus      *Bus
	handlers []Handler
}

func (h Handler) reads(b *Bus, topic event.Topic) bool {
	if h.typ == "" {
		return h.topics.Match(topic)
	}
	return b.topicOf(h.typ) == topic || slices.ContainsFunc(b.upcasts.into[h.typ], func(t event.Topic) bool { return b.topicOf(t) == topic })
}

func (h Handler) accepts(b *Bus, typ event.Topic) bool {
	return (h.typ == "" || h.typ == typ || slices.Contains(b.upcasts.into[h.typ], typ)) && (h.takes == nil || h.takes(typ))
}

// glob is what h is for: the topic of its type, or its pattern.
func (h Handler) glob(b *Bus) event.Glob {
	if h.typ != "" {
		return event.Glob(b.topicOf(h.typ))
	}
	return h.topics
}

// globs is the topics that h reads.
func (h Handler) globs(b *Bus) []event.Glob {
	out := []event.Glob{h.glob(b)}
	for _, t := range b.upcasts.into[h.typ] {
		out = append(out, event.Glob(b.topicOf(t)))
	}
	return out
}

func (d dispatch) find(topic, typ event.Topic) *Handler {
	for i := range d.handlers {
		if h := &d.handlers[i]; h.reads(d.bus, topic) && h.accepts(d.bus, typ) {
			return h
		}
	}
	return nil
}

// batch is how the topic's records are run: one by one, or by a batch handler.
func (d dispatch) batch(topic event.Topic) (Batch, *Handler) {
	for i := range d.handlers {
		if h := &d.handlers[i]; h.batch != nil && h.reads(d.bus, topic) {
			return h.limits, h
		}
	}
	return Batch{}, nil
}

// check refuses handlers that would take the same event: nobody could say which of them runs.
func (d dispatch) check() error {
	if len(d.handlers) == 0 {
		return fmt.Errorf("%w: there is none", ErrHandlers)
	}
	for i, a := range d.handlers {
		if a.fn == nil && a.batch == nil {
			return fmt.Errorf("%w: handler %d of %s has no function", ErrHandlers, i+1, a.glob(d.bus))
		}
		for _, b := range d.handlers[i+1:] {
			if where, overlap := d.overlap(a, b); overlap {
				return fmt.Errorf("%w: both of %s and %s would take %s%s", ErrHandlers, a.glob(d.bus), b.glob(d.bus), where, d.advice(where))
			}
		}
	}
	return nil
}

func (d dispatch) overlap(a, b Handler) (event.Topic, bool) {
	for spec := range d.bus.cfg.Catalog.All() {
		t := d.bus.topicOf(spec.Topic)
		both := a.reads(d.bus, t) && b.reads(d.bus, t)
		if both && (a.batch != nil || b.batch != nil || a.accepts(d.bus, spec.Topic) && b.accepts(d.bus, spec.Topic)) {
			return spec.Topic, true
		}
	}
	if a.typ != "" && b.typ != "" {
		for _, t := range append([]event.Topic{a.typ}, d.bus.upcasts.into[a.typ]...) {
			if b.accepts(d.bus, t) {
				return t, true
			}
		}
		return "", false
	}
	if a.takes != nil || b.takes != nil {
		return "", false
	}
	for _, ga := range a.globs(d.bus) {
		for _, gb := range b.globs(d.bus) {
			if intersect(string(ga), string(gb)) {
				return event.Topic(ga), true
			}
		}
	}
	return "", false
}

// advice says what to do where handlers overlap because of an upcaster.
func (d dispatch) advice(both event.Topic) string {
	if up, ok := d.bus.upcasts.next[both]; ok {
		return fmt.Sprintf(": the upcaster to %s is there so that no handler of %s is needed; leave out one of the two", up.to, both)
	}
	return ""
}

// intersect reports whether some name matches both globs.
func intersect(a, b string) bool {
	switch {
	case a == "" || b == "":
		return strings.Trim(a+b, "*") == ""
	case a[0] == '*':
		return intersect(a[1:], b) || intersect(a, b[1:])
	case b[0] == '*':
		return intersect(a, b[1:]) || intersect(a[1:], b)
	}
	return a[0] == b[0] && intersect(a[1:], b[1:])
}

// topics splits what the handlers read into names and patterns.
func (d dispatch) topics() (names []event.Topic, patterns []event.Glob) {
	for _, h := range d.handlers {
		for _, g := range h.globs(d.bus) {
			switch {
			case g.IsPattern() && !slices.Contains(patterns, g):
				patterns = append(patterns, g)
			case !g.IsPattern() && !slices.Contains(names, event.Topic(g)):
				names = append(names, event.Topic(g))
			}
		}
	}
	return names, patterns
}
