package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/omninode-ai/omnibus/event"
)

// PartitionLag is how far one group is behind in one partition. Where Known is false nobody can tell, and Why says why: that is
// not the same as no lag.
type PartitionLag struct {
	Group          string
	Topic          event.Topic
	Partition      int32
	Committed, End int64         // -1: not known
	Messages       int64         // offsets between the two
	Age            time.Duration // since the first record that is not settled was written; 0 when caught up
	Known          bool
	Why            string // also of one that is known: that records were gone before they were read
}

// Lag measures the groups, or all groups of the cluster, in the order of group, topic and partition: the partitions that a group
// has committed to, those that its members hold, and those others of the same topics that hold records, whose lag nobody knows. A group that is named and does not exist is an error, ErrUnknownGroup.
func (b *Bus) Lag(ctx context.Context, groups ...string) ([]PartitionLag, error) {
	infos, err := b.Groups(ctx, groups...)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(infos))
	for i, g := range infos {
		names[i] = g.Name
	}
	var lags []*PartitionLag
	if len(names) > 0 {
		committed := b.admin.FetchManyOffsets(ctx, names...)
		for _, g := range infos {
			answer, ok := committed[g.Name]
			if !ok {
				answer.Err = errNoAnswer
			}
			lags = append(lags, b.committed(g, answer)...)
		}
	}
	lags, err = b.measure(ctx, lags)
	if err != nil {
		return nil, err
	}
	out := make([]PartitionLag, len(lags))
	for i, l := range lags {
		out[i] = *l
	}
	slices.SortFunc(out, func(x, y PartitionLag) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return out, nil
}

// committed lists the partitions of one group. Those with a usable position are Known until measure finds otherwise.
func (b *Bus) committed(g GroupInfo, answer kadm.FetchOffsetsResponse) []*PartitionLag {
	lags := make(map[topicPartition]*PartitionLag)
	add := func(t event.Topic, p int32) *PartitionLag {
		at := topicPartition{t, p}
		if lags[at] == nil {
			lags[at] = &PartitionLag{Group: g.Name, Topic: t, Partition: p, Committed: -1, End: -1, Why: "nothing committed yet"}
			if answer.Err != nil {
				lags[at].Why = "committed positions: " + b.reach(answer.Err).Error()
			}
		}
		return lags[at]
	}
	for _, m := range g.Members {
		for t, ps := range m.Assigned {
			for _, p := range ps {
				add(t, p)
			}
		}
	}
	for t, ps := range answer.Fetched {
		for p, o := range ps {
			l := add(event.Topic(t), p)
			switch {
			case o.Err != nil:
				l.Why = "committed position: " + b.reach(o.Err).Error()
			case o.At >= 0: // else it has expired, or never was
				l.Committed, l.Known, l.Why = o.At, true, ""
			}
		}
	}
	if answer.Err != nil && len(lags) == 0 { // not to be mistaken for a group without partitions
		add("", -1)
	}
	return slices.Collect(maps.Values(lags))
}

