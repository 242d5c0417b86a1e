package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/omninode-ai/omnibus/event"
)

// Reset says which positions of a group are to move, and where to.
type Reset struct {
	Group      string
	Topics     []event.Topic // default: those of Positions, else all that the group has committed to
	Partitions []int32       // default: all
	To         Bound         // in every partition; the zero Bound: where the group is
	Positions  []Coordinates // in place of To; a partition without one does not move
	Shift      int64         // added to that
}

// ResetPlan is what a reset would do. It can be kept as JSON.
type ResetPlan struct {
	Group string `json:"group"`
	New   bool   `json:"new"` // the group does not exist yet
	Moves []Move `json:"moves"`

	// Parked is how many keys are parked in the partitions that move: their events follow into the dead letters wherever the group
	// is, until they are released.
	Parked int `json:"parked,omitzero"`
}

// Changes counts the partitions that move.
func (p ResetPlan) Changes() (n int) {
	for _, m := range p.Moves {
		if m.Moves() {
			n++
		}
	}
	return n
}

// ActiveGroupError refuses to change a group that has members: they would go on from where they are, and commit that.
type ActiveGroupError struct{ Group GroupInfo }

func (e *ActiveGroupError) Error() string {
	names := make([]string, len(e.Group.Members))
	for i, m := range e.Group.Members {
		names[i] = m.ClientID + "@" + m.Host
	}
	return fmt.Sprintf("group %q has %d members: %s", e.Group.Name, len(names), strings.Join(names, ", "))
}

// PlanReset works out what r means now, and changes nothing. A group with members is an [ActiveGroupError]; one that does not
// exist is an error, ErrUnknownGroup, unless r says which topics.
func (b *Bus) PlanReset(ctx context.Context, r Reset) (ResetPlan, error) {
	failed := func(err error) (ResetPlan, error) {
		return ResetPlan{}, fmt.Errorf("reset group %q: %w", r.Group, err)
	}
	exists, err := b.idle(ctx, r.Group)
	if err != nil {
		return failed(err)
	}
	if !exists && len(r.Topics)+len(r.Positions) == 0 {
		return failed(ErrUnknownGroup)
	}
	committed, err := b.positions(ctx, r.Group)
	if err != nil {
		return failed(err)
	}
	topics := slices.Clone(r.Topics)
	if len(topics) == 0 {
		for _, c := range r.Positions {
			topics = append(topics, c.Topic)
		}
	}
	if len(topics) == 0 {
		for at := range committed {
			topics = append(topics, at.topic)
		}
	}
	slices.Sort(topics)
	moves, err := b.standing(ctx, slices.Compact(topics), r.Partitions, committed)
	if err != nil {
		return failed(err)
	}
	aims, err := b.aims(ctx, r, moves)
	if err != nil {
		return failed(err)
	}
	for i, m := range moves {
		moves[i] = move(m, aims[i])
	}
	p := ResetPlan{Group: r.Group, New: !exists, Moves: moves}
	parked, err := b.ParkedKeys(ctx, r.Group)
	if err != nil {
		return failed(err)
	}
	for _, k := range parked {
		if slices.ContainsFunc(moves, func(m Move) bool {
			return m.Moves() && m.Topic == k.Topic && m.TopicID == k.TopicID && m.Partition == k.Partition
		}) {
			p.Parked++
		}
	}
	return p, nil
}

// idle reports whether the group exists. One that has members is an error.
func (b *Bus) idle(ctx context.Context, group string) (exists bool, err error) {
	infos, err := b.Groups(ctx, group)
	switch {
	case errors.Is(err, ErrUnknownGroup):
		return false, nil
	case err != nil:
		return false, err
	case len(infos[0].Members) > 0 || infos[0].State != "Empty":
		return true, &ActiveGroupError{infos[0]}
	}
	return true, nil
}

