package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

// checkTopics holds the catalogue against the cluster.
func checkTopics(ctx context.Context, e *exam) []Finding {
	topics, err := e.allTopics(ctx)
	if err != nil {
		return broken(ctx, "list topics", err)
	}
	missing, drift := judgeTopics(e.declared(), topics)
	found := slices.Clone(drift)
	switch {
	case len(missing) > 0 && e.cfg.Fix:
		found = append(e.createDeclared(ctx, missing), found...)
	case len(missing) > 0:
		found = append([]Finding{{
			Fail, fmt.Sprintf("%s missing: %s. Publishing to them fails, and so does whoever has a dead letter for them", count(len(missing), "topic is", "topics are"), few(missing)),
			"omnibus doctor topics --fix creates them",
		}}, found...)
	}
	if len(found) == 0 {
		found = append(found, Finding{OK, fmt.Sprintf("all %d are as declared, each with its dead letters", e.cfg.Bus.Catalog.Len()), ""})
	}
	return found
}

// declared are the event types with the topics that carry them.
func (e *exam) declared() map[event.Topic]event.Spec {
	out := map[event.Topic]event.Spec{}
	for s := range e.cfg.Bus.Catalog.All() {
		out[e.topic(s.Topic)] = s
	}
	return out
}

func (e *exam) createDeclared(ctx context.Context, missing []event.Topic) []Finding {
	var sources []event.Topic
	for _, t := range missing {
		if !slices.Contains(sources, t.Source()) {
			sources = append(sources, t.Source())
		}
	}
	if _, err := e.bus.EnsureTopics(ctx, sources...); err != nil {
		return broken(ctx, "create what is missing", err)
	}
	e.forget()
	return []Finding{{OK, fmt.Sprintf("created %s: %s", count(len(missing), "missing topic", "missing topics"), few(missing)), ""}}
}

// judgeTopics finds the topics that are missing, dead-letter topics too, and how those that are there differ.
func judgeTopics(declared map[event.Topic]event.Spec, topics []bus.TopicInfo) (missing []event.Topic, drift []Finding) {
	there := map[event.Topic]bus.TopicInfo{}
	for _, t := range topics {
		there[t.Name] = t
	}
	for topic, spec := range declared {
		have, ok := there[topic]
		if !ok {
			missing = append(missing, topic)
		} else {
			drift = append(drift, differs(have, spec)...)
		}
		dead, ok := there[topic.DLQ()]
		switch {
		case !ok:
			missing = append(missing, topic.DLQ())
		case have.Name != "" && len(dead.Partitions) < len(have.Partitions):
			drift = append(drift, Finding{
				Warn, fmt.Sprintf("%s has %d partitions and its topic %d: dead letters do not keep the order of their partition", dead.Name, len(dead.Partitions), len(have.Partitions)),
				"omnibus topics apply " + string(topic.Source()),
			})
		}
	}
	slices.Sort(missing)
	slices.SortFunc(drift, func(x, y Finding) int { return compare(x.What, y.What) })
	return missing, drift
}

func compare(x, y string) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func differs(have bus.TopicInfo, spec event.Spec) (found []Finding) {
	if n := len(have.Partitions); n != spec.Partitions {
		f := Finding{Warn, fmt.Sprintf("%s has %d partitions, declared are %d", have.Name, n, spec.Partitions), "declare what is there, or omnibus topics diff " + string(have.Name) + ": more partitions move keys, and their order ends"}
		found = append(found, f)
	}
	if have.Configs == nil { // not shown to us
		return found
	}
	if kept := have.Retention; kept >= 0 && kept < spec.Retention {
		found = append(found, Finding{
			Warn, fmt.Sprintf("%s keeps events for %s, declared are %s: they are gone earlier than promised", have.Name, span(kept), span(spec.Retention)),
			fmt.Sprintf("omnibus topics config %s --set retention.ms=%d, or declare what is there", have.Name, spec.Retention.Milliseconds()),
		})
	} else if kept != spec.Retention {
		found = append(found, Finding{
			Warn, fmt.Sprintf("%s keeps events for %s, declared are %s", have.Name, span(kept), span(spec.Retention)),
			fmt.Sprintf("omnibus topics config %s --set retention.ms=%d, or declare what is there", have.Name, spec.Retention.Milliseconds()),
		})
	}
	return found
}

