package schema_test

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/schemas"
)

func compose(t testing.TB, payload string, role schema.Role) *schema.Schema {
	t.Helper()
	b, err := schema.Compose([]byte(payload), role)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read is the embedded schema file of topic.
func read(t testing.TB, file string) string {
	t.Helper()
	b, err := fs.ReadFile(schemas.FS, "events/"+file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wrap makes a whole event of a payload.
func wrap(payload string) string {
	return strings.TrimSuffix(event600[:strings.Index(event600, `"payload":`)], " ") + `"payload":` + payload + `}`
}

const event600 = `{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","event_type":"omninode.intelligence.event.quality_assessed.v1","correlation_id":"0c7bd8c6-6a3e-4a79-8a41-8d6f4c0b2a11","causation_id":"9b2f1e1a-3c4d-4e5f-8a7b-6c5d4e3f2a1b","timestamp":"2025-10-18T10:00:00.000Z","version":"1.0.0","source":{"service":"archon-intelligence","instance_id":"archon-1"},"metadata":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},"payload":{"entity_id":"src/services/user_service.py","quality_score":0.87,"dimensions":{"complexity":0.8,"documentation":0.75,"maintainability":0.9},"onex_compliance":0.92}}`

func TestEveryExampleOfTheCatalogueIsValidInBothRoles(t *testing.T) {
	c, err := event.ReadCatalog(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	for spec := range c.All() {
		for _, role := range []schema.Role{schema.Producer, schema.Consumer} {
			s := compose(t, string(spec.Schema), role)
			if len(spec.Examples) == 0 {
				t.Errorf("%s: no example", spec.Topic)
			}
			for _, example := range spec.Examples {
				if _, err := s.Scan([]byte(wrap(string(example)))); err != nil {
					t.Errorf("%s: %v", spec.Topic, err)
				}
				if err := s.ScanPayload(example); err != nil {
					t.Errorf("%s: %v", spec.Topic, err)
				}
			}
		}
	}
}

func TestScanNamesPointerAndRule(t *testing.T) {
	s := compose(t, read(t, "intelligence/event/quality_assessed.v1.json"), schema.Producer)
	for _, tc := range []struct{ name, payload, want string }{
		{"maximum", `{"entity_id":"a","quality_score":1.5}`, "/payload/quality_score: must be at most 1 (maximum)"},
		{"type", `{"entity_id":"a","quality_score":"secret"}`, "/payload/quality_score: must be a number, is a string (type)"},
		{"missing", `{"quality_score":1}`, "/payload/entity_id: is missing (required)"},
		{"undeclared", `{"entity_id":"a","quality_score":1,"extra":2}`, "/payload/extra: is not declared in the schema (additionalProperties)"},
		{"misspelt", `{"entity":"a","quality_score":1}`, "/payload/entity_id: is missing (required), and 1 more"},
		{"map", `{"entity_id":"a","quality_score":1,"dimensions":{"x/y":-1}}`, "/payload/dimensions/x~1y: must be at least 0 (minimum)"},
		{"duplicate", `{"entity_id":"a","entity_id":"a","quality_score":1}`, "line 1, column 436: the same member name twice in one object (json)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s.Scan([]byte(wrap(tc.payload)))
			var invalid *schema.Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("Scan = %v, want an *Invalid", err)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			var payload *schema.Invalid
			if err := s.ScanPayload([]byte(tc.payload)); !errors.As(err, &payload) {
				t.Fatalf("ScanPayload = %v, want an *Invalid", err)
			}
			if diff := cmp.Diff(invalid, payload, cmpopts.IgnoreFields(schema.Invalid{}, "Offset", "Line", "Column")); diff != "" {
				t.Errorf("ScanPayload says otherwise: -Scan +ScanPayload\n%s", diff)
			}
		})
	}
}

func TestScanFindsThePayload(t *testing.T) {
	s := compose(t, read(t, "intelligence/event/quality_assessed.v1.json"), schema.Producer)
	v, err := s.Scan([]byte(event600))
	if err != nil {
		t.Fatal(err)
	}
	if want := event600[strings.Index(event600, `{"entity_id`) : len(event600)-1]; string(v.Payload) != want || string(v.Value) != event600 {
		t.Errorf("Payload = %s, want %s", v.Payload, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, in string }{
		{"reference to a file", `{"$ref":"file:///etc/passwd"}`},
		{"reference to the web", `{"$ref":"https://example.com/x.json"}`},
		{"reference to nothing", `{"$ref":"#/$defs/x"}`},
		{"unknown dialect", `{"$schema":"https://example.com/dialect"}`},
		{"look-ahead in a pattern", `{"pattern":"(?=a)"}`},
		{"not a schema", `{"type":"text"}`},
		{"not an object", `[]`},
		{"duplicate keyword", `{"type":"object","type":"string"}`},
		{"too deep", strings.Repeat(`{"items":`, 65) + `{}` + strings.Repeat(`}`, 65)},
		{"too large", `{"description":"` + strings.Repeat("x", 600<<10) + `"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := schema.Parse([]byte(tc.in)); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	s := compose(b, read(b, "intelligence/event/quality_assessed.v1.json"), schema.Producer)
	value := []byte(event600)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Scan(value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScanPayload(b *testing.B) {
	s := compose(b, read(b, "intelligence/event/quality_assessed.v1.json"), schema.Producer)
	payload := []byte(event600[strings.Index(event600, `{"entity_id`) : len(event600)-1])
	b.ReportAllocs()
	for b.Loop() {
		if err := s.ScanPayload(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSchemaIsSafeForConcurrentUse(t *testing.T) {
	s := compose(t, read(t, "intelligence/event/quality_assessed.v1.json"), schema.Producer)
	bad := []byte(strings.Replace(event600, "0.87", "8.7", 1))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if _, err := s.Scan([]byte(event600)); err != nil {
					t.Error(err)
				}
				if _, err := s.Scan(bad); err == nil || !strings.HasPrefix(err.Error(), "/payload/quality_score: must be at most 1") {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
