package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/schemas"
)

// everything uses each keyword that the fast path knows, at its edges, and some that it does not.
const everything = `{
	"type":"object",
	"properties":{
		"name":{"type":"string","minLength":2,"maxLength":4},
		"hash":{"type":"string","pattern":"^[0-9a-f]{4}$"},
		"semver":{"type":"string","pattern":"^\\d+\\.\\d+"},
		"text":{"type":"string","minLength":1,"pattern":"\\S"},
		"id":{"type":"string","format":"uuid"},
		"at":{"type":"string","format":"date-time"},
		"mail":{"type":"string","format":"email"},
		"kind":{"enum":["a","bc","d\u00e9"]},
		"one":{"const":"x"},
		"few":{"enum":[1,"a",null]},
		"score":{"type":"number","minimum":0,"maximum":1},
		"open":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.3},
		"count":{"type":"integer","minimum":-5,"maximum":100000},
		"flag":{"type":["boolean","null"]},
		"list":{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3},
		"map":{"type":"object","additionalProperties":{"type":"number"},"maxProperties":2},
		"bag":{"type":"object","minProperties":1},
		"mixed":{"type":["string","object"],"maxLength":3,"properties":{"a":{"type":"integer"}},"required":["a"]},
		"self":{"$ref":"#/$defs/tree"},
		"never":false,
		"any":true
	},
	"required":["name"],
	"anyOf":[{"required":["hash"]},{"required":["score","count"]},{"required":["any"]}],
	"$defs":{"tree":{"type":"object","properties":{"left":{"$ref":"#/$defs/tree"},"v":{"type":"integer"}},"required":["v"]}}
}`

// odds are values that sit at the edges of everything.
var odds = []string{
	`null`, `true`, `0`, `-0`, `1`, `1.0`, `1.5`, `1e0`, `-5`, `-6`, `100000`, `100001`, `0.3`, `0.30000000000000001`, `0.29999999999999999999`,
	`1.00000000000000000001`, `9007199254740993`, `""`, `"a"`, `"ab"`, `"abcde"`, `"ééé"`, `"\u0061\u0062"`, `"\n"`, `" "`, `"\ud83d\ude00"`, `"bc"`, `"dé"`, `"d\u00e9"`, `"x"`,
	`"0a1f"`, `"0a1g"`, `"0a1f\n"`, `"1.2"`, `"1.2.3"`, `"v1.2"`, `"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d"`, `"5f0c8a526f0e4f439c1f0e2a1d3b4c5d"`,
	`"2025-10-18T10:00:00.000Z"`, `"2024-02-29T10:00:00Z"`, `"2025-02-29T10:00:00Z"`, `"2025-01-31T23:59:60Z"`, `"2025-01-31T10:00:00+01:00"`, `"2025-01-31 10:00:00Z"`, `"2025-04-31T10:00:00Z"`, `"2025-13-01T10:00:00Z"`, `"2025-01-31T10:00:60Z"`, `"2025-01-31T24:00:00Z"`, `"2025-01-31T10:00:00.Z"`, `"a@b.example"`, `"a@"`,
	`[]`, `[1]`, `[1,2,3]`, `[1,2,3,4]`, `["1"]`, `{}`, `{"a":1}`, `{"a":"1"}`, `{"a":1,"b":2,"c":3}`, `{"v":1,"left":{"v":2}}`, `{"v":1,"left":{"left":{}}}`, `{"a":1,"a":2}`,
}

// reference is the library on its own, reading with encoding/json.
func reference(t testing.TB, doc []byte) func(value []byte) bool {
	t.Helper()
	valid, err := tryReference(doc)
	if err != nil {
		t.Fatal(err)
	}
	return valid
}

func tryReference(doc []byte) (func(value []byte) bool, error) {
	decode := func(b []byte) (any, error) {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		var v any
		err := d.Decode(&v)
		return v, err
	}
	tree, err := decode(doc)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("urn:test", tree); err != nil {
		return nil, err
	}
	s, err := c.Compile("urn:test")
	if err != nil {
		return nil, err
	}
	return func(value []byte) bool {
		v, err := decode(value)
		return err == nil && s.Validate(v) == nil
	}, nil
}

type pair struct {
	name  string
	ours  *schema.Schema
	valid func([]byte) bool
	seeds []string // payloads
}

func pairs(t testing.TB) []pair {
	t.Helper()
	catalog, err := event.ReadCatalog(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	var out []pair
	add := func(name string, payload []byte, seeds []string, roles ...schema.Role) {
		for _, role := range roles {
			doc, err := schema.Compose(payload, role)
			if err != nil {
				t.Fatal(err)
			}
			s, err := schema.Parse(doc)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, pair{name: name, ours: s, valid: reference(t, doc), seeds: seeds})
		}
	}
	add("everything", []byte(everything), []string{
		`{"name":"ab","hash":"0a1f"}`, `{"name":"ab","score":1,"count":3}`, `{"name":"ab","any":{"x":[1,{"y":2}]},"self":{"v":1,"left":{"v":2}}}`,
	}, schema.Producer, schema.Consumer)
	for spec := range catalog.All() {
		var seeds []string
		for _, e := range spec.Examples {
			seeds = append(seeds, string(e))
		}
		add(string(spec.Topic), spec.Schema, seeds, schema.Producer)
	}
	return out
}

