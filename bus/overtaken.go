package bus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// errOvertaken ends a run of a consumer whose group took it for a new member, where others had its partitions meanwhile and
// committed more. What it knows of them is of no use then, and the client goes on fetching them from where it was: so it begins anew.
var errOvertaken = errors.New("others had a partition of ours meanwhile and have committed more")

// overtakenWithin is how long the look at the positions may take; the group waits for it.
const overtakenWithin = 5 * time.Second

// assigned is called at the end of every rebalance, when all that was taken away has been revoked: what is left is ours. Where the
// group has taken us for a new member though, others may have had it: it is ours still if the broker has the position that we left
// there, or else it is lost.
func (c *consumer) assigned(ctx context.Context, client *kgo.Client, _ map[string][]int32) {
	member, _ := client.GroupMetadata()
	c.mu.Lock()
	var kept []*partition
	for _, p := range c.lanes.parts {
		if p.member != member {
			kept = append(kept, p)
		}
	}
	c.mu.Unlock()
	if len(kept) == 0 {
		return
	}
	ours := c.positions(ctx)
	var gone []Coordinates
	c.mu.Lock()
	for _, p := range kept {
		switch {
		case c.lanes.parts[p.id] != p: // it ended while we looked
		case ours(p):
			p.member = member
		default:
			gone = append(gone, p.id.at(-1))
			c.end(p, errLost)
		}
	}
	c.mu.Unlock()
	if len(gone) > 0 {
		c.tell(c.bus.cfg.Trace.Lost, gone)
		c.fatal(errOvertaken)
	}
}

// positions tells for a partition whether the broker has the position that we left there. It is asked under mu.
func (c *consumer) positions(ctx context.Context) (ours func(*partition) bool) {
	ctx, cancel := context.WithTimeout(ctx, overtakenWithin)
	defer cancel()
	found, err := c.bus.admin.FetchOffsets(ctx, c.cfg.Group)
	if err != nil {
		c.bus.log.WarnContext(ctx, "the positions of the group cannot be read: beginning anew", slog.String("group", c.cfg.Group), slog.String("error", err.Error()))
		return func(*partition) bool { return false }
	}
	return func(p *partition) bool {
		at, ok := found.Lookup(p.id.topic, p.id.partition)
		switch {
		case !ok || at.At < 0:
			return p.committed < 0
		case at.Err != nil:
			return false
		}
		return at.At == p.committed && at.Metadata == p.metadata
	}
}
