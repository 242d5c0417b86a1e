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
		{"path", `stock_changed.v1`, `stock_moved.v1`, `6:5: error: the topic omninode.shop.event.stock_moved.v1 belongs into shop/event/stock_moved.v1.json (path)`},
		{"version of another major", `"x-version": "1.0.0"`, `"x-version": "2.0.0"`, `4:3: error: "x-version" is 2.0.0 in the schema of major version 1 (version)`},
		{"open enum without enum", `"maxLength": 20`, `"maxLength": 20, "x-extensible-enum": true`, `14:52: error: "x-extensible-enum" says nothing here (extensible)`},
		{"open list without enum", `"maxLength": 20`, `"maxLength": 20, "x-extensible-enum": ["A1"]`, `14:52: error: "x-extensible-enum" says nothing here (extensible)`},
		{"open enum as a list", `"maxLength": 20`, `"enum": ["A1"], "x-extensible-enum": ["A1"]`, ``},
		{"open enum in words", `"maxLength": 20`, `"enum": ["A1"], "x-extensible-enum": "yes"`, `14:51: error: "x-extensible-enum" says nothing here (extensible)`},
		{"pattern", `"maxLength": 20`, `"maxLength": 20, "pattern": "(?=A)"`, `14:52: error: the pattern is not RE2`},
		{"name", `"count": {`, `"Count": {"type": "integer", "description": "x"}, "count": {`, `15:5: error: the member name "Count" is not snake_case (name)`},
		{"unbounded", `"maxLength": 20, `, ``, `14:5: warning: the string may be of any length (maxLength)`},
		{"format", `"maxLength": 20`, `"format": "isbn", "maxLength": 20`, `14:35: error: the format "isbn" is not known and would not be checked (format)`},
		{"not a schema", `"type": "integer"`, `"type": "int"`, `15:15: error: not JSON Schema`},
		{"no x-omnibus", `"x-omnibus"`, `"x-other"`, `1:1: error: there is no "x-omnibus" member (x-omnibus)`},
		{"unknown in x-omnibus", `"owner": "shop"`, `"owner": "shop", "ower": "x"`, `7:22: error: "ower" is not known in x-omnibus (x-omnibus)`},
		{"wire", `"owner": "shop"`, `"owner": "shop", "wire": "guid"`, `7:22: error: "guid" is no way to name the schema of an event (x-omnibus)`},
		{"tier", `"owner": "shop"`, `"owner": "shop", "tier": "top"`, `7:22: error: the tier is not known (tier)`},
		{"retention", `"owner": "shop"`, `"owner": "shop", "retention": "7 days"`, `7:22: error: the retention is not a duration (retention)`},
		{"version", `"x-version": "1.0.0"`, `"x-version": "1"`, `4:3: error: "x-version" is not a semantic version (version)`},
		{"two combinators", `"required": ["article", "count"]`, `"required": ["article", "count"], "anyOf": [{"required": ["article"]}], "not": {"required": ["x"]}`, `17:75: error: anyOf and not in one schema: some registries refuse it (combinators)`},
		{"alternatives that nothing tells apart", `"required": ["article", "count"]`, `"required": ["article", "count"], "oneOf": [{"required": ["article"]}]`, `17:37: warning: no member tells which alternative is meant (oneOf)`},
		{"alternatives told apart", `"required": ["article", "count"]`, `"required": ["article", "count"], "oneOf": [{"properties": {"article": {"type": "string", "maxLength": 2, "const": "A1", "description": "x"}}, "required": ["article"]}]`, ``},
		{"reference to a member", `"count": {`, `"other": {"$ref": "#/properties/article"}, "count": {`, `15:15: error: "#/properties/article" is not in $defs (reference)`},
		{"name within", `"type": "integer"`, `"$id": "https://example.com/count", "type": "integer"`, `15:15: error: $id stands within the schema: some registries refuse it (root)`},
		{"member that may be anything", `"count": {`, `"any": true, "count": {`, `15:5: error: the schema of the member "any" is true or false: there is a registry that it stops (boolean)`},
		{"later keyword", `"required": ["article", "count"]`, `"required": ["article", "count"], "dependentRequired": {"count": ["article"]}`, `17:37: warning: dependentRequired is passed over by registries that know draft 7 only (portable)`},
		{"large", `"Pieces in stock."`, `"` + strings.Repeat("x", 128<<10) + `"`, `1:1: warning: the file has 128 KiB; some registries advise against more than 128 (size)`},
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

