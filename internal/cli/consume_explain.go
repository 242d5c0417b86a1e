package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type consumeExplainDoc struct {
	Schema     string        `json:"schema"`
	Partitions []explainSpan `json:"partitions"`
	Offsets    int64         `json:"offsets"` // there are at most as many records
	Last       int           `json:"last,omitzero"`
	Filters    []string      `json:"filters"`
	Ends       string        `json:"ends"`
	Commits    string        `json:"commits"`
}

type explainSpan struct {
	Topic     event.Topic `json:"topic"`
	Partition int32       `json:"partition"`
	From      int64       `json:"from"`
	To        int64       `json:"to"`
}

// explain says what would be read, and reads nothing.
func (c *consuming) explain(ctx context.Context, b *bus.Bus, r bus.Range) error {
	var spans []bus.Span
	var err error
	if c.o.group == "" {
		spans, err = b.Spans(ctx, r)
	} else {
		spans, err = c.groupSpans(ctx, b)
	}
	if err != nil {
		return err
	}
	doc := consumeExplainDoc{
		Schema: schemaOf("consume.explain"), Partitions: []explainSpan{}, Last: c.o.last, Filters: c.o.words(), Ends: c.o.ends(), Commits: c.o.commits(),
	}
	t := newTable("TOPIC", "PARTITION#", "FROM#", "TO#", "OFFSETS#")
	for _, s := range spans {
		doc.Partitions = append(doc.Partitions, explainSpan{s.Topic, s.Partition, s.From, s.To})
		doc.Offsets += s.To - s.From
		t.add(string(s.Topic), strconv.Itoa(int(s.Partition)), strconv.FormatInt(s.From, 10), strconv.FormatInt(s.To, 10), strconv.FormatInt(s.To-s.From, 10))
	}
	return c.a.print(doc, func() error {
		if err := c.a.printTable(t); err != nil {
			return err
		}
		reads := fmt.Sprintf("%s in %s; at most so many records, as markers and compaction leave holes", count(int(doc.Offsets), "offset", "offsets"), count(len(spans), "partition", "partitions"))
		if c.o.last > 0 {
			reads = fmt.Sprintf("the newest %s of them all", count(c.o.last, "record", "records"))
		}
		lets := strings.Join(doc.Filters, " and ")
		if lets == "" {
			lets = "every record"
		}
		if err := c.a.printf("\n"); err != nil {
			return err
		}
		return c.a.printFields(field{"reads", reads}, field{"prints", lets}, field{"ends", doc.Ends}, field{"commits", doc.Commits})
	})
}

// words are the filters as they were given.
func (o filterOptions) words() []string {
	words := []string{}
	for _, one := range []struct {
		flag   string
		values []string
	}{
		{"--event-type", o.types}, {"--correlation", []string{o.correlation}}, {"--header", o.headers}, {"--error", []string{o.failed}}, {"--where", []string{o.where}},
	} {
		for _, v := range one.values {
			if v != "" {
				words = append(words, one.flag+" "+shellWord(v))
			}
		}
	}
	return words
}

func (o consumeOptions) ends() string {
	ends := "where each partition ends now, whatever is written meanwhile"
	switch {
	case o.follow:
		ends = "with Ctrl-C: it goes on with what comes"
	case o.to+o.until != "", strings.Contains(o.offset, ":@"):
		ends = "where each partition reaches its end above"
	}
	if o.limit > 0 {
		ends = "after " + count(o.limit, "record that is printed", "records that are printed") + ", or " + ends
	}
	return ends
}

func (o consumeOptions) commits() string {
	switch {
	case o.group == "":
		return "nothing; no group is disturbed"
	case o.peek:
		return "nothing: it looks at what group " + o.group + " has before it, without joining it"
	}
	return "as group " + o.group + ", what is printed and what the filters pass over; its other members get the rest"
}

// groupSpans are what lies before the group.
func (c *consuming) groupSpans(ctx context.Context, b *bus.Bus) ([]bus.Span, error) {
	committed, err := c.a.committed(ctx, b, c.o.group)
	if err != nil {
		return nil, err
	}
	spans, err := b.Spans(ctx, bus.Range{Topics: c.o.topics})
	if err != nil {
		return nil, err
	}
	fresh := len(committed) == 0 && c.o.from+c.o.since+c.o.offset == "latest"
	for i, s := range spans {
		at, known := committed[partitionKey{s.Topic, s.Partition}]
		switch {
		case known:
			spans[i].From = min(max(at, s.From), s.To)
		case fresh:
			spans[i].From = s.To
		}
	}
	return slices.Clip(spans), nil
}
