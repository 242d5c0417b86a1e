package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Dual says that what is published as one event type is published as an older one too. [DualPublish] and [DualPublishType] make it.
type Dual struct {
	from, to event.Topic
	fn       func(ctx context.Context, payload []byte) ([]byte, error)
	until    time.Time
}

// DualPublish makes Old of what is published as New, for those who still read Old, and ends at until; the zero time is the day that the
// catalogue names (dual_publish). With it in [Config], an event that is published as New to its own topic has a dual: the same event as
// Old, in Old's topic, with an id that is derived from the event's own. What is published byte for byte has none.
//
// The dual is made and held against its schema before anything is sent: where that fails, the event is refused. [Skip] means that this
// event has no dual. Then the event is sent, and once that is acknowledged its dual: a dual on record is the dual of an event on record.
// Publish returns when both are acknowledged, or with a [DualError]. Without DualPublish the dual of an event that the catalogue says
// to publish twice has the payload as it is.
func DualPublish[New, Old event.Payload](fn func(ctx context.Context, p New) (Old, error), until time.Time) Dual {
	var from New
	var to Old
	return DualPublishType(from.EventTopic(), to.EventTopic(), func(ctx context.Context, payload []byte) ([]byte, error) {
		var p New
		if err := jsonx.Unmarshal(payload, &p); err != nil {
			return nil, fmt.Errorf("payload does not fit %T: %w", p, err)
		}
		out, err := fn(ctx, p)
		if err != nil {
			return nil, err
		}
		return jsonx.Marshal(out)
	}, until)
}

// DualPublishType is [DualPublish] of payloads as they are: JSON objects.
func DualPublishType(from, to event.Topic, fn func(ctx context.Context, payload []byte) ([]byte, error), until time.Time) Dual {
	return Dual{from, to, fn, until}
}

// DualError says that an event is on record, and that its dual is not known to be. It is an [ErrUnknown], never an [ErrNotSent]:
// publish the event again under its id, which gives the dual its own again.
type DualError struct {
	Event Coordinates // where the event lies
	Dual  event.Topic // the older type
	Err   error       // what became of the dual: an ErrNotSent or an ErrUnknown
}

func (e *DualError) Error() string {
	return fmt.Sprintf("on record at %s, but not its dual as %s: %v", e.Event, e.Dual, e.Err)
}

// Is makes errors.Is(err, ErrUnknown) hold, and what holds of the dual's error, but for ErrNotSent.
func (e *DualError) Is(target error) bool {
	return target == ErrUnknown || target != ErrNotSent && errors.Is(e.Err, target)
}

// NoDualError says that an event was refused because its dual cannot be made, or is not valid. Nothing was sent.
type NoDualError struct {
	Dual event.Topic // the older type
	Err  error
}

func (e *NoDualError) Error() string { return fmt.Sprintf("its dual as %s: %v", e.Dual, e.Err) }
func (e *NoDualError) Unwrap() error { return e.Err }

// DualOf is the event that r is the dual of: its type and id. It is false where r is none.
func DualOf(r Record) (event.Topic, event.ID, bool) {
	text := r.Header(headerDualOf)
	at := bytes.LastIndexByte(text, '/')
	if at <= 0 {
		return "", event.ID{}, false
	}
	id, err := event.ParseID(string(text[at+1:]))
	return event.Topic(text[:at]), id, err == nil
}

// newDuals are the duals of a bus by the type that is published: those of the catalogue, and in place of them those of the config.
func newDuals(c *event.Catalog, own []Dual) (map[event.Topic]Dual, error) {
	duals := map[event.Topic]Dual{}
	for s := range c.All() {
		if !s.DualUntil.IsZero() {
			duals[s.Topic] = Dual{from: s.Topic, to: s.Supersedes, until: s.DualUntil}
		}
	}
	seen := map[event.Topic]bool{}
	for _, d := range own {
		declared := duals[d.from]
		switch {
		case d.from == "" || d.to == "" || d.fn == nil:
			return nil, fmt.Errorf("config: Duals: the dual of %q as %q is not complete: make it with DualPublish or DualPublishType", d.from, d.to)
		case seen[d.from]:
			return nil, fmt.Errorf("config: Duals: %s has two; an event has one dual", d.from)
		case d.until.IsZero() && declared.to != d.to:
			return nil, fmt.Errorf("config: Duals: until when %s is published as %s too is said neither there nor in the catalogue (x-supersedes and dual_publish)", d.from, d.to)
		case d.until.IsZero():
			d.until = declared.until
		}
		seen[d.from] = true
		duals[d.from] = d
	}
	for _, from := range slices.Sorted(maps.Keys(duals)) {
		at := from
		for range duals { // no chain is longer
			if at = duals[at].to; at == from {
				return nil, fmt.Errorf("config: Duals: %s would be a dual of itself", from)
			}
		}
	}
	return duals, nil
}

// follower is a dual that waits for its event to be acknowledged.
type follower struct {
	rec    kgo.Record
	result *Result // its own
	of     *Result // its event's, which has it as Dual
}

