package catalogue_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/catalogue"
	"github.com/omninode-ai/omnibus/schema"
)

func TestStatusFollowsVersionAndDates(t *testing.T) {
	got := map[string]string{}
	for _, e := range read(t, house) {
		for _, now := range []time.Time{time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 23, 59, 0, 0, time.UTC), time.Date(2026, 7, 2, 0, 0, 0, 0, time.UTC)} {
			got[e.Short()] += e.Status(now) + " "
		}
	}
	want := map[string]string{
		"elsewhere": "active active active ", "shop.request.order.v1": "deprecated deprecated sunset ",
		"shop.request.order.v2": "active active active ", "shop.response.order.v1": "draft draft draft ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFieldsAreToldInWords(t *testing.T) {
	var b strings.Builder
	for _, e := range read(t, house) {
		fmt.Fprintf(&b, "%s, answers %v, others %v, domain %s\n", e.Short(), e.Answers, e.Siblings, e.Domain)
		for _, f := range e.Fields {
			fmt.Fprintf(&b, "  %d %s: %s, needed %v, %q, %q", f.Depth, f.Path, f.Type, f.Required, f.Limits, f.Doc)
			if f.Default != nil {
				fmt.Fprintf(&b, ", default %s", f.Default)
			}
			if f.Variant != "" {
				fmt.Fprintf(&b, ", in %s", f.Variant)
			}
			b.WriteString("\n")
		}
		for _, r := range e.Rules {
			fmt.Fprintf(&b, "  rule: %s\n", r)
		}
	}
	golden(t, "fields.txt", []byte(b.String()))
}

// Examples are shown as whole events: a service that copies one must get it past the schema that it is held against.
func TestExamplesAreEventsThatProducersMayPublish(t *testing.T) {
	entries := append(builtIn(t), read(t, house)...)
	seen := 0
	for _, e := range entries {
		b, err := schema.Compose(e.Schema, schema.Producer)
		if err != nil {
			t.Fatal(err)
		}
		s, err := schema.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range e.Events {
			seen++
			if _, err := s.Scan(x.Event); err != nil {
				t.Errorf("%s: %v\n%s", e.Topic, err, x.Event)
			}
		}
	}
	if seen < len(entries) {
		t.Errorf("%d examples of %d event types", seen, len(entries))
	}
}

func TestExampleOfAResponseFollowsThatOfItsRequest(t *testing.T) {
	byTopic := map[event.Topic]catalogue.Entry{}
	for _, e := range builtIn(t) {
		byTopic[e.Topic] = e
	}
	request, response := byTopic["omninode.codegen.request.validate.v1"], byTopic["omninode.codegen.response.validate.v1"]
	q, err := event.Decode(request.Events[0].Event)
	if err != nil {
		t.Fatal(err)
	}
	a, err := event.Decode(response.Events[0].Event)
	if err != nil {
		t.Fatal(err)
	}
	if a.CorrelationID != q.CorrelationID || a.CausationID != q.ID || !a.Time.After(q.Time) || a.Source.Service != "omniarchon" {
		t.Errorf("request %s\nresponse %s", request.Events[0].Event, response.Events[0].Event)
	}
}

func TestServicesAreThoseThatAreNamed(t *testing.T) {
	if diff := cmp.Diff([]string{"shop", "till"}, catalogue.Services(read(t, house))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSchemaThatCannotBeToldIsNamed(t *testing.T) {
	c, err := event.ReadCatalog(fstest.MapFS{"a.json": {Data: []byte(`{"x-omnibus": {"topic": "a.b"}, "properties": {"x": {"pattern": 3}}}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := catalogue.Read(c); err == nil || !strings.HasPrefix(err.Error(), "a.json: x: ") {
		t.Errorf("%v", err)
	}
}

func TestMarkdown(t *testing.T) {
	b, err := catalogue.Markdown(read(t, house), "House events")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "house.md", b)
}

// A schema of any shape is told or refused, and always ends.
func FuzzFields(f *testing.F) {
	for _, file := range house {
		f.Add(file.Data)
	}
	f.Add([]byte(`{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a", "allOf": [{"$ref": "#/$defs/a"}]}}, "allOf": [{"$ref": "#/$defs/a"}, true, false]}`))
	f.Add([]byte(`{"properties": {"a": {"items": {"items": {"additionalProperties": {"$ref": "#/$defs/a"}}}}}, "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := event.NewCatalog(event.Spec{Topic: "a.b", Schema: b}); err == nil {
			_, _ = catalogue.Read(c)
		}
	})
}
