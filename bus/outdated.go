package bus

import (
	"context"
	"log/slog"

	"github.com/omninode-ai/omnibus/event"
)

// Outdated is one use of an event type that has a later version, or is deprecated.
type Outdated struct {
	Type  event.Topic
	Group string // that handled it, or passed over it; empty: a broadcast, or it was published
	Use   OutdatedUse
}

// OutdatedUse says what was done with an event of an outdated type.
type OutdatedUse string

// The uses.
const (
	UsedByPublish OutdatedUse = "published"   // of a deprecated type, by somebody who chose to
	UsedByHandler OutdatedUse = "handled"     // of a deprecated type, by a handler of it
	UsedByUpcast  OutdatedUse = "upcast"      // made a later version, and handled as that
	UsedByDual    OutdatedUse = "dual_sent"   // published as the dual of an event of a later version
	DualPassed    OutdatedUse = "dual_passed" // not handled: the same handler gets the event itself
	DualOver      OutdatedUse = "dual_over"   // not published: the window for duals of this older type is over
)

// outdated are the deprecated types of a catalogue.
func outdated(c *event.Catalog) map[event.Topic]*event.Deprecation {
	out := map[event.Topic]*event.Deprecation{}
	for s := range c.All() {
		if s.Deprecated != nil {
			out[s.Topic] = s.Deprecated
		}
	}
	return out
}

// tellOutdated tells of a use, and warns of the first one in this process that somebody should end.
func (b *Bus) tellOutdated(ctx context.Context, u Outdated) {
	if b.cfg.Trace.Outdated != nil {
		b.cfg.Trace.Outdated(ctx, u)
	}
	d := b.deprecated[u.Type]
	if d == nil || u.Use != UsedByPublish && u.Use != UsedByHandler || !b.first(string(u.Use)+" "+string(u.Type)) {
		return
	}
	attrs := []slog.Attr{slog.String("event_type", string(u.Type)), slog.String("use", string(u.Use))}
	if u.Group != "" {
		attrs = append(attrs, slog.String("group", u.Group))
	}
	if later := b.cfg.Catalog.Successor(u.Type); later != "" {
		attrs = append(attrs, slog.String("in_place_of_it", string(later)))
	}
	if !d.Sunset.IsZero() {
		attrs = append(attrs, slog.Time("sunset", d.Sunset))
	}
	b.log.LogAttrs(ctx, slog.LevelWarn, "a deprecated event type is in use", attrs...)
}

// tellPublished tells of what was published of a deprecated type, and of duals.
func (b *Bus) tellPublished(ctx context.Context, r *Result) {
	use := UsedByPublish
	for ; r != nil; r, use = r.Dual, UsedByDual {
		if typ := r.Envelope.Type; r.Offset >= 0 && typ != "" && (use == UsedByDual || b.deprecated[typ] != nil) {
			b.tellOutdated(ctx, Outdated{Type: typ, Use: use})
		}
	}
}

// tellHandled tells of what is handled of a deprecated type, and as a later version.
func (c *consumer) tellHandled(ctx context.Context, d Delivery) {
	switch {
	case d.Attempt > 1: // it was told of
	case d.UpcastFrom != "":
		c.bus.tellOutdated(ctx, Outdated{Type: d.UpcastFrom, Group: d.Group, Use: UsedByUpcast})
	case len(c.bus.deprecated) > 0 && c.bus.deprecated[d.Envelope.Type] != nil:
		c.bus.tellOutdated(ctx, Outdated{Type: d.Envelope.Type, Group: d.Group, Use: UsedByHandler})
	}
}
