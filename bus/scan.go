package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// Bound is a place in every partition of a range. The zero Bound is the earliest record as From, and as To the end as it
// stands when the scan starts.
type Bound struct {
	kind boundKind
	n    int64
	at   time.Time
}

type boundKind int

const (
	unbounded boundKind = iota
	atOffset
	atTime
	fromStart
	fromEnd
)

// AtOffset is the offset n. As From it is an error, ErrTruncated, where the log no longer has it.
func AtOffset(n int64) Bound { return Bound{kind: atOffset, n: n} }

// AtTime is the first record written at t or later.
func AtTime(t time.Time) Bound { return Bound{kind: atTime, at: t} }

// FromStart is n offsets after the earliest one.
func FromStart(n int64) Bound { return Bound{kind: fromStart, n: n} }

// FromEnd is n offsets before the end; FromEnd(0) is the latest.
func FromEnd(n int64) Bound { return Bound{kind: fromEnd, n: n} }

// Range says what to read.
type Range struct {
	Topics     []event.Glob
	Partitions []int32         // nil: all
	From, To   Bound           // per partition; To itself is not part of the range
	Starts     map[int32]int64 // where each partition begins, in place of Partitions and From; nil: as those say
	Last       int             // > 0: the newest n across all partitions; From is ignored
	Follow     bool            // go on with new records until ctx ends, also of topics that appear later; To is ignored
}

// Scan reads r without a group: nothing is committed and nobody else is disturbed. Records of one partition come in the order
// of the log. Without Follow, partitions are merged by time, and the scan ends at the last record that is there when it
// starts, whatever lies at the tail. Records of aborted transactions are left out. With Follow it ends when ctx ends, without
// an error; where the bus is closed, with ErrClosed. An error is yielded once, last.
func (b *Bus) Scan(ctx context.Context, r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		scanning, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(b.life, func() { cancel(ErrClosed) })()
		stopped := false
		err := b.scan(scanning, r, func(rec Record) bool {
			stopped = !yield(rec, nil)
			return !stopped
		})
		switch {
		case err == nil || stopped:
		case r.Follow && ctx.Err() != nil:
		case errors.Is(context.Cause(scanning), context.Canceled), errors.Is(context.Cause(scanning), ErrClosed):
			yield(Record{}, fmt.Errorf("scan: %w", context.Cause(scanning))) // not what it made of the request that was under way
		default:
			yield(Record{}, err)
		}
	}
}

// Span is what a range is in one partition: the offsets From ≤ offset < To. How many records there are is not known before they
// are read: markers and compaction leave holes.
type Span struct {
	Topic     event.Topic
	Partition int32
	From, To  int64
}

