package histcheck

import "slices"

// group is what a consumer group did.
type group struct {
	parts   map[part]*groupLog
	effect  bitset           // facts that were handled, skipped or buried
	next    []uint32         // key → its first event in the log that is not in effect
	running map[uint32][]run // key → handlers at work
}

// groupLog is what a group did with a partition.
type groupLog struct {
	log        *partLog // nil: it holds nothing
	current    *assignment
	committed  int64
	verified   int64    // everything below is known to be settled
	settled    bitset   // offset − base: settled by an assignment that was held at the time
	settledAt  []uint32 // offset − base → milliseconds since the first line, +1; 0: not
	settledBy  []int32  // offset − base → the assignment
	caughtUpAt int64
}

func (c *checker) group(name string) *group {
	g := c.groups[name]
	if g == nil {
		g = &group{parts: map[part]*groupLog{}, running: map[uint32][]run{}}
		c.groups[name] = g
	}
	return g
}

func (g *group) part(p part, l *partLog) *groupLog {
	gl := g.parts[p]
	if gl == nil {
		gl = &groupLog{log: l, committed: -1}
		if l != nil {
			gl.settledAt, gl.settledBy = make([]uint32, len(l.events)), make([]int32, len(l.events))
		}
		g.parts[p] = gl
	}
	return gl
}

type bitset []uint64

func (b bitset) has(i int64) bool { return i>>6 < int64(len(b)) && b[i>>6]&(1<<(i&63)) != 0 }

