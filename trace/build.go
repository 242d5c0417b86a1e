package trace

import (
	"cmp"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Build makes the flow of one correlation from records, those of topics and of dead letters. Records of other correlations are
// passed over. A dead letter belongs to the event of its id, which where an envelope has none comes from where it first lay.
func Build(id event.CorrelationID, records []bus.Record) *Flow {
	b := builder{nodes: map[event.ID]*Node{}}
	var facts []fact
	for _, r := range records {
		if f := read(r); f.envelope.CorrelationID == id {
			facts = append(facts, f)
		}
	}
	slices.SortFunc(facts, byPlace)
	facts = slices.CompactFunc(facts, func(x, y fact) bool { return x.at == y.at }) // read twice
	for _, f := range facts {
		if f.dead == nil {
			b.event(f)
		}
	}
	for _, f := range facts {
		if f.dead != nil {
			b.dead(f)
		}
	}
	flow := &Flow{CorrelationID: id}
	for _, n := range b.all {
		settle(n)
	}
	b.link()
	flow.Roots = b.roots()
	flow.sum()
	return flow
}

// builder holds the events that are known so far.
type builder struct {
	all    []*Node
	nodes  map[event.ID]*Node // by all of their ids
	parent map[*Node]*Node
}

// event takes in a record of a topic. They come in the order of time, so that the first with an id is the event itself, but for what
// was sent again: that is a copy, wherever it lies.
func (b *builder) event(f fact) {
	n := b.nodes[f.envelope.ID]
	if n == nil {
		n = b.add(f)
	}
	if !f.other.IsZero() {
		b.nodes[f.other] = n
	}
	if n.At == nil && f.redrives == 0 {
		n.At, n.Time, n.Unreadable = &f.at, f.time, !f.readable
		n.take(f.envelope)
		return
	}
	n.Copies = append(n.Copies, Copy{At: f.at, Time: f.time, Redrives: f.redrives, Group: f.group, Target: f.target, Edited: f.edited})
}

// dead takes in a dead letter.
func (b *builder) dead(f fact) {
	n := b.nodes[f.envelope.ID]
	if n == nil {
		n = b.add(f)
	}
	for i, d := range n.Dead { // written twice, as its group did not live to see the first acknowledged
		if d.Group == f.group && d.Redrives == f.redrives && d.Origin == f.dead.Origin {
			if f.dead.FailedAt.After(d.FailedAt) {
				n.Dead[i].DeadLetter = *f.dead
			}
			return
		}
	}
	n.Dead = append(n.Dead, DeadLetter{DeadLetter: *f.dead, Count: 1})
}

// add makes the node of an event that is seen for the first time. Where it lies is said by a record of its topic, and by no other.
func (b *builder) add(f fact) *Node {
	n := &Node{ID: f.envelope.ID, Time: f.time, Unreadable: !f.readable, Count: 1}
	if !f.first.IsZero() {
		n.Time = f.first
	}
	n.take(f.envelope)
	b.nodes[n.ID] = n
	b.all = append(b.all, n)
	return n
}

func (n *Node) take(e event.Envelope) {
	n.Type, n.Source, n.CausationID, n.Said = e.Type, e.Source, e.CausationID, e.Time
}

// settle joins the dead letters of n with the copies that were sent again because of them.
func settle(n *Node) {
	sortDead(n.Dead)
	for i := range n.Dead {
		d := &n.Dead[i]
		for j := range n.Copies {
			c := &n.Copies[j]
			if c.Redrives == d.Redrives+1 && c.Group == d.Group {
				d.Sent = c
				break
			}
		}
	}
}

// link finds the cause of every event. Where that is not there, a node without a record stands for it.
func (b *builder) link() {
	b.parent = make(map[*Node]*Node, len(b.all))
	slices.SortFunc(b.all, byTime)
	for _, n := range slices.Clone(b.all) {
		if n.CausationID.IsZero() {
			continue
		}
		cause := b.nodes[n.CausationID]
		if cause == nil {
			cause = &Node{ID: n.CausationID, Time: n.Time, Missing: true, Count: 1}
			b.nodes[cause.ID] = cause
			b.all = append(b.all, cause)
		}
		b.parent[n], n.Link = cause, ByCausation
	}
	b.cut()
	b.pair()
	for n, cause := range b.parent {
		cause.Children = append(cause.Children, n)
		if !cause.Missing && n.Time.Before(cause.Time) {
			n.Ahead = cause.Time.Sub(n.Time)
		}
	}
	for _, n := range b.all {
		slices.SortFunc(n.Children, byTime)
	}
}

// cut opens every circle of causes at its earliest event.
func (b *builder) cut() {
	const seen, done = 1, 2
	state := make(map[*Node]int, len(b.all))
	for _, from := range b.all {
		var path []*Node
		n := from
		for ; n != nil && state[n] == 0; n = b.parent[n] {
			state[n] = seen
			path = append(path, n)
		}
		if n != nil && state[n] == seen {
			first := slices.MinFunc(path[slices.Index(path, n):], byTime)
			first.Cycle, first.Link = true, Root
			delete(b.parent, first)
		}
		for _, p := range path {
			state[p] = done
		}
	}
}

// pair finds the request of every response: the one that it names as its cause or, where it names none, the only one that it fits
// among those that no response names. Some services echo no more than the correlation.
func (b *builder) pair() {
	answered := map[*Node]bool{}
	open := map[event.Topic][]*Node{} // requests, by the type of their response
	answer := func(n, request *Node) {
		n.Answers, n.Took = request.ID, n.Time.Sub(request.Time)
		answered[request] = true
	}
	for _, n := range b.all {
		if cause := b.parent[n]; cause != nil && n.Type.Pattern() == event.Response && cause.Type.Pattern() == event.Request {
			answer(n, cause)
		}
	}
	for _, n := range b.all {
		if n.Type.Pattern() == event.Request && !answered[n] {
			open[n.Type] = append(open[n.Type], n)
		}
	}
	for _, n := range b.all {
		if n.Type.Pattern() != event.Response || !n.CausationID.IsZero() {
			continue
		}
		request := requestOf(n.Type, open)
		if request == nil || b.isBelow(request, n) {
			continue
		}
		b.parent[n], n.Link = request, ByCorrelation
		answer(n, request)
	}
	for _, requests := range open {
		for _, n := range requests {
			n.Unanswered = !answered[n]
		}
	}
}

// requestOf is the only open request whose response is of this type.
func requestOf(response event.Topic, open map[event.Topic][]*Node) *Node {
	var found []*Node
	for typ, requests := range open {
		if typ.Domain() == response.Domain() && typ.Operation() == response.Operation() && typ.Major() == response.Major() {
			found = append(found, requests...)
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

func (b *builder) isBelow(n, above *Node) bool {
	for ; n != nil; n = b.parent[n] {
		if n == above {
			return true
		}
	}
	return false
}

func (b *builder) roots() []*Node {
	var roots []*Node
	for _, n := range b.all {
		if b.parent[n] == nil {
			roots = append(roots, n)
		}
	}
	slices.SortFunc(roots, byTime)
	return roots
}

// sum fills in what is said of the flow as a whole.
func (f *Flow) sum() {
	services := map[string]bool{}
	f.All(func(n, _ *Node, _ int) {
		for _, c := range n.Copies {
			f.span(c.Time)
		}
		for _, d := range n.Dead {
			f.span(d.FailedAt)
		}
		if n.Missing {
			return
		}
		f.span(n.Time)
		f.Events++
		if n.Failed() {
			f.Failed++
		}
		if s := n.Source.Service; !services[s] {
			services[s] = true
			f.Services = append(f.Services, s)
		}
	})
	slices.Sort(f.Services)
}

func (f *Flow) span(t time.Time) {
	if f.Began.IsZero() || t.Before(f.Began) {
		f.Began = t
	}
	if t.After(f.Ended) {
		f.Ended = t
	}
}

func byPlace(x, y fact) int { return cmp.Or(x.time.Compare(y.time), comparePlaces(x.at, y.at)) }

func comparePlaces(x, y bus.Coordinates) int {
	return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.Offset, y.Offset))
}

// byTime orders nodes in a way that depends on nothing but what they say.
func byTime(x, y *Node) int {
	return cmp.Or(x.Time.Compare(y.Time), comparePlaces(x.where(), y.where()), slices.Compare(x.ID[:], y.ID[:]))
}

func (n *Node) where() bus.Coordinates {
	if n.At == nil {
		return bus.Coordinates{}
	}
	return *n.At
}

func sortDead(all []DeadLetter) {
	slices.SortFunc(all, func(x, y DeadLetter) int {
		return cmp.Or(x.FailedAt.Compare(y.FailedAt), comparePlaces(x.Coordinates(), y.Coordinates()))
	})
}
