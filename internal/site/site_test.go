package site_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/catalogue"
	"github.com/omninode-ai/omnibus/internal/site"
	"github.com/omninode-ai/omnibus/schema"
)

var day = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

func configOf(t *testing.T, c *event.Catalog) site.Config {
	t.Helper()
	entries, err := catalogue.Read(c)
	if err != nil {
		t.Fatal(err)
	}
	return site.Config{Entries: entries, About: catalogue.About{Title: "Our events", Brokers: []string{"127.0.0.1:9092"}, Protocol: "kafka"}, Now: day}
}

// odd is a catalogue of what could break a page: a second major, markup in texts, quotes in examples, a topic outside the grammar.
func odd(t *testing.T) site.Config {
	t.Helper()
	c, err := event.ReadCatalog(fstest.MapFS{
		"order.v1.json": {Data: []byte(`{
			"title": "Order <script>alert(1)</script>", "description": "A & B \"C\" </code>.", "x-version": "1.0.0", "x-deprecated": {"since": "2026-01-01", "sunset": "2026-04-30"},
			"x-omnibus": {"topic": "omninode.shop.request.order.v1", "owner": "sh<op", "producers": ["a/b & c", "*"], "consumers": ["till"], "key": "/who", "replies": "nowhere"},
			"type": "object", "required": ["who"], "properties": {"who": {"type": "string", "description": "<b>bold</b>"}, "size": {"type": "integer"},
				"parts": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}}},
			"examples": [{"who": "it's \u0060me\u0060 </pre>", "size": 3}]}`)},
		"order.v2.json": {Data: []byte(`{
			"title": "Order", "description": "Asks.", "x-version": "2.0.0", "x-supersedes": "omninode.shop.request.order.v1",
			"x-omnibus": {"topic": "omninode.shop.request.order.v2", "owner": "shop", "producers": ["till"], "consumers": ["till"]},
			"type": "object", "required": ["who", "way"], "properties": {"who": {"type": "string"}, "way": {"type": "string"}}}`)},
		"bare.json": {Data: []byte(`{"x-omnibus": {"topic": "Bare_topic-1"}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return configOf(t, c)
}

func pages(t *testing.T, c site.Config) map[string][]byte {
	t.Helper()
	files, err := site.Pages(c)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestPagesHoldTogether walks every page of two catalogues: what it links to is there, ids are unique, tables have captions and heads,
// nothing is fetched from elsewhere, and the HTML is closed as it should be.
func TestPagesHoldTogether(t *testing.T) {
	for name, c := range map[string]site.Config{"built-in": configOf(t, contracts.Catalog()), "odd": odd(t)} {
		t.Run(name, func(t *testing.T) {
			files := pages(t, c)
			ids := map[string]map[string]bool{}
			docs := map[string]*element{}
			for file, text := range files {
				if path.Ext(file) != ".html" {
					continue
				}
				doc, err := parseHTML(text)
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				docs[file], ids[file] = doc, map[string]bool{}
				for e := range doc.all() {
					if id := e.attr["id"]; id != "" {
						if ids[file][id] {
							t.Errorf("%s: id %q is there twice", file, id)
						}
						ids[file][id] = true
					}
				}
			}
			for file, doc := range docs {
				checkLinks(t, file, doc, files, ids)
				checkShape(t, file, doc)
			}
			for file, text := range files {
				if ext := path.Ext(file); ext == ".css" || ext == ".js" && file != "search.js" {
					for _, outside := range []string{"http:", "https:", "@import", "url(", "fetch(", "XMLHttpRequest", "import("} {
						if bytes.Contains(text, []byte(outside)) {
							t.Errorf("%s has %s", file, outside)
						}
					}
				}
			}
			for _, e := range c.Entries {
				checkEventPage(t, e, docs["events/"+string(e.Topic)+".html"], files)
			}
		})
	}
}

func checkLinks(t *testing.T, file string, doc *element, files map[string][]byte, ids map[string]map[string]bool) {
	t.Helper()
	for e := range doc.all() {
		for _, name := range []string{"href", "src", "action", "srcset", "data", "poster", "background", "style"} {
			to, ok := e.attr[name]
			if !ok {
				continue
			}
			page, id, _ := strings.Cut(to, "#")
			if page == "" {
				page = file
			} else {
				page = path.Join(path.Dir(file), page)
			}
			if _, there := files[page]; !there || name != "href" && name != "src" {
				t.Errorf("%s: %s=%q leads to nothing of the site", file, name, to)
			} else if id != "" && !ids[page][id] {
				t.Errorf("%s: %q: no such id there", file, to)
			}
		}
		for _, name := range []string{"aria-labelledby", "aria-controls", "for"} {
			if id := e.attr[name]; id != "" && !ids[file][id] {
				t.Errorf("%s: %s=%q: no such id", file, name, id)
			}
		}
	}
}

func checkShape(t *testing.T, file string, doc *element) {
	t.Helper()
	level, first := 0, 0
	for e := range doc.all() {
		switch {
		case len(e.name) == 2 && e.name[0] == 'h' && e.name[1] >= '1' && e.name[1] <= '6':
			n := int(e.name[1] - '0')
			if n > level+1 {
				t.Errorf("%s: heading %q skips a level", file, e.text())
			}
			if level = n; n == 1 {
				first++
			}
		case e.name == "table":
			if e.find("caption") == nil || e.find("thead") == nil {
				t.Errorf("%s: a table without a caption or a head", file)
			}
		case e.name == "th" && e.attr["scope"] == "":
			t.Errorf("%s: heading cell %q without a scope", file, e.text())
		case e.name == "svg" && e.attr["aria-label"] == "":
			t.Errorf("%s: a drawing without a name", file)
		}
		for name := range e.attr {
			if strings.HasPrefix(name, "on") {
				t.Errorf("%s: <%s %s>", file, e.name, name)
			}
		}
	}
	if first != 1 {
		t.Errorf("%s: %d headings of the first level", file, first)
	}
	html := doc.find("html")
	if html == nil || html.attr["lang"] == "" || doc.find("title") == nil || doc.find("main") == nil {
		t.Errorf("%s: no language, title or main part", file)
	}
}

// checkEventPage holds the page of e against its schema, which it reads with its own eyes.
func checkEventPage(t *testing.T, e catalogue.Entry, doc *element, files map[string][]byte) {
	t.Helper()
	if doc == nil {
		t.Errorf("%s has no page", e.Topic)
		return
	}
	shown := map[string]bool{}
	for x := range doc.all() {
		if id, ok := strings.CutPrefix(x.attr["id"], "field-"); ok && x.name == "tr" {
			shown[id] = true
		}
	}
	var root map[string]any
	if err := json.Unmarshal(e.Schema, &root); err != nil {
		t.Fatal(err)
	}
	var walk func(s map[string]any, prefix string)
	walk = func(s map[string]any, prefix string) {
		if items, ok := s["items"].(map[string]any); ok {
			walk(items, strings.TrimSuffix(prefix, ".")+"[].")
		}
		if values, ok := s["additionalProperties"].(map[string]any); ok {
			walk(values, strings.TrimSuffix(prefix, ".")+".*.")
		}
		members, _ := s["properties"].(map[string]any)
		for name, m := range members {
			if !shown[prefix+name] {
				t.Errorf("%s: the page has no field %s", e.Topic, prefix+name)
			}
			walk(m.(map[string]any), prefix+name+".") //nolint:forcetypeassert // our schemas have no others
		}
	}
	walk(root, "")
	text := doc.text()
	for _, want := range []string{string(e.Topic), e.Doc, e.Owner, string(e.Topic.DLQ()), e.Topic.Subject(), e.File, e.Version, "omnibus consume " + string(e.Topic)} {
		if !strings.Contains(text, want) {
			t.Errorf("%s: the page does not say %q", e.Topic, want)
		}
	}
	var events []string
	for x := range doc.all() {
		if x.name == "pre" && strings.HasPrefix(x.attr["id"], "example-") {
			events = append(events, x.text())
		}
	}
	if len(events) != len(e.Examples) {
		t.Errorf("%s: %d examples on the page, %d in the schema", e.Topic, len(events), len(e.Examples))
	}
	for _, text := range events {
		if _, err := event.Decode([]byte(text)); err != nil {
			t.Errorf("%s: what is to be copied is no event: %v", e.Topic, err)
		}
	}
	if got := files["events/"+string(e.Topic)+".payload.json"]; !bytes.Equal(got, e.Schema) {
		t.Errorf("%s: the schema to download is not the file", e.Topic)
	}
	registered, err := schema.Registrable(e.Schema)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := schema.Canonical(files["events/"+string(e.Topic)+".event.json"]); err != nil || !bytes.Equal(got, registered) {
		t.Errorf("%s: the schema of the whole event is not what is registered: %v", e.Topic, err)
	}
}

func TestPagesAreTheSameForTheSameCatalogue(t *testing.T) {
	c := configOf(t, contracts.Catalog())
	first, second := pages(t, c), pages(t, c)
	c.Now = c.Now.Add(time.Hour)
	third := pages(t, c)
	if !maps.EqualFunc(first, second, bytes.Equal) || !maps.EqualFunc(first, third, bytes.Equal) {
		t.Error("the same catalogue gives other bytes")
	}
}

func TestPageTellsWhatIsPastItsSunsetAndWhatTakesItsPlace(t *testing.T) {
	files := pages(t, odd(t))
	old, next := string(files["events/omninode.shop.request.order.v1.html"]), string(files["events/omninode.shop.request.order.v2.html"])
	for _, want := range []string{"status-sunset", "deprecated since 2026-01-01, not to be used after 2026-04-30", "nowhere, which the catalogue lacks"} {
		if !strings.Contains(old, want) {
			t.Errorf("v1 does not say %q", want)
		}
	}
	for _, want := range []string{"takes the place of omninode.shop.request.order.v1", "From v1 to v2", ">breaks new readers of old events<", "the newer schema demands &#34;way&#34;"} {
		if !strings.Contains(next, want) {
			t.Errorf("v2 does not say %q", want)
		}
	}
}

func TestHistoryIsShownWithVerdicts(t *testing.T) {
	c := odd(t)
	text := func(version, properties string) []byte {
		return []byte(`{"x-version":"` + version + `","type":"object","required":["who"],"properties":{"who":{"type":"string"}` + properties + `}}`)
	}
	c.History = map[event.Topic][]site.Revision{"omninode.shop.request.order.v2": {
		{Commit: "a1", Day: "2026-01-01", Note: "begin", Schema: text("1.0.0", "")},
		{Commit: "b2", Day: "2026-02-02", Note: "add <way>", Schema: text("1.1.0", `,"way":{"type":"string"}`)},
		{Commit: "c3", Day: "2026-03-03", Note: "oops", Schema: text("1.2.0", `,"way":{"type":"integer"}`)},
		{Schema: []byte(`{"$ref":"http://elsewhere/x.json"}`)},
	}}
	c.Lines = func(before, after string) []string { return []string{"- " + before[:1], "+ " + after[:1], "  same"} }
	files := pages(t, c)
	page, index := string(files["events/omninode.shop.request.order.v2.html"]), string(files["index.html"])
	at := -1
	for _, want := range []string{"1.0.0, not committed", ">breaking<", "cannot be compared", "1.2.0, 2026-03-03", ">breaking<", "1.1.0, 2026-02-02", ">compatible<", "add &lt;way&gt;", "1.0.0, 2026-01-01", ">new<", "begin"} {
		next := strings.Index(page[max(at, 0):], want)
		if next < 0 {
			t.Fatalf("the page does not say %q after what comes before it", want)
		}
		at = max(at, 0) + next
	}
	if !strings.Contains(page, `<span class="come">&#43; {`) || !strings.Contains(page, `<span class="gone">- {`) {
		t.Error("the page does not show the lines")
	}
	if first := strings.Index(index, "not committed"); first < 0 || first > strings.Index(index, "2026-03-03") {
		t.Error("what is not committed is not the latest change")
	}
	if !strings.Contains(index, "2026-02-02") || !strings.Contains(index, "Latest changes") {
		t.Error("the first page does not tell of the latest changes")
	}
}

func TestCoverageNamesWhatIsMissing(t *testing.T) {
	index := string(pages(t, odd(t))["index.html"])
	_, coverage, _ := strings.Cut(index, `id="coverage"`)
	for _, want := range []string{"have an owner", "66 %", "Bare_topic-1", "have an example", "33 %"} {
		if !strings.Contains(coverage, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

func TestSearchIndexKnowsFieldsAndServices(t *testing.T) {
	text := pages(t, configOf(t, contracts.Catalog()))["search.js"]
	list := bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("const searchable = ")), []byte(";\n"))
	var found []struct{ Page, Name, Doc, Words string }
	if err := json.Unmarshal(list, &found); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"issues[].severity", "omniclaude", "omninode.codegen.request.validate.v1"} {
		if !slices.ContainsFunc(found, func(f struct{ Page, Name, Doc, Words string }) bool { return strings.Contains(f.Words, word) }) {
			t.Errorf("nothing is found by %q", word)
		}
	}
}

// A whole catalogue is pages within two seconds on a slow machine; here it may take half of that.
func BenchmarkPages(b *testing.B) {
	entries, err := catalogue.Read(contracts.Catalog())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := site.Pages(site.Config{Entries: entries, Now: day}); err != nil {
			b.Fatal(err)
		}
	}
}
