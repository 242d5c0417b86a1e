package schema_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/schema"
)

// harmless are the types of differences in diff-schema-examples.json that registries allow under BACKWARD.
var harmless = []string{
	"ID_CHANGED", "TITLE_CHANGED", "DESCRIPTION_CHANGED", "MAX_LENGTH_INCREASED", "MAX_LENGTH_REMOVED", "MAXIMUM_INCREASED", "SUM_TYPE_EXTENDED",
	"PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL", "OPTIONAL_PROPERTY_ADDED_TO_CLOSED_CONTENT_MODEL", "DEPENDENCY_ARRAY_REMOVED",
	"DEPENDENCY_SCHEMA_REMOVED", "REQUIRED_ATTRIBUTE_REMOVED", "MIN_PROPERTIES_DECREASED", "SCHEMA_REMOVED",
	"ITEMS_REMOVED_FROM_OPEN_CONTENT_MODEL", "MIN_ITEMS_DECREASED", "UNIQUE_ITEMS_REMOVED",
}

// otherwise are the groups whose verdict is another one here, with the reason. docs/reference/compatibility.md explains them.
var otherwise = map[int]string{
	19: "the object is closed but for names that match a pattern, and the new member's does not: the data cannot hold it",
	28: "the newer schema demands a member that it does not declare: the data may lack it all the same",
}

// spelt are the differences that are named or placed otherwise here, where the verdict is the same.
var spelt = map[string]string{
	"OPTIONAL_PROPERTY_ADDED_TO_CLOSED_CONTENT_MODEL #/properties/bar": "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/bar",
	"REQUIRED_ATTRIBUTE_REMOVED #/required/foo":                        "REQUIRED_ATTRIBUTE_REMOVED #/properties/foo",
	"REQUIRED_ATTRIBUTE_ADDED #/required/foo":                          "REQUIRED_ATTRIBUTE_ADDED #/properties/foo",
	"ITEMS_REMOVED_FROM_OPEN_CONTENT_MODEL #/":                         "ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL #/items/0",
}

func TestVerdictsOfRegistries(t *testing.T) {
	b, err := os.ReadFile("testdata/compat/diff-schema-examples.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups []struct {
		Description string          `json:"description"`
		Original    json.RawMessage `json:"original_schema"`
		Update      json.RawMessage `json:"update_schema"`
		Errors      []string        `json:"errors"`
	}
	if err := json.Unmarshal(b, &groups); err != nil {
		t.Fatal(err)
	}
	if len(groups) != 45 {
		t.Fatalf("%d groups, want 45", len(groups))
	}
	for i, g := range groups {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			ds, err := schema.Compare(g.Original, g.Update, schema.Strict)
			if err != nil {
				t.Fatal(err)
			}
			compatible := true
			var got []string
			for _, d := range ds {
				if d.Direction == schema.BackwardDirection {
					compatible = compatible && !d.Breaking
					got = append(got, d.Type+" "+d.Path)
				}
			}
			want := true
			for _, e := range g.Errors {
				name, _, _ := strings.Cut(e, " ")
				want = want && slices.Contains(harmless, name)
			}
			if reason, ok := otherwise[i]; ok {
				if compatible == want {
					t.Errorf("the verdict is that of registries, though %s", reason)
				}
				return
			}
			if compatible != want {
				t.Errorf("%s: compatible is %v, want %v: %v", g.Description, compatible, want, got)
			}
			for _, e := range g.Errors {
				if s, ok := spelt[e]; ok {
					e = s
				}
				if !slices.Contains(got, e) {
					t.Errorf("%s: %s is not among the differences:\n%s", g.Description, e, cmp.Diff(g.Errors, got))
				}
			}
		})
	}
}

func TestRecursiveSchemas(t *testing.T) {
	older, err := os.ReadFile("testdata/compat/recursive-schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, from, to string
		want           bool
	}{
		{"described otherwise", "Test category", "A category", true},
		{"a member that need not be there", `"category_id",`, ``, true},
		{"another type within the recursion", `"type": "integer"`, `"type": "string"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			newer := []byte(strings.Replace(string(older), tt.from, tt.to, 1))
			if string(newer) == string(older) {
				t.Fatal("nothing has changed")
			}
			for _, p := range []schema.Policy{schema.ByRole, schema.Strict, schema.Lenient} {
				start := time.Now()
				v, err := schema.Check(newer, []schema.Version{{Number: 1, Schema: older}}, schema.Backward, p)
				if err != nil {
					t.Fatal(err)
				}
				if v.Compatible != tt.want {
					t.Errorf("%s: compatible is %v: %v", p, v.Compatible, v.Differences)
				}
				if d := time.Since(start); d > 10*time.Second {
					t.Errorf("%s: took %v", p, d)
				}
			}
		})
	}
}