// Spans says what Scan would read of r now, by topic and partition, and reads nothing. With Follow, To is where the partition
// ends now; with Last, From is where the log begins. Its errors are those of Scan.
func (b *Bus) Spans(ctx context.Context, r Range) ([]Span, error) {
	l, err := b.openReader()
	if err != nil {
		return nil, err
	}
	defer l.close()
	cursors, err := l.find(ctx, r.Topics, r.partitions())
	if err != nil {
		return nil, err
	}
	limits, err := l.limits(ctx, r, cursors)
	if err != nil {
		return nil, err
	}
	spans := make([]Span, 0, len(limits))
	for c, at := range limits {
		spans = append(spans, Span{c.topic, c.partition, at.next, max(at.next, at.to)})
	}
	slices.SortFunc(spans, func(x, y Span) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return spans, nil
}

// partitions are those that r means, nil: all.
func (r Range) partitions() []int32 {
	if r.Starts == nil {
		return r.Partitions
	}
	return slices.Sorted(maps.Keys(r.Starts))
}

// scan delivers until deliver returns false.
func (b *Bus) scan(ctx context.Context, r Range, deliver func(Record) bool) error {
	l, err := b.openReader()
	if err != nil {
		return err
	}
	defer l.close()
	cursors, err := l.find(ctx, r.Topics, r.partitions())
	if err != nil {
		return err
	}
	limits, err := l.limits(ctx, r, cursors)
	if err != nil {
		return err
	}
	if r.Last > 0 {
		newest, err := l.newest(ctx, limits, r.Last)
		if err != nil {
			return err
		}
		for _, rec := range newest {
			if !deliver(rec) {
				return nil
			}
		}
		if !r.Follow {
			return nil
		}
	}
	for c, at := range limits {
		c.next, c.from, c.end = at.next, at.from, at.to
		if r.Follow && r.Last > 0 {
			c.next, c.from = at.to, at.to
		}
		if r.Follow {
			c.end = endless
		}
	}
	if r.Follow {
		return l.follow(ctx, cursors, deliver)
	}
	return l.merge(ctx, cursors, deliver)
}

// limits are where reading one partition begins and ends: records from ≤ offset < to are wanted, and next is where to ask
// first, which is within the log where from may not be.
type limits struct{ start, next, from, to int64 }

func (l *logReader) limits(ctx context.Context, r Range, cursors []*logCursor) (map[*logCursor]limits, error) {
	start, err := l.list(ctx, cursors, listEarliest)
	if err != nil {
		return nil, err
	}
	end, err := l.list(ctx, cursors, listLatest)
	if err != nil {
		return nil, err
	}
	resolve := func(at Bound, none map[*logCursor]int64) (map[*logCursor]int64, error) {
		switch at.kind {
		case atTime:
			return l.list(ctx, cursors, at.at.UnixMilli())
		case unbounded, atOffset, fromStart, fromEnd:
		}
		out := make(map[*logCursor]int64, len(cursors))
		for _, c := range cursors {
			switch at.kind {
			case unbounded, atTime:
				out[c] = none[c]
			case atOffset:
				out[c] = at.n
			case fromStart:
				out[c] = start[c] + at.n
			case fromEnd:
				out[c] = max(start[c], end[c]-at.n)
			}
		}
		return out, nil
	}
	from, err := resolve(r.From, start)
	if err != nil {
		return nil, err
	}
	for c := range from {
		if at, ok := r.Starts[c.partition]; ok {
			from[c] = at
		}
	}
	if r.Last > 0 {
		from = start
	}
	to := end
	if !r.Follow {
		if to, err = resolve(r.To, end); err != nil {
			return nil, err
		}
	}
	out := make(map[*logCursor]limits, len(cursors))
	for _, c := range cursors {
		f := from[c]
		if f == noSuchTime { // nothing that new yet
			f = end[c]
		}
		if f < start[c] {
			return nil, c.failed(f, fmt.Errorf("%w: the log begins at %d", ErrTruncated, start[c]))
		}
		t := to[c]
		if t == noSuchTime {
			t = end[c]
		}
		out[c] = limits{start: start[c], next: min(f, end[c]), from: f, to: min(t, end[c])}
	}
	return out, nil
}

// merge delivers what lies between the limits of the cursors: always the oldest of the records that are next in their
// partitions.
func (l *logReader) merge(ctx context.Context, cursors []*logCursor, deliver func(Record) bool) error {
	open := slices.Clone(cursors)
	for {
		if err := l.fill(ctx, open); err != nil {
			return err
		}
		open = slices.DeleteFunc(open, func(c *logCursor) bool { return len(c.records) == 0 })
		if len(open) == 0 {
			return nil
		}
		for {
			c := slices.MinFunc(open, func(x, y *logCursor) int { return byTime(x.records[0], y.records[0]) })
			if !deliver(c.records[0]) {
				return nil
			}
			if c.records = c.records[1:]; len(c.records) == 0 {
				break
			}
		}
	}
}

// newest finds the n newest records between the limits. How many offsets hold one is not known (markers and compaction leave
// holes), so it reads backwards in growing steps, in every partition until that has given n or is exhausted.
func (l *logReader) newest(ctx context.Context, limits map[*logCursor]limits, n int) ([]Record, error) {
	found := make(map[*logCursor][]Record, len(limits))
	floor := make(map[*logCursor]int64, len(limits)) // what lies at it and above has been read
	for c, at := range limits {
		floor[c] = max(at.start, at.to)
	}
	for step := int64(n); ; step *= 4 {
		var open []*logCursor
		for c, at := range limits {
			if len(found[c]) >= n || floor[c] <= at.start {
				continue
			}
			from := max(at.start, floor[c]-step)
			c.next, c.from, c.end = from, from, floor[c]
			floor[c] = from
			open = append(open, c)
		}
		if len(open) == 0 {
			break
		}
		batch := make(map[*logCursor][]Record, len(open))
		for reading := open; len(reading) > 0; {
			if err := l.fill(ctx, reading); err != nil {
				return nil, err
			}
			reading = slices.DeleteFunc(slices.Clone(reading), func(c *logCursor) bool { return len(c.records) == 0 })
			for _, c := range reading {
				all := append(batch[c], c.records...)
				batch[c], c.records = all[max(0, len(all)-n):], nil
			}
		}
		for c, recs := range batch {
			found[c] = append(recs, found[c]...)
		}
	}
	var all []Record
	for _, recs := range found {
		all = append(all, recs...)
	}
	slices.SortFunc(all, byTime)
	return all[max(0, len(all)-n):], nil
}

func byTime(x, y Record) int {
	return cmp.Or(x.Timestamp.Compare(y.Timestamp), cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Offset, y.Offset))
}
