// Package catalogue knows what people and their tools want to read about the declared events: the fields of a payload in words, whole
// events as examples, who talks to whom, and all of it as an AsyncAPI document or as Markdown. It does no I/O and asks no clock: the
// same catalogue gives the same bytes.
package catalogue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// Any is the name of a producer or a consumer that may be anybody.
const Any = "*"

// Entry is one event type as it is shown.
type Entry struct {
	event.Spec
	Title      string
	Domain     string              // "other" where the topic does not follow the grammar
	Subject    string              // where a schema registry keeps the schema of its records' values
	Answers    []event.Topic       // of a response: the requests
	OtherNames map[string][]string // member of the payload → names that are read as it
	Siblings   []event.Topic       // the other majors of it
	Fields     []Field             // of the payload
	Rules      []string            // on the payload as a whole, in words
	Events     []Example           // one for each example of the schema
}

// Status is draft, active, deprecated or sunset at a time.
func (e Entry) Status(now time.Time) string {
	switch d := e.Deprecated; {
	case d != nil && !d.Sunset.IsZero() && !now.Before(d.Sunset.AddDate(0, 0, 1)):
		return "sunset"
	case d != nil:
		return "deprecated"
	case strings.HasPrefix(e.Version, "0."):
		return "draft"
	}
	return "active"
}

// Versions says what the schema file says of older and later versions of it, in words.
func (e Entry) Versions() []string {
	var words []string
	if d := e.Deprecated; d != nil {
		text := "deprecated"
		if !d.Since.IsZero() {
			text += " since " + Day(d.Since)
		}
		if !d.Sunset.IsZero() {
			text += ", not to be used after " + Day(d.Sunset)
		}
		words = append(words, text)
	}
	if e.Supersedes != "" {
		words = append(words, "takes the place of "+string(e.Supersedes))
	}
	if !e.DualUntil.IsZero() {
		words = append(words, "published as that too until "+LastDay(e.DualUntil))
	}
	return words
}

// Day is the date of t in UTC; empty for the zero time.
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// LastDay is the day before end, which is the first on which something is over; empty for the zero time.
func LastDay(end time.Time) string {
	if end.IsZero() {
		return ""
	}
	return Day(end.AddDate(0, 0, -1))
}

// KeyText says in words what the record key is.
func (e Entry) KeyText() string {
	if e.Key == "" {
		return "the correlation id"
	}
	return e.Key
}

// Short is the topic without the name of the house.
func (e Entry) Short() string { return short(e.Topic) }

func short(t event.Topic) string { return strings.TrimPrefix(string(t), "omninode.") }

// Read makes the entries of c, in the order of their topics.
func Read(c *event.Catalog) ([]Entry, error) {
	answers := map[event.Topic][]event.Topic{}
	majors := map[string][]event.Topic{}
	for s := range c.All() {
		if s.Replies != "" {
			answers[s.Replies] = append(answers[s.Replies], s.Topic)
		}
		if name, ok := withoutMajor(s.Topic); ok {
			majors[name] = append(majors[name], s.Topic)
		}
	}
	var entries []Entry
	for s := range c.All() {
		e, err := entryOf(s, answers[s.Topic])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.File, err)
		}
		if name, ok := withoutMajor(s.Topic); ok {
			e.Siblings = slices.DeleteFunc(slices.Clone(majors[name]), func(t event.Topic) bool { return t == s.Topic })
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func withoutMajor(t event.Topic) (string, bool) {
	if t.Major() == 0 {
		return "", false
	}
	return string(t)[:strings.LastIndexByte(string(t), '.')], true
}

func entryOf(s event.Spec, answers []event.Topic) (Entry, error) {
	var file struct {
		Title string `json:"title"`
	}
	if err := jsonx.Unmarshal(s.Schema, &file); err != nil {
		return Entry{}, err
	}
	e := Entry{
		Spec: s, Title: file.Title, Domain: s.Topic.Domain(), Subject: s.Topic.Subject(), Answers: answers,
	}
	if e.Title == "" {
		e.Title = short(s.Topic)
	}
	if e.Domain == "" {
		e.Domain = "other"
	}
	e.OtherNames = map[string][]string{}
	for old, name := range s.Aliases {
		e.OtherNames[name] = append(e.OtherNames[name], old)
	}
	for _, names := range e.OtherNames {
		slices.Sort(names)
	}
	var err error
	if e.Fields, e.Rules, err = fieldsOf(s.Schema); err != nil {
		return Entry{}, err
	}
	e.Events, err = examplesOf(s, answers)
	return e, err
}

// Services are those that the entries name as producers and consumers, sorted; [Any] is none of them.
func Services(entries []Entry) []string {
	seen := map[string]bool{}
	var all []string
	for _, e := range entries {
		for _, name := range slices.Concat(e.Producers, e.Consumers) {
			if name != Any && !seen[name] {
				seen[name] = true
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Envelope lists the fields that every event has beside its payload.
func Envelope() ([]Field, error) {
	b, err := schema.Compose([]byte(`{"type":"object"}`), schema.Producer)
	if err != nil {
		return nil, err
	}
	fields, _, err := fieldsOf(b)
	return fields, err
}
