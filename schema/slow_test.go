package schema_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/schema"
)

// TestWhatIsLeftToTheLibrary pins the rules that the compiled program does not decide: docs/reference/validation.md lists them.
func TestWhatIsLeftToTheLibrary(t *testing.T) {
	many := make([]string, 300)
	for i := range many {
		many[i] = `"m` + strconv.Itoa(i) + `":{}`
	}
	for _, tc := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", `{"type":"object","allOf":[{"$ref":"#/$defs/a"}],"oneOf":[{"not":{"const":[1,{"a":null}]}}],"if":{"minItems":1},"else":{"uniqueItems":true},` +
			`"propertyNames":{"maxLength":9},"patternProperties":{"^x":{"multipleOf":0.01}},"dependentSchemas":{"a":{"contains":{"enum":[1]}}},` +
			`"dependentRequired":{"a":["b"]},"prefixItems":[{"format":"email"}],"$defs":{"a":{"properties":{"b":{"$ref":"#/$defs/a"}}}}}`, nil},
		{"nothing of draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","items":[{}],"additionalItems":false,"dependencies":{"a":["b"],"b":{"maxProperties":1}}}`, nil},
		{"nothing where what is unevaluated is clear", `{"allOf":[{"$ref":"#/$defs/a"}],"unevaluatedProperties":false,"$defs":{"a":{"properties":{"b":{}}}}}`, nil},
		{"unevaluated members under conditions", `{"anyOf":[{"properties":{"a":{}}},{}],"unevaluatedProperties":false}`, []string{"/unevaluatedProperties"}},
		{"unevaluated items", `{"properties":{"a/b":{"unevaluatedItems":false}}}`, []string{"/properties/a~1b/unevaluatedItems"}},
		{"dynamic reference", `{"properties":{"a":{"$dynamicRef":"#x"}},"$defs":{"x":{"$dynamicAnchor":"x"}}}`, []string{"/properties/a/$dynamicRef"}},
		{"recursive reference", `{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"a":{"$recursiveRef":"#"}}}`, []string{"/properties/a/$recursiveRef"}},
		{"older dialects", `{"$schema":"http://json-schema.org/draft-06/schema#"}`, []string{"/$schema"}},
		{"more than 18 digits", `{"maximum":1.2345678901234567890}`, []string{"/maximum"}},
		{"more than 256 members", `{"properties":{` + strings.Join(many, ",") + `}}`, []string{"/properties"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := schema.Parse([]byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, s.Slow()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestBothWaysAreCounted(t *testing.T) {
	s, err := schema.Parse([]byte(`{"properties":{"payload":{"properties":{"a":{"unevaluatedItems":false},"b":{"type":"integer"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{}`, `{"b":1}`, `{"a":[]}`, `{"a":[1]}`, `{"b":""}`, `{`} {
		_ = s.ScanPayload([]byte(payload))
	}
	if _, err := s.Scan([]byte(`{"payload":{"b":2}}`)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(schema.Counts{Program: 3, Slow: 1, Refused: 3}, s.Counts()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
