package schema_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func TestComposedSchemaGoldens(t *testing.T) {
	for name, role := range map[string]schema.Role{"producer": schema.Producer, "consumer": schema.Consumer} {
		t.Run(name, func(t *testing.T) {
			b, err := schema.Compose([]byte(read(t, "intelligence/event/quality_assessed.v1.json")), role)
			if err != nil {
				t.Fatal(err)
			}
			got, err := jsonx.Indent(b)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "quality_assessed."+name+".json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestRoles says for payloads with members that the schema does not declare who accepts them.
func TestRoles(t *testing.T) {
	for _, tc := range []struct {
		name, schema, payload string
		producer, consumer    bool
	}{
		{"undeclared", `{"properties":{"a":{}}}`, `{"a":1,"b":2}`, false, true},
		{"undeclared below", `{"properties":{"a":{"type":"object","properties":{"b":{}}}}}`, `{"a":{"c":1}}`, false, true},
		{"undeclared in a list", `{"properties":{"a":{"items":{"properties":{"b":{}}}}}}`, `{"a":[{"b":1,"c":1}]}`, false, true},
		{"undeclared in a map", `{"properties":{"a":{"additionalProperties":{"properties":{"b":{}}}}}}`, `{"a":{"x":{"c":1}}}`, false, true},
		{"undeclared in a definition", `{"properties":{"a":{"$ref":"#/$defs/d"}},"$defs":{"d":{"properties":{"b":{}}}}}`, `{"a":{"c":1}}`, false, true},
		{"nothing declared", `{"type":"object"}`, `{"b":2}`, true, true},
		{"declared open", `{"properties":{"a":{}},"additionalProperties":true}`, `{"b":2}`, true, true},
		{"declared closed", `{"properties":{"a":{}},"additionalProperties":false}`, `{"b":2}`, false, true},
		{"typed rest", `{"properties":{"a":{}},"additionalProperties":{"type":"string"}}`, `{"b":2}`, false, false},
		{"declared in an alternative", `{"properties":{"a":{}},"anyOf":[{"properties":{"b":{"type":"integer"}}},{"required":["a"]}]}`, `{"a":1,"b":2}`, true, true},
		{"declared in no alternative", `{"properties":{"a":{}},"anyOf":[{"properties":{"b":{"type":"integer"}}},{"required":["a"]}]}`, `{"a":1,"c":2}`, false, true},
		{"alternatives of several types", `{"properties":{"a":{"oneOf":[{"type":"string"},{"type":"object","properties":{"b":{}}}]}}}`, `{"a":{"c":1}}`, false, true},
		{"alternatives told apart by being closed", `{"oneOf":[{"properties":{"a":{}},"additionalProperties":false},{"properties":{"b":{}},"additionalProperties":false}]}`, `{"a":1}`, true, true},
		{"all of two definitions", `{"allOf":[{"$ref":"#/$defs/x"},{"$ref":"#/$defs/y"}],"$defs":{"x":{"properties":{"a":{}}},"y":{"properties":{"b":{}}}}}`, `{"a":1,"b":2}`, true, true},
		{"reference into itself", `{"properties":{"a":{"type":"integer"},"b":{"$ref":"#/properties/a"}}}`, `{"b":"x"}`, false, false},
		{"reference to the whole", `{"properties":{"a":{"type":"integer"},"b":{"$ref":"#"}}}`, `{"b":{"b":{"a":1}}}`, true, true},
		{"closed enumeration", `{"properties":{"a":{"enum":["x"]}}}`, `{"a":"y"}`, false, false},
		{"extensible enumeration", `{"properties":{"a":{"type":"string","enum":["x"],"x-extensible-enum":true}}}`, `{"a":"y"}`, false, true},
		{"not an object", `{}`, `[]`, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for role, want := range map[schema.Role]bool{schema.Producer: tc.producer, schema.Consumer: tc.consumer} {
				s := compose(t, tc.schema, role)
				_, err := s.Scan([]byte(wrap(tc.payload)))
				if (err == nil) != want {
					t.Errorf("role %d: Scan = %v, want accepted: %v", role, err, want)
				}
				if err := s.ScanPayload([]byte(tc.payload)); (err == nil) != want {
					t.Errorf("role %d: ScanPayload = %v, want accepted: %v", role, err, want)
				}
			}
		})
	}
}

// TestEnvelope says which envelopes pass: producers need a whole one, consumers what the event package can complete.
func TestEnvelope(t *testing.T) {
	const payload = `{"properties":{"entity_id":{},"quality_score":{},"dimensions":{},"onex_compliance":{}}}`
	for _, tc := range []struct{ name, old, new, want string }{
		{"whole", "", "", ""},
		{"unknown member", `{"event_id"`, `{"later":{"a":1},"event_id"`, ""},
		{"unknown member of source", `"service":`, `"zone":"z","service":`, ""},
		{"no cause", `"causation_id":"9b2f1e1a-3c4d-4e5f-8a7b-6c5d4e3f2a1b"`, `"causation_id":null`, ""},
		{"id", `"event_id":"5f0c`, `"event_id":"x`, "/event_id: must be a UUID (format)"},
		{"correlation", `"0c7bd8c6-6a3e-4a79-8a41-8d6f4c0b2a11"`, `""`, "/correlation_id: must have at least 1 character, has 0 (minLength)"},
		{"long correlation", `"0c7bd8c6-6a3e-4a79-8a41-8d6f4c0b2a11"`, `"` + strings.Repeat("é", 129) + `"`, "/correlation_id: must have at most 128 characters, has 129 (maxLength)"},
		{"time", `2025-10-18T`, `2025-10-32T`, "/timestamp: must be a time such as 2025-10-18T10:00:00.000Z (format)"},
		{"version", `"1.0.0"`, `"1.0"`, `/version: must match ^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$ (pattern)`},
		{"no source", `"source":`, `"sauce":`, "/source: is missing (required)"},
		{"no instance", `,"instance_id":"archon-1"`, ``, "/source/instance_id: is missing (required)"},
		{"metadata", `"metadata":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}`, `"metadata":7`, "/metadata: must be an object, is a number (type)"},
		{"no payload", `"payload"`, `"paiload"`, "/payload: is missing (required)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			value := []byte(strings.Replace(event600, tc.old, tc.new, 1))
			got := ""
			if _, err := compose(t, payload, schema.Producer).Scan(value); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("producer: %q, want %q", got, tc.want)
			}
			if _, err := compose(t, payload, schema.Consumer).Scan(value); (err == nil) != (tc.name != "no payload") {
				t.Errorf("consumer: %v", err)
			}
		})
	}
}

func TestComposeRefuses(t *testing.T) {
	for _, in := range []string{``, `[]`, `true`, `{"a":1,"a":2}`} {
		if b, err := schema.Compose([]byte(in), schema.Producer); err == nil {
			t.Errorf("%s: %s", in, b)
		}
	}
}

func TestAlternativesAreExplained(t *testing.T) {
	for _, tc := range []struct{ schema, payload, want string }{
		{`{"anyOf":[{"required":["a"]},{"required":["b"]},{"required":["c"]}]}`, `{}`, `/payload: needs "a", "b" or "c" (anyOf)`},
		{`{"properties":{"x":{"oneOf":[{"type":"string"},{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}]}}}`, `{"x":{"id":"1"}}`, `/payload/x/id: must be an integer, is a string (type)`},
		{`{"properties":{"x":{"anyOf":[{"type":"string"},{"type":"null"}]}}}`, `{"x":1}`, `/payload/x: must fit at least one of the alternatives (anyOf)`},
		{`{"properties":{"x":{"oneOf":[{"type":"number"},{"type":"integer"}]}}}`, `{"x":1}`, `/payload/x: must fit one alternative only, fits 1 and 2 (oneOf)`},
		{`{"properties":{"x":{"enum":["a",2]}}}`, `{"x":"secret"}`, `/payload/x: must be one of "a", 2 (enum)`},
		{`{"properties":{"x":{"multipleOf":0.25}}}`, `{"x":0.3}`, `/payload/x: must be a multiple of 0.25 (multipleOf)`},
		{`{"properties":{"x":{"uniqueItems":true}}}`, `{"x":[1,2,1]}`, `/payload/x: items 0 and 2 must not be equal (uniqueItems)`},
		{`{"properties":{"x":{"type":["string","null"]}}}`, `{"x":1}`, `/payload/x: must be null or a string, is a number (type)`},
		{`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `/payload/b: is missing, as "a" is there (dependentRequired)`},
	} {
		err := compose(t, tc.schema, schema.Consumer).ScanPayload([]byte(tc.payload))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", tc.schema, err, tc.want)
		}
	}
}
