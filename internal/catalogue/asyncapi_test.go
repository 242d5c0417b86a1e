package catalogue_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/catalogue"
)

func asyncAPI(t *testing.T, entries []catalogue.Entry) []byte {
	t.Helper()
	b, err := catalogue.AsyncAPI(entries, about)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAsyncAPIOfTheHouse(t *testing.T) {
	golden(t, "house.asyncapi.json", append(asyncAPI(t, read(t, house)), '\n'))
}

func TestAsyncAPIIsTheSameForTheSameCatalogueAndSaysWhenItIsAnother(t *testing.T) {
	first := asyncAPI(t, builtIn(t))
	if again := asyncAPI(t, builtIn(t)); !bytes.Equal(first, again) {
		t.Error("the same catalogue gives other bytes")
	}
	version := func(b []byte) string {
		var doc struct{ Info struct{ Version string } }
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		return doc.Info.Version
	}
	entries := builtIn(t)
	entries[3].Schema = bytes.Replace(entries[3].Schema, []byte(`"description": "`), []byte(`"description": "Now `), 1)
	if version(asyncAPI(t, entries)) == version(first) {
		t.Error("a schema changed, the version of the document did not")
	}
}

// The schema of a message must be whole where it stands in the document: examples follow it, and what lacks a field of the envelope
// does not.
func TestAsyncAPIExamplesFollowTheSchemasOfTheDocument(t *testing.T) {
	for _, entries := range [][]catalogue.Entry{builtIn(t), read(t, house)} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asyncAPI(t, entries)))
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		compiler.DefaultDraft(jsonschema.Draft7)
		compiler.AssertFormat()
		if err := compiler.AddResource("doc.json", doc); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			s, err := compiler.Compile("doc.json#/components/schemas/" + string(e.Topic))
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range e.Events {
				v, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.Event))
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Validate(v); err != nil {
					t.Errorf("%s: %v", e.Topic, err)
				}
				o := v.(map[string]any)                        //nolint:forcetypeassert // an event is an object
				o["payload"].(map[string]any)["x_later"] = "1" //nolint:forcetypeassert // and so is its payload
				if err := s.Validate(v); err != nil {
					t.Errorf("%s: a member of a later minor version is refused: %v", e.Topic, err)
				}
				delete(o, "event_id")
				if s.Validate(v) == nil {
					t.Errorf("%s: an event without an id passes", e.Topic)
				}
				o["event_id"], o["event_type"] = "5b0e8a8e-4b0f-4d4c-9c53-0f0a3d1f6f11", "another"
				if s.Validate(v) == nil {
					t.Errorf("%s: an event of another type passes", e.Topic)
				}
			}
		}
	}
}

func TestAsyncAPIHasAnOperationForEachServiceAndAReplyForEachRequest(t *testing.T) {
	var doc struct {
		Operations map[string]struct {
			Action string
			Reply  struct {
				Channel struct {
					Ref string `json:"$ref"`
				}
			}
		}
	}
	entries := builtIn(t)
	if err := json.Unmarshal(asyncAPI(t, entries), &doc); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, e := range entries {
		reply := ""
		if e.Replies != "" {
			reply = "#/channels/" + string(e.Replies)
		}
		for _, p := range e.Producers {
			want[strings.Replace(p, "*", "any", 1)+".send."+e.Short()] = "send " + reply
		}
		for _, c := range e.Consumers {
			want[strings.Replace(c, "*", "any", 1)+".receive."+e.Short()] = "receive " + reply
		}
	}
	got := map[string]string{}
	for name, o := range doc.Operations {
		got[name] = o.Action + " " + o.Reply.Channel.Ref
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(slices.Collect(maps.Keys(got))); n < 2*len(entries)-4 {
		t.Errorf("%d operations of %d event types", n, len(entries))
	}
}