// follow prepares the dual of an event that was prepared as r, and the dual's own. Those of the n-th place in a chain come at n in all.
func (b *Bus) follow(ctx context.Context, all [][]*follower, o *Outgoing, r *Result) ([][]*follower, error) {
	if o.Raw != nil || o.Record != nil || r.Topic != b.topicOf(r.Envelope.Type) {
		return all, nil
	}
	for depth := 0; ; depth++ {
		d, ok := b.duals[r.Envelope.Type]
		if !ok || !b.dualNow(ctx, d) {
			return all, nil
		}
		f := &follower{result: &Result{Partition: -1, Offset: -1}, of: r}
		switch made, err := b.prepareDual(ctx, d, o, f); {
		case err != nil:
			return all, &NoDualError{d.to, err}
		case !made:
			return all, nil
		}
		r.Dual = f.result
		if depth == len(all) {
			all = append(all, nil)
		}
		all[depth] = append(all[depth], f)
		r = f.result
	}
}

// prepareDual makes the record of a dual; not where the event has none.
func (b *Bus) prepareDual(ctx context.Context, d Dual, o *Outgoing, f *follower) (bool, error) {
	e := f.of.Envelope
	of := string(e.Type) + "/" + e.ID.String()
	e.ID, e.Type = event.DeriveID(e.ID, string(d.to)), d.to
	if spec, ok := b.cfg.Catalog.Lookup(d.to); ok {
		e.Version = spec.Version
	}
	if d.fn != nil {
		payload, err := d.fn(ctx, e.Payload)
		if Judge(err) == Skipped {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		e.Payload = payload
	}
	err := b.prepare(ctx, &Outgoing{Envelope: &e, Key: o.Key, NullKey: o.NullKey, Headers: o.Headers}, f.result, &f.rec)
	if d.fn == nil && errors.Is(err, ErrInvalid) {
		return false, fmt.Errorf("%w; the payload is taken as it is, as no DualPublish in Config.Duals makes one of the other", err)
	}
	f.rec.Headers = append(f.rec.Headers, kgo.RecordHeader{Key: headerDualOf, Value: []byte(of)})
	return err == nil, err
}

// sendDuals sends what follows events that are acknowledged, and says of each event what became of its dual.
func (b *Bus) sendDuals(ctx context.Context, all [][]*follower) {
	for _, next := range all {
		var ready []*follower
		for _, f := range next {
			if f.of.Err == nil {
				ready = append(ready, f)
			} else {
				f.result.Err = &Error{Op: "publish", Topic: f.result.Topic, Partition: -1, Offset: -1, Err: fmt.Errorf("%w: what it is the dual of is not known to be on record", ErrNotSent)}
			}
		}
		b.sendReady(ctx, ready)
	}
	for _, duals := range slices.Backward(all) {
		for _, f := range duals {
			if f.of.Err == nil && f.result.Err != nil {
				at := Coordinates{f.of.Topic, f.of.Partition, f.of.Offset}
				f.of.Err = &Error{Op: "publish", Topic: at.Topic, Partition: at.Partition, Offset: at.Offset, Err: &DualError{at, f.result.Envelope.Type, f.result.Err}}
			}
		}
	}
}

func (b *Bus) sendReady(ctx context.Context, ready []*follower) {
	results := make([]Result, len(ready))
	f := newFlight(b, results)
	defer f.timeout.Stop()
	voyages := make([]voyage, len(ready))
	for i, r := range ready {
		results[i] = *r.result
		v := &voyages[i]
		v.flight, v.index, v.rec = f, i, r.rec
		f.launch(ctx, v)
	}
	f.await(ctx)
	for i, r := range ready {
		*r.result = results[i]
	}
}

// dualNotice is how long before its end a window of dual publish is warned of.
const dualNotice = 14 * 24 * time.Hour

// dualNow reports whether the window of d is open. Once it warns that it will end, and once that it has.
func (b *Bus) dualNow(ctx context.Context, d Dual) bool {
	left := time.Until(d.until)
	switch {
	case left <= 0:
		if b.cfg.Trace.Outdated != nil {
			b.cfg.Trace.Outdated(ctx, Outdated{Type: d.to, Use: DualOver})
		}
		if b.first("dual over " + string(d.from)) {
			b.log.WarnContext(ctx, "no longer published as the older version too", slog.String("event_type", string(d.from)), slog.String("older", string(d.to)), slog.Time("until", d.until))
		}
	case left <= dualNotice:
		if b.first("dual ends " + string(d.from)) {
			b.log.WarnContext(ctx, "soon no longer published as the older version too: move who still reads it", slog.String("event_type", string(d.from)), slog.String("older", string(d.to)), slog.Time("until", d.until))
		}
	}
	return left > 0
}

// first reports whether this is the first time that what is asked for.
func (b *Bus) first(what string) bool {
	_, before := b.said.LoadOrStore(what, true)
	return !before
}

// isDualOfOurs reports whether rec is the dual of an event that its handler gets as itself, by reading both topics. What was sent again
// to this group is handled: somebody asked for it. A header alone does not make an event a dual, its id must be the derived one too.
func (c *consumer) isDualOfOurs(rec *kgo.Record) bool {
	if len(c.bus.upcasts.next) == 0 || !slices.ContainsFunc(rec.Headers, func(h kgo.RecordHeader) bool { return h.Key == headerDualOf }) {
		return false
	}
	of, id, ok := DualOf(fromKafka(rec))
	e, err := event.Decode(rec.Value)
	if !ok || err != nil || of == e.Type || event.DeriveID(id, string(e.Type)) != e.ID || targetGroup(rec) != "" {
		return false
	}
	h := c.dispatch.find(event.Topic(rec.Topic), e.Type)
	return h != nil && h.typ != "" && h.typ != e.Type && h.accepts(c.bus, of)
}