// successor is tidy as the second major version of its topic.
func successor(supersedes string) string {
	return strings.NewReplacer("stock_changed.v1", "stock_changed.v2", `"1.0.0"`, `"2.0.0"`+supersedes).Replace(tidy)
}

func TestLintOfVersionsThatFollowEachOther(t *testing.T) {
	const v1, v2 = "shop/event/stock_changed.v1.json", "shop/event/stock_changed.v2.json"
	supersedes := `, "x-supersedes": "omninode.shop.event.stock_changed.v1"`
	deprecated := func(dates string) string {
		return strings.Replace(tidy, `"1.0.0"`, `"1.0.1", "x-deprecated": `+dates, 1)
	}
	sixMonths := deprecated(`{"since": "2026-01-01", "sunset": "2026-07-01"}`)
	for _, tc := range []struct {
		name, first, second string
		want                []string
	}{
		{"as it should be", sixMonths, successor(supersedes), nil},
		{"a second version alone", "", successor(""), nil},
		{"it does not say what it supersedes", tidy, successor(""), []string{
			v2 + `:1:1: error: it does not say that it supersedes omninode.shop.event.stock_changed.v1 (supersedes)`,
		}},
		{"the first goes on for ever", tidy, successor(supersedes), []string{
			v1 + `:1:1: error: omninode.shop.event.stock_changed.v2 supersedes it, and it does not say until when it is there (deprecated)`,
		}},
		{"what it supersedes is gone", "", successor(supersedes), []string{
			v2 + `:4:25: error: the superseded schema omninode.shop.event.stock_changed.v1 is not there (supersedes)`,
		}},
		{"what it supersedes is elsewhere", "", successor(`, "x-supersedes": "house.stock.v1"`), []string{
			v2 + `:4:25: warning: the superseded schema house.stock.v1 is not among these files (supersedes)`,
		}},
		{"it supersedes itself", "", successor(`, "x-supersedes": "omninode.shop.event.stock_changed.v2"`), []string{
			v2 + `:4:25: error: version 2 supersedes version 2 (supersedes)`,
		}},
		{"it supersedes a number", tidy, successor(`, "x-supersedes": 1`), []string{
			v2 + `:1:1: error: it does not say that it supersedes omninode.shop.event.stock_changed.v1 (supersedes)`,
			v2 + `:4:25: error: "x-supersedes" is not the topic of a schema (supersedes)`,
		}},
		{"deprecated without a successor", sixMonths, "", []string{v1 + `:4:25: warning: nothing supersedes it (deprecated)`}},
		{"too short", deprecated(`{"since": "2026-01-01", "sunset": "2026-06-30"}`), successor(supersedes), []string{
			v1 + `:4:65: error: the sunset is less than 6 months after the deprecation (deprecated); make it 2026-07-01 or later`,
		}},
		{"not dates", deprecated(`{"since": "soon", "until": "2026-06-30"}`), successor(supersedes), []string{
			v1 + `:4:25: error: "sunset" is not a date (deprecated)`,
			v1 + `:4:42: error: "since" is not a date (deprecated)`,
			v1 + `:4:59: error: "until" is not known in x-deprecated (deprecated)`,
		}},
		{"published as both", sixMonths, strings.Replace(successor(supersedes), `"owner"`, `"dual_publish": {"until": "2026-07-01"}, "owner"`, 1), nil},
		{"published as both for ever", "", strings.Replace(successor(""), `"owner"`, `"dual_publish": true, "owner"`, 1), []string{
			v2 + `:7:5: error: "dual_publish" does not say until when (dual_publish)`,
			v2 + `:7:5: error: there is no older version to publish too (dual_publish)`,
		}},
		{"not even an object", deprecated(`true`), successor(supersedes), []string{v1 + `:4:25: error: "x-deprecated" is not an object (deprecated)`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, text := range map[string]string{v1: tc.first, v2: tc.second} {
				if text != "" {
					files[name] = &fstest.MapFile{Data: []byte(text)}
				}
			}
			got := schema.Lint(files)
			for i, f := range got {
				if i >= len(tc.want) || !strings.HasPrefix(f.String(), tc.want[i]) || f.Fix == "" {
					t.Errorf("not expected: %s", f)
				}
			}
			if len(got) < len(tc.want) {
				t.Errorf("%d findings, want %q", len(got), tc.want)
			}
		})
	}
}
