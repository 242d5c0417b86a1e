package catalogue_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/catalogue"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// house is a small catalogue with what the built-in one lacks: references, alternatives, two majors, a topic outside the grammar.
var house = fstest.MapFS{
	"order.v1.json": {Data: []byte(`{
		"title": "Order", "description": "Asks for a thing | or two.", "x-version": "1.2.0",
		"x-deprecated": {"since": "2026-01-01", "sunset": "2026-07-01"},
		"x-omnibus": {"topic": "omninode.shop.request.order.v1", "owner": "shop", "producers": ["*", "till"], "consumers": ["shop"],
			"key": "/customer", "retention": "36h", "aliases": {"client": "customer"}, "replies": "omninode.shop.response.order.v1"},
		"type": "object", "required": ["customer", "lines"],
		"properties": {
			"customer": {"type": "string", "minLength": 1, "maxLength": 1, "pattern": "^[a-z]$", "description": "Who wants it."},
			"lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}},
			"bundle": {"$ref": "#/$defs/line", "description": "More of it."}
		},
		"$defs": {"line": {"type": "object", "description": "One line.", "required": ["sku"], "properties": {
			"sku": {"type": "string", "format": "uuid"},
			"count": {"type": ["integer", "null"], "exclusiveMinimum": 0, "maximum": 100000, "default": 1},
			"parts": {"type": "array", "items": {"$ref": "#/$defs/line"}}
		}}},
		"examples": [{"customer": "a", "lines": [{"sku": "5b0e8a8e-4b0f-4d4c-9c53-0f0a3d1f6f11", "count": 2}]}]
	}`)},
	"order.v2.json": {Data: []byte(`{
		"title": "Order", "description": "Asks for things.", "x-version": "2.0.0", "x-supersedes": "omninode.shop.request.order.v1",
		"x-omnibus": {"topic": "omninode.shop.request.order.v2", "owner": "shop", "producers": ["till"], "consumers": ["shop"], "replies": "elsewhere",
			"dual_publish": {"until": "2026-06-30"}},
		"type": "object", "properties": {"by_name": {"type": "string"}, "by_number": {"type": "integer"}, "way": {"enum": ["air", "sea"], "x-extensible-enum": ["air", "sea"]},
			"notes": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 80}}},
		"anyOf": [{"required": ["by_name"]}, {"required": ["by_number", "way"]}]
	}`)},
	"ordered.v1.json": {Data: []byte(`{
		"title": "Ordered", "description": "The answer.", "x-version": "0.1.0",
		"x-omnibus": {"topic": "omninode.shop.response.order.v1", "owner": "shop", "producers": ["shop"], "consumers": ["*"]},
		"type": "object",
		"oneOf": [{"title": "refused", "properties": {"why": {"const": "sold out"}}, "required": ["why"]}, {"properties": {"at": {"type": "string", "format": "date-time"}}, "required": ["at"]}],
		"examples": [{"why": "sold out"}]
	}`)},
	"elsewhere.json": {Data: []byte(`{"description": "From another house.", "x-omnibus": {"topic": "elsewhere", "producers": ["till"]}, "type": "object"}`)},
}

func read(t *testing.T, files fstest.MapFS) []catalogue.Entry {
	t.Helper()
	c, err := event.ReadCatalog(files)
	if err != nil {
		t.Fatal(err)
	}
	return entriesOf(t, c)
}

func builtIn(t *testing.T) []catalogue.Entry {
	t.Helper()
	return entriesOf(t, contracts.Catalog())
}

func entriesOf(t *testing.T, c *event.Catalog) []catalogue.Entry {
	t.Helper()
	entries, err := catalogue.Read(c)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

var about = catalogue.About{Title: "House events", Brokers: []string{"one:9092", "two:9092"}, Protocol: "kafka", Registry: "http://one:8084"}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
	}
}