// agree checks the three ways to a verdict against each other.
func agree(t *testing.T, p pair, payload []byte) {
	t.Helper()
	value := []byte(wrap(string(payload)))
	_, err := p.ours.Scan(value)
	var invalid *schema.Invalid
	if err != nil && !errors.As(err, &invalid) {
		t.Fatalf("%s: %s: %v is no *Invalid", p.name, payload, err)
	}
	strict := invalid == nil || invalid.Rule != "json"
	// The library alone would take hours over some numbers that strict JSON refuses.
	if ok := err == nil; strict && ok != p.valid(value) {
		t.Errorf("%s: %s: Scan says %v, the library %v", p.name, payload, err, !ok)
	}
	e, decodeErr := event.Decode(value)
	if decodeErr != nil {
		if err == nil {
			t.Errorf("%s: %s: Scan accepts what is no event: %v", p.name, payload, decodeErr)
		}
		return
	}
	if payloadErr := p.ours.ScanPayload(e.Payload); !e.Nested && (payloadErr == nil) != (err == nil) {
		t.Errorf("%s: %s: Scan says %v, ScanPayload %v", p.name, payload, err, payloadErr)
	}
}

func TestScanAgreesWithTheLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test repeats
	for _, p := range pairs(t) {
		for _, seed := range p.seeds {
			agree(t, p, []byte(seed))
			var m map[string]json.RawMessage
			if err := json.Unmarshal([]byte(seed), &m); err != nil {
				t.Fatal(err)
			}
			names := slices.Sorted(maps.Keys(m))
			if p.name == "everything" {
				names = everyName()
			}
			for _, name := range names {
				for _, odd := range odds {
					if p.name != "everything" && rng.IntN(20) > 0 {
						continue
					}
					changed := maps.Clone(m)
					changed[name] = json.RawMessage(odd)
					if rng.IntN(8) == 0 {
						delete(changed, names[rng.IntN(len(names))])
					}
					agree(t, p, object(changed))
				}
				changed := maps.Clone(m)
				delete(changed, name)
				agree(t, p, object(changed))
			}
			agree(t, p, []byte(strings.Replace(seed, "{", `{"unheard_of":1,`, 1)))
		}
	}
}

func everyName() []string {
	var doc struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal([]byte(everything), &doc) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(doc.Properties))
}

// object writes m as it stands, which encoding/json would not do with odd values.
func object(m map[string]json.RawMessage) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + name + `":`)
		b.Write(m[name])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// TestCatalogueTakesTheFastPath holds the cost: the library alone allocates more than a hundred times.
func TestCatalogueTakesTheFastPath(t *testing.T) {
	for _, p := range pairs(t) {
		for _, seed := range p.seeds {
			value := []byte(wrap(seed))
			got := testing.AllocsPerRun(5, func() {
				if _, err := p.ours.Scan(value); err != nil {
					t.Errorf("%s: %v", p.name, err)
				}
			})
			if got > 10 {
				t.Errorf("%s: %v allocations: not on the fast path", p.name, got)
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	all := pairs(f)
	for i, p := range all {
		for _, seed := range p.seeds {
			f.Add(uint8(i), []byte(seed)) //nolint:gosec // fewer than 256
		}
	}
	for _, odd := range odds {
		f.Add(uint8(0), []byte(`{"name":"ab","any":1,"score":`+odd+`}`))
		f.Add(uint8(1), []byte(`{"name":"ab","any":1,"list":[`+odd+`]}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, payload []byte) {
		agree(t, all[int(which)%len(all)], payload)
	})
}

// FuzzSchema compiles anything and compares what it says of anything with the library.
func FuzzSchema(f *testing.F) {
	for _, odd := range odds {
		f.Add([]byte(everything), []byte(`{"name":"ab","any":1,"score":`+odd+`}`))
		f.Add([]byte(`{"type":["integer","string"],"minimum":-1,"exclusiveMaximum":0.3,"maxLength":2,"pattern":"^a*b{1,2}","enum":["a","ab"]}`), []byte(odd))
		f.Add([]byte(`{"items":{"$ref":"#"},"additionalProperties":{"type":"integer"},"required":["a"],"minProperties":1,"maxItems":2}`), []byte(odd))
		f.Add([]byte(`{"pattern":"[^a-f]{2}","format":"date-time"}`), []byte(odd))
	}
	f.Fuzz(func(t *testing.T, doc, value []byte) {
		if len(doc) > 2000 || len(value) > 1000 {
			return
		}
		s, err := schema.Parse(doc)
		if err != nil {
			return
		}
		_, err = s.Scan(value)
		invalid, ok := errors.AsType[*schema.Invalid](err)
		if err != nil && !ok {
			t.Logf("%s: %s: %v", doc, value, err)
			return
		}
		if ok && invalid.Rule == "json" {
			return
		}
		valid, refErr := tryReference(doc)
		if refErr != nil {
			t.Fatalf("%s: only we compile it: %v", doc, refErr)
		}
		if want := valid(value); want != (err == nil) {
			t.Errorf("%s: %s: Scan says %v, the library %v", doc, value, err, want)
		}
	})
}
