package schema_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

var (
	mutations = flag.Int("mutations", 200_000, "how many values to make of the known ones in TestMutations")
	seed      = flag.Uint64("seed", 1, "of TestMutations and TestRandomSchemas")
)

// howMany is fewer under the race detector, which has nothing to find in most of them.
func howMany() int {
	if raced {
		return *mutations / 20
	}
	return *mutations
}

// judged is a schema with values to begin with.
type judged struct {
	name   string
	doc    []byte
	ours   *schema.Schema
	valid  func([]byte) bool
	values []document
}

// document is a value that mutations are made of, and where its parts are.
type document struct {
	text    []byte
	values  [][2]int
	members [][2]int // name and value
}

func newDocument(text []byte) document {
	d := document{text: text}
	var walk func(from, to int)
	walk = func(from, to int) {
		d.values = append(d.values, [2]int{from, to})
		switch text[from] {
		case '{':
			err := jsonx.Each(text[from:to], func(name []byte, f, t int) {
				if at := bytes.LastIndex(text[from:from+f], name); at > 0 {
					d.members = append(d.members, [2]int{from + at - 1, from + t})
				}
				walk(from+f, from+t)
			})
			_ = err // mutations may be made of what is no JSON
		case '[':
			err := jsonx.Elements(text[from:to], func(f, t int) { walk(from+f, from+t) })
			_ = err // likewise
		}
	}
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) > 0 {
		from := bytes.Index(text, trimmed)
		walk(from, from+len(trimmed))
	}
	return d
}

// mixed uses what everything does not: combinators and the rarer rules.
const mixed = `{
	"type":"object",
	"properties":{
		"shape":{"oneOf":[
			{"type":"object","required":["kind","r"],"properties":{"kind":{"const":"circle"},"r":{"type":"number","exclusiveMinimum":0}}},
			{"type":"object","required":["kind","a","b"],"properties":{"kind":{"enum":["box","rect"]},"a":{"type":"number"},"b":{"multipleOf":0.5}}},
			{"$ref":"#/$defs/line"}]},
		"either":{"oneOf":[{"type":"integer"},{"type":"number","minimum":2},{"type":"string"}]},
		"some":{"anyOf":[{"type":"integer","multipleOf":3},{"type":"string","minLength":2},{"type":"array","contains":{"const":1},"minContains":2,"maxContains":3}]},
		"both":{"allOf":[{"type":["integer","string"]},{"not":{"enum":[0,"",1.0,{"a":[1,null]}]}}]},
		"when":{"if":{"properties":{"x":{"const":1}},"required":["x"]},"then":{"required":["y"]},"else":{"maxProperties":1}},
		"pair":{"prefixItems":[{"type":"string"},{"type":"integer"}],"items":false,"minItems":1},
		"set":{"type":"array","uniqueItems":true,"items":{"type":["number","string","boolean","null"]}},
		"map":{"patternProperties":{"^n_":{"type":"number"},"_s$":{"type":["string","number"]}},"additionalProperties":{"type":"boolean"},"propertyNames":{"maxLength":6}},
		"open":{"allOf":[{"$ref":"#/$defs/base"}],"properties":{"more":true},"unevaluatedProperties":false},
		"deps":{"dependentRequired":{"a":["b"]},"dependentSchemas":{"b":{"properties":{"c":{"type":"integer"}},"minProperties":2}}},
		"exact":{"const":{"a":[1,{"b":"x"}],"c":null}},
		"list":{"enum":[[1,2],{"k":"v"},1.5e1,true,null,"t"]},
		"tree":{"$ref":"#/$defs/tree"},
		"day":{"format":"date"},"mail":{"format":"email"},"where":{"format":"uri"},
		"ref":{"$ref":"#/$defs/small","minimum":2}
	},
	"$defs":{
		"line":{"type":"object","required":["kind"],"properties":{"kind":{"const":"line"},"to":{"$ref":"#/$defs/small"}}},
		"small":{"type":"integer","maximum":9},
		"base":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]},
		"tree":{"type":"object","properties":{"v":{"$ref":"#/$defs/small"},"sub":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"additionalProperties":false}
	}
}`

