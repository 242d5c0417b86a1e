package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/defect"
)

func isOutOfRange(err error) bool {
	var loss *kgo.ErrDataLoss
	return errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &loss)
}

func isRefusal(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) || errors.Is(err, kerr.SaslAuthenticationFailed)
}

// outside says in a sentence how a group stands outside of the log, and how to go on.
func (c *consumer) outside(ctx context.Context, id partitionID) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c.mu.Lock()
	stands := int64(-1)
	if p := c.lanes.parts[id]; p != nil {
		stands = p.track.next
	}
	c.mu.Unlock()
	next := fmt.Sprintf("move it on purpose to go on: omnibus groups reset %s --to earliest --topic %s --partition %d", c.cfg.Group, id.topic, id.partition)
	if c.cfg.Broadcast {
		next = "start again to go on"
	}
	one := []partitionID{id}
	starts, err := resolve(ctx, one, c.bus.admin.ListStartOffsets)
	if err == nil && stands >= 0 && stands < starts[id] {
		return fmt.Sprintf("%s stands at offset %d and the log begins at %d, so up to %d events that it had not read are gone; %s", c.who(), stands, starts[id], starts[id]-stands, next)
	}
	ends, err := resolve(ctx, one, c.bus.admin.ListEndOffsets)
	if err == nil && stands > ends[id] {
		return fmt.Sprintf("%s stands at offset %d, and the log ends at %d: it lost records or was made anew; %s", c.who(), stands, ends[id], next)
	}
	return fmt.Sprintf("%s stands outside of the log; %s", c.who(), next)
}

// offsetsFetched keeps what the group committed, with its metadata, for the assignment that follows.
func (c *consumer) offsetsFetched(_ context.Context, client *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	member, _ := client.GroupMetadata()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.member = member
	keep := func(topic string, partition int32, offset int64, metadata *string) {
		f := fetchedOffset{offset: offset, start: -1}
		if metadata != nil {
			f.metadata = *metadata
		}
		c.fetched[partitionID{topic, partition}] = f
	}
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				keep(t.Topic, p.Partition, p.Offset, p.Metadata)
			}
		}
	}
	return nil
}

// adjustOffsets is called with every newly assigned partition, after its committed offset came and before it is fetched. It
// says where partitions without a commit begin: those that were there when the consumer started begin where From says; topics
// and partitions that appeared later begin at their beginning, or their first events would be passed over. Both are resolved to
// offsets here, so that they are committed at once: a restart then passes over nothing, and lag is known from the start.
func (c *consumer) adjustOffsets(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	var earliest, latest []partitionID
	c.mu.Lock()
	for topic, parts := range offsets {
		for p := range parts {
			id := partitionID{topic, p}
			switch f, ok := c.fetched[id]; {
			case ok && f.offset >= 0:
			case (c.cfg.From == Latest || defect.On(defect.BeginAtEnd)) && c.existing[event.Topic(topic)][p]:
				latest = append(latest, id)
			default:
				earliest = append(earliest, id)
			}
		}
	}
	c.mu.Unlock()
	starts, err := resolve(ctx, earliest, c.bus.admin.ListStartOffsets)
	if err != nil {
		return nil, fmt.Errorf("find the earliest offsets: %w", err)
	}
	ends, err := resolve(ctx, latest, c.bus.admin.ListEndOffsets)
	if err != nil {
		return nil, fmt.Errorf("find the latest offsets: %w", err)
	}
	if err := c.learnTopics(ctx, slices.Collect(maps.Keys(offsets))); err != nil {
		return nil, fmt.Errorf("find the ids of topics: %w", err)
	}
	var ids []partitionID
	for topic, parts := range offsets {
		for p := range parts {
			ids = append(ids, partitionID{topic, p})
		}
	}
	if err := c.loadParked(ctx, ids); err != nil {
		return nil, err
	}
	var begun []Coordinates
	c.mu.Lock()
	c.rebalances.Assigned++
	for _, found := range []map[partitionID]int64{starts, ends} {
		for id, at := range found {
			offsets[id.topic][id.partition] = kgo.NewOffset().At(at)
			c.fetched[id] = fetchedOffset{offset: -1, start: at}
		}
	}
	for _, id := range ids {
		begun = append(begun, id.at(c.begin(id)))
	}
	c.mu.Unlock()
	c.tell(c.bus.cfg.Trace.Assigned, begun)
	return offsets, nil
}

func (id partitionID) at(offset int64) Coordinates {
	return Coordinates{Topic: event.Topic(id.topic), Partition: id.partition, Offset: offset}
}

// tell calls a func of the trace for each of ps.
func (c *consumer) tell(trace func(group string, p Coordinates), ps []Coordinates) {
	if trace == nil {
		return
	}
	for _, p := range ps {
		trace(c.cfg.Group, p)
	}
}