// span is a duration for people.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "ever"
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return count(int(d/(24*time.Hour)), "day", "days")
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f days", d.Hours()/24)
	}
	return d.Round(time.Second).String()
}

// checkInternal looks at the topics in which Omnibus keeps state. They are made when they are first needed, so that a missing one
// is no fault.
func checkInternal(ctx context.Context, e *exam) []Finding {
	topics, err := e.allTopics(ctx)
	if err != nil {
		return broken(ctx, "list topics", err)
	}
	state := append(bus.StateTopics(), deadletter.StateTopics()...)
	missing, found := judgeInternal(state, topics)
	switch {
	case len(missing) == 0:
	case e.cfg.Fix:
		if err := e.bus.EnsureState(ctx, missing...); err != nil {
			return broken(ctx, "create what is missing", err)
		}
		e.forget()
		found = append(found, Finding{OK, "created " + few(missing), ""})
	default:
		found = append(found, Finding{OK, few(missing) + " will be made when first needed", ""})
	}
	if there := len(state) - len(missing); len(found) == 0 || there > 0 && !slices.ContainsFunc(found, func(f Finding) bool { return f.Status != OK }) {
		found = append([]Finding{{OK, fmt.Sprintf("%d of %d are there: one partition, compacted, in the broker's time", there, len(state)), ""}}, found...)
	}
	return found
}

// judgeInternal finds what would lose state or its order.
func judgeInternal(state []event.Topic, topics []bus.TopicInfo) (missing []event.Topic, found []Finding) {
	for _, name := range state {
		i := slices.IndexFunc(topics, func(t bus.TopicInfo) bool { return t.Name == name })
		if i < 0 {
			missing = append(missing, name)
			continue
		}
		t := topics[i]
		wrong := func(status Status, what, fix string) {
			found = append(found, Finding{status, string(name) + " " + what, fix})
		}
		if n := len(t.Partitions); n != 1 {
			wrong(Fail, "has "+strconv.Itoa(n)+" partitions and needs one: its records have no order", "keep what is in it (omnibus consume "+string(name)+" -o ndjson), then omnibus topics delete "+string(name)+", then omnibus doctor internal --fix")
		}
		if t.Configs == nil {
			wrong(Warn, "does not show its settings to this login", "allow DESCRIBE_CONFIGS to it")
			continue
		}
		if p := t.Configs["cleanup.policy"]; p != "compact" {
			wrong(Fail, "has cleanup.policy="+p+" and needs compact: retention removes decisions", "omnibus topics config "+string(name)+" --set cleanup.policy=compact")
		}
		if ts := t.Configs["message.timestamp.type"]; ts != "LogAppendTime" {
			wrong(Warn, "has message.timestamp.type="+ts+": times come from many clocks", "omnibus topics config "+string(name)+" --set message.timestamp.type=LogAppendTime")
		}
	}
	return missing, found
}

func checkReplication(ctx context.Context, e *exam) []Finding {
	topics, err := e.allTopics(ctx)
	if err != nil {
		return broken(ctx, "list topics", err)
	}
	brokers := 0
	for _, a := range e.probes {
		brokers = max(brokers, len(a.Nodes))
	}
	return judgeReplication(topics, brokers)
}