func (b *bitset) set(i int64) {
	for int64(len(*b)) <= i>>6 {
		*b = append(*b, 0)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

// take takes the next line of all ledgers.
func (c *checker) take(s step) {
	c.now = max(c.now, s.line.Wall)
	if c.first == 0 {
		c.first = c.now
	}
	l := &c.lives[s.source]
	switch s.line.Kind {
	case Invoke, OK, Fail, Unknown:
		c.publish(l, s.line)
	case Assign:
		c.assign(s)
	case Revoke:
		c.lose(s, revoked)
	case Lost:
		c.lose(s, lost)
	case Start:
		c.start(l, s)
	case Done, Skip, Retry:
		c.ends(l, s.line)
	case DeadAck:
		c.deadAck(s)
	case Commit:
		c.commit(s)
	case FaultOn:
		if c.broken++; c.broken == 1 {
			c.faults = append(c.faults, span{from: c.now})
		}
	case FaultOff:
		if c.broken--; c.broken == 0 {
			c.faults[len(c.faults)-1].to = c.now
		}
		c.lastOff = c.now
	case Reach:
		c.rep.Reached[s.line.Note]++
	case Exit:
		if s.line.Note != "" {
			c.exit(l, killed)
			break
		}
		if l.publish > 0 {
			c.rep.find(H14, subject{offset: -1}, "%s ended in order with %d publishes without an outcome", s.line.Process, l.publish)
		}
		c.exit(l, exited)
	}
	if s.last {
		c.exit(l, killed)
	}
}

func (c *checker) publish(l *life, line Line) {
	i := c.event(line.Topic, line.Event)
	f := &c.facts[i]
	where := c.about(i, part{line.Topic, line.Partition}, -1)
	if id := c.hash(line.Event.ID); f.copies == 0 {
		f.id = id
	} else if f.id == id {
		f.foretold = true
		if f.crc != line.Event.CRC {
			c.rep.find(H2, where, "the log holds other bytes than were published")
			f.crc = line.Event.CRC // once is enough
		}
	}
	switch line.Kind {
	case Invoke:
		l.publish++
		if f.unknowns > 0 {
			c.rep.Reached[Repeated]++
		}
		f.invokes++
		return
	case OK:
		f.oks++
	case Fail:
		f.fails++
	default:
		f.unknowns++
		if f.copies > 0 {
			c.rep.Reached[UnknownArrived]++
		}
	}
	l.publish--
	if line.Note == Foreign {
		c.rep.find(H16, where, "its publish failed because another caller gave up")
	}
}

func (c *checker) start(l *life, s step) {
	line := s.line
	a := c.owner(s)
	g := c.group(line.Group)
	p := g.part(a.part, c.logs[a.part])
	i := c.event(line.Topic, line.Event)
	f := &c.facts[i]
	where := c.about(i, a.part, line.Offset)
	if there := p.log.at(line.Offset); (there != i || f.crc != line.Event.CRC && !f.mixed) && !p.log.cut(line.Offset) {
		c.rep.find(H3, where, "%s was handled with another content than the log holds there", place(a.part, line.Offset))
	}
	if last, ok := a.last[f.key]; ok && line.Offset < last {
		c.rep.find(H5, where, "%s began after %s of the same key and assignment", place(a.part, line.Offset), place(a.part, last))
	} else if a.ended == holding {
		a.last[f.key] = line.Offset
	}
	for _, other := range g.running[f.key] {
		switch {
		case other.by == a:
			c.rep.find(H6, where, "%s began while %s of the same key and assignment ran", place(a.part, line.Offset), place(a.part, other.offset))
		case other.offset == line.Offset && other.by.ended == revoked && !other.by.spared[line.Offset]:
			c.hurried(other.by, i, line.Offset)
		default:
			c.rep.Zombies++
			c.rep.Reached[Zombie]++
		}
	}
	r := run{by: a, key: f.key, event: i, offset: line.Offset, began: c.now}
	if l.running == nil {
		l.running = map[int64]run{}
	}
	l.running[line.Run] = r
	g.running[f.key] = append(g.running[f.key], r)
	if p.log != nil && p.log.at(line.Offset) >= 0 {
		if at := p.settledAt[line.Offset-p.log.base]; at > 0 {
			c.repeated(a, p, repeat{event: i, offset: line.Offset, settled: c.wall(at)})
		}
	}
}

func (c *checker) wall(ms uint32) int64 { return c.first + int64(ms-1)*1e6 }

// repeated notes that a began what had been settled.
func (c *checker) repeated(a *assignment, p *groupLog, r repeat) {
	by := c.given[p.settledBy[r.offset-p.log.base]]
	r.taken = by.taken // what it commits later cannot be known to who has the partition now
	switch {
	case by.id > a.id: // a was overtaken, and does not know it yet
		c.rep.Zombies++
		c.rep.Reached[Zombie]++
	case by == a:
		c.rep.find(H8, c.about(r.event, a.part, r.offset), "%s handled again though the same assignment had settled it", place(a.part, r.offset))
	case by.ended == holding:
		by.open = append(by.open, r)
	default:
		c.judge(by, r)
	}
}

// ends is the end of a handler.
func (c *checker) ends(l *life, line Line) {
	r, ok := l.running[line.Run]
	if !ok {
		return // the ledger of another life would have it
	}
	delete(l.running, line.Run)
	g := c.groups[r.by.group]
	g.running[r.key] = slices.DeleteFunc(g.running[r.key], func(other run) bool { return other == r })
	if line.Kind == Retry {
		return
	}
	if line.Kind == Done {
		c.inTurn(g, r)
	}
	c.settle(g, r.by, r.event, r.offset)
}

// inTurn checks that what lies before an event, in the log of its key, is in effect when the event is for the first time.
func (c *checker) inTurn(g *group, r run) {
	f := &c.facts[r.event]
	if f.copies == 0 || g.effect.has(int64(r.event)) {
		return
	}
	for len(g.next) <= int(f.key) {
		g.next = append(g.next, 0)
	}
	order := c.keys[f.key].order
	for ; g.next[f.key] < f.place; g.next[f.key]++ {
		before := order[g.next[f.key]]
		if !g.effect.has(int64(before)) {
			b := &c.facts[before]
			c.rep.find(H5, c.about(r.event, r.by.part, r.offset), "%s, number %d of its key, was done before number %d (%s/%d)",
				place(r.by.part, r.offset), f.keySeq, b.keySeq, b.producer.name, b.seq)
			return
		}
	}
}

// settle notes that an assignment was through with an event.
func (c *checker) settle(g *group, by *assignment, i int32, offset int64) {
	if i >= 0 {
		g.effect.set(int64(i))
	}
	p := g.part(by.part, c.logs[by.part])
	if p.log.at(offset) == noRecord {
		return
	}
	at := offset - p.log.base
	if by.ended == holding {
		p.settled.set(at)
	} else if p.settledAt[at] > 0 {
		return // a late result says nothing of who settled it
	}
	p.settledAt[at], p.settledBy[at] = uint32((c.now-c.first)/1e6)+1, by.id //nolint:gosec // a run lasts less than 49 days
}

func (c *checker) deadAck(s step) {
	a := c.owner(s)
	g := c.group(s.line.Group)
	i := c.logs[a.part].at(s.line.Offset)
	c.deadAcks[identity{s.line.Group, a.part, s.line.Offset}] = true
	c.settle(g, a, i, s.line.Offset)
}

func (c *checker) commit(s step) {
	line := s.line
	a := c.owner(s)
	g := c.group(line.Group)
	p := g.part(a.part, c.logs[a.part])
	where := c.about(p.log.at(line.Offset), a.part, line.Offset)
	if a.ended != holding && line.Taken > a.endedAt {
		c.rep.find(H7, where, "%s committed for %s after its partition %s", a.process, place(a.part, line.Offset), a.ended)
	}
	if line.Note != "" {
		return // refused
	}
	for ; p.verified < line.Offset; p.verified++ {
		i := p.log.at(p.verified)
		if i == noRecord || p.settled.has(p.verified-p.log.base) {
			continue
		}
		c.rep.find(H7, c.about(i, a.part, p.verified), "%s committed %s, but %s was not settled", a.process, place(a.part, line.Offset), place(a.part, p.verified))
	}
	if line.Offset < p.committed && line.Taken > p.current.began {
		c.rep.find(H7, where, "%s took the position back from %d to %s", a.process, p.committed, place(a.part, line.Offset))
	}
	p.committed = max(p.committed, line.Offset)
	a.taken = max(a.taken, line.Taken)
	if p.caughtUpAt == 0 && p.log != nil && p.committed >= p.log.end() {
		p.caughtUpAt = c.now
	}
}
