package bus

import (
	"container/heap"
	"slices"
	"sync/atomic"
	"time"

	"github.com/omninode-ai/omnibus/internal/defect"
)

// lanes decides what a consumer does next. It is pure: time and events come in, decisions come out; it has no goroutine, no
// clock and no Kafka. A lane is the events of one key of one partition: they run one at a time, in log order. Different lanes
// run at once, at most max. A lane whose event failed is parked and its partition's other lanes go on.
//
// The caller holds one lock around every method.
type lanes struct {
	max        int
	running    int
	parts      map[partitionID]*partition
	ready      queue[*lane] // lanes that may run now
	parked     parking
	outages    outages
	tallies    map[string]*TopicCounts // by topic
	claims     int                     // lanes that wait for a commit, see guard
	reserved   int                     // of max, for lanes whose start is being committed
	waiting    int                     // items handed over whose lane is neither parked nor held: what polling is ahead of the handlers
	stopped    bool                    // nothing more starts
	unrecorded unrecorded
	outlived   map[partitionID]map[int64]int // counted runs that ended here though their partition was gone, see outlive
}

type partitionID struct {
	topic     string
	partition int32
}

// partition is one assignment of one partition. A later assignment is another partition.
type partition struct {
	id       partitionID
	batch    Batch // Max > 1: the lane of the partition runs in batches
	tally    *TopicCounts
	track    offsets
	incoming queue[delivered] // handed over, not yet delivered: the tracker is full
	lanes    map[uint64]*lane
	held     queue[*lane] // lanes that wait for the end of the outage
	outage   *outage
	guard    *guard // nil: none is kept
	running  int
	halted   *Stop // at an event, until another assignment; nil: it goes on
	revoked  bool  // nothing more starts; what runs may finish
	gone     bool  // results are discarded

	member    string // as what the group gave it to us; "" where there is no group
	began     bool   // track knows where reading began
	committed int64  // what the broker has, -1: nothing
	metadata  string
	unsure    bool // a commit failed: the broker may have another position
	found     note // what the metadata of the assignment said
	free      []*lane
}

type lane struct {
	part     *partition
	key      uint64
	queue    queue[delivered]
	run      []delivered // what runs now
	runAt    time.Time
	attempt  int       // of the first event in the queue, 1 at first
	again    int       // so many events at the front failed together: they are a run of their own, as the attempt is theirs
	firstErr time.Time // when it first failed
	until    time.Time // parked until
	heap     int       // index in the parking, -1: not parked
	state    laneState
	burying  atomic.Bool // its handler is through and its dead letter is being written
	cleared  bool        // the broker knows that its run begins
	suspect  int         // so many starts of its first event did not end: it is not to be run
}

type laneState int

const (
	laneIdle    laneState = iota // nothing to do; about to be dropped
	laneReady                    // in lanes.ready
	laneRunning                  // its handler runs
	laneParked                   // waits for its time
	laneHeld                     // waits for the end of an outage
	laneBarred                   // waits for the crash-loop guard
)

func newLanes(most int) *lanes {
	return &lanes{max: most, parts: map[partitionID]*partition{}, outlived: map[partitionID]map[int64]int{}, tallies: map[string]*TopicCounts{}}
}

// assign takes a partition that is to be read from the committed position on. Where nothing is committed yet (-1), reading
// begins at start, or where that is not known either (-1) at the first record that arrives.
func (s *lanes) assign(id partitionID, batch Batch, committed int64, metadata string, start int64) *partition {
	p := &partition{id: id, batch: batch, tally: s.tally(id.topic), lanes: map[uint64]*lane{}, committed: committed, metadata: metadata}
	if defect.On(defect.IgnoreSet) {
		metadata = ""
	}
	switch {
	case committed >= 0:
		p.found, _ = p.track.restore(committed, metadata)
		p.began = true
	case start >= 0:
		p.track.startAt(start)
		p.began = true
	}
	s.parts[id] = p
	return p
}

// add hands one record over. It never waits and never refuses: how far polling may be ahead is for the caller to ask.
func (s *lanes) add(p *partition, d delivered, now time.Time) {
	if p.revoked {
		return
	}
	p.track.arrived(d.offset)
	if p.incoming.len() == 0 && !p.track.full(d.offset) {
		s.admit(p, d, now)
		return
	}
	p.incoming.push(d)
	s.waiting++
}

