package site

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/catalogue"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// change is one step from a schema to the next, and what it means.
type change struct {
	Topic             event.Topic
	Page              string
	From, To          string // versions
	Commit, Day, Note string
	First             bool // there was none before
	Backward, Forward bool // new readers read old events; old readers read new ones
	Differences       []difference
	Lines             []line
}

// Verdict is the two directions in words.
func (c change) Verdict() string {
	switch {
	case c.First:
		return "new"
	case c.Backward && c.Forward:
		return "compatible"
	case c.Backward:
		return "breaks old readers"
	case c.Forward:
		return "breaks new readers of old events"
	}
	return "breaking"
}

// Whole says that nobody has to do anything.
func (c change) Whole() bool { return c.First || c.Backward && c.Forward }

// difference is what one place of the schema means, in both directions.
type difference struct {
	Path                    string
	BreaksOlder, BreaksLate bool // old readers of new events; new readers of old events
	Types                   []string
	Messages                []string
	Example                 string // a document that shows it
}

// Breaks says whom, in words.
func (d difference) Breaks() string {
	switch {
	case d.BreaksOlder && d.BreaksLate:
		return "old readers, and new readers of old events"
	case d.BreaksOlder:
		return "old readers"
	case d.BreaksLate:
		return "new readers of old events"
	}
	return ""
}

// line is one line of a difference between two texts: its mark is +, - or a space.
type line struct{ Mark, Text string }

// changes are the steps of the history of e, the latest first.
func (b *builder) changes(e catalogue.Entry) ([]change, error) {
	var all []change
	revisions := b.config.History[e.Topic]
	for i, r := range revisions {
		c := change{Topic: e.Topic, Page: eventPage(e.Topic), To: versionOf(r.Schema), Commit: r.Commit, Day: r.Day, Note: r.Note, First: i == 0}
		if i > 0 {
			c.From = versionOf(revisions[i-1].Schema)
			if err := b.compare(&c, revisions[i-1].Schema, r.Schema); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", e.Topic, r.Commit, err)
			}
		}
		all = append([]change{c}, all...)
	}
	return all, nil
}

// majors compares e with the majors before it, the latest first.
func (b *builder) majors(e catalogue.Entry) ([]change, error) {
	var all []change
	for _, other := range b.config.Entries {
		if other.Topic.Major() == 0 || other.Topic.Major() >= e.Topic.Major() || !slices.Contains(e.Siblings, other.Topic) {
			continue
		}
		c := change{Topic: e.Topic, Page: other.Short(), From: "v" + strconv.Itoa(other.Topic.Major()), To: "v" + strconv.Itoa(e.Topic.Major())}
		if err := b.compare(&c, other.Schema, e.Schema); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Topic, err)
		}
		all = append([]change{c}, all...)
	}
	return all, nil
}

// compare fills in what the step from older to newer means. A schema of the past that cannot be compared has no verdict that we could
// give: it counts as breaking.
func (b *builder) compare(c *change, older, newer []byte) error {
	found, err := schema.Compare(older, newer, schema.ByRole)
	if err != nil {
		found = []schema.Difference{
			{Type: schema.Undecided, Path: "#", Direction: schema.BackwardDirection, Breaking: true, Message: "one of the two cannot be compared"},
			{Type: schema.Undecided, Path: "#", Direction: schema.ForwardDirection, Breaking: true, Message: "one of the two cannot be compared"},
		}
	}
	c.Backward, c.Forward = true, true
	at := map[string]int{}
	for _, d := range found {
		i, ok := at[d.Path]
		if !ok {
			i = len(c.Differences)
			at[d.Path] = i
			c.Differences = append(c.Differences, difference{Path: plainPath(d.Path)})
		}
		one := &c.Differences[i]
		one.BreaksLate = one.BreaksLate || d.Breaking && d.Direction == schema.BackwardDirection
		one.BreaksOlder = one.BreaksOlder || d.Breaking && d.Direction == schema.ForwardDirection
		if !slices.Contains(one.Types, d.Type) {
			one.Types = append(one.Types, d.Type)
		}
		if !slices.Contains(one.Messages, d.Message) {
			one.Messages = append(one.Messages, d.Message)
		}
		if one.Example == "" {
			one.Example = string(d.CounterExample)
		}
	}
	for _, d := range c.Differences {
		c.Backward, c.Forward = c.Backward && !d.BreaksLate, c.Forward && !d.BreaksOlder
	}
	if b.config.Lines == nil {
		return nil
	}
	before, err := jsonx.Indent(older)
	if err != nil {
		return err
	}
	after, err := jsonx.Indent(newer)
	if err != nil {
		return err
	}
	for _, text := range b.config.Lines(string(before), string(after)) {
		c.Lines = append(c.Lines, line{text[:1], text})
	}
	return nil
}

// plainPath is where a difference is, as the table of fields names it.
func plainPath(path string) string {
	path = strings.TrimPrefix(path, "#")
	for _, r := range [][2]string{{"/properties/", "."}, {"/items", "[]"}, {"/$defs/", " in "}} {
		path = strings.ReplaceAll(path, r[0], r[1])
	}
	if path = strings.TrimPrefix(path, "."); path == "" {
		return "the payload"
	}
	return path
}

func versionOf(b []byte) string {
	var file struct {
		Version string `json:"x-version"`
	}
	if jsonx.Unmarshal(b, &file) != nil || file.Version == "" {
		return "1.0.0"
	}
	return file.Version
}
