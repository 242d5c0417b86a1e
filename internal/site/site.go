// Package site knows how the catalogue looks in a browser: a directory of static pages that need no server, no network and no other
// site, one for each event type and one for each service. The same catalogue gives the same bytes.
package site

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/catalogue"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// Config is what the pages say.
type Config struct {
	Entries []catalogue.Entry
	About   catalogue.About
	Now     time.Time // decides which event types are past their sunset; nothing else of it is shown

	History map[event.Topic][]Revision // each the oldest first, the last one is what the entry says; may be nil
	Lines   func(before, after string) []string
}

// Revision is a schema file as it was after one change.
type Revision struct {
	Commit string // abbreviated; empty: not committed yet
	Day    string // 2026-01-31
	Note   string // what the author said of it
	Schema []byte
}

//go:embed assets
var assets embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"join":  func(list []string) string { return strings.Join(list, ", ") },
	"names": catalogue.Names,
	"short": func(t event.Topic) string { return strings.TrimPrefix(string(t), "omninode.") },
	"nest":  func(depth int) int { return min(depth, 6) },
}).ParseFS(assets, "assets/*.html"))

// page is what every template gets.
type page struct {
	Root  string // how to come to the top: "" or "../"
	Name  string // of this page
	Title string // of the site
	Here  string // which link of the head this page is
	Body  any
}

type builder struct {
	config Config
	files  map[string][]byte
	there  map[event.Topic]bool
}

// Pages makes all files of the site, by their path.
func Pages(c Config) (map[string][]byte, error) {
	b := &builder{config: c, files: map[string][]byte{}, there: map[event.Topic]bool{}}
	for _, e := range c.Entries {
		b.there[e.Topic] = true
	}
	for _, step := range []func() error{b.assets, b.index, b.events, b.services, b.flow, b.envelope, b.exports} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("build the catalogue's pages: %w", err)
		}
	}
	return b.files, nil
}

func (b *builder) assets() error {
	for _, name := range []string{"site.css", "site.js"} {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return err
		}
		b.files[name] = text
	}
	return b.searchIndex()
}

// searchIndex is a script, as pages from a disk may not fetch data.
func (b *builder) searchIndex() error {
	type found struct {
		Page  string `json:"page"`
		Name  string `json:"name"`
		Doc   string `json:"doc"`
		Words string `json:"words"`
	}
	var all []found
	for _, e := range b.config.Entries {
		words := []string{string(e.Topic), e.Title, e.Doc, e.Owner}
		words = append(words, e.Producers...)
		words = append(words, e.Consumers...)
		for _, f := range e.Fields {
			words = append(words, f.Path)
		}
		all = append(all, found{eventPage(e.Topic), e.Short(), e.Doc, strings.ToLower(strings.Join(words, " "))})
	}
	for _, name := range catalogue.Services(b.config.Entries) {
		all = append(all, found{servicePage(name), name, "A service: what it publishes and reads.", strings.ToLower(name)})
	}
	text, err := jsonx.MarshalIndent(all)
	if err != nil {
		return err
	}
	b.files["search.js"] = slices.Concat([]byte("const searchable = "), text, []byte(";\n"))
	return nil
}

func eventPage(t event.Topic) string { return "events/" + string(t) + ".html" }

func servicePage(name string) string {
	if name == catalogue.Any {
		name = "any"
	}
	return "services/" + fileName(name) + ".html"
}

// fileName is a name that every file system and every URL takes.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, name)
}

// put renders a page.
func (b *builder) put(path, template, name, here string, body any) error {
	p := page{Name: name, Title: b.config.About.Title, Here: here, Body: body}
	if strings.Contains(path, "/") {
		p.Root = "../"
	}
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, template, p); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	b.files[path] = out.Bytes()
	return nil
}

// index is the page that the site opens with.
func (b *builder) index() error {
	type row struct {
		catalogue.Entry
		Page, Status string
	}
	type domain struct {
		Name string
		Rows []row
	}
	type share struct {
		What    string
		Have    int
		Percent int
		Missing []row
	}
	var body struct {
		Count    int
		Domains  []domain
		Coverage []share
		Changes  []change
		Services []string
	}
	body.Count, body.Services = len(b.config.Entries), catalogue.Services(b.config.Entries)
	coverage := []struct {
		what string
		has  func(catalogue.Entry) bool
	}{
		{"have an owner", func(e catalogue.Entry) bool { return e.Owner != "" }},
		{"say what they mean", func(e catalogue.Entry) bool { return e.Doc != "" }},
		{"have an example", func(e catalogue.Entry) bool { return len(e.Events) > 0 }},
		{"name who publishes them", func(e catalogue.Entry) bool { return len(e.Producers) > 0 }},
		{"name who reads them", func(e catalogue.Entry) bool { return len(e.Consumers) > 0 }},
		{"describe every field", described},
	}
	for _, c := range coverage {
		s := share{What: c.what}
		for _, e := range b.config.Entries {
			if c.has(e) {
				s.Have++
			} else {
				s.Missing = append(s.Missing, row{Entry: e, Page: eventPage(e.Topic)})
			}
		}
		s.Percent = 100 * s.Have / max(1, len(b.config.Entries))
		body.Coverage = append(body.Coverage, s)
	}
	for _, e := range b.config.Entries {
		r := row{e, eventPage(e.Topic), e.Status(b.config.Now)}
		i := slices.IndexFunc(body.Domains, func(d domain) bool { return d.Name == e.Domain })
		if i < 0 {
			i, body.Domains = len(body.Domains), append(body.Domains, domain{Name: e.Domain})
		}
		body.Domains[i].Rows = append(body.Domains[i].Rows, r)
		changes, err := b.changes(e)
		if err != nil {
			return err
		}
		body.Changes = append(body.Changes, changes...)
	}
	slices.SortFunc(body.Domains, func(x, y domain) int { return strings.Compare(x.Name, y.Name) })
	slices.SortStableFunc(body.Changes, func(x, y change) int { return strings.Compare(cmp.Or(y.Day, "now"), cmp.Or(x.Day, "now")) })
	body.Changes = body.Changes[:min(len(body.Changes), 20)]
	return b.put("index.html", "index.html", "Events", "index", body)
}