// positions are what the group has committed.
func (b *Bus) positions(ctx context.Context, group string) (map[topicPartition]kadm.Offset, error) {
	fetched, err := b.admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("committed positions: %w", b.reach(err))
	}
	out := make(map[topicPartition]kadm.Offset)
	for t, ps := range fetched {
		for p, o := range ps {
			if o.Err != nil {
				return nil, fmt.Errorf("committed position of %s[%d]: %w", t, p, b.reach(o.Err))
			}
			if o.At >= 0 {
				out[topicPartition{event.Topic(t), p}] = o.Offset
			}
		}
	}
	return out, nil
}

// standing lists the partitions of topics, in order, with where the group is and where their logs begin and end.
func (b *Bus) standing(ctx context.Context, topics []event.Topic, partitions []int32, committed map[topicPartition]kadm.Offset) ([]Move, error) {
	var globs []event.Glob
	for _, t := range topics {
		globs = append(globs, event.Glob(t))
	}
	if len(globs) == 0 {
		return nil, nil
	}
	infos, err := b.Topics(ctx, globs...)
	if err != nil {
		return nil, err
	}
	var moves []Move
	for _, t := range infos {
		for _, p := range partitions {
			if !slices.ContainsFunc(t.Partitions, func(i PartitionInfo) bool { return i.Partition == p }) {
				return nil, &Error{Op: "reset", Topic: t.Name, Partition: p, Offset: -1, Err: fmt.Errorf("%w: it has no such partition", ErrUnknownTopic)}
			}
		}
		for _, p := range t.Partitions {
			if partitions != nil && !slices.Contains(partitions, p.Partition) {
				continue
			}
			if p.Start < 0 || p.End < 0 {
				return nil, &Error{Op: "reset", Topic: t.Name, Partition: p.Partition, Offset: -1, Err: fmt.Errorf("where its log begins and ends is not known: %w", kerr.LeaderNotAvailable)}
			}
			m := Move{Topic: t.Name, TopicID: t.ID, Partition: p.Partition, From: -1, To: -1, Start: p.Start, End: p.End}
			if c, ok := committed[topicPartition{t.Name, p.Partition}]; ok {
				m.From, m.Before = c.At, c.Metadata
			}
			moves = append(moves, m)
		}
	}
	return moves, nil
}

// aims are where r wants each of moves to go.
func (b *Bus) aims(ctx context.Context, r Reset, moves []Move) ([]aim, error) {
	wanted := make(map[topicPartition]int64)
	for _, c := range r.Positions {
		wanted[topicPartition{c.Topic, c.Partition}] = c.Offset
	}
	var times map[topicPartition]listedOffset
	if r.To.kind == atTime {
		var asked []topicPartition
		for _, m := range moves {
			asked = append(asked, topicPartition{m.Topic, m.Partition})
		}
		var err error
		if times, err = listOffsets(ctx, b.client, slices.Values(asked), r.To.at.UnixMilli()); err != nil {
			return nil, fmt.Errorf("list offsets: %w", b.reach(err))
		}
	}
	aims := make([]aim, len(moves))
	for i, m := range moves {
		at := topicPartition{m.Topic, m.Partition}
		a := aim{offset: r.To.n, ok: true}
		switch {
		case r.Positions != nil:
			if a.offset, a.ok = wanted[at]; !a.ok {
				a.why = "no position is given for it"
			}
			delete(wanted, at)
		case r.To.kind == unbounded:
			if a.offset, a.ok = m.From, m.From >= 0; !a.ok {
				a.why = "nothing is committed that could be shifted"
			}
		case r.To.kind == fromStart:
			a.offset = m.Start + r.To.n
		case r.To.kind == fromEnd:
			a.offset = max(m.Start, m.End-r.To.n)
		case r.To.kind == atTime && times[at].err != nil:
			return nil, &Error{Op: "reset", Topic: m.Topic, Partition: m.Partition, Offset: -1, Err: b.reach(times[at].err)}
		case r.To.kind == atTime:
			if a.offset = times[at].offset; a.offset == noSuchTime {
				a.offset = m.End
			}
		}
		a.offset += r.Shift
		aims[i] = a
	}
	for at := range wanted {
		if r.Partitions == nil && (r.Topics == nil || slices.Contains(r.Topics, at.topic)) {
			return nil, &Error{Op: "reset", Topic: at.topic, Partition: at.partition, Offset: -1, Err: fmt.Errorf("%w: it has no such partition", ErrUnknownTopic)}
		}
	}
	return aims, nil
}

