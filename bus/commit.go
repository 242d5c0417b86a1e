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

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	commitEvery      = 500 * time.Millisecond // PROMISES P4: at most 1 s
	commitLastWithin = 10 * time.Second
	commitMost       = 32 // partitions per request: a broker that syncs each of them holds others up meanwhile
)

// commitOften commits what moved until ctx ends, and at once what events wait for that are to begin.
func (c *consumer) commitOften(ctx context.Context) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		var err error
		all := false
		select {
		case <-ctx.Done():
			return
		case <-c.urgent:
			err = c.commitClaims(ctx)
		case <-tick.C:
			err, all = c.commit(ctx, nil, false), true
		}
		if ctx.Err() != nil {
			return
		}
		if all || err != nil {
			c.committed(err)
		}
		if err != nil {
			c.bus.log.WarnContext(ctx, "commit failed, trying again", slog.String("group", c.cfg.Group), slog.String("error", err.Error()))
		}
	}
}

// committed keeps since when commits fail.
func (c *consumer) committed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.commitFails = nil
	case c.commitFails == nil:
		c.commitFails = &Trouble{Since: time.Now(), Why: err.Error()}
	default:
		c.commitFails.Why = err.Error()
	}
}

// commitLast commits at the end of a consumer, and tries again where the broker says that this may help.
func (c *consumer) commitLast(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, commitLastWithin)
	defer cancel()
	for {
		err := c.commit(ctx, nil, true)
		if err == nil || !kerr.IsRetriable(err) {
			return err
		}
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// commitClaims commits the partitions of which something waits to begin, see guard. One commit is for all of them.
func (c *consumer) commitClaims(ctx context.Context) error {
	c.mu.Lock()
	var parts []*partition
	for _, p := range c.lanes.parts {
		if p.guard != nil && p.guard.claims.len() > 0 {
			parts = append(parts, p)
		}
	}
	c.mu.Unlock()
	if len(parts) == 0 {
		return nil
	}
	return c.commit(ctx, parts, false)
}

// commit writes the positions of the partitions that moved (nil: of all). Commits never overlap, so that a late one cannot
// take a position back. clean says that it is the last one, in order.
func (c *consumer) commit(ctx context.Context, parts []*partition, clean bool) error {
	c.commits.Lock()
	defer c.commits.Unlock()
	c.mu.Lock()
	all := parts == nil
	if all {
		for _, p := range c.lanes.parts {
			parts = append(parts, p)
		}
		c.lanes.unrecorded.taken()
	}
	taken := time.Now()
	var moved []position
	for _, p := range parts {
		if p.gone || !p.began {
			continue
		}
		if pos, ok := p.position(clean); ok {
			moved = append(moved, pos)
		} else {
			c.lanes.acknowledged(pos) // it was before: what waits for it need not wait
		}
	}
	c.spawn()
	c.mu.Unlock()
	var errs []error
	for len(moved) > 0 {
		n := min(commitMost, len(moved))
		errs = append(errs, c.commitSome(ctx, moved[:n], taken))
		moved = moved[n:]
	}
	err := errors.Join(errs...)
	if all && err == nil {
		c.mu.Lock()
		c.lanes.unrecorded.recorded()
		c.spawn()
		c.mu.Unlock()
	}
	return err
}

func (c *consumer) commitSome(ctx context.Context, ps []position, taken time.Time) error {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range ps {
		id := p.part.id
		if offsets[id.topic] == nil {
			offsets[id.topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[id.topic][id.partition] = kgo.EpochOffset{Epoch: -1, Offset: p.offset}
	}
	var failed error
	var withheld, refused map[partitionID]error
	complete := kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		withheld = completeCommit(req, ps)
		for i := range req.Topics {
			if id, ok := c.topics.of(req.Topics[i].Topic); ok {
				req.Topics[i].TopicID = id // the topic that was read: the broker refuses it if another has the name now
			}
		}
		return nil
	})
	c.client.CommitOffsetsSync(complete, offsets, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			failed = err
			return
		}
		refused = refusals(req, resp)
		maps.Copy(refused, withheld)
	})
	if told := c.bus.cfg.Trace.Committed; told != nil {
		for _, p := range ps {
			told(Commit{Group: c.cfg.Group, Position: p.part.id.at(p.offset), Taken: taken, Err: cmp.Or(failed, refused[p.part.id])})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if failed != nil {
		errs = append(errs, failed)
	}
	for _, p := range ps {
		switch err := refused[p.part.id]; {
		case failed != nil:
			p.part.uncertain()
		case err != nil:
			p.part.uncertain()
			if isTopicDoubt(err) {
				c.doubtTopics()
			}
			errs = append(errs, fmt.Errorf("%s[%d]@%d: %w", p.part.id.topic, p.part.id.partition, p.offset, err))
		default:
			c.lanes.acknowledged(p)
		}
	}
	c.spawn()
	return errors.Join(errs...)
}

// completeCommit puts the metadata of ps into a request and takes the positions out that are not for the member that sends it
// to move. It returns those, with the reason.
func completeCommit(req *kmsg.OffsetCommitRequest, ps []position) (withheld map[partitionID]error) {
	at := make(map[partitionID]position, len(ps))
	for _, p := range ps {
		at[p.part.id] = p
	}
	withheld = map[partitionID]error{}
	for i := range req.Topics {
		t := &req.Topics[i]
		kept := t.Partitions[:0]
		for _, asked := range t.Partitions {
			id := partitionID{t.Topic, asked.Partition}
			p := at[id]
			if p.member != req.MemberID {
				withheld[id] = errNewMember
				continue
			}
			asked.Metadata = &p.metadata
			kept = append(kept, asked)
		}
		t.Partitions = kept
	}
	req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return len(t.Partitions) == 0 })
	return withheld
}

// errNewMember refuses a position that another member may have moved. A member whose join is answered with UNKNOWN_MEMBER_ID, as
// a broker does that was killed meanwhile, joins again as a new one, and the client neither gives up what it held nor says so
// until the rebalance ends: by then another may have had the partition and have committed more.
var errNewMember = errors.New("the group took us for a new member meanwhile, and others may have had the partition")

var errNotAnswered = errors.New("the broker did not say whether it has it")

// refusals are the positions of a request that the broker does not have now, and why. An answer may name its topics by their
// ids only: the client fills the names in, but not where the session has ended meanwhile, and there the refusals are.
func refusals(req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse) map[partitionID]error {
	refused := map[partitionID]error{}
	names := map[[16]byte]string{}
	for _, t := range req.Topics {
		names[t.TopicID] = t.Topic
		for _, p := range t.Partitions {
			refused[partitionID{t.Topic, p.Partition}] = errNotAnswered
		}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			id := partitionID{cmp.Or(t.Topic, names[t.TopicID]), p.Partition}
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				refused[id] = err
			} else {
				delete(refused, id)
			}
		}
	}
	return refused
}
