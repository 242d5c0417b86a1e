package bus

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// VersionUse is who writes and who reads one event type.
type VersionUse struct {
	event.Spec

	Carrier   event.Topic // the topic that carries it
	There     bool        // whether the cluster has that
	Later     event.Topic // the newest version of it; empty: that is this one
	Producers []ProducerUse
	Groups    []GroupUse
	NoEvents  int64 // records that cannot be read as events
}

// ProducerUse is what one service wrote of an event type, but for what was sent again from the dead letters.
type ProducerUse struct {
	Service  string
	Events   int64
	Duals    int64 // of them, those that were published as a later version, see [DualPublish]
	Versions map[string]int64
	Last     time.Time
}

// GroupUse is a group that has a position in the topic of an event type, or a member that reads it.
type GroupUse struct {
	Group    string
	Members  int   // that read it now
	Messages int64 // that it is behind; -1: nobody knows
	Later    bool  // it reads a later version too
}

// Outdated reports whether there is a later version, or this one is deprecated.
func (u VersionUse) Outdated() bool { return u.Later != "" || u.Deprecated != nil }

// Needed reports whether somebody still needs it: a service publishes it by itself, or a group reads it and no later version.
func (u VersionUse) Needed() bool {
	return slices.ContainsFunc(u.Producers, func(p ProducerUse) bool { return p.Events > p.Duals }) ||
		slices.ContainsFunc(u.Groups, func(g GroupUse) bool { return !g.Later })
}

// VersionQuery says which event types [Bus.VersionUses] looks at. Versions of one event have the same name up to its major, or say that
// they supersede each other.
type VersionQuery struct {
	Types    []event.Topic                  // and all their versions; none: all types that are deprecated or have several versions
	Since    time.Time                      // what was written before does not count; zero: everything counts
	Progress func(read int, upTo time.Time) // nil: nobody wants to know
}

// VersionUses says who has written event types, and which groups read them, in the order of the types' names. It reads every record
// since then.
func (b *Bus) VersionUses(ctx context.Context, q VersionQuery) ([]VersionUse, error) {
	uses := versionsOf(b.cfg.Catalog, q.Types)
	if len(uses) == 0 {
		return nil, nil
	}
	at := make(map[event.Topic]*VersionUse, len(uses))
	for _, u := range uses {
		u.Carrier = b.topicOf(u.Topic)
		at[u.Carrier] = u
	}
	found, _, err := clusterMetadata(ctx, b.client)
	if err != nil {
		return nil, fmt.Errorf("who uses which version: %w", b.reach(err))
	}
	var r Range
	if !q.Since.IsZero() {
		r.From = AtTime(q.Since)
	}
	for t, u := range at {
		if _, u.There = found[string(t)]; u.There {
			r.Topics = append(r.Topics, event.Glob(t))
		}
	}
	if len(r.Topics) > 0 {
		if err := b.writers(ctx, r, at, q.Progress); err != nil {
			return nil, fmt.Errorf("who writes which version: %w", err)
		}
	}
	if err := b.readers(ctx, at); err != nil {
		return nil, fmt.Errorf("who reads which version: %w", err)
	}
	out := make([]VersionUse, len(uses))
	for i, u := range uses {
		out[i] = *u
	}
	return out, nil
}

// writers counts the events of a range by who published them.
func (b *Bus) writers(ctx context.Context, r Range, at map[event.Topic]*VersionUse, progress func(int, time.Time)) error {
	type writer struct {
		topic   event.Topic
		service string
	}
	all := map[writer]*ProducerUse{}
	read := 0
	for rec, err := range b.Scan(ctx, r) {
		if err != nil {
			return err
		}
		if read++; progress != nil {
			progress(read, rec.Timestamp)
		}
		if rec.Header(dlqPrefix+"redrive-count") != nil || rec.Header(headerRelease) != nil {
			continue
		}
		e, err := event.Decode(rec.Value)
		if err != nil {
			at[rec.Topic].NoEvents++
			continue
		}
		e.Complete(event.At{Topic: b.typeOf(rec.Topic), Partition: rec.Partition, Offset: rec.Offset, Time: rec.Timestamp})
		w := writer{rec.Topic, e.Source.Service}
		p := all[w]
		if p == nil {
			p = &ProducerUse{Service: w.service, Versions: map[string]int64{}}
			all[w] = p
		}
		p.Events++
		p.Versions[e.Version]++
		if _, _, dual := DualOf(rec); dual {
			p.Duals++
		}
		if rec.Timestamp.After(p.Last) {
			p.Last = rec.Timestamp
		}
	}
	for w, p := range all {
		at[w.topic].Producers = append(at[w.topic].Producers, *p)
	}
	for _, u := range at {
		slices.SortFunc(u.Producers, func(x, y ProducerUse) int { return cmp.Compare(x.Service, y.Service) })
	}
	return nil
}

