package schema_test

import (
	"testing"

	"github.com/omninode-ai/omnibus/schema"
)

// Each of these changes breaks, and comes with a document that shows it.
func TestCounterExamples(t *testing.T) {
	for _, tt := range []struct {
		name, older, newer string
		direction          schema.Direction
		kind, path, want   string
	}{
		{
			"a required member added", `{"type":"object","properties":{"a":{"type":"string"}}}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b"]}`,
			schema.BackwardDirection, "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", "#/properties/b", `{}`,
		},
		{
			"a required member removed", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b"]}`,
			`{"type":"object","properties":{"a":{"type":"string"}}}`,
			schema.ForwardDirection, "REQUIRED_ATTRIBUTE_REMOVED", "#/properties/b", `{}`,
		},
		{
			"a member demanded", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"],"examples":[{"a":"hello","b":"x"}]}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]}`,
			schema.BackwardDirection, "REQUIRED_ATTRIBUTE_ADDED", "#/properties/b", `{"a":"hello"}`,
		},
		{
			"a type changed", `{"type":"object","properties":{"a":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"integer"}}}`,
			schema.BackwardDirection, "TYPE_CHANGED", "#/properties/a", `{"a":"x"}`,
		},
		{
			"a type narrowed", `{"type":"object","properties":{"a":{"type":"number"}}}`, `{"type":"object","properties":{"a":{"type":"integer"}}}`,
			schema.BackwardDirection, "TYPE_NARROWED", "#/properties/a", `{"a":1.5}`,
		},
		{
			"an enum narrowed", `{"type":"object","properties":{"a":{"enum":["x","y","z"]}}}`, `{"type":"object","properties":{"a":{"enum":["x","y"]}}}`,
			schema.BackwardDirection, "ENUM_ARRAY_NARROWED", "#/properties/a/enum", `{"a":"z"}`,
		},
		{
			"an enum extended", `{"type":"object","properties":{"a":{"enum":["x"]}}}`, `{"type":"object","properties":{"a":{"enum":["x","y"]}}}`,
			schema.ForwardDirection, "ENUM_ARRAY_EXTENDED", "#/properties/a/enum", `{"a":"y"}`,
		},
		{
			"a const changed", `{"type":"object","properties":{"a":{"const":1}},"required":["a"]}`, `{"type":"object","properties":{"a":{"const":2}},"required":["a"]}`,
			schema.BackwardDirection, "ENUM_ARRAY_CHANGED", "#/properties/a/const", `{"a":1}`,
		},
		{
			"a bound", `{"type":"object","properties":{"a":{"type":"integer","maximum":10}}}`, `{"type":"object","properties":{"a":{"type":"integer","maximum":9}}}`,
			schema.BackwardDirection, "MAXIMUM_DECREASED", "#/properties/a/maximum", `{"a":10}`,
		},
		{
			"a length", `{"type":"object","properties":{"a":{"type":"string","maxLength":8}}}`, `{"type":"object","properties":{"a":{"type":"string","maxLength":5}}}`,
			schema.BackwardDirection, "MAX_LENGTH_DECREASED", "#/properties/a/maxLength", `{"a":"xxxxxxxx"}`,
		},
		{
			"a pattern, by an example",
			`{"type":"object","properties":{"a":{"type":"string","pattern":"^[A-Z]{3}-[0-9]+$","examples":["ABC-1"]}}}`,
			`{"type":"object","properties":{"a":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{2,}$"}}}`,
			schema.BackwardDirection, "PATTERN_CHANGED", "#/properties/a/pattern", `{"a":"ABC-1"}`,
		},
		{
			"additional members narrowed", `{"type":"object","properties":{"m":{"type":"object","additionalProperties":{"type":"string"}}}}`,
			`{"type":"object","properties":{"m":{"type":"object","additionalProperties":{"type":"integer"}}}}`,
			schema.BackwardDirection, "TYPE_CHANGED", "#/properties/m/additionalProperties", `{"m":{"extra":"x"}}`,
		},
		{
			"items", `{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}}}}`, `{"type":"object","properties":{"a":{"type":"array","items":{"type":"null"}}}}`,
			schema.BackwardDirection, "TYPE_CHANGED", "#/properties/a/items", `{"a":["x"]}`,
		},
		{
			"fewer items", `{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}}}}`,
			`{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"},"maxItems":2}}}`,
			schema.BackwardDirection, "MAX_ITEMS_ADDED", "#/properties/a/maxItems", `{"a":["x","x","x"]}`,
		},
		{
			"through a reference", `{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"string"},"next":{"$ref":"#/$defs/n"}},"required":["v"]}}}`,
			`{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/n"}},"required":["v"]}}}`,
			schema.BackwardDirection, "TYPE_CHANGED", "#/$ref/properties/v", `{"v":"x"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ds, err := schema.Compare([]byte(tt.older), []byte(tt.newer), schema.ByRole)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range ds {
				if d.Direction == tt.direction && d.Type == tt.kind && d.Path == tt.path && d.Breaking {
					if string(d.CounterExample) != tt.want {
						t.Errorf("counter-example %s, want %s", d.CounterExample, tt.want)
					}
					return
				}
			}
			t.Errorf("no breaking %s at %s: %+v", tt.kind, tt.path, ds)
		})
	}
}

// A member that closed readers refuse, under the policy that takes them at their word.
func TestCounterExampleForAClosedReader(t *testing.T) {
	ds, err := schema.Compare(
		[]byte(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"additionalProperties":false}`),
		[]byte(`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`), schema.Strict,
	)
	if err != nil {
		t.Fatal(err)
	}
	if d := ds[0]; d.Type != "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL" || string(d.CounterExample) != `{"b":0}` {
		t.Errorf("%+v %s", d, d.CounterExample)
	}
}