// judgeReplication finds what cannot be written, and what the loss of one broker would end. The same fault of many topics is one
// finding.
func judgeReplication(topics []bus.TopicInfo, brokers int) []Finding {
	kinds := []struct {
		status    Status
		what, fix string
		topics    []event.Topic
	}{
		{Fail, "no leader: nothing can be written or read", "start the brokers that hold them", nil},
		{Fail, "min.insync.replicas is above the number of copies: no write is ever acknowledged", "omnibus topics config TOPIC --set min.insync.replicas=N, less than the copies", nil},
		{Fail, "fewer copies in step than min.insync.replicas: writes are refused now", "start the brokers that hold the other copies", nil},
		{Warn, "copies are not in step", "look at the brokers that hold them; it goes away by itself after a restart of one", nil},
		{Warn, "one copy only on a cluster of several brokers: the events are gone with one disk", "give the topics three copies: reassign their partitions", nil},
		{Warn, "as many copies as min.insync.replicas: no broker may be away", "omnibus topics config TOPIC --set min.insync.replicas=N, less than the copies", nil},
		{Warn, "acks=all may mean one copy: min.insync.replicas is 1", "omnibus topics config TOPIC --set min.insync.replicas=2", nil},
	}
	for _, t := range topics {
		hit := map[int]bool{}
		minimum, err := strconv.Atoi(t.Configs["min.insync.replicas"])
		if err != nil {
			minimum = 1 // Kafka's default; also where it is not shown
		}
		for _, p := range t.Partitions {
			hit[0] = hit[0] || p.Leader < 0
			hit[2] = hit[2] || p.Leader >= 0 && len(p.InSync) < minimum
			hit[3] = hit[3] || len(p.InSync) < len(p.Replicas)
		}
		several := brokers > 1
		hit[1] = minimum > t.Replication
		hit[4] = several && t.Replication == 1
		hit[5] = several && t.Replication > 1 && minimum == t.Replication
		hit[6] = several && t.Replication > 1 && minimum == 1
		if hit[1] { // which says it all
			hit[2] = false
		}
		for i := range kinds {
			if hit[i] {
				kinds[i].topics = append(kinds[i].topics, t.Name)
			}
		}
	}
	var found []Finding
	for _, k := range kinds {
		if len(k.topics) > 0 {
			found = append(found, Finding{k.status, fmt.Sprintf("%s (%s): %s", count(len(k.topics), "topic", "topics"), few(k.topics), k.what), k.fix})
		}
	}
	switch {
	case len(found) > 0:
		return found
	case brokers == 1:
		return []Finding{{OK, "one broker: every topic can be written, and there is no copy elsewhere", ""}}
	}
	return []Finding{{OK, fmt.Sprintf("%s on %d brokers have copies to spare", count(len(topics), "topic", "topics"), brokers), ""}}
}

func checkUndeclared(ctx context.Context, e *exam) []Finding {
	topics, err := e.allTopics(ctx)
	if err != nil {
		return broken(ctx, "list topics", err)
	}
	return judgeUndeclared(topics)
}

// judgeUndeclared finds topics that the catalogue does not have, dead letters without their topic, and what a doctor left.
func judgeUndeclared(topics []bus.TopicInfo) []Finding {
	there := map[event.Topic]bool{}
	for _, t := range topics {
		there[t.Name] = true
	}
	var undeclared, orphans, left []event.Topic
	for _, t := range topics {
		internal := len(t.Name) > 0 && t.Name[0] == '_'
		switch {
		case isScratch(t.Name):
			left = append(left, t.Name)
		case internal:
		case t.Name.IsDLQ() && !there[t.Name.Source()]:
			orphans = append(orphans, t.Name)
		case !t.Declared && !t.Name.IsDLQ():
			undeclared = append(undeclared, t.Name)
		}
	}
	var found []Finding
	if len(undeclared) > 0 {
		found = append(found, Finding{
			Warn, fmt.Sprintf("%s not in the catalogue: %s. Nothing checks what is published there", count(len(undeclared), "topic is", "topics are"), few(undeclared)),
			"declare them in a schema file (--catalog DIR), or omnibus topics delete " + string(undeclared[0]),
		})
	}
	if len(orphans) > 0 {
		found = append(found, Finding{
			Warn, fmt.Sprintf("dead letters of topics that are gone: %s. They cannot be sent again", few(orphans)),
			"omnibus dlq export --topic " + string(orphans[0]) + " --out letters.ndjson keeps them; then omnibus topics delete " + string(orphans[0]),
		})
	}
	if len(left) > 0 {
		found = append(found, Finding{Warn, "left by a doctor that was killed: " + few(left), "omnibus topics delete " + string(left[0]) + ", if no other doctor is running"})
	}
	if len(found) == 0 {
		found = append(found, Finding{OK, "every topic is declared, and every dead letter has its topic", ""})
	}
	return found
}
