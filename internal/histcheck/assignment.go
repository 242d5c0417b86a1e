package histcheck

import "slices"

// ending is how an assignment ended.
type ending int

const (
	holding ending = iota // it has not
	revoked
	lost
	exited // the process ended in order
	killed // it did not
)

func (e ending) String() string {
	return [...]string{"is held", "was revoked", "was lost", "ended with its process", "ended with a kill"}[e]
}

// assignment is one time that a process held a partition.
type assignment struct {
	id      int32
	process string
	groupPart
	began   int64
	ended   ending
	endedAt int64
	taken   int64            // when the last position that was committed was read
	spared  map[int64]bool   // offsets whose handlers a revoke left running after their grace time
	open    []repeat         // repeats of what it settled, to be judged when it has ended
	repeats int              // within the bound
	last    map[uint32]int64 // key → offset of the last start
}

// repeat is a handler that began again with what had been settled.
type repeat struct {
	event   int32
	offset  int64
	settled int64 // when
	taken   int64 // when the last position that had been committed by then was read
}

// life is what is known of the process of a ledger.
type life struct {
	owned   map[groupPart]*assignment
	running map[int64]run // by the number of the run
	publish int           // under way
}

// run is a handler at work.
type run struct {
	by     *assignment
	key    uint32
	event  int32
	offset int64
	began  int64
}

func (c *checker) assign(s step) {
	l := &c.lives[s.source]
	gp := groupPart{s.line.Group, part{s.line.Topic, s.line.Partition}}
	if old := l.owned[gp]; old != nil {
		c.end(l, old, lost) // begun again before anything was fetched
	}
	c.newAssignment(l, s, gp, s.line.Offset)
}

func (c *checker) newAssignment(l *life, s step, gp groupPart, from int64) *assignment {
	a := &assignment{id: int32(len(c.given)), process: s.line.Process, groupPart: gp, began: c.now, last: map[uint32]int64{}}
	l.owned[gp] = a
	c.given = append(c.given, a)
	p := c.group(gp.group).part(gp.part, c.logs[gp.part])
	if p.current == nil {
		p.verified = max(from, p.verified) // what lies before the first assignment was never delivered
	}
	p.current = a
	return a
}

// owner is the assignment under which a process acts on a partition. One that nobody told of is taken as given.
func (c *checker) owner(s step) *assignment {
	l := &c.lives[s.source]
	gp := groupPart{s.line.Group, part{s.line.Topic, s.line.Partition}}
	if a := l.owned[gp]; a != nil {
		return a
	}
	return c.newAssignment(l, s, gp, -1)
}

// end notes the end of an assignment and judges what waited for it.
func (c *checker) end(l *life, a *assignment, how ending) {
	if a.ended != holding {
		return
	}
	a.ended, a.endedAt = how, c.now
	for _, r := range l.running {
		switch {
		case r.by != a:
		case how == revoked:
			c.rep.Reached[RevokedRunning]++
			if c.now-r.began >= int64(c.in.Grace) {
				if a.spared == nil {
					a.spared = map[int64]bool{}
				}
				a.spared[r.offset] = true
			}
		case how == lost:
			c.rep.Reached[LostRunning]++
		}
	}
	if how == lost || how == killed {
		c.unclean = true
	}
	for _, r := range a.open {
		c.judge(a, r)
	}
	a.open, a.last = nil, nil
}

func (c *checker) lose(s step, how ending) {
	l := &c.lives[s.source]
	if a := l.owned[groupPart{s.line.Group, part{s.line.Topic, s.line.Partition}}]; a != nil {
		c.end(l, a, how)
	}
}

// exit is the end of a process: what it still held ended so. It forgets what ran.
func (c *checker) exit(l *life, how ending) {
	for _, a := range l.owned {
		c.end(l, a, how)
	}
	for _, r := range l.running {
		keys := c.groups[r.by.group].running
		keys[r.key] = slices.DeleteFunc(keys[r.key], func(other run) bool { return other.by == r.by && other.offset == r.offset })
	}
	clear(l.owned)
	clear(l.running)
}

// judge decides about a repeat of what a had settled, once a has ended.
func (c *checker) judge(a *assignment, r repeat) {
	const before = "handled again though "
	where := c.about(r.event, a.part, r.offset)
	at := place(a.part, r.offset)
	age := a.endedAt - r.settled
	switch within := c.in.CommitWithin; {
	case r.taken > 0 && r.settled < r.taken-c.slack():
		c.rep.find(H8, where, "%s %sit was settled before a position of its partition was read that was then committed", at, before)
	case a.spared[r.offset] || c.faulty(r.settled, a.endedAt):
		c.excuse(a)
	case a.ended == revoked && r.settled > a.endedAt:
		c.hurried(a, r.event, r.offset)
	case a.ended == revoked || a.ended == exited:
		c.rep.find(H8, where, "%s %sit was settled and its partition then %s, which commits", at, before, a.ended)
	case age > int64(within):
		c.rep.find(H8, where, "%s %sit was settled %.3f s before its partition %s, and commits are due every %s", at, before, float64(age)/1e9, a.ended, within)
	default:
		c.excuse(a)
	}
}

// hurried finds a revoke that did not wait for a handler which is then repeated.
func (c *checker) hurried(a *assignment, event int32, offset int64) {
	c.rep.find(H8, c.about(event, a.part, offset), "%s handled again though its partition was revoked in time: its handler ran, and had not had its grace time", place(a.part, offset))
}

func (c *checker) excuse(a *assignment) {
	a.repeats++
	c.rep.Duplicates++
	c.rep.Worst = max(c.rep.Worst, a.repeats)
	c.rep.Reached[Redelivered]++
}