var mixedValues = []string{
	`{"shape":{"kind":"circle","r":2},"either":1,"some":9,"both":3,"when":{"x":1,"y":2},"pair":["a",1],"set":[1,"1",2.0,true],"map":{"n_a":1,"b_s":"x","c":true}}`,
	`{"shape":{"a":1,"kind":"rect","b":1.5},"either":"x","some":[1,2,1],"open":{"id":"i","more":[]},"deps":{"a":1,"b":2,"c":3},"exact":{"c":null,"a":[1,{"b":"x"}]}}`,
	`{"shape":{"kind":"line","to":5},"list":15.0,"tree":{"v":1,"sub":[{"v":2,"sub":[{}]},{"v":3}]},"day":"2025-10-18","mail":"a@b.example","where":"https://a.example/x","ref":5}`,
	`{"list":{"k":"v"},"set":[],"some":"ab","when":{"x":2},"pair":["\u00e9"],"both":"n","either":1.5}`,
}

// corpus is all that is known: the catalogue's examples, the official suites and the schemas of these tests.
func corpus(t testing.TB) []judged {
	t.Helper()
	var all []judged
	add := func(name string, doc []byte, values ...string) {
		ours, err := schema.Parse(doc)
		if err != nil {
			return // refused, as the suite's test knows
		}
		j := judged{name: name, doc: doc, ours: ours, valid: reference(t, doc)}
		for _, v := range values {
			j.values = append(j.values, newDocument([]byte(v)))
		}
		all = append(all, j)
	}
	for _, p := range pairs(t) {
		j := judged{name: p.name, ours: p.ours, valid: p.valid}
		for _, s := range p.seeds {
			j.values = append(j.values, newDocument([]byte(wrap(s))))
		}
		all = append(all, j)
	}
	add("mixed", []byte(mixed), mixedValues...)
	for _, name := range speedEvents {
		_, _, value := speed(t, name)
		doc, err := os.ReadFile("testdata/speed/schema.json")
		if err != nil {
			t.Fatal(err)
		}
		add(name, doc, string(value))
	}
	for _, g := range suite(t) {
		var values []string
		for _, tc := range g.Tests {
			values = append(values, string(tc.Data))
		}
		add(g.File+": "+g.Description, g.Schema, values...)
	}
	return all
}

// agree compares Scan with the library, which judges what jsonx takes for strict JSON.
func (j *judged) agree(value []byte) (accepted bool, err error) {
	_, scanned := j.ours.Scan(value)
	if invalid, ok := errors.AsType[*schema.Invalid](scanned); scanned != nil && !ok {
		return false, fmt.Errorf("%w is no *Invalid", scanned)
	} else if ok && invalid.Rule == "cost" {
		return false, errors.New("costs too much")
	}
	want := jsonx.Check(value, jsonx.Limits{}) == nil && j.valid(value)
	if want != (scanned == nil) {
		return false, fmt.Errorf("Scan says %s, the library valid: %v", fmt.Sprint(scanned), want)
	}
	return want, nil
}

// mutator makes values of others.
type mutator struct {
	*rand.Rand
	pool [][]byte // values to put in
}

func (m *mutator) mutate(d document) []byte {
	out := d.text
	for {
		out = m.once(d, out)
		if m.IntN(3) > 0 || len(out) == 0 || len(out) > 1<<14 {
			return out
		}
		d = newDocument(out)
	}
}

