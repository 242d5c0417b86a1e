package schema_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/schemas"
)

func TestOurOwnSchemasHaveNoFindings(t *testing.T) {
	for _, f := range schema.Lint(schemas.FS) {
		t.Error(f)
	}
}

const tidy = `{
  "title": "Stock changed",
  "description": "The stock of an article changed.",
  "x-version": "1.0.0",
  "x-omnibus": {
    "topic": "omninode.shop.event.stock_changed.v1",
    "owner": "shop",
    "key": "/article",
    "aliases": {"sku": "article"},
    "defaults": {"count": 0}
  },
  "type": "object",
  "properties": {
    "article": {"type": "string", "maxLength": 20, "description": "Number of the article."},
    "count": {"type": "integer", "description": "Pieces in stock."}
  },
  "required": ["article", "count"],
  "examples": [{"article": "A1", "count": 3}]
}`

func TestLint(t *testing.T) {
	const file = "shop/event/stock_changed.v1.json"
	for _, tc := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"bad JSON", `"title"`, `"title":1,"title"`, `2:13: error: the same member name twice in one object (json)`},
		{"no description", `, "description": "Pieces in stock."`, ``, `15:5: error: the member "count" has no description (description)`},
		{"no event description", `"description": "The stock of an article changed.",`, ``, `1:1: error: the event has no description (description)`},
		{"no example", `"examples": [{"article": "A1", "count": 3}]`, `"examples": []`, `18:3: error: there is no example (example)`},
		{"invalid example", `"count": 3}]`, `"count": "3"}]`, `18:34: error: the example is not valid: /count: must be an integer, is a string (type) (example)`},
		{"undeclared in example", `"count": 3}]`, `"count": 3, "x": 1}]`, `18:46: error: the example is not valid: /x: is not declared in the schema (additionalProperties) (example)`},
		{"key of another type", `"key": "/article"`, `"key": "/count"`, `8:5: error: the key "count" is not a required string (key)`},
		{"key of nothing", `"key": "/article"`, `"key": "/art"`, `8:5: error: the key "art" is no member of the payload (key)`},
		{"keyword", `"type": "integer"`, `"type": "integer", "minimun": 1`, `15:34: error: "minimun" is no keyword of JSON Schema and has no effect (keyword); did you mean "minimum"?`},
		{"alias", `"sku": "article"`, `"sku": "item"`, `9:17: error: the alias "sku" stands for "item", which is no member of the payload (alias)`},
		{"default", `"defaults": {"count": 0}`, `"defaults": {"size": 0}`, `10:18: error: there is a default for "size", which is no member of the payload (default)`},
		{"default of another type", `"defaults": {"count": 0}`, `"defaults": {"count": "0"}`, `10:18: error: an event with this default is not valid`},
		{"path", `stock_changed.v1`, `stock_changed.v2`, `6:5: error: the topic omninode.shop.event.stock_changed.v2 belongs into shop/event/stock_changed.v2.json (path)`},
		{"pattern", `"maxLength": 20`, `"maxLength": 20, "pattern": "(?=A)"`, `14:52: error: the pattern is not RE2`},
		{"name", `"count": {`, `"Count": {"type": "integer", "description": "x"}, "count": {`, `15:5: error: the member name "Count" is not snake_case (name)`},
		{"unbounded", `"maxLength": 20, `, ``, `14:5: warning: the string may be of any length (maxLength)`},
		{"format", `"maxLength": 20`, `"format": "isbn", "maxLength": 20`, `14:35: error: the format "isbn" is not known and would not be checked (format)`},
		{"not a schema", `"type": "integer"`, `"type": "int"`, `15:15: error: not JSON Schema`},
		{"no x-omnibus", `"x-omnibus"`, `"x-other"`, `1:1: error: there is no "x-omnibus" member (x-omnibus)`},
		{"unknown in x-omnibus", `"owner": "shop"`, `"owner": "shop", "ower": "x"`, `7:22: error: "ower" is not known in x-omnibus (x-omnibus)`},
		{"tier", `"owner": "shop"`, `"owner": "shop", "tier": "top"`, `7:22: error: the tier is not known (tier)`},
		{"retention", `"owner": "shop"`, `"owner": "shop", "retention": "7 days"`, `7:22: error: the retention is not a duration (retention)`},
		{"version", `"x-version": "1.0.0"`, `"x-version": "1"`, `4:3: error: "x-version" is not a semantic version (version)`},
		{"reference", `{"type": "integer", "description": "Pieces in stock."}`, `{"$ref": "https://example.com/x"}`, `1:1: error: parse schema`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := strings.Replace(tidy, tc.old, tc.new, 1)
			got := schema.Lint(fstest.MapFS{file: {Data: []byte(src)}})
			if tc.want == "" {
				if len(got) > 0 {
					t.Fatalf("findings: %v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("%d findings, want one: %v", len(got), got)
			}
			if s := got[0].String(); !strings.HasPrefix(s, file+":"+tc.want) {
				t.Errorf("got  %s\nwant %s:%s", s, file, tc.want)
			}
			if got[0].Fix == "" {
				t.Error("does not say what to do")
			}
		})
	}
}

func TestLintFindsATopicDeclaredTwice(t *testing.T) {
	got := schema.Lint(fstest.MapFS{
		"a/shop/event/stock_changed.v1.json": {Data: []byte(tidy)},
		"b/shop/event/stock_changed.v1.json": {Data: []byte(tidy)},
	})
	want := []schema.Finding{{
		File: "b/shop/event/stock_changed.v1.json", Line: 6, Column: 5, Rule: "topic",
		Message: "the topic is declared in a/shop/event/stock_changed.v1.json too", Fix: "declare each topic once",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
