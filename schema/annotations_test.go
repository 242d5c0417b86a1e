package schema_test

import (
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/schema"
)

func TestSameRules(t *testing.T) {
	for _, tc := range []struct {
		name, old, new string
		want           bool
	}{
		{"nothing", "", "", true},
		{"layout", "{\n", "{ ", true},
		{"description", "Pieces in stock.", "Pieces that are there.", true},
		{"version", "1.0.0", "1.0.1", true},
		{"owner", `"owner": "shop"`, `"owner": "store"`, true},
		{"deprecated", `"x-version"`, `"x-deprecated": {"since": "2026-01-01", "sunset": "2026-07-01"}, "x-version"`, true},
		{"order of what is required", `["article", "count"]`, `["count", "article"]`, true},
		{"member called title", `"count": {`, `"title": {"type": "string"}, "count": {`, false},
		{"type", `"integer"`, `"number"`, false},
		{"alias", `"sku": "article"`, `"code": "article"`, false},
		{"default", `"defaults": {"count": 0}`, `"defaults": {"count": 1}`, false},
		{"key", `"key": "/article",`, ``, false},
		{"open list", `"type": "integer"`, `"type": "integer", "enum": [1], "x-extensible-enum": true`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := schema.SameRules([]byte(tidy), []byte(strings.Replace(tidy, tc.old, tc.new, 1)))
			if err != nil || got != tc.want {
				t.Errorf("same rules: %v, %v; want %v", got, err, tc.want)
			}
		})
	}
	for _, bad := range []string{"", "[]", `{"a":1,"a":2}`} {
		if _, err := schema.SameRules([]byte(tidy), []byte(bad)); err == nil {
			t.Errorf("%q is taken for a schema", bad)
		}
	}
}