func (m *mutator) once(d document, text []byte) []byte {
	splice := func(at [2]int, with []byte) []byte {
		return append(append(append([]byte(nil), text[:at[0]]...), with...), text[at[1]:]...)
	}
	if len(d.values) == 0 || len(text) == 0 {
		return []byte(odds[m.IntN(len(odds))])
	}
	at := d.values[m.IntN(len(d.values))]
	switch m.IntN(12) {
	case 0, 1:
		return splice(at, []byte(odds[m.IntN(len(odds))]))
	case 2, 3:
		return splice(at, m.pool[m.IntN(len(m.pool))])
	case 4: // another value of the same document
		other := d.values[m.IntN(len(d.values))]
		return splice(at, text[other[0]:other[1]])
	case 5: // a member twice, under another name half the time
		if len(d.members) > 0 {
			member := d.members[m.IntN(len(d.members))]
			twice := append([]byte(nil), text[member[0]:member[1]]...)
			if m.IntN(2) == 0 {
				twice = append([]byte(`"n_`), twice[1:]...)
			}
			return splice([2]int{member[0], member[0]}, append(twice, ','))
		}
	case 6: // a member less
		if len(d.members) > 0 {
			member := d.members[m.IntN(len(d.members))]
			end := member[1]
			if end < len(text) && text[end] == ',' {
				end++
			}
			return splice([2]int{member[0], end}, nil)
		}
	case 7: // in an array or an object
		if m.IntN(2) == 0 {
			return splice(at, append(append([]byte{'['}, text[at[0]:at[1]]...), ']'))
		}
		return splice(at, append(append([]byte(`{"a":`), text[at[0]:at[1]]...), '}'))
	case 8: // white space
		return splice([2]int{at[0], at[0]}, []byte(" \n\t\r"[m.IntN(4):][:1]))
	case 9: // a character spelt otherwise
		if i := at[0] + 1 + m.IntN(at[1]-at[0]); i < at[1]-1 && text[at[0]] == '"' && text[i] < 0x80 && text[i] != '\\' && text[i-1] != '\\' {
			return splice([2]int{i, i + 1}, fmt.Appendf(nil, `\u%04x`, text[i]))
		}
	case 10: // a digit more or other
		if c := text[at[0]]; c == '-' || c >= '0' && c <= '9' {
			i := at[0] + m.IntN(at[1]-at[0]+1)
			return splice([2]int{i, i}, []byte("0123456789.eE+-"[m.IntN(15):][:1]))
		}
	}
	i := m.IntN(len(text))
	switch m.IntN(4) {
	case 0:
		return splice([2]int{i, i + 1}, nil)
	case 1:
		return splice([2]int{i, i}, []byte{byte(m.IntN(256))}) //nolint:gosec // below 256
	case 2:
		return splice([2]int{i, i + 1}, []byte{text[i] ^ 1<<m.IntN(8)})
	}
	return splice([2]int{i, i + 1}, []byte(`"\{}[],:0-. tnf`[m.IntN(15):][:1]))
}

