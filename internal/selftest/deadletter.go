package selftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

var errPoison = errors.New("this one is poison on purpose")

// poison tells which events no handler takes.
func poison(m mark) bool { return m.key[len(m.key)-1]%5 == 0 }

// poisoned watches the group from outside while every fifth event becomes a dead letter: at any time, what is below the committed
// position is handled or in the dead letters.
func (s *suite) poisoned(ctx context.Context) (o outcome, err error) {
	const inFlight, lasts = 4, 3 * time.Second // so that several commits happen on the way
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	sent := series(min(s.cfg.Events, 2000), 0)
	at, err := s.send(ctx, "poisoned", sent)
	if err != nil {
		return o, err
	}
	l := newLedger()
	takes := lasts * inFlight / time.Duration(len(sent))
	stop := s.consume(ctx, fail, "poisoned", inFlight, l.handled("", takes, func(m mark, _ int) error {
		if poison(m) {
			return bus.Permanent(errPoison)
		}
		return nil
	}))
	defer stop() //nolint:errcheck // where it matters it was called before
	looks := 0
	dead := map[mark]int{}
	for behind := int64(1); behind > 0; looks++ {
		behind, err = s.look(ctx, &o, at, dead)
		if err != nil {
			return o, err
		}
		if !pause(ctx, 50*time.Millisecond) {
			return o, fmt.Errorf("the group is %d events behind: %w", behind, context.Cause(ctx))
		}
	}
	if err := stop(); err != nil {
		return o, err
	}
	if _, err := s.look(ctx, &o, at, dead); err != nil {
		return o, err
	}
	letters := 0
	for _, m := range sent {
		switch {
		case poison(m) && dead[m] != 1:
			o.fault("%v is %d times in the dead letters, want once", m, dead[m])
		case !poison(m) && dead[m] > 0:
			o.fault("%v was handled and is in the dead letters", m)
		}
		letters += dead[m]
	}
	o.did = fmt.Sprintf("made %d of %d events dead letters, and compared them with the commits %d times on the way", letters, len(sent), looks)
	o.evidence = "no commit was ahead of a dead letter; each is there once"
	return o, nil
}

// look compares the commits with the dead letters that are there after them, and tells how far the group is behind.
func (s *suite) look(ctx context.Context, o *outcome, at map[mark]bus.Coordinates, dead map[mark]int) (behind int64, err error) {
	committed := map[int32]int64{}
	lags, err := s.b.Lag(ctx, s.run.group("poisoned"))
	if err != nil && !errors.Is(err, bus.ErrUnknownGroup) {
		return 0, err
	}
	behind = int64(len(at))
	for _, l := range lags {
		committed[l.Partition] = l.Committed
	}
	if len(committed) > 0 {
		behind = 0
		for _, c := range at {
			if c.Offset >= committed[c.Partition] {
				behind++
			}
		}
	}
	clear(dead)
	for d, err := range s.b.DeadLetters(ctx, bus.Range{Topics: []event.Glob{event.Glob(s.run.topic("poisoned"))}}) {
		if err != nil {
			return 0, err
		}
		m, err := markOfRecord(d.Record)
		if err != nil {
			return 0, err
		}
		dead[m]++
		if d.Origin != at[m] {
			o.fault("the dead letter of %v says that it is from %v, it is from %v", m, d.Origin, at[m])
		}
	}
	for _, m := range inOrder(at) {
		if c := at[m]; poison(m) && c.Offset < committed[c.Partition] && dead[m] == 0 {
			o.fault("%v is committed and not in the dead letters", m)
		}
	}
	return behind, nil
}

// oddRecords are bytes that a careless program would change.
func oddRecords() []bus.Outgoing {
	return []bus.Outgoing{
		{Raw: []byte{0xff, 0x00, 0xfe, '\n'}, Key: []byte{0xff, 0x00}, Headers: []bus.Header{{Name: "bin", Value: []byte{0x80, 0xff}}, {Name: "twice", Value: []byte("1")}, {Name: "twice", Value: nil}}},
		{Raw: []byte(`{"payload":{},"payload":{}}`), Key: []byte("duplicate member")},
		{Raw: []byte("not JSON \u2028"), NullKey: true},
		{Raw: []byte{}, Key: []byte{}},
	}
}

// copied makes records that are no events dead letters, and compares byte for byte.
func (s *suite) copied(ctx context.Context) (o outcome, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	topic := s.run.topic("copied")
	odd := oddRecords()
	o.did = fmt.Sprintf("made %d records with null, empty and non-UTF-8 keys, values and headers dead letters", len(odd))
	for i := range odd {
		odd[i].Topic = topic
	}
	if _, err := s.b.PublishAll(ctx, odd...); err != nil {
		return o, err
	}
	originals := map[bus.Coordinates]bus.Record{}
	for rec, err := range s.b.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(topic)}}) {
		if err != nil {
			return o, err
		}
		originals[rec.Coordinates()] = rec
	}
	for i := range odd {
		if !anyHas(originals, odd[i]) {
			o.fault("record %d is not in the log as it was published", i)
		}
	}
	stop := s.consume(ctx, fail, "copied", 1, func(context.Context, bus.Delivery) error { return nil })
	defer stop() //nolint:errcheck // where it matters it was called before
	if err := s.settled(ctx, "copied"); err != nil {
		return o, err
	}
	if err := stop(); err != nil {
		return o, err
	}
	letters := 0
	for d, err := range s.b.DeadLetters(ctx, bus.Range{Topics: []event.Glob{event.Glob(topic)}}) {
		if err != nil {
			return o, err
		}
		letters++
		original, ok := originals[d.Origin]
		if what := differs(original, d); !ok || what != "" {
			o.fault("the dead letter of %v has another %s", d.Origin, orDefault(what, "origin"))
		}
	}
	if letters != len(odd) {
		o.fault("%d dead letters, want %d", letters, len(odd))
	}
	o.evidence = "key, value and headers are equal, byte for byte"
	return o, nil
}

func anyHas(records map[bus.Coordinates]bus.Record, want bus.Outgoing) bool {
	for _, r := range records {
		if bytes.Equal(r.Value, want.Raw) && bytes.Equal(r.Key, want.Key) && (r.Key == nil) == (want.Key == nil) {
			return true
		}
	}
	return false
}

// differs names the part in which a dead letter is not its original.
func differs(original bus.Record, d bus.DeadLetter) string {
	same := func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
	switch {
	case !same(original.Key, d.Key):
		return "key"
	case !same(original.Value, d.Value):
		return "value"
	}
	headers := d.OriginalHeaders()
	if len(headers) != len(original.Headers) {
		return "number of headers"
	}
	for i, h := range headers {
		if h.Name != original.Headers[i].Name || !same(h.Value, original.Headers[i].Value) {
			return "header " + h.Name
		}
	}
	return ""
}
