package bus

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// ConsumerState is what one running Consume is doing.
type ConsumerState struct {
	Group       string // empty: a broadcast
	Broadcast   bool
	Since       time.Time // when it began
	InFlight    int       // handlers that run now
	MaxInFlight int
	Waiting     int // events in hand whose handler could run at once if there were room
	Rebalances  Rebalances
	CommitFails *Trouble // nil: the last commit went well. After a second without one nothing new begins
	Missing     []Missing
	Stuck       []StuckHandler
	Topics      []TopicCounts    // in the order of their names
	Partitions  []PartitionState // those that it holds now, in order
}

// Trouble is something that does not work, since when, and why.
type Trouble struct {
	Since time.Time
	Why   string
}

// Rebalances counts how often partitions came and went.
type Rebalances struct{ Assigned, Revoked, Lost int64 }

// Missing is a topic that a pattern matched and that is gone from the cluster.
type Missing struct {
	Topic event.Topic
	Since time.Time
}

// TopicCounts counts what became of the events of one topic since the consumer began. An event that is retried is counted at
// every attempt: Retried at each that failed, and then once under what settled it.
type TopicCounts struct {
	Topic   event.Topic
	Done    int64 // a handler was through
	Skipped int64 // a handler chose to, see [Skip]
	Dead    int64 // written to the dead letters
	Dropped int64 // a broadcast could not handle it and went on
	Retried int64 // attempts after which the key waits for another one
	Paused  int64 // attempts that met an outage
	Outages int64 // times that a partition of the topic began to wait and probe
}

// PartitionState is how far a consumer is with one partition.
type PartitionState struct {
	Topic         event.Topic
	Partition     int32
	Committed     int64 // what the broker has; -1: nothing yet
	Next          int64 // one past the highest offset that was delivered
	Unsettled     int64 // events delivered and not settled
	Span          int64 // offsets between the smallest unsettled one and Next; where it reaches SpanLimit, fetching pauses
	SpanLimit     int64
	MetadataBytes int // of the completed set as last committed; fetching pauses before it passes MetadataLimit
	MetadataLimit int
	ParkedKeys    int     // keys that wait for another attempt
	Paused        bool    // fetching pauses: there is no room for more
	Outage        *Outage // nil: none
	Stopped       *Stop   // nil: it goes on
}

// Stop is where a partition stopped that does not go on by itself, see [StopPartition].
type Stop struct {
	Since   time.Time
	Offset  int64  // of the event that it stopped at; nothing behind it begins
	Message string // its last failure
}

// Outage is why a partition waits and probes.
type Outage struct {
	Since       time.Time
	Fingerprint string // equal for equal failures
	Message     string // of the failure that began it
}

// Consumers says what every Consume of b that runs now is doing, in the order of their groups.
func (b *Bus) Consumers() []ConsumerState {
	now := time.Now()
	var out []ConsumerState
	for _, c := range b.running.all() {
		out = append(out, c.state(now))
	}
	slices.SortStableFunc(out, func(x, y ConsumerState) int { return cmp.Compare(x.Group, y.Group) })
	return out
}

// consumers are those of a bus that run, in the order in which they began.
type consumers struct {
	mu   sync.Mutex
	list []*consumer
}

func (cs *consumers) add(c *consumer) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.list = append(cs.list, c)
}

func (cs *consumers) remove(c *consumer) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.list = slices.DeleteFunc(cs.list, func(x *consumer) bool { return x == c })
}

func (cs *consumers) all() []*consumer {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return slices.Clone(cs.list)
}

func (c *consumer) state(now time.Time) ConsumerState {
	s := ConsumerState{
		Group: c.cfg.Group, Broadcast: c.cfg.Broadcast, Since: c.began, MaxInFlight: c.cfg.MaxInFlight,
		Stuck: c.stuck(now), Missing: c.topics.missing(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.InFlight, s.Waiting, s.Rebalances = c.lanes.running, c.lanes.waiting, c.rebalances
	switch late := c.lanes.unrecorded; {
	case c.commitFails != nil:
		s.CommitFails = new(*c.commitFails)
	case late.overdue(now):
		s.CommitFails = &Trouble{Since: late.since, Why: "no answer to commits: nothing new begins until there is one"}
	}
	for _, topic := range slices.Sorted(maps.Keys(c.lanes.tallies)) {
		t := *c.lanes.tallies[topic]
		t.Topic = event.Topic(topic)
		s.Topics = append(s.Topics, t)
	}
	parked := c.lanes.parkedKeys()
	for _, p := range c.lanes.parts {
		ps := p.state()
		ps.ParkedKeys, ps.Paused = parked[p], c.paused[p]
		s.Partitions = append(s.Partitions, ps)
	}
	slices.SortFunc(s.Partitions, func(x, y PartitionState) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return s
}

func (p *partition) state() PartitionState {
	s := PartitionState{
		Topic: event.Topic(p.id.topic), Partition: p.id.partition, Committed: p.committed, Next: p.track.next, Unsettled: p.track.n,
		Span: p.track.next - p.track.watermark(), SpanLimit: maxSpan, MetadataBytes: len(p.metadata), MetadataLimit: maxMetadata,
	}
	if o := p.outage; o != nil {
		s.Outage = &Outage{Since: o.since, Fingerprint: o.fingerprint, Message: o.message}
	}
	if p.halted != nil {
		s.Stopped = new(*p.halted)
	}
	return s
}

// parkedKeys counts by partition the keys that wait after a failure. A batch that waits for company is parked too and does not
// count.
func (s *lanes) parkedKeys() map[*partition]int {
	n := map[*partition]int{}
	for _, l := range s.parked {
		if !l.firstErr.IsZero() {
			n[l.part]++
		}
	}
	return n
}

// tally is the counts of a topic; every partition of it counts there.
func (s *lanes) tally(topic string) *TopicCounts {
	if s.tallies[topic] == nil {
		s.tallies[topic] = new(TopicCounts)
	}
	return s.tallies[topic]
}

// note counts the result of a run of n events.
func (t *TopicCounts) note(n int, r result) {
	again := len(r.retry)
	if r.pause {
		t.Paused += int64(again)
	} else {
		t.Retried += int64(again)
	}
	t.Skipped += int64(r.skipped)
	t.Dead += int64(r.dead)
	t.Dropped += int64(r.dropped)
	t.Done += int64(n - again - r.skipped - r.dead - r.dropped)
}