func (s *lanes) admit(p *partition, d delivered, now time.Time) {
	if !p.began {
		p.track.startAt(d.offset)
		p.began = true
	}
	if !p.track.deliver(d.offset) {
		return
	}
	if d.marker {
		p.track.settle(d.offset)
		return
	}
	l := p.lanes[d.key]
	if l == nil {
		l = p.newLane(d.key)
	}
	l.queue.push(d)
	if l.state != laneParked && l.state != laneHeld {
		s.waiting++
	}
	switch {
	case l.state == laneIdle && p.outage != nil:
		s.hold(l)
	case l.state == laneIdle && p.most() > 1 && l.queue.len() < p.most():
		s.park(l, now.Add(p.batch.Linger))
	case l.state == laneIdle:
		s.makeReady(l)
	case l.state == laneParked && p.batch.Max > 1 && p.outage == nil && l.again == 0 && l.queue.len() >= p.batch.Max:
		s.unpark(l)
		s.makeReady(l)
	}
}

func (p *partition) newLane(key uint64) *lane {
	var l *lane
	if n := len(p.free); n > 0 {
		l, p.free = p.free[n-1], p.free[:n-1]
	} else {
		l = &lane{part: p, heap: -1}
	}
	l.key, l.attempt, l.state, l.cleared, l.suspect = key, 1, laneIdle, false, 0
	p.lanes[key] = l
	return l
}

// The waiting count follows the state: what is parked or held is not ahead of anybody.

func (s *lanes) makeReady(l *lane) {
	l.state = laneReady
	s.ready.push(l)
}

func (s *lanes) park(l *lane, until time.Time) {
	l.state, l.until = laneParked, until
	s.waiting -= l.queue.len()
	heap.Push(&s.parked, l)
}

func (s *lanes) unpark(l *lane) {
	heap.Remove(&s.parked, l.heap)
	s.waiting += l.queue.len()
}

func (s *lanes) hold(l *lane) {
	l.state = laneHeld
	s.waiting -= l.queue.len()
	l.part.held.push(l)
}

// due makes ready what was parked until now, and probes where it is time.
func (s *lanes) due(now time.Time) {
	for len(s.parked) > 0 && !s.parked[0].until.After(now) {
		l := s.parked[0]
		s.unpark(l)
		s.makeReady(l)
	}
}

// wake is when due has something to do next; zero: never.
func (s *lanes) wake() time.Time {
	if len(s.parked) == 0 {
		return time.Time{}
	}
	return s.parked[0].until
}

// next is a lane whose run is to be handled now, or nil. The caller handles it and calls finish.
func (s *lanes) next(now time.Time) *lane {
	if s.withheld(now) {
		return nil
	}
	for s.ready.len() > 0 && !s.stopped {
		if s.running+s.reserved >= s.max && !s.ready.peek().cleared {
			break
		}
		l := s.ready.pop()
		p := l.part
		if p.revoked || l.state != laneReady {
			continue
		}
		if o := p.outage; o != nil && o.probing != l {
			s.withdraw(l)
			s.hold(l)
			continue
		}
		if !s.mayBegin(l) {
			continue
		}
		if l.cleared {
			l.cleared = false
			s.reserved--
		}
		n := p.runOf(l)
		l.run = l.run[:0]
		for range n {
			l.run = append(l.run, l.queue.pop())
		}
		s.waiting -= n
		l.state, l.runAt = laneRunning, now
		s.running++
		p.running++
		return l
	}
	return nil
}

// result is what handling a run came to. Records of the run that retry names, by index and in order, are to be handled again;
// the others are settled.
type result struct {
	retry       []int
	stop        bool          // nothing more of the partition may begin
	pause       bool          // an outage: it uses up no attempt
	after       time.Duration // until the retry
	fingerprint string        // of the failure, "" where nothing failed
	message     string        // of an outage
	skipped     int           // so many of those that are settled the handler skipped,
	dead        int           // became dead letters,
	dropped     int           // or could not be handled and have no dead letters
	success     bool          // a handler was through with all of it
}

// finish takes the result of a run.
func (s *lanes) finish(l *lane, r result, now time.Time) {
	p := l.part
	s.running--
	p.running--
	if r.success {
		s.outages.succeeded()
	}
	if p.gone {
		if p.guard != nil && p.guard.alone == l {
			s.outlive(p, l.run[0].offset)
		}
		if current := s.parts[p.id]; current != nil && defect.On(defect.LateResults) {
			current.track.settle(l.run[0].offset)
		}
		return
	}
	p.tally.note(len(l.run), r)
	if len(r.retry) < len(l.run) {
		s.unrecorded.settled(now)
	}
	s.ended(l, len(r.retry) == 0)
	next := 0
	for i, d := range l.run {
		if next < len(r.retry) && r.retry[next] == i {
			next++
			if !defect.On(defect.SettleRetries) {
				continue
			}
		}
		p.track.settle(d.offset)
		if p.guard != nil {
			delete(p.guard.begun, d.offset)
		}
	}
	if r.stop && !p.revoked {
		p.halted = &Stop{Since: now, Offset: l.run[r.retry[0]].offset, Message: r.message}
		s.revoke(p) // what has not begun is given up, and not fetched any more
	}
	if p.revoked { // what is to be retried comes again elsewhere
		l.run, l.state = nil, laneIdle
		return
	}
	for _, i := range slices.Backward(r.retry) {
		if defect.On(defect.RetryBehind) {
			l.queue.push(l.run[i])
			continue
		}
		l.queue.pushFront(l.run[i])
	}
	s.waiting += len(r.retry)
	l.again = len(r.retry)
	clear(l.run)
	l.run = l.run[:0]
	probe := p.outage != nil && p.outage.probing == l
	if len(r.retry) == 0 {
		l.attempt, l.firstErr = 1, time.Time{}
	} else {
		if l.firstErr.IsZero() {
			l.firstErr = now
		}
		if !r.pause {
			l.attempt++
		}
	}
	s.settleState(l, r, probe, now)
	s.refill(p, now)
}

