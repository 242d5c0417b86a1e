package deadletter

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Snapshot is the chosen dead letters as they stood at one time, in the order of their failure, without their bytes.
type Snapshot struct {
	Letters  []Letter
	Problems []Problem // records of operators' decisions that cannot be read: what they say is missing here
}

// List reads the dead letters that s chooses. It is an error, ErrNotFound, where s names one that is not there.
func (d *Desk) List(ctx context.Context, s Selector) (*Snapshot, error) {
	// The dead letters are read first and what was decided about them afterwards: the other way round, one that was dealt with in
	// between would look pending.
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	copies, err := d.copies(ctx, s)
	if err != nil {
		return nil, err
	}
	book := newLedger()
	if err := d.catchUp(ctx, book); err != nil {
		return nil, err
	}
	all := make([]Letter, 0, len(copies))
	for id, of := range copies {
		all = append(all, book.judge(book.current(id, of)))
	}
	slices.SortFunc(all, byFailure)
	if err := s.missing(all, copies); err != nil {
		return nil, err
	}
	snap := &Snapshot{Problems: book.sortedProblems()}
	for _, l := range all {
		if s.fits(l, copies[l.Identity.key()]) {
			snap.Letters = append(snap.Letters, l)
		}
	}
	if s.Max > 0 && len(snap.Letters) > s.Max {
		snap.Letters = snap.Letters[:s.Max]
	}
	return snap, nil
}

// copies reads all copies of each dead letter, by the keys of their identities.
func (d *Desk) copies(ctx context.Context, s Selector) (map[string][]Letter, error) {
	copies := map[string][]Letter{}
	for dead, err := range d.bus.DeadLetters(ctx, bus.Range{Topics: s.globs()}) {
		if err != nil {
			return nil, fmt.Errorf("dead letters: %w", err)
		}
		if len(s.Groups) > 0 && !slices.Contains(s.Groups, dead.Group) { // equal for all copies
			continue
		}
		l := read(dead).light()
		id := l.Identity.key()
		copies[id] = append(copies[id], l)
	}
	return copies, nil
}

// current is the copy that stands for its dead letter: the newest one that nothing was decided about, or else the newest.
func (l *ledger) current(id string, copies []Letter) Letter {
	best, bestOpen := 0, false
	for i, c := range copies {
		_, closed := l.decisionAbout(id, editionOf(c.DeadLetter))
		newer := editionOf(c.DeadLetter).newer(editionOf(copies[best].DeadLetter))
		if i == 0 || !closed && !bestOpen || closed != bestOpen && newer {
			best, bestOpen = i, !closed
		}
	}
	current := copies[best]
	current.Copies = len(copies)
	return current
}

// judge adds to a letter what was decided about it.
func (l *ledger) judge(of Letter) Letter {
	id, e := of.Identity.key(), editionOf(of.DeadLetter)
	of.State = l.stateOf(id, e)
	if d, ok := l.decisionAbout(id, e); ok {
		of.Decision = &d.Decision
	}
	if d, ok := l.draftOf(id, e); ok {
		of.Draft = &d
	}
	return of
}

func (l *ledger) sortedProblems() []Problem {
	return slices.SortedFunc(maps.Values(l.problems), func(a, b Problem) int { return cmp.Compare(a.At.Offset, b.At.Offset) })
}

func byFailure(a, b Letter) int {
	return cmp.Or(a.FailedAt.Compare(b.FailedAt), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// Show reads one dead letter with all of its bytes. It is named by its id, or by the place of one of its copies.
func (d *Desk) Show(ctx context.Context, id string) (Letter, error) {
	snap, err := d.List(ctx, Selector{IDs: []string{id}})
	if err != nil {
		return Letter{}, err
	}
	if len(snap.Letters) != 1 {
		return Letter{}, fmt.Errorf("dead letter %s: %d have this id, name one by topic/partition@offset", id, len(snap.Letters))
	}
	l := snap.Letters[0]
	full, err := d.at(ctx, l.Coordinates())
	if err != nil {
		return Letter{}, err
	}
	l.DeadLetter = full
	return l, nil
}

// at reads one record of a dead-letter topic.
func (d *Desk) at(ctx context.Context, c bus.Coordinates) (bus.DeadLetter, error) {
	r := bus.Range{Topics: []event.Glob{event.Glob(c.Topic)}, Partitions: []int32{c.Partition}, From: bus.AtOffset(c.Offset), To: bus.AtOffset(c.Offset + 1)}
	for dead, err := range d.bus.DeadLetters(ctx, r) {
		if err != nil {
			return bus.DeadLetter{}, fmt.Errorf("dead letter %s: %w", c, err)
		}
		return dead, nil
	}
	return bus.DeadLetter{}, fmt.Errorf("dead letter %s: %w", c, ErrNotFound)
}

// Group is dead letters that failed alike: with one fingerprint, in one consumer group, on events of one type.
type Group struct {
	Fingerprint   string
	ConsumerGroup string
	EventType     event.Topic
	Class, Type   string // of the error
	Count         int
	States        map[State]int
	Redriven      int       // how many of them have come back at least once
	First, Last   time.Time // failures
	Topics        []event.Topic
	Sample        Letter // the newest
}

// Groups puts the dead letters together by cause, the largest group first.
func (s *Snapshot) Groups() []Group {
	type cause struct {
		fingerprint, group string
		typ                event.Topic
	}
	groups := map[cause]*Group{}
	for _, l := range s.Letters {
		c := cause{l.Fingerprint, l.Group, l.EventType}
		g := groups[c]
		if g == nil {
			g = &Group{Fingerprint: l.Fingerprint, ConsumerGroup: l.Group, EventType: l.EventType, First: l.FailedAt, States: map[State]int{}}
			groups[c] = g
		}
		g.Count++
		g.States[l.State]++
		if l.Redrives > 0 {
			g.Redriven++
		}
		g.Last, g.Sample, g.Class, g.Type = l.FailedAt, l, l.Class, l.Type
		if !slices.Contains(g.Topics, l.Origin.Topic) {
			g.Topics = append(g.Topics, l.Origin.Topic)
		}
	}
	out := make([]Group, 0, len(groups))
	for _, g := range groups {
		slices.Sort(g.Topics)
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), a.First.Compare(b.First), strings.Compare(a.Fingerprint, b.Fingerprint), cmp.Compare(a.ConsumerGroup, b.ConsumerGroup), cmp.Compare(a.EventType, b.EventType))
	})
	return out
}
