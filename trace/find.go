package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
)

// ErrNotFound means that no record of what was read is of the flow.
var ErrNotFound = errors.New("not found")

// Query says which flow to look for, and where.
type Query struct {
	ID       string                         // a correlation id, or the id of one event
	Since    time.Time                      // records written before are not read; zero: all are
	Progress func(read int, upTo time.Time) // called now and then: how many records were read, and the time of the last; may be nil
}

// Found is the records of a flow, and what was read to find them.
type Found struct {
	CorrelationID event.CorrelationID
	EventID       event.ID // where the query named an event; else none
	Records       []bus.Record
	Topics        int  // with those of dead letters; internal ones are not read
	Read          int  // records
	Partial       bool // ctx ended before all was read
}

// Find reads every topic and every dead-letter topic, once for a correlation id and once more where the id is an event's, and keeps
// what belongs to the flow. It is an error, [ErrNotFound], where nothing does; what was read is said in that case too. Where ctx ends
// before, what was found until then comes with the error.
func Find(ctx context.Context, b *bus.Bus, q Query) (*Found, error) {
	infos, err := b.Topics(ctx)
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", q.ID, err)
	}
	found := &Found{CorrelationID: event.CorrelationID(q.ID), Topics: len(infos)}
	ids := []string{q.ID}
	wanted, notID := event.ParseID(q.ID)
	if notID == nil {
		ids = append(ids, wanted.String())
	}
	correlation := event.CorrelationID("") // of the event that was asked for
	err = found.scan(ctx, b, q, func(r bus.Record) bool {
		if notID != nil && !mayName(r, ids) || notID == nil && !mayName(r, ids) && r.Header(headerEventID) != nil {
			return false
		}
		if ofAnother(r.Value, ids) {
			return false
		}
		f := read(r)
		if notID == nil && f.envelope.ID == wanted {
			correlation = f.envelope.CorrelationID
		}
		return f.envelope.CorrelationID == found.CorrelationID
	})
	if len(found.Records) == 0 && correlation != "" && err == nil {
		found.CorrelationID, found.EventID = correlation, wanted
		ids = []string{string(correlation)}
		err = found.scan(ctx, b, q, func(r bus.Record) bool {
			return (mayName(r, ids) || r.Header(headerEventID) == nil) && !ofAnother(r.Value, ids) && read(r).envelope.CorrelationID == correlation
		})
	}
	if err == nil && len(found.Records) == 0 {
		err = fmt.Errorf("trace %s: %w", q.ID, ErrNotFound)
	}
	return found, err
}

// progressEvery is how many records are read between two calls of Progress.
const progressEvery = 1000

// scan keeps the records that keep says to.
func (f *Found) scan(ctx context.Context, b *bus.Bus, q Query, keep func(bus.Record) bool) error {
	r := bus.Range{Topics: everything()}
	if !q.Since.IsZero() {
		r.From = bus.AtTime(q.Since)
	}
	f.Read = 0
	for rec, err := range b.Scan(ctx, r) {
		if err != nil {
			f.Partial = ctx.Err() != nil
			return fmt.Errorf("trace %s: %w", q.ID, err)
		}
		if keep(rec) {
			f.Records = append(f.Records, rec)
		}
		if f.Read++; f.Read%progressEvery == 0 {
			if q.Progress != nil {
				q.Progress(f.Read, rec.Timestamp)
			}
			if ctx.Err() != nil { // what was fetched already is a lot
				f.Partial = true
				return fmt.Errorf("trace %s: %w", q.ID, context.Cause(ctx))
			}
		}
	}
	return nil
}

// Follow yields what belongs to a flow and was written since a time, also by topics that appear later, until ctx ends. An error is
// yielded once, last.
func Follow(ctx context.Context, b *bus.Bus, id event.CorrelationID, since time.Time) iter.Seq2[bus.Record, error] {
	return func(yield func(bus.Record, error) bool) {
		ids := []string{string(id)}
		for rec, err := range b.Scan(ctx, bus.Range{Topics: everything(), From: bus.AtTime(since), Follow: true}) {
			if err != nil {
				yield(bus.Record{}, fmt.Errorf("trace %s: %w", id, err))
				return
			}
			if (mayName(rec, ids) || rec.Header(headerEventID) == nil) && !ofAnother(rec.Value, ids) && read(rec).envelope.CorrelationID == id && !yield(rec, nil) {
				return
			}
		}
	}
}

func everything() []event.Glob { return []event.Glob{"*", "*.dlq"} }

// mayName tells cheaply whether a record can have one of ids in its envelope or its headers: false is certain, but for an id that is
// derived from where the record lies. JSON may spell text otherwise, with a backslash.
func mayName(r bus.Record, ids []string) bool {
	return bytes.IndexByte(r.Value, '\\') >= 0 || slices.ContainsFunc(ids, func(id string) bool {
		return bytes.Contains(r.Value, []byte(id)) || string(r.Header(headerCorrelation)) == id || string(r.Header(headerEventID)) == id
	})
}

// ofAnother reports whether an event surely has an id and a correlation of its own and neither is one of ids, without decoding it:
// most events of other publishers, which have no headers, and those that mention an id elsewhere. False says nothing.
func ofAnother(value []byte, ids []string) bool {
	v, ok := schema.Look(value)
	if !ok || len(v.Payload) == 0 || v.Payload[0] != '{' || bytes.Contains(v.Payload, []byte("event_type")) { // perhaps an envelope within
		return false
	}
	id, correlation := unquoted(v.EventID), unquoted(v.CorrelationID)
	return spelt(id) && len(correlation) > 0 && len(correlation) <= 128 &&
		!slices.ContainsFunc(ids, func(one string) bool { return one == string(id) || one == string(correlation) })
}

// unquoted is the text of a JSON string of plain ASCII, or nil.
func unquoted(b []byte) []byte {
	if len(b) < 2 || b[0] != '"' || bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' }) {
		return nil
	}
	return b[1 : len(b)-1]
}

// spelt reports whether id is a UUID in the spelling that ids are compared in.
func spelt(id []byte) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range id {
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash != (c == '-'), !dash && (c < '0' || c > '9' && c < 'a' || c > 'f'):
			return false
		}
	}
	return string(id) != "00000000-0000-0000-0000-000000000000" // which is none
}

// recent is how many of the newest records Newest looks at.
const recent = 100

// Newest is the correlation of the newest event. What services say about themselves, and what operators did, is not meant where there
// is anything else among the newest 100. It is an error, [ErrNotFound], where there is no event at all.
func Newest(ctx context.Context, b *bus.Bus) (event.CorrelationID, error) {
	var newest, newestOfAll event.CorrelationID
	for rec, err := range b.Scan(ctx, bus.Range{Topics: everything(), Last: recent}) {
		if err != nil {
			return "", fmt.Errorf("trace the newest event: %w", err)
		}
		e := read(rec).envelope
		newestOfAll = e.CorrelationID
		if !housekeeping(e.Type) {
			newest = e.CorrelationID
		}
	}
	switch {
	case newest != "":
		return newest, nil
	case newestOfAll != "":
		return newestOfAll, nil
	}
	return "", fmt.Errorf("trace the newest event: %w", ErrNotFound)
}

func housekeeping(t event.Topic) bool {
	switch t.Domain() {
	case "infra", "service", "system", string(event.Audit):
		return t.Pattern() != event.Request && t.Pattern() != event.Response
	}
	return false
}
