package schema

import (
	"regexp"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// objectRules are the rules for objects.
type objectRules struct {
	members     table // those that properties or another rule names
	patterns    []patternRule
	additional  *node // of what neither properties nor patterns name; nil: refused
	names       *node // propertyNames
	least, most int
	required    bitset
	anyRequired []bitset // anyOf where each branch only demands members
	dependents  []dependent
}

type patternRule struct {
	match *regexp.Regexp
	node  *node
}

// dependent is what must hold where a member is there.
type dependent struct {
	bit  int
	also bitset // further members
	node *node  // or nil
}

// member is a name that a rule knows.
type member struct {
	name string
	hash uint64
	bit  int
	node *node // nil where properties does not declare it
}

// table finds members by name: open addressing over a power of two of places.
type table struct {
	places []member
	mask   uint64
	n      int
}

func newTable(members []member) table {
	size := 1
	for size < 2*len(members) {
		size *= 2
	}
	t := table{places: make([]member, size), mask: uint64(size - 1), n: len(members)} //nolint:gosec // positive
	for _, m := range members {
		i := m.hash & t.mask
		for t.places[i].name != "" || t.places[i].hash != 0 {
			i = (i + 1) & t.mask
		}
		t.places[i] = m
	}
	return t
}

func (t *table) find(name []byte, hash uint64) *member {
	if t.n == 0 {
		return nil
	}
	for i := hash & t.mask; ; i = (i + 1) & t.mask {
		m := &t.places[i]
		if m.hash == hash && m.name == string(name) {
			return m
		}
		if m.hash == 0 {
			return nil
		}
	}
}

var anyObject = objectRules{additional: anything, most: unlimited}

func (o *objectRules) read(r *run, at, depth int) int {
	if depth >= maxDepth {
		return doubt
	}
	var seen bitset
	count, open, spare := 0, len(r.names), len(r.spare)
	i := jsonx.Blanks(r.b, at+1)
	if i < len(r.b) && r.b[i] == '}' {
		i++
	} else {
		for more := true; more; count++ {
			end, escaped := jsonx.ScanString(r.b, i)
			if end < 0 {
				return no
			}
			from := jsonx.Blanks(r.b, end)
			if from >= len(r.b) || r.b[from] != ':' {
				return no
			}
			from = jsonx.Blanks(r.b, from+1)
			name := r.b[i+1 : end-1]
			if escaped {
				name = r.unescape(i, end, true)
			}
			if o.names != nil {
				if v := r.try(o.names, i, depth); v < 0 {
					return v
				}
			}
			hash := hashOf(name)
			m := o.members.find(name, hash)
			if m == nil {
				if v := r.fresh(open, name, hash); v < 0 {
					return v
				}
			} else {
				if seen.has(m.bit) {
					return no // the same name twice
				}
				seen.set(m.bit)
			}
			if m != nil && m.node != nil && o.patterns == nil {
				i = m.node.read(r, from, depth+1)
			} else {
				i = o.value(r, m, name, from, depth+1)
			}
			if i < 0 {
				return i
			}
			if depth == 0 {
				r.view.field(name, r.b[from:i])
			}
			if i = jsonx.Blanks(r.b, i); i >= len(r.b) {
				return no
			}
			switch r.b[i] {
			case ',':
				i = jsonx.Blanks(r.b, i+1)
			case '}':
				i++
				more = false
			default:
				return no
			}
		}
	}
	r.names, r.spare = r.names[:open], r.spare[:spare]
	if count < o.least || count > o.most || !seen.holds(&o.required) {
		return no
	}
	if o.anyRequired != nil && !o.anyHeld(&seen) {
		return no
	}
	for k := range o.dependents {
		d := &o.dependents[k]
		if !seen.has(d.bit) {
			continue
		}
		if !seen.holds(&d.also) {
			return no
		}
		if d.node != nil {
			if v := r.try(d.node, at, depth); v < 0 {
				return v
			}
		}
	}
	return i
}

func (o *objectRules) anyHeld(seen *bitset) bool {
	for k := range o.anyRequired {
		if seen.holds(&o.anyRequired[k]) {
			return true
		}
	}
	return false
}

// value reads the value of the member m (nil: unknown) called name.
func (o *objectRules) value(r *run, m *member, name []byte, from, depth int) int {
	end, read := no, false
	if m != nil && m.node != nil {
		if end = m.node.read(r, from, depth); end < 0 {
			return end
		}
		read = true
	}
	for k := range o.patterns {
		p := &o.patterns[k]
		if !p.match.Match(name) {
			continue
		}
		if end = p.node.read(r, from, depth); end < 0 {
			return end
		}
		read = true
	}
	switch {
	case read:
		return end
	case o.additional == nil:
		return no
	}
	return o.additional.read(r, from, depth)
}

// fresh notes the name of a member of the object whose names begin at open, or says that it is there already.
func (r *run) fresh(open int, name []byte, hash uint64) int {
	for _, other := range r.names[open:] {
		if other.hash == hash && string(other.text) == string(name) {
			return no
		}
	}
	if len(r.names)-open == maxNames {
		return doubt
	}
	r.names = append(r.names, nameOf{name, hash})
	return 0
}
