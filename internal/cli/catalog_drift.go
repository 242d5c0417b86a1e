package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

type catalogDriftDoc struct {
	Schema   string      `json:"schema"`
	Events   int         `json:"events"`   // of the catalogue
	Subjects int         `json:"subjects"` // of the registry
	Topics   int         `json:"topics"`   // of the broker
	Records  int         `json:"records"`  // that were looked at
	Drift    []driftItem `json:"drift"`
}

type driftItem struct {
	Where string `json:"where"` // registry, broker or traffic: what differs from the catalogue
	Name  string `json:"name"`  // a topic, a subject, or empty: the registry itself
	What  string `json:"what"`
	Have  string `json:"have,omitzero"`
	Want  string `json:"want,omitzero"`
	Next  string `json:"next,omitzero"` // what mends it
}

// What differs from the catalogue.
const (
	inRegistry = "registry"
	onBroker   = "broker"
	inTraffic  = "traffic"
)

func newCatalogDriftCmd(a *app) *cobra.Command {
	records := 100
	cmd := prints(&cobra.Command{
		Use:   "drift",
		Short: "Compare the catalogue with the registry, the broker and the traffic; exit 10 where they differ",
		Long: "The catalogue is that of --catalog (git), or the built-in one. The registry: subjects that are missing, differ, or belong to no event.\n" +
			"The broker: topics that are missing, differ, or that nothing declares. The traffic: the newest records of each declared topic, and\n" +
			"what in them is not what the catalogue says: events of other types, payloads that break their schema, producers that it does not name.",
		Example: `omnibus catalog drift
omnibus catalog drift --catalog ./schemas --registry http://localhost:8084
omnibus catalog drift --records 1000 -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if records < 0 {
				return fail(codeFlagValue, "--records cannot be below zero").fix("--records 0 leaves the traffic out")
			}
			return runCatalogDrift(cmd.Context(), a, records)
		},
	}, formatTable, formatJSON)
	cmd.Flags().IntVar(&records, "records", records, "look at the newest `n` records of each partition; 0: none")
	return cmd
}

func runCatalogDrift(ctx context.Context, a *app, records int) error {
	doc := catalogDriftDoc{Schema: schemaOf("catalog.drift"), Drift: []driftItem{}}
	c, err := a.needRegistry()
	if err != nil {
		return err
	}
	err = a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.withinEach(ctx, b.Catalog().Len(), func(ctx context.Context) error {
			desired, err := desiredOptions{}.desired(a, b.Catalog())
			if err != nil {
				return err
			}
			doc.Events = b.Catalog().Len()
			if err := doc.registry(ctx, a, c, desired.subjects); err != nil {
				return err
			}
			if err := doc.broker(ctx, b, desired.topics); err != nil {
				return err
			}
			if records == 0 {
				return nil
			}
			t, err := lookAtTraffic(ctx, b, records)
			doc.Records = t.records
			doc.Drift = append(doc.Drift, t.drift()...)
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := a.printDrift(doc); err != nil {
		return err
	}
	if len(doc.Drift) > 0 {
		return fail(codeThreshold, "%s from the catalogue", count(len(doc.Drift), "difference", "differences")).
			because("the registry, the broker or the traffic is not what the catalogue says").fix("omnibus schema plan").fix("or correct the catalogue, and check it: omnibus schema check")
	}
	return nil
}

// registry compares subjects.
func (doc *catalogDriftDoc) registry(ctx context.Context, a *app, c *client.Client, desired []client.DesiredSubject) error {
	plan, err := c.PlanSubjects(ctx, false, desired...)
	if err != nil {
		return err
	}
	for _, ch := range plan.Changes {
		d := driftItem{Where: inRegistry, Name: ch.Subject, What: "is not registered", Have: ch.Have, Want: ch.Want, Next: a.commandLine("schema", "register", ch.Subject)}
		switch {
		case ch.Breaks != nil:
			d.What, d.Next = "differs, and the registry would refuse ours: "+clip(reason(ch.Breaks[0]), 120), a.commandLine("schema", "check", "--against", "registry")
		case ch.Left != "":
			d.What, d.Next = "has a later version than ours", a.commandLine("schema", "diff", ch.Subject)
		case ch.Have != "":
			d.What = "differs"
		}
		doc.Drift = append(doc.Drift, d)
	}
	subjects, err := c.Subjects(ctx)
	if err != nil {
		return err
	}
	doc.Subjects = len(subjects)
	slices.Sort(subjects)
	for _, name := range subjects {
		if !slices.ContainsFunc(desired, func(d client.DesiredSubject) bool { return d.Subject == name }) {
			doc.Drift = append(doc.Drift, driftItem{Where: inRegistry, Name: name, What: "belongs to no event of the catalogue"})
		}
	}
	return nil
}

// broker compares topics.
func (doc *catalogDriftDoc) broker(ctx context.Context, b *bus.Bus, desired []bus.DesiredTopic) error {
	plan, err := b.PlanTopics(ctx, false, desired...)
	if err != nil {
		return err
	}
	for _, ch := range plan.Changes {
		what, want := topicChangeText(ch)
		d := driftItem{Where: onBroker, Name: string(ch.Topic), What: what + " differs", Have: ch.Have, Want: want, Next: "omnibus topics apply " + string(ch.Topic.Source())}
		if ch.Have == "" && ch.Partitions > 0 {
			d.What = "is not there"
		}
		if ch.Left != "" {
			d.Next = ch.Left
		}
		doc.Drift = append(doc.Drift, d)
	}
	topics, err := b.Topics(ctx, "*", "*.dlq")
	if err != nil {
		return err
	}
	doc.Topics = len(topics)
	for _, t := range topics {
		if !t.Declared {
			doc.Drift = append(doc.Drift, driftItem{Where: onBroker, Name: string(t.Name), What: "nothing declares it"})
		}
	}
	return nil
}

func (a *app) printDrift(doc catalogDriftDoc) error {
	return a.print(doc, func() error {
		looked := fmt.Sprintf("%s with %s, %s and %s", count(doc.Events, "event type", "event types"), count(doc.Subjects, "subject", "subjects"),
			count(doc.Topics, "topic", "topics"), count(doc.Records, "record", "records"))
		if len(doc.Drift) == 0 {
			return a.printf("No drift: compared %s\n", looked)
		}
		a.hint("compared %s", looked)
		t := newTable("WHERE", "NAME", "WHAT", "HAVE", "WANT", "NEXT")
		for _, d := range doc.Drift {
			t.add(d.Where, cmp.Or(d.Name, "(the registry)"), d.What, cmp.Or(d.Have, "-"), cmp.Or(clip(d.Want, 60), "-"), cmp.Or(d.Next, "-"))
		}
		return a.printTable(t)
	})
}

// traffic is what was seen in records, as far as it is not what the catalogue says.
type traffic struct {
	catalogue *event.Catalog
	records   int
	seen      map[oddity]*sighting
}

// oddity is one kind of difference.
type oddity struct {
	topic event.Topic
	what  string
}

type sighting struct {
	count     int
	partition int32 // of the first
	offset    int64
}

// lookAtTraffic reads the newest records of every declared topic.
func lookAtTraffic(ctx context.Context, b *bus.Bus, records int) (traffic, error) {
	t := traffic{catalogue: b.Catalog(), seen: map[oddity]*sighting{}}
	var all []event.Glob
	topics, err := b.Topics(ctx)
	if err != nil {
		return t, err
	}
	for _, i := range topics {
		if _, declared := t.catalogue.Lookup(i.Name); declared {
			all = append(all, event.Glob(i.Name))
		}
	}
	if len(all) == 0 {
		return t, nil
	}
	j := judge{catalogue: t.catalogue, schemas: map[event.Topic]*schema.Schema{}}
	for r, err := range b.Scan(ctx, bus.Range{Topics: all, From: bus.FromEnd(int64(records))}) {
		if err != nil {
			return t, err
		}
		t.records++
		for _, what := range j.oddities(r) {
			at := oddity{r.Topic, what}
			if t.seen[at] == nil {
				t.seen[at] = &sighting{partition: r.Partition, offset: r.Offset}
			}
			t.seen[at].count++
		}
	}
	return t, nil
}

// drift are the differences, in the order of topics.
func (t traffic) drift() []driftItem {
	var all []driftItem
	for at, s := range t.seen {
		all = append(all, driftItem{
			Where: inTraffic, Name: string(at.topic), What: at.what, Have: count(s.count, "record", "records"),
			Next: fmt.Sprintf("omnibus consume %s --offset %d:%d -n 1", at.topic, s.partition, s.offset),
		})
	}
	slices.SortFunc(all, func(x, y driftItem) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.What, y.What))
	})
	return all
}

// judge holds records against the catalogue.
type judge struct {
	catalogue *event.Catalog
	schemas   map[event.Topic]*schema.Schema // nil: it cannot be compiled
}

// oddities are the ways in which r is not what the catalogue says of its topic.
func (j judge) oddities(r bus.Record) (all []string) {
	e, err := event.Decode(r.Value)
	if err != nil {
		return []string{"holds records that are no events"}
	}
	e.Complete(event.At{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp})
	if len(e.Completed) > 0 {
		all = append(all, "holds events whose envelope lacks fields")
	}
	spec, declared := j.catalogue.Lookup(e.Type)
	switch {
	case !declared:
		return append(all, "holds events of the type "+clip(oneline.Text(string(e.Type)), 120)+", which nothing declares")
	case e.Type != r.Topic:
		all = append(all, "holds events of another type, "+string(e.Type))
	}
	if who := e.Source.Service; who != "" && !slices.Contains(spec.Producers, who) && !slices.Contains(spec.Producers, "*") && !slices.Contains(e.Completed, "source") {
		all = append(all, "has a producer that it does not name: "+clip(oneline.Text(who), 60))
	}
	if payload, err := spec.Normalize(e.Payload); err != nil || !j.follows(spec, payload) {
		all = append(all, "holds payloads that break their schema")
	}
	return all
}

// follows reports whether a payload is what readers of its type take.
func (j judge) follows(spec event.Spec, payload []byte) bool {
	s, known := j.schemas[spec.Topic]
	if !known {
		if text, err := schema.Registrable(spec.Schema); err == nil {
			s, _ = schema.Parse(text) // what does not compile is told by lint
		}
		j.schemas[spec.Topic] = s
	}
	return s == nil || s.ScanPayload(payload) == nil
}