func (s *lanes) settleState(l *lane, r result, probe bool, now time.Time) {
	p := l.part
	l.state = laneIdle
	switch {
	case r.pause && p.outage == nil:
		p.outage = &outage{fingerprint: r.fingerprint, since: now, message: r.message}
		p.tally.Outages++
		s.probeLater(l, now)
	case r.pause && probe:
		if r.fingerprint != p.outage.fingerprint { // it has ended, and this is another
			p.outage = &outage{fingerprint: r.fingerprint, since: now, message: r.message}
			p.tally.Outages++
		}
		s.hold(l) // at the end: the next probe is another key's
		l2 := p.held.pop()
		s.waiting += l2.queue.len()
		l2.state = laneIdle
		s.probeLater(l2, now)
	case r.pause:
		s.hold(l)
	default:
		if probe {
			s.endOutage(p)
		}
		switch {
		case len(r.retry) > 0:
			s.park(l, now.Add(r.after))
		case p.outage != nil && l.queue.len() > 0:
			s.hold(l)
		case l.queue.len() == 0:
			delete(p.lanes, l.key)
			if len(p.free) < 1024 {
				p.free = append(p.free, l)
			}
		case p.most() > 1 && l.queue.len() < p.most():
			s.park(l, now.Add(p.batch.Linger))
		default:
			s.makeReady(l)
		}
	}
}

// probeLater parks l as the next probe of its partition's outage.
func (s *lanes) probeLater(l *lane, now time.Time) {
	o := l.part.outage
	o.probing = l
	s.park(l, now.Add(o.next()))
}

func (s *lanes) endOutage(p *partition) {
	p.outage = nil
	for p.held.len() > 0 {
		l := p.held.pop()
		s.waiting += l.queue.len()
		s.makeReady(l)
	}
}

// refill delivers what waited for room in the tracker.
func (s *lanes) refill(p *partition, now time.Time) {
	for p.incoming.len() > 0 && !p.track.full(p.incoming.peek().offset) {
		s.waiting--
		s.admit(p, p.incoming.pop(), now)
	}
}

// stalled reports whether p can take no more: fetching it should pause.
func (p *partition) stalled() bool { return p.incoming.len() > 0 || p.halted != nil }

// revoke stops what has not begun; what runs may finish until drop. Waiting retries are given up: they come again elsewhere.
func (s *lanes) revoke(p *partition) {
	if p.revoked {
		return
	}
	p.revoked = true
	s.giveUp(p)
	for _, l := range p.lanes {
		switch l.state {
		case laneParked:
			heap.Remove(&s.parked, l.heap)
		case laneReady, laneRunning, laneBarred:
			s.waiting -= l.queue.len()
		case laneIdle, laneHeld:
		}
		if l.state != laneRunning {
			l.state = laneIdle // a stale entry in the ready queue is passed over
		}
		l.queue = queue[delivered]{}
	}
	s.waiting -= p.incoming.len()
	p.incoming = queue[delivered]{}
}

// drop forgets p; late results are discarded.
func (s *lanes) drop(p *partition) {
	s.revoke(p)
	if p.guard != nil {
		for off := range p.guard.done {
			s.outlive(p, off)
		}
	}
	p.gone = true
	if s.parts[p.id] == p {
		delete(s.parts, p.id)
	}
}

// parking is a heap of lanes by the time until which they wait.
type parking []*lane

func (h parking) Len() int           { return len(h) }
func (h parking) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h parking) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heap, h[j].heap = i, j
}

func (h *parking) Push(x any) {
	l := x.(*lane) //nolint:forcetypeassert // the heap holds lanes only
	l.heap = len(*h)
	*h = append(*h, l)
}

func (h *parking) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	l.heap = -1
	return l
}