// resolve asks list for the offsets of ids.
func resolve(ctx context.Context, ids []partitionID, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[partitionID]int64, error) {
	if len(ids) == 0 {
		return nil, nil //nolint:nilnil // nothing to ask
	}
	var topics []string
	for _, id := range ids {
		if !slices.Contains(topics, id.topic) {
			topics = append(topics, id.topic)
		}
	}
	listed, err := list(ctx, topics...)
	if err != nil {
		return nil, err
	}
	found := make(map[partitionID]int64, len(ids))
	for _, id := range ids {
		at, ok := listed.Lookup(id.topic, id.partition)
		if !ok {
			return nil, fmt.Errorf("%s[%d]: the broker did not say", id.topic, id.partition)
		}
		if at.Err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", id.topic, id.partition, at.Err)
		}
		found[id] = at.Offset
	}
	return found, nil
}

// begin makes the partition of an assignment, and returns where its reading goes on; -1: at the first record. Under mu.
func (c *consumer) begin(id partitionID) int64 {
	f, ok := c.fetched[id]
	if !ok {
		f = fetchedOffset{offset: -1, start: -1}
	}
	delete(c.fetched, id)
	if old := c.lanes.parts[id]; old != nil { // a fetch of offsets that was broken off and begun again
		c.end(old, errRevoked)
	}
	batch, _ := c.dispatch.batch(event.Topic(id.topic))
	p := c.lanes.assign(id, batch, f.offset, f.metadata, f.start)
	p.member = c.member
	if !c.cfg.Broadcast {
		c.lanes.watch(p)
	}
	ctx, cancel := context.WithCancelCause(c.bus.life)
	c.contexts[p] = partitionContext{ctx, cancel}
	if !p.began {
		return -1
	}
	return p.track.watermark()
}

// end forgets a partition and cancels what still runs for it. Under mu.
func (c *consumer) end(p *partition, cause error) {
	c.lanes.drop(p)
	c.contexts[p].cancel(cause)
	delete(c.contexts, p)
	delete(c.paused, p)
}

// revoked is called while the rebalance waits for us: stop dispatch, let what runs finish within the grace time, commit.
func (c *consumer) revoked(ctx context.Context, _ *kgo.Client, parts map[string][]int32) {
	ids := idsOf(parts)
	c.mu.Lock()
	c.rebalances.Revoked++
	var mine []*partition
	var given []Coordinates
	for _, id := range ids {
		if p := c.lanes.parts[id]; p != nil {
			c.lanes.revoke(p)
			mine, given = append(mine, p), append(given, id.at(-1))
		}
	}
	c.mu.Unlock()
	if len(mine) == 0 {
		return
	}
	idle := func() bool {
		for _, p := range mine {
			if p.running > 0 {
				return false
			}
		}
		return true
	}
	if !defect.On(defect.NoWaitOnRevoke) && !c.await(min(c.cfg.DrainWithin, c.cfg.grace()), idle) {
		c.bus.log.WarnContext(ctx, "handlers did not finish before their partitions were taken away: their events come again", slog.String("group", c.cfg.Group))
	}
	as := c.bus.cfg.Trace.Revoked
	if err := c.commit(ctx, mine, true); err != nil {
		c.bus.log.WarnContext(ctx, "commit at revoke failed: events since the last commit come again", slog.String("group", c.cfg.Group), slog.String("error", err.Error()))
		as = c.bus.cfg.Trace.Lost // a broker that was killed has forgotten who we are, and the client calls that a revoke too
	}
	c.forget(ids, errRevoked)
	c.tell(as, given)
}

// grace is how long a rebalance may wait for running handlers. The group waits twice as long before it goes on without us, so that
// the commit has the other half; but not longer than it must, as it also waits for members that died while they joined.
func (c Consumer) grace() time.Duration {
	return min(max(c.DrainWithin, 5*time.Second), 30*time.Second)
}

// lost is called when others may already have the partitions: nothing is committed, late results are discarded.
func (c *consumer) lost(ctx context.Context, client *kgo.Client, parts map[string][]int32) {
	c.mu.Lock()
	c.rebalances.Lost++
	c.mu.Unlock()
	ids := idsOf(parts)
	gone := make([]Coordinates, len(ids))
	for i, id := range ids {
		gone[i] = id.at(-1)
	}
	if !defect.On(defect.CommitAfterLost) {
		c.forget(ids, errLost)
	}
	c.tell(c.bus.cfg.Trace.Lost, gone)
	if defect.On(defect.CommitAfterLost) {
		c.revoked(ctx, client, parts)
	}
}

func idsOf(parts map[string][]int32) []partitionID {
	var ids []partitionID
	for topic, ps := range parts {
		for _, p := range ps {
			ids = append(ids, partitionID{topic, p})
		}
	}
	return ids
}
