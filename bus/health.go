package bus

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// health is what keeps the bus from being ready, by what it is about.
type health struct {
	mu     sync.Mutex
	faults map[string]string
}

func (h *health) fault(what, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.faults == nil {
		h.faults = map[string]string{}
	}
	h.faults[what] = why
}

func (h *health) clear(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.faults, what)
}

// Faults says what keeps the bus from working now, in plain words; none means that it works as far as it knows. What works, and
// not fully, is [Bus.Degraded].
func (b *Bus) Faults() []string {
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	var out []string
	for _, what := range slices.Sorted(maps.Keys(b.health.faults)) {
		out = append(out, what+": "+b.health.faults[what])
	}
	return out
}

// Degraded says in plain words what works and not fully: a partition that waits for the end of an outage or has stopped, a handler that is
// stuck, commits that fail, a topic that is gone. None means that all is well.
func (b *Bus) Degraded() []string {
	var out []string
	for _, s := range b.Consumers() {
		out = append(out, s.degraded()...)
	}
	return out
}

func (s ConsumerState) degraded() []string {
	who := "group " + s.Group
	if s.Broadcast {
		who = "a broadcast"
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, who+": "+fmt.Sprintf(format, args...)) }
	out = append(out, s.outages(who)...)
	for _, p := range s.Partitions {
		if at := p.Stopped; at != nil {
			say("%s[%d] stopped at offset %d since %s (%s): nothing behind it begins; remove the cause and start the consumer anew, which tries it again",
				p.Topic, p.Partition, at.Offset, clock(at.Since), at.Message)
		}
	}
	for _, h := range s.Stuck {
		key, where := "", ""
		if h.Key != "" {
			key = ", key " + h.Key
		}
		if len(h.Where) > 0 {
			where = ", in " + strings.Join(h.Where[:min(3, len(h.Where))], " < ")
		}
		say("the handler of %s%s has been running since %s%s", h.Coordinates, key, clock(h.Since), where)
	}
	if f := s.CommitFails; f != nil {
		say("commits fail since %s: %s", clock(f.Since), f.Why)
	}
	for _, m := range s.Missing {
		say("topic %s is gone since %s", m.Topic, clock(m.Since))
	}
	return out
}

// outages tells of partitions of a topic that wait for the same reason at once.
func (s ConsumerState) outages(who string) []string {
	type cause struct {
		topic       event.Topic
		fingerprint string
	}
	parts := map[cause][]int32{}
	first := map[cause]*Outage{}
	var order []cause
	for _, p := range s.Partitions {
		if p.Outage == nil {
			continue
		}
		c := cause{p.Topic, p.Outage.Fingerprint}
		if first[c] == nil {
			order = append(order, c)
		}
		if first[c] == nil || p.Outage.Since.Before(first[c].Since) {
			first[c] = p.Outage
		}
		parts[c] = append(parts[c], p.Partition)
	}
	var out []string
	for _, c := range order {
		out = append(out, fmt.Sprintf("%s: outage: %s%v waits and probes since %s: %s", who, c.topic, parts[c], clock(first[c].Since), first[c].Message))
	}
	return out
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