// measure completes the lags: the ends first, then the age of what is not settled.
func (b *Bus) measure(ctx context.Context, lags []*PartitionLag) ([]*PartitionLag, error) {
	l, err := b.openReader()
	if err != nil {
		return nil, fmt.Errorf("lag: %w", err)
	}
	defer l.close()
	topics := make(map[event.Glob]bool)
	for _, lag := range lags {
		if lag.Topic != "" {
			topics[event.Glob(lag.Topic)] = true
		}
	}
	if len(topics) == 0 {
		return lags, nil
	}
	l.topics = slices.Sorted(maps.Keys(topics))
	meta, err := l.metadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("lag: %w", err)
	}
	there := index(l.cursors(meta))
	led := maps.Clone(there) // asking about a partition without a leader waits for one
	maps.DeleteFunc(led, func(_ topicPartition, c *logCursor) bool { return c.leader < 0 })
	start, err := listOffsets(ctx, l.client, maps.Keys(led), listEarliest)
	if err != nil {
		return nil, fmt.Errorf("lag: list offsets: %w", b.reach(err))
	}
	end, err := listOffsets(ctx, l.client, maps.Keys(led), listLatest)
	if err != nil {
		return nil, fmt.Errorf("lag: list offsets: %w", b.reach(err))
	}
	lags = append(lags, silent(lags, start, end)...)
	var behind []*logCursor
	lagOf := make(map[*logCursor]*PartitionLag)
	for _, lag := range lags {
		at := topicPartition{lag.Topic, lag.Partition}
		s, e := start[at], end[at]
		unknown := func(why string) { lag.Known, lag.Why = false, why }
		switch c := there[at]; {
		case lag.Topic == "":
		case c == nil && gone(meta[string(lag.Topic)]):
			unknown("the topic does not exist any more")
		case c == nil:
			unknown("the partition cannot be looked up: " + meta[string(lag.Topic)].Err.Error())
		case c.leader < 0:
			unknown("the partition has no leader now")
		case s.err != nil:
			unknown("start of the log: " + b.reach(s.err).Error())
		case e.err != nil:
			unknown("end of the log: " + b.reach(e.err).Error())
		case !lag.Known:
			lag.End = e.offset
		case lag.Committed > e.offset:
			lag.End = e.offset
			unknown(fmt.Sprintf("committed %d is beyond the end of the log at %d: the topic was made anew or lost records", lag.Committed, e.offset))
		default:
			lag.End, lag.Messages = e.offset, e.offset-lag.Committed
			if lag.Committed < s.offset {
				lag.Why = fmt.Sprintf("the log begins at %d: what lay before was gone before the group read it", s.offset)
			}
			if lag.Messages > 0 { // cursors of their own: several groups may be behind in one partition
				from := max(lag.Committed, s.offset)
				own := &logCursor{topic: c.topic, id: c.id, partition: c.partition, leader: c.leader, next: from, from: from, end: e.offset}
				lagOf[own] = lag
				behind = append(behind, own)
			}
		}
	}
	return lags, b.ages(ctx, l, behind, lagOf)
}

// silent are the partitions that hold records and in which a group has no position, though it has in others of the topic: its
// position has expired there, or it never read that far. Where there are no records there is nothing to be behind.
func silent(lags []*PartitionLag, start, end map[topicPartition]listedOffset) []*PartitionLag {
	type read struct {
		group string
		topic event.Topic
	}
	known := map[read]map[int32]bool{}
	for _, l := range lags {
		r := read{l.Group, l.Topic}
		if known[r] == nil {
			known[r] = map[int32]bool{}
		}
		known[r][l.Partition] = true
	}
	var out []*PartitionLag
	for r, partitions := range known {
		for at, e := range end {
			if s := start[at]; at.topic == r.topic && !partitions[at.partition] && s.err == nil && e.err == nil && e.offset > s.offset {
				out = append(out, &PartitionLag{
					Group: r.group, Topic: at.topic, Partition: at.partition, Committed: -1, End: -1, Why: "no position in this partition, and there are records",
				})
			}
		}
	}
	return out
}

func gone(t kadm.TopicDetail) bool {
	return t.Err == nil || errors.Is(t.Err, kerr.UnknownTopicOrPartition)
}

// ages reads the first unsettled record of each cursor. Where it cannot be had, the lag is not known.
func (b *Bus) ages(ctx context.Context, l *logReader, cursors []*logCursor, lagOf map[*logCursor]*PartitionLag) error {
	now := time.Now()
	for turn := range takeTurns(cursors) { // a fetch can name a partition once only, so cursors on the same one take turns
		if err := l.fill(ctx, turn); err != nil && ctx.Err() == nil {
			b.log.DebugContext(ctx, "lag: read what is not settled", slog.Any("error", err)) // whose fault it was is found out below
		}
		for _, c := range turn {
			err := l.fill(ctx, []*logCursor{c})
			if ctx.Err() != nil {
				return fmt.Errorf("lag: %w", context.Cause(ctx))
			}
			switch lag := lagOf[c]; {
			case err != nil:
				lag.Known, lag.Messages, lag.Why = false, 0, "first unsettled record: "+err.Error()
			case len(c.records) > 0:
				lag.Age = max(0, now.Sub(c.records[0].Timestamp))
			}
		}
	}
	return nil
}

// takeTurns yields the cursors in sets that have no partition twice.
func takeTurns(cursors []*logCursor) func(yield func([]*logCursor) bool) {
	return func(yield func([]*logCursor) bool) {
		for len(cursors) > 0 {
			turn := index(cursors)
			if !yield(slices.Collect(maps.Values(turn))) {
				return
			}
			cursors = slices.DeleteFunc(slices.Clone(cursors), func(c *logCursor) bool { return turn[topicPartition{c.topic, c.partition}] == c })
		}
	}
}