func described(e catalogue.Entry) bool {
	return !slices.ContainsFunc(e.Fields, func(f catalogue.Field) bool { return f.Doc == "" })
}

// partner is an event type that another one names; its page may be missing.
type partner struct {
	Topic event.Topic
	Page  string
}

func (b *builder) partner(t event.Topic) partner {
	if !b.there[t] {
		return partner{Topic: t}
	}
	return partner{t, string(t) + ".html"}
}

func (b *builder) partners(topics ...event.Topic) []partner {
	var all []partner
	for _, t := range topics {
		if t != "" {
			all = append(all, b.partner(t))
		}
	}
	return all
}

type serviceLink struct{ Name, Page string }

func serviceLinks(names []string) []serviceLink {
	var all []serviceLink
	for _, name := range names {
		l := serviceLink{catalogue.Names([]string{name})[0], ""}
		if name != catalogue.Any {
			l.Page = servicePage(name)
		}
		all = append(all, l)
	}
	return all
}

// fieldRow is a field as the table shows it.
type fieldRow struct {
	catalogue.Field
	Notes []string
}

// eventBody is what the page of an event type shows.
type eventBody struct {
	catalogue.Entry
	Status               string
	Kept                 string
	Says                 []string // of older and later versions
	From, To             []serviceLink
	AnsweredOn, AnswerTo []partner
	SameAs, Others       []partner
	Rows                 []fieldRow
	Examples             []string
	Snippets             []snippet
	Changes              []change
	Majors               []change
	Graph                template.HTML
}

func (b *builder) events() error {
	for _, e := range b.config.Entries {
		body := eventBody{
			Entry: e, Status: e.Status(b.config.Now), Kept: catalogue.Duration(e.Retention), Says: e.Versions(),
			From: serviceLinks(e.Producers), To: serviceLinks(e.Consumers), AnsweredOn: b.partners(e.Replies), AnswerTo: b.partners(e.Answers...),
			SameAs: b.partners(e.AliasOf), Others: b.partners(e.Siblings...), Snippets: snippets(e, b.config.About),
		}
		for _, f := range e.Fields {
			body.Rows = append(body.Rows, fieldRow{f, e.Notes(f)})
		}
		for _, x := range e.Events {
			text, err := jsonx.Indent(x.Event)
			if err != nil {
				return err
			}
			body.Examples = append(body.Examples, string(text))
		}
		var err error
		if body.Changes, err = b.changes(e); err != nil {
			return err
		}
		if body.Majors, err = b.majors(e); err != nil {
			return err
		}
		body.Graph = eventGraph(e)
		whole, err := schema.Registrable(e.Schema)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Topic, err)
		}
		if whole, err = jsonx.Indent(whole); err != nil {
			return err
		}
		b.files["events/"+string(e.Topic)+".payload.json"] = e.Schema
		b.files["events/"+string(e.Topic)+".event.json"] = append(whole, '\n')
		if err := b.put(eventPage(e.Topic), "event.html", e.Title, "index", body); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) services() error {
	type list struct {
		ID, Name, Does string
		Entries        []catalogue.Entry
	}
	type body struct {
		Sends, Reads, Owns []catalogue.Entry
		Lists              []list
		Graph              template.HTML
	}
	for _, name := range catalogue.Services(b.config.Entries) {
		var s body
		for _, e := range b.config.Entries {
			if slices.Contains(e.Producers, name) {
				s.Sends = append(s.Sends, e)
			}
			if slices.Contains(e.Consumers, name) {
				s.Reads = append(s.Reads, e)
			}
			if e.Owner == name {
				s.Owns = append(s.Owns, e)
			}
		}
		s.Lists = []list{{"sends", "Publishes", "publishes", s.Sends}, {"reads", "Reads", "reads", s.Reads}, {"owns", "Owns", "owns", s.Owns}}
		s.Graph = serviceGraph(name, s.Sends, s.Reads)
		if err := b.put(servicePage(name), "service.html", name, "flow", s); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) flow() error {
	type body struct {
		Graph    template.HTML
		Services []serviceLink
		Talks    []talk
	}
	talks := talksOf(b.config.Entries)
	return b.put("flow.html", "flow.html", "Who talks to whom", "flow",
		body{siteGraph(b.config.Entries), serviceLinks(catalogue.Services(b.config.Entries)), talks})
}

// envelope is the page about what all events have in common.
func (b *builder) envelope() error {
	fields, err := catalogue.Envelope()
	if err != nil {
		return err
	}
	var rows []fieldRow
	for _, f := range fields {
		rows = append(rows, fieldRow{f, f.Limits})
	}
	return b.put("envelope.html", "envelope.html", "The envelope", "envelope", rows)
}

// exports are the documents for other tools.
func (b *builder) exports() error {
	async, err := catalogue.AsyncAPI(b.config.Entries, b.config.About)
	if err != nil {
		return err
	}
	text, err := catalogue.Markdown(b.config.Entries, b.config.About.Title)
	if err != nil {
		return err
	}
	b.files["asyncapi.json"], b.files["catalogue.md"] = append(async, '\n'), text
	return nil
}
