package bus

import (
	"cmp"
	"maps"
	"slices"

	"github.com/omninode-ai/omnibus/internal/defect"
)

// The crash-loop guard. An event that kills its process never becomes a dead letter: nobody is left to write it, and the next
// process meets it again. So after an end that was not in order the first events of a partition begin one at a time, each only
// after a commit that says so was acknowledged, and one that began mostStarts times and never ended goes to the dead letters.
//
// How a process ended is told by the commit metadata: a clean stop leaves a mark there. So that the mark cannot outlive the
// process that found it, nothing of a partition begins before a commit without it was acknowledged.
const (
	probationEvents = 100
	mostStarts      = 3
)

// guard is the crash-loop guard of one assignment of a partition.
type guard struct {
	open   bool             // what the broker has is not the word of a clean stop
	left   int              // so many events are still to be settled one at a time; 0: the probation is over, or there was none
	begun  map[int64]*begun // the unsettled events whose starts count
	alone  *lane            // its counted run waits for the commit, or runs
	barred queue[*lane]     // lanes that wait for the end of that run
	claims queue[claim]     // lanes that wait for a commit
	made   int              // claims, so far
	done   map[int64]int    // counted runs that ended here, which no commit says yet, by when: see ends
	ends   int              // counted runs that ended here, so far
}

// begun is an event that began under the guard, here or in an earlier process, and is not settled.
type begun struct {
	before int  // starts that did not end, in earlier processes
	here   bool // one has ended in this process: another attempt is not counted anew
	now    bool // it is about to run, or runs
}

// claim is a lane that waits for the commit of a position that was taken after the claim was made.
type claim struct {
	lane   *lane
	number int
}

// watch makes p keep the guard. What its committed metadata says decides how.
func (s *lanes) watch(p *partition) {
	g := &guard{begun: map[int64]*begun{}, done: map[int64]int{}, open: p.committed >= 0 && !p.found.clean}
	if g.open {
		g.left = probationEvents
	}
	for _, st := range p.found.starts {
		if before := st.times - s.outlived[p.id][st.offset]; before > 0 {
			g.begun[st.offset] = &begun{before: before}
		}
	}
	p.guard = g
}

// outlive notes that a counted run of p ended, and that the group will not hear of it: the partition is gone. On record it looks as
// if it had killed the process. This process knows better, should the partition come back to it.
func (s *lanes) outlive(p *partition, offset int64) {
	if s.outlived[p.id] == nil {
		s.outlived[p.id] = map[int64]int{}
	}
	s.outlived[p.id][offset]++
}

// mayBegin reports whether the run at the front of l may begin now. If not, l waits, and is made ready when it may be asked
// again.
func (s *lanes) mayBegin(l *lane) bool {
	g, head := l.part.guard, l.queue.peek().offset
	if g == nil || l.cleared {
		return true
	}
	if !g.open {
		s.claim(l)
		return false
	}
	b := g.begun[head]
	switch {
	case b == nil && g.left == 0:
		return true
	case b != nil && b.before >= mostStarts:
		l.suspect = b.before
		return true
	case g.alone != nil:
		l.state = laneBarred
		g.barred.push(l)
		return false
	}
	if b == nil {
		b = &begun{}
		g.begun[head] = b
	}
	b.now = true
	g.alone = l
	s.reserved++ // it has to begin as soon as it may: while its start is on record, the end of the process counts against it
	s.claim(l)
	return false
}

func (s *lanes) claim(l *lane) {
	g := l.part.guard
	l.state = laneBarred
	g.made++
	g.claims.push(claim{l, g.made})
	s.claims++
}

// withdraw takes back the claim of a lane that is not to run now.
func (s *lanes) withdraw(l *lane) {
	g := l.part.guard
	if g == nil || g.alone != l {
		return
	}
	if b := g.begun[l.queue.peek().offset]; b != nil {
		b.now = false
	}
	l.cleared = false
	s.reserved--
	s.unbar(g)
}

func (s *lanes) unbar(g *guard) {
	g.alone = nil
	for g.barred.len() > 0 {
		s.makeReady(g.barred.pop())
	}
}

