package histcheck

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// finish checks what can be told only at the end.
func (c *checker) finish() {
	c.rep.Events = len(c.facts)
	c.publications()
	for _, name := range slices.Sorted(maps.Keys(c.in.Groups)) {
		c.through(name, c.in.Groups[name])
	}
	c.deadLetters()
	if c.lastOff > 0 && c.settling > c.lastOff {
		c.rep.Recovery = time.Duration(c.settling - c.lastOff)
	}
	for _, m := range c.in.Reach {
		if c.rep.Reached[m] == 0 {
			c.rep.find(H15, subject{offset: -1}, "never reached: %s", m)
		}
	}
}

// publications holds the log against what was published.
func (c *checker) publications() {
	for i := range c.facts {
		f := &c.facts[i]
		where := c.about(int32(i), part{}, -1) //nolint:gosec // facts are counted in int32
		switch {
		case f.oks > 0 && f.copies == 0:
			c.rep.find(H1, where, "acknowledged, but not in the log")
		case f.copies > 0 && f.invokes == 0:
			c.rep.find(H2, where, "in the log, but never published")
		case f.copies > 0 && f.invokes == f.fails:
			c.rep.find(H2, where, "in the log, though its publisher was told that it certainly is not")
		case f.copies > 0 && !f.foretold:
			c.rep.find(H2, where, "in the log under an id that nobody published")
		case f.copies > f.invokes:
			c.rep.find(H4, where, "%d times in the log, but published %s", f.copies, times(f.invokes))
		case f.copies > 1 && f.unknowns+f.open() < f.copies-1:
			c.rep.find(H4, where, "%d times in the log, but only %d of its publishes had an unknown outcome", f.copies, f.unknowns+f.open())
		}
	}
}

// open is how many publishes ended with their process.
func (f *fact) open() uint16 { return f.invokes - f.oks - f.fails - f.unknowns }

func times(n uint16) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// through checks that a group is through with topics.
func (c *checker) through(name string, topics []string) {
	g := c.group(name)
	parts := slices.SortedFunc(maps.Keys(c.logs), func(a, b part) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	for _, id := range parts {
		if !slices.Contains(topics, id.topic) {
			continue
		}
		l := c.logs[id]
		p := g.part(id, l)
		first := int64(-1) // the first event beyond the position that is not in effect
		for at, i := range l.events {
			if i < 0 || g.effect.has(int64(i)) {
				continue
			}
			offset := l.base + int64(at)
			if offset < p.committed {
				c.rep.find(H1, c.about(i, id, offset), "group %s has passed %s and never settled it", name, place(id, offset))
			} else if first < 0 {
				first = offset
			}
		}
		switch {
		case first >= 0:
			c.rep.find(H14, c.about(l.at(first), id, first), "group %s stands at %d of %d in %s[%d]: %s is not settled", name, p.committed, l.end(), id.topic, id.partition, place(id, first))
		case p.committed < l.end():
			c.rep.find(H14, c.about(-1, id, -1), "group %s settled everything in %s[%d], but stands at %d of %d", name, id.topic, id.partition, p.committed, l.end())
		case c.lastOff > 0 && p.caughtUpAt-c.lastOff > int64(c.in.RecoverIn):
			c.rep.find(H14, c.about(-1, id, -1), "group %s was through with %s[%d] %s after the last fault", name, id.topic, id.partition, time.Duration(p.caughtUpAt-c.lastOff).Round(time.Second))
		}
		c.settling = max(c.settling, p.caughtUpAt)
	}
}

// deadLetters holds the dead letters against their origins.
func (c *checker) deadLetters() {
	for _, r := range c.buried {
		d := r.Dead
		from := part{d.Topic, d.Partition}
		l := c.logs[from]
		i := l.at(d.Offset)
		here, there := place(part{r.Topic, r.Partition}, r.Offset), place(from, d.Offset)
		where := c.about(i, from, d.Offset)
		id := identity{d.Group, from, d.Offset}
		c.deadCopies[id]++
		switch {
		case i == noRecord:
			c.rep.find(H9, where, "the dead letter %s says that it comes from %s, where there is nothing", here, there)
		case l.sums[d.Offset-l.base] != r.Sum:
			c.rep.find(H9, where, "the dead letter %s differs from its origin %s", here, there)
		case len(d.Lacks) > 0:
			c.rep.find(H9, where, "the dead letter %s of %s lacks %v", here, there, d.Lacks)
		case i >= 0 && !c.facts[i].dead:
			c.rep.find(H9, where, "%s is a dead letter of %s, with which nothing is wrong", here, there)
		case c.deadCopies[id] > 1 && len(c.faults) == 0 && !c.unclean:
			c.rep.find(H9, where, "%s is a second dead letter of %s, and nothing had failed", here, there)
		}
	}
	for id := range c.deadAcks {
		if c.deadCopies[id] == 0 {
			c.rep.find(H9, c.about(c.logs[id.part].at(id.offset), id.part, id.offset), "the dead letter of %s was acknowledged and is not there", place(id.part, id.offset))
		}
	}
}
