package trace

import (
	"slices"

	"github.com/omninode-ai/omnibus/event"
)

// Collapse returns f, or where it has more than most nodes a smaller flow in which one node stands for all events of a type and a
// service below one place, and for those further down that their own kind caused: Count says for how many. If that is still too
// much, the deepest are cut away. Below 1, most is no limit. f itself stays as it is.
func (f *Flow) Collapse(most int) *Flow {
	if most < 1 || f.size() <= most {
		return f
	}
	top := &fold{}
	for _, r := range f.Roots {
		top.add(r)
	}
	small := *f
	small.Roots = top.nodes()
	for depth := small.depth(); depth > 1 && small.size() > most; depth-- {
		small.Roots = small.Cut(depth - 1).Roots
	}
	return &small
}

// Cut returns f with depth levels of nodes, roots being the first; Hidden of the last level says how many events are below. Below 1,
// depth is no limit. f itself stays as it is.
func (f *Flow) Cut(depth int) *Flow {
	if depth < 1 {
		return f
	}
	var cut func(n *Node, left int) *Node
	cut = func(n *Node, left int) *Node {
		c := *n
		c.Children = nil
		for _, child := range n.Children {
			if left > 1 {
				c.Children = append(c.Children, cut(child, left-1))
			} else {
				c.Hidden += events(child)
			}
		}
		return &c
	}
	short := *f
	short.Roots = nil
	for _, r := range f.Roots {
		short.Roots = append(short.Roots, cut(r, depth))
	}
	return &short
}

// events is how many n and what is below it stand for.
func events(n *Node) int {
	sum := n.Count + n.Hidden
	for _, c := range n.Children {
		sum += events(c)
	}
	return sum
}

func (f *Flow) size() (nodes int) {
	f.All(func(*Node, *Node, int) { nodes++ })
	return nodes
}

func (f *Flow) depth() (levels int) {
	f.All(func(_, _ *Node, depth int) { levels = max(levels, depth+1) })
	return levels
}

// fold gathers the events of one kind below one place. The topmost has no node.
type fold struct {
	kind  kind
	node  *Node
	above *fold
	below []*fold
}

type kind struct {
	typ     event.Topic
	service string
	missing bool
}

// add takes n in below f: into f or what is above where that is its kind, so that a long chain becomes a short one.
func (f *fold) add(n *Node) {
	k := kind{n.Type, n.Source.Service, n.Missing}
	var into *fold
	for at := f; at != nil && into == nil; at = at.above {
		if at.node != nil && at.kind == k {
			into = at
		}
	}
	if into == nil {
		if i := slices.IndexFunc(f.below, func(b *fold) bool { return b.kind == k }); i >= 0 {
			into = f.below[i]
		}
	}
	if into == nil {
		first := *n
		first.Children, first.Dead = nil, nil
		first.Count, first.Until = 0, n.Time
		into = &fold{kind: k, node: &first, above: f}
		f.below = append(f.below, into)
	}
	into.absorb(n)
	for _, c := range n.Children {
		into.add(c)
	}
}

// absorb counts n in. What holds for single events only is left out once there are two.
func (f *fold) absorb(n *Node) {
	all := f.node
	all.Count += n.Count
	all.Hidden += n.Hidden
	all.Ahead = max(all.Ahead, n.Ahead)
	all.Cycle = all.Cycle || n.Cycle
	all.Unanswered = all.Unanswered || n.Unanswered
	all.Unreadable = all.Unreadable || n.Unreadable
	if n.Time.Before(all.Time) {
		all.Time = n.Time
	}
	if n.Time.After(all.Until) {
		all.Until = n.Time
	}
	if all.Count > 1 {
		all.Copies, all.Answers, all.Took = nil, event.ID{}, 0
	}
	for _, d := range n.Dead {
		i := slices.IndexFunc(all.Dead, func(have DeadLetter) bool {
			return have.Group == d.Group && have.Class == d.Class && have.Fingerprint == d.Fingerprint && (have.Sent == nil) == (d.Sent == nil)
		})
		if i >= 0 {
			all.Dead[i].Count += d.Count
			continue
		}
		all.Dead = append(all.Dead, d)
	}
}

// nodes are what was gathered below f.
func (f *fold) nodes() []*Node {
	var all []*Node
	for _, b := range f.below {
		b.node.Children = b.nodes()
		all = append(all, b.node)
	}
	slices.SortFunc(all, byTime)
	return all
}