// readers finds the groups of the topics.
func (b *Bus) readers(ctx context.Context, at map[event.Topic]*VersionUse) error {
	infos, err := b.Groups(ctx)
	if err != nil || len(infos) == 0 {
		return err
	}
	lags, err := b.Lag(ctx)
	if err != nil {
		return err
	}
	type reader struct {
		group string
		topic event.Topic
	}
	reads := map[reader]*GroupUse{}
	for _, l := range lags {
		if at[l.Topic] == nil {
			continue
		}
		g := reads[reader{l.Group, l.Topic}]
		if g == nil {
			g = &GroupUse{Group: l.Group}
			reads[reader{l.Group, l.Topic}] = g
		}
		if !l.Known || g.Messages < 0 {
			g.Messages = -1
		} else {
			g.Messages += l.Messages
		}
	}
	for _, info := range infos {
		for _, m := range info.Members {
			for t := range m.Assigned {
				if g := reads[reader{info.Name, t}]; g != nil {
					g.Members++
				}
			}
		}
	}
	for r, g := range reads {
		for _, later := range laterThan(b.cfg.Catalog, at[r.topic].Topic) {
			g.Later = g.Later || reads[reader{r.group, b.topicOf(later)}] != nil
		}
		at[r.topic].Groups = append(at[r.topic].Groups, *g)
	}
	for _, u := range at {
		slices.SortFunc(u.Groups, func(x, y GroupUse) int { return cmp.Compare(x.Group, y.Group) })
	}
	return nil
}

// versionsOf are the versions of types, or of all types that are deprecated or have several, in the order of their names.
func versionsOf(c *event.Catalog, types []event.Topic) []*VersionUse {
	var specs []event.Spec
	for s := range c.All() {
		specs = append(specs, s)
	}
	later := make(map[event.Topic][]event.Topic, len(specs))
	for _, s := range specs {
		later[s.Topic] = laterThan(c, s.Topic)
	}
	same := func(x, y event.Topic) bool {
		return x == y || slices.Contains(later[x], y) || slices.Contains(later[y], x) ||
			slices.ContainsFunc(later[x], func(z event.Topic) bool { return slices.Contains(later[y], z) })
	}
	wanted := func(s event.Spec) bool {
		if len(types) > 0 {
			return slices.ContainsFunc(types, func(t event.Topic) bool { return same(t, s.Topic) })
		}
		return s.Deprecated != nil || slices.ContainsFunc(specs, func(o event.Spec) bool { return o.Topic != s.Topic && same(o.Topic, s.Topic) })
	}
	var out []*VersionUse
	for _, s := range specs {
		if !wanted(s) {
			continue
		}
		u := &VersionUse{Spec: s}
		if n := len(later[s.Topic]); n > 0 {
			u.Later = later[s.Topic][n-1]
		}
		out = append(out, u)
	}
	return out
}

// laterThan are the later versions of an event type, the newest last.
func laterThan(c *event.Catalog, t event.Topic) []event.Topic {
	found := map[event.Topic]bool{t: true}
	var out []event.Topic
	for grown := true; grown; {
		grown = false
		for s := range c.All() {
			if !found[s.Topic] && (found[s.Supersedes] || nextMajor(found, s.Topic)) {
				found[s.Topic], grown = true, true
				out = append(out, s.Topic)
			}
		}
	}
	slices.SortStableFunc(out, func(x, y event.Topic) int { return cmp.Compare(x.Major(), y.Major()) })
	return out
}

// nextMajor reports whether t has the name of one of older and a higher major.
func nextMajor(older map[event.Topic]bool, t event.Topic) bool {
	name := t[:strings.LastIndexByte(string(t), '.')+1]
	return t.Major() > 0 && slices.ContainsFunc(slices.Collect(maps.Keys(older)), func(o event.Topic) bool {
		return o[:strings.LastIndexByte(string(o), '.')+1] == name && o.Major() > 0 && o.Major() < t.Major()
	})
}