// TestMutations: Scan and the library agree on what is made of all known values, one to three changes at a time.
func TestMutations(t *testing.T) {
	all := corpus(t)
	var pool [][]byte
	known := 0
	for i := range all {
		for _, d := range all[i].values {
			if _, err := all[i].agree(d.text); err != nil {
				t.Errorf("%s: %s: %v", all[i].name, d.text, err)
			}
			known++
			for _, at := range d.values {
				if at[1]-at[0] < 200 {
					pool = append(pool, d.text[at[0]:at[1]])
				}
			}
		}
	}
	workers := runtime.GOMAXPROCS(0)
	var accepted, done atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			m := mutator{rand.New(rand.NewPCG(*seed, uint64(w))), pool} //nolint:gosec // a test repeats
			for done.Add(1) <= int64(howMany()) {
				j := &all[m.IntN(len(all))]
				if m.IntN(2) == 0 {
					j = &all[m.IntN(min(len(all), 80))] // the catalogue, and the events
				}
				if len(j.values) == 0 {
					continue
				}
				value := m.mutate(j.values[m.IntN(len(j.values))])
				ok, err := j.agree(value)
				if err != nil {
					t.Errorf("%s: %s: %q: %v", j.name, j.doc, value, err)
				}
				if ok {
					accepted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	var c schema.Counts
	for i := range all {
		one := all[i].ours.Counts()
		c.Program, c.Slow, c.Refused = c.Program+one.Program, c.Slow+one.Slow, c.Refused+one.Refused
	}
	t.Logf("%d schemas, %d known values, %d mutations with seed %d, of which %d are valid; accepted by the program %d, by the library %d, refused %d",
		len(all), known, howMany(), *seed, accepted.Load(), c.Program, c.Slow, c.Refused)
	if accepted.Load() < int64(howMany())/20 {
		t.Errorf("only %d of %d mutations are valid: they say little", accepted.Load(), howMany())
	}
}

// author writes schemas at random.
type author struct{ *rand.Rand }

func (a author) pick(of ...string) string { return of[a.IntN(len(of))] }

// schema is a schema of a few rules; deep says how many levels it may have.
func (a author) schema(deep int) string {
	if deep == 0 || a.IntN(8) == 0 {
		return a.pick(`{}`, `true`, `false`, `{"type":"integer"}`, `{"type":"string"}`, `{"const":1}`, `{"type":["null","number"]}`, `{"enum":["a",2,[1],{"a":1}]}`, `{"$ref":"#/$defs/d"}`)
	}
	sub := func() string { return a.schema(deep - 1) }
	list := func() string {
		parts := make([]string, 1+a.IntN(3))
		for i := range parts {
			parts[i] = sub()
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	small := func() string { return strconv.Itoa(a.IntN(4)) }
	rules := map[string]string{}
	for range 1 + a.IntN(3) {
		switch a.IntN(30) {
		case 0:
			rules["type"] = a.pick(`"object"`, `"array"`, `"string"`, `"number"`, `"integer"`, `["object","string"]`, `["array","null","boolean"]`)
		case 1, 2:
			rules["properties"] = `{"a":` + sub() + `,"b":` + sub() + `}`
		case 3:
			rules["required"] = a.pick(`["a"]`, `["a","b"]`, `["c"]`, `[]`)
		case 4:
			rules["additionalProperties"] = sub()
		case 5:
			rules["patternProperties"] = `{"` + a.pick("^a", "b|c", "^[a-c]$") + `":` + sub() + `}`
		case 6:
			rules["propertyNames"] = a.pick(`{"maxLength":1}`, `{"enum":["a","b"]}`, `{"not":{"const":"c"}}`, sub())
		case 7:
			rules[a.pick("minProperties", "maxProperties")] = small()
		case 8:
			rules["dependentRequired"] = `{"a":["b"]}`
		case 9:
			rules["dependentSchemas"] = `{"b":` + sub() + `}`
		case 10, 11:
			rules["items"] = sub()
		case 12:
			rules["prefixItems"] = list()
		case 13:
			rules["contains"] = sub()
		case 14:
			rules["contains"], rules[a.pick("minContains", "maxContains")] = sub(), small()
		case 15:
			rules[a.pick("minItems", "maxItems")] = small()
		case 16:
			rules["uniqueItems"] = "true"
		case 17, 18:
			rules["allOf"] = list()
		case 19, 20:
			rules["anyOf"] = list()
		case 21, 22:
			rules["oneOf"] = list()
		case 23:
			rules["not"] = sub()
		case 24:
			rules["if"], rules[a.pick("then", "else")] = sub(), sub()
		case 25:
			rules["$ref"] = a.pick(`"#/$defs/d"`, `"#/$defs/e"`)
		case 26:
			rules["unevaluatedProperties"] = a.pick("false", sub())
		case 27:
			rules["unevaluatedItems"] = a.pick("false", sub())
		case 28:
			rules[a.pick("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")] = a.pick("1", "1.5", "-2e0", "100e-2", "123456789012345678")
		case 29:
			rules[a.pick("minLength", "maxLength")] = small()
		}
	}
	if a.IntN(6) == 0 {
		rules["multipleOf"] = a.pick("2", "0.5", "1e-2", "0.3")
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		parts = append(parts, `"`+name+`":`+rules[name])
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// value is a value that such schemas have something to say about.
func (a author) value(deep int) string {
	if deep == 0 || a.IntN(3) == 0 {
		return a.pick("1", "2", "1.0", "1.5", "-2", "100e-2", "0", "3", `"a"`, `"b"`, `""`, `"é"`, `"\u0061"`, "null", "true", "false", "123456789012345678901", "0.30", "1e2")
	}
	var parts []string
	if a.IntN(2) == 0 {
		for range a.IntN(4) {
			parts = append(parts, a.value(deep-1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	for _, name := range []string{"a", "b", "c", "ab"} {
		if a.IntN(2) == 0 {
			parts = append(parts, `"`+name+`":`+a.value(deep-1))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// TestRandomSchemas: Scan and the library agree on values at random under schemas at random.
func TestRandomSchemas(t *testing.T) {
	a := author{rand.New(rand.NewPCG(*seed, 7))} //nolint:gosec // a test repeats
	schemas, values, looping := max(howMany()/100, 1), 0, 0
	for range schemas {
		doc := []byte(`{"$defs":{"d":` + a.schema(2) + `,"e":` + a.schema(1) + `},"allOf":[` + a.schema(3) + `]}`)
		ours, err := schema.Parse(doc)
		if err != nil {
			if !strings.Contains(err.Error(), "leads back to itself") {
				t.Fatalf("%s: %v", doc, err)
			}
			looping++
			continue
		}
		j := judged{doc: doc, ours: ours, valid: reference(t, doc)}
		for range 20 {
			value := []byte(a.value(3))
			values++
			if _, err := j.agree(value); err != nil {
				t.Fatalf("%s: %s: %v", doc, value, err)
			}
		}
	}
	t.Logf("%d schemas, %d of which refer to themselves in place and are refused; %d values", schemas, looping, values)
}