// RunReset moves the group as p says, and returns once its committed positions were read again and are those. Where the group
// has members by now it is an [ActiveGroupError], and where a position moved or a topic was made anew since p was made, a
// [StalePlanError]; nothing is changed then.
func (b *Bus) RunReset(ctx context.Context, p ResetPlan) error {
	failed := func(err error) error { return fmt.Errorf("reset group %q: %w", p.Group, err) }
	if _, err := b.idle(ctx, p.Group); err != nil {
		return failed(err)
	}
	if err := b.stillStands(ctx, p); err != nil {
		return failed(err)
	}
	moves := slices.DeleteFunc(slices.Clone(p.Moves), func(m Move) bool { return !m.Moves() })
	for chunk := range slices.Chunk(moves, commitChunk) {
		var at kadm.Offsets
		for _, m := range chunk {
			at.Add(kadm.Offset{Topic: string(m.Topic), Partition: m.Partition, At: m.To, LeaderEpoch: -1, Metadata: m.Commits})
		}
		done, err := b.admin.CommitOffsets(ctx, p.Group, at)
		if err = errors.Join(err, done.Error()); err != nil {
			if _, active := b.idle(ctx, p.Group); active != nil { // somebody joined meanwhile: the broker refuses then
				return failed(active)
			}
			return failed(fmt.Errorf("commit: %w", b.reach(err)))
		}
	}
	committed, err := b.positions(ctx, p.Group)
	if err != nil {
		return failed(fmt.Errorf("read again what was committed: %w", err))
	}
	for _, m := range moves {
		if c := committed[topicPartition{m.Topic, m.Partition}]; c.At != m.To {
			return failed(&StalePlanError{[]string{fmt.Sprintf("%s[%d] was moved to %d, and is at %d now: somebody else moves it too", m.Topic, m.Partition, m.To, c.At)}})
		}
	}
	return nil
}

// commitChunk is how many partitions one request commits; a broker that syncs takes long over many.
const commitChunk = 32

// stillStands checks that everything is as it was when p was made.
func (b *Bus) stillStands(ctx context.Context, p ResetPlan) error {
	committed, err := b.positions(ctx, p.Group)
	if err != nil {
		return err
	}
	topics := map[event.Topic]bool{}
	for _, m := range p.Moves {
		topics[m.Topic] = true
	}
	now, err := b.standing(ctx, slices.Sorted(maps.Keys(topics)), nil, committed)
	if err != nil {
		return err
	}
	found := make(map[topicPartition]Move, len(now))
	for _, m := range now {
		found[topicPartition{m.Topic, m.Partition}] = m
	}
	var changed []string
	for _, m := range p.Moves {
		if !m.Moves() {
			continue
		}
		switch n, ok := found[topicPartition{m.Topic, m.Partition}]; {
		case !ok:
			changed = append(changed, fmt.Sprintf("%s[%d] is gone", m.Topic, m.Partition))
		case n.TopicID != m.TopicID:
			changed = append(changed, fmt.Sprintf("%s was deleted and made anew", m.Topic))
		case n.From != m.From || n.Before != m.Before:
			changed = append(changed, fmt.Sprintf("%s[%d] was at %d, and is at %d now", m.Topic, m.Partition, m.From, n.From))
		case m.To < n.Start || m.To > n.End:
			changed = append(changed, fmt.Sprintf("%s[%d] holds offsets %d to %d now, and %d is not among them", m.Topic, m.Partition, n.Start, n.End, m.To))
		}
	}
	if changed != nil {
		return &StalePlanError{changed}
	}
	return nil
}