// ended notes the end of a run of l. Only what is settled shortens the probation: otherwise many events that wait for another
// attempt could use it up in every process, before the one that kills it has its turn.
func (s *lanes) ended(l *lane, settled bool) {
	l.suspect = 0
	g := l.part.guard
	if g == nil || g.alone != l {
		return
	}
	b := g.begun[l.run[0].offset]
	b.here, b.now = true, false
	g.ends++
	g.done[l.run[0].offset] = g.ends
	if settled {
		g.left = max(0, g.left-1)
	}
	s.unbar(g)
}

// giveUp drops what waits for the guard of a partition that is taken away.
func (s *lanes) giveUp(p *partition) {
	g := p.guard
	if g == nil {
		return
	}
	s.claims -= g.claims.len()
	g.claims, g.barred = queue[claim]{}, queue[*lane]{}
	if l := g.alone; l != nil && l.state != laneRunning {
		s.withdraw(l)
	}
}

// most is how many events a run of p may have.
func (p *partition) most() int {
	if p.guard != nil && p.guard.left > 0 {
		return 1
	}
	return max(p.batch.Max, 1)
}

// runOf is how many events the next run of l has: what counts for the guard runs by itself.
func (p *partition) runOf(l *lane) int {
	if l.again > 0 {
		return l.again
	}
	n := min(p.most(), l.queue.len())
	if n > 1 && p.guard != nil && len(p.guard.begun) > 0 {
		for i := range n {
			if p.guard.begun[l.queue.at(i).offset] != nil {
				return max(i, 1)
			}
		}
	}
	return n
}

// position is what to commit for a partition.
type position struct {
	part     *partition
	member   string // who may commit it
	offset   int64
	metadata string
	claims   int // how many claims had been made when it was taken
	ends     int // how many counted runs had ended
	clean    bool
}

// position is what to commit for p, and whether that differs from what the broker has. Where it is the last commit of a process
// that stops in order, it carries the mark of that, unless something of p still runs.
func (p *partition) position(clean bool) (pos position, moved bool) {
	if !p.began {
		return position{}, false
	}
	pos = position{part: p, member: p.member, offset: p.track.watermark()}
	var n note
	if g := p.guard; g != nil {
		pos.clean = clean && p.running == 0
		pos.claims, pos.ends = g.made, g.ends
		n = note{clean: pos.clean, starts: g.starts(&p.track)}
	}
	pos.metadata = p.track.metadata(n)
	switch {
	case defect.On(defect.CommitHighest):
		pos.offset, pos.metadata = p.track.next, ""
	case defect.On(defect.CountWatermark):
		pos.offset, pos.metadata = p.track.next-p.track.n, ""
	}
	return pos, p.unsure || pos.offset != p.committed || pos.metadata != p.metadata
}

// starts are those that did not end, as they go into the metadata. Where there are too many, the fewest are forgotten.
func (g *guard) starts(track *offsets) []startCount {
	var all []startCount
	for off, b := range g.begun {
		times := b.before
		if b.now {
			times++
		}
		if times > 0 && track.unsettled(off) {
			all = append(all, startCount{off, min(times, 255)})
		}
	}
	if len(all) > maxStarts {
		slices.SortFunc(all, func(x, y startCount) int {
			return cmp.Or(cmp.Compare(y.times, x.times), cmp.Compare(x.offset, y.offset))
		})
		all = all[:maxStarts]
	}
	slices.SortFunc(all, func(x, y startCount) int { return cmp.Compare(x.offset, y.offset) })
	return all
}

// acknowledged notes that the broker has pos: what waited for that may begin.
func (s *lanes) acknowledged(pos position) {
	p := pos.part
	p.committed, p.metadata, p.unsure = pos.offset, pos.metadata, false
	g := p.guard
	if g == nil {
		return
	}
	delete(s.outlived, p.id)
	maps.DeleteFunc(g.done, func(_ int64, n int) bool { return n <= pos.ends })
	if pos.clean {
		return
	}
	g.open = true
	for g.claims.len() > 0 && g.claims.peek().number <= pos.claims {
		l := g.claims.pop().lane
		s.claims--
		if l != g.alone {
			s.makeReady(l)
			continue
		}
		l.cleared, l.state = true, laneReady
		s.ready.pushFront(l) // it has its slot: no other may stand before it
	}
}

// uncertain notes that the broker may or may not have what was committed for p.
func (p *partition) uncertain() { p.unsure = true }
