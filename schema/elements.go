package schema

import (
	"bytes"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// arrayRules are the rules for arrays.
type arrayRules struct {
	prefix      []*node
	items       *node // nil: no more
	least, most int
	contains    *node
	few, many   int // of what contains matches
	unique      bool
}

var anyArray = arrayRules{items: anything, most: unlimited}

func (a *arrayRules) read(r *run, i, depth int) int {
	if depth >= maxDepth {
		return doubt
	}
	count, matched, open := 0, 0, len(r.items)
	if i = jsonx.Blanks(r.b, i+1); i < len(r.b) && r.b[i] == ']' {
		i++
	} else {
		for more := true; more; count++ {
			item := a.items
			if count < len(a.prefix) {
				item = a.prefix[count]
			}
			if item == nil {
				return no
			}
			from := i
			if i = item.read(r, from, depth+1); i < 0 {
				return i
			}
			if a.contains != nil {
				switch v := r.try(a.contains, from, depth+1); {
				case v == doubt:
					return doubt
				case v >= 0:
					matched++
				}
			}
			if a.unique {
				r.items = append(r.items, span{from, i})
			}
			if i = jsonx.Blanks(r.b, i); i >= len(r.b) {
				return no
			}
			switch r.b[i] {
			case ',':
				i = jsonx.Blanks(r.b, i+1)
			case ']':
				i++
				more = false
			default:
				return no
			}
		}
	}
	if count < a.least || count > a.most || a.contains != nil && (matched < a.few || matched > a.many) {
		return no
	}
	if a.unique {
		if v := r.distinct(r.items[open:]); v < 0 {
			return v
		}
		r.items = r.items[:open]
	}
	return i
}

// distinct reports whether no two of the items are equal.
func (r *run) distinct(items []span) int {
	if len(items) > maxUnique {
		return doubt
	}
	for i, a := range items {
		for _, b := range items[:i] {
			if v := r.differ(a, b); v < 0 {
				return v
			}
		}
	}
	return 0
}

func (r *run) differ(a, b span) int {
	x, y := r.b[a.from:a.to], r.b[b.from:b.to]
	kind := kindOf[x[0]]
	switch {
	case kind != kindOf[y[0]]:
		return 0
	case bytes.Equal(x, y):
		return no
	}
	switch kind {
	case isNumber:
		p, ok := parseDecimal(x)
		q, ok2 := parseDecimal(y)
		c, ok3 := p.compare(q)
		switch {
		case !ok || !ok2 || !ok3:
			return doubt
		case c == 0:
			return no
		}
	case isString:
		spare := len(r.spare)
		same := bytes.Equal(r.unescape(a.from, a.to, true), r.unescape(b.from, b.to, true))
		r.spare = r.spare[:spare]
		if same {
			return no
		}
	case isObject, isArray:
		return doubt // the same value may be spelt in many ways
	}
	return 0
}
