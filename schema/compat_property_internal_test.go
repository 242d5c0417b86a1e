package schema

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schemas"
)

var compatPairs = flag.Int("compat-pairs", 2000, "pairs of schemas for TestCompatibleMeansAccepted")

var compatFirst = flag.Int("compat-first", 0, "the first pair of TestCompatibleMeansAccepted")

var compatSeed = flag.Uint64("compat-seed", 1, "seed of TestCompatibleMeansAccepted")

// Where the checker finds nothing that breaks, the oracle must agree: whatever the writer's schema allows, the reader's
// accepts. Schemas are random, or come from the catalogue, and differ by a few random changes; documents are random, made
// for the schema, or made from its examples.
func TestCompatibleMeansAccepted(t *testing.T) {
	catalogue := catalogueSchemas(t)
	count := map[string]int{}
	for i := *compatFirst; i < *compatFirst+*compatPairs; i++ {
		r := rand.New(rand.NewPCG(*compatSeed, uint64(i)))
		g := &schemaMaker{Rand: r, draft: 2020}
		if i%3 == 0 {
			g.draft = 7
		}
		var older any
		if i%5 == 4 {
			older = clone(catalogue[r.IntN(len(catalogue))])
			g.draft = 2020
		} else {
			older = g.document()
		}
		newer := clone(older)
		for range 1 + r.IntN(3) {
			newer = g.change(newer)
		}
		if i%11 == 0 {
			newer = g.document()
		}
		if !checkPair(t, fmt.Sprintf("pair %d", i), older, newer, r, count) {
			return
		}
	}
	t.Log(count)
	if *compatPairs >= 1000 && (count["ROLE compatible"] < *compatPairs/10 || count["documents"] < *compatPairs*10) {
		t.Errorf("too few pairs are compatible, or documents valid, for the test to mean anything: %v", count)
	}
}

func clone(v any) any {
	switch v := v.(type) {
	case object:
		o := object{}
		for name, m := range v {
			o[name] = clone(m)
		}
		return o
	case []any:
		l := make([]any, len(v))
		for i := range v {
			l[i] = clone(v[i])
		}
		return l
	}
	return v
}

func catalogueSchemas(t *testing.T) []any {
	t.Helper()
	var all []any
	err := fs.WalkDir(schemas.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		b, err := fs.ReadFile(schemas.FS, path)
		if err != nil {
			return err
		}
		v, err := jsonx.Tree(b, jsonx.Limits{})
		all = append(all, v)
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d schemas: %v", len(all), err)
	}
	return all
}

func textOf(t *testing.T, v any) []byte {
	t.Helper()
	b, err := jsonx.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkPair reports whether to go on.
func checkPair(t *testing.T, name string, older, newer any, r *rand.Rand, count map[string]int) bool {
	t.Helper()
	was, err := readCompared(textOf(t, older), "older ")
	if err != nil {
		count["no schema"]++
		return true
	}
	is, err := readCompared(textOf(t, newer), "newer ")
	if err != nil {
		count["no schema"]++
		return true
	}
	d := &documentMaker{Rand: r}
	var docs []any
	for _, s := range []any{older, newer} {
		d.root = s
		for range 10 {
			docs = append(docs, d.valid(s, 4))
		}
		if o, ok := s.(object); ok {
			if examples, ok := o["examples"].([]any); ok {
				docs = append(docs, examples...)
			}
		}
	}
	for range 18 {
		docs = append(docs, d.change(clone(docs[r.IntN(len(docs))])))
	}
	for range 4 {
		docs = append(docs, d.any(3))
	}
	for _, p := range []Policy{ByRole, Strict, Lenient} {
		if p == Lenient && (counts(older) || counts(newer)) {
			continue
		}
		for _, pair := range [][2]*compared{{was, is}, {is, was}} {
			c := newComparison(pair[0], pair[1], p, BackwardDirection)
			ds := c.run()
			if anyBreaking(ds) {
				count[string(p)+" incompatible"]++
				continue
			}
			count[string(p)+" compatible"]++
			writer, reader := notion(t, pair[0], p, Producer), notion(t, pair[1], p, Consumer)
			for _, doc := range docs {
				w, ok := writer.accepts("", doc)
				if !ok || !w {
					continue
				}
				count["documents"]++
				filled := doc
				if p != ByRole {
					filled = fill(clone(doc), subschema{doc: c.reader, v: c.reader.root}, 8)
				}
				if a, ok := reader.accepts("", filled); !ok || !a {
					t.Errorf("%s: %s finds\n  %s\ncompatible with\n  %s\nbut the reader refuses %s\n(%v)\n%s\n%s",
						name, p, textOf(t, writer.root), textOf(t, reader.root), textOf(t, doc), ds, pair[0].text, pair[1].text)
					return false
				}
			}
		}
	}
	return true
}

// counts reports whether a rule of v holds because another does not, so that allowing more within means allowing less. What
// Lenient passes over cannot be said of such schemas as a property of documents.
func counts(v any) bool {
	found := false
	walkSchemas(v, "", func(_ string, s object) {
		for _, name := range []string{"oneOf", "not", "if", "contains", "unevaluatedProperties", "unevaluatedItems", "dependentSchemas", "uniqueItems"} {
			found = found || s[name] != nil
		}
	})
	return found
}

func (d *document) accepts(at string, v any) (ok, sure bool) {
	return subschema{doc: d, at: at, v: d.root}.accepts(v)
}

// notion is the schema as the policy takes it for a role: as composed; as it is; or with nothing but declared members for the
// writer, and with no rules for undeclared members for the reader.
func notion(t *testing.T, c *compared, p Policy, r Role) *document {
	t.Helper()
	d, err := c.inRole(p, r)
	if p == Lenient {
		root, _ := c.tree()
		d = newDocument(c, root)
	}
	if err != nil {
		t.Fatal(err)
	}
	if p != Lenient {
		return d
	}
	var all []object
	walkSchemas(d.root, "", func(_ string, s object) { all = append(all, s) })
	for _, s := range all {
		if r == Producer {
			names := []any{}
			for _, name := range append((subschema{v: s}).names("properties"), (subschema{v: s}).demanded()...) {
				if !slices.Contains(names, any(name)) {
					names = append(names, name)
				}
			}
			known := []any{}
			if others, ok := s["allOf"].([]any); ok {
				known = append(known, others...)
			}
			if len(names) == 0 {
				s["allOf"] = append(known, object{"maxProperties": json.Number("0")})
			} else {
				s["allOf"] = append(known, object{"propertyNames": object{"enum": names}})
			}
			continue
		}
		for _, name := range []string{"additionalProperties", "patternProperties", "unevaluatedProperties"} {
			delete(s, name)
		}
	}
	return d
}

// fill puts in the defaults of members that are required and missing, as registries take readers to do.
func fill(v any, s subschema, deep int) any {
	if deep == 0 {
		return v
	}
	if target, ok := s.referred(); ok {
		v = fill(v, target, deep-1)
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		for _, part := range s.list(keyword) {
			v = fill(v, part, deep-1)
		}
	}
	switch o := v.(type) {
	case object:
		for _, name := range s.names("properties") {
			m, ok := s.member("properties", name)
			if !ok {
				continue
			}
			def, has := m.keywords()["default"]
			if _, there := o[name]; !there && has && slices.Contains(s.demanded(), name) {
				o[name] = def
			}
			if value, there := o[name]; there {
				o[name] = fill(value, m, deep-1)
			}
		}
	case []any:
		_, firsts := s.firsts()
		for i := range o {
			if i < len(firsts) {
				o[i] = fill(o[i], firsts[i], deep-1)
			} else if _, rest, ok := s.rest(); ok {
				o[i] = fill(o[i], rest, deep-1)
			}
		}
	}
	return v
}

// schemaMaker makes random schemas of few names and values, so that they often have to do with each other.
type schemaMaker struct {
	*rand.Rand
	draft int
}

func (g *schemaMaker) chance(percent int) bool { return g.IntN(100) < percent }

func (g *schemaMaker) num(n int) json.Number { return json.Number(strconv.Itoa(g.IntN(n))) }

func (g *schemaMaker) name() string { return string(rune('a' + g.IntN(4))) }

func (g *schemaMaker) document() any {
	o := object{}
	if s, ok := g.schema(3).(object); ok {
		o = s
	}
	if g.chance(80) && o["type"] == nil && o["$ref"] == nil {
		o["type"] = "object"
		g.object(o, 3)
	}
	o["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	where := "$defs"
	if g.draft == 7 {
		o["$schema"] = "http://json-schema.org/draft-07/schema#"
		where = "definitions"
	}
	o[where] = object{"d": g.schema(2), "e": g.schema(2)}
	return o
}

func (g *schemaMaker) schema(deep int) any {
	if g.chance(4) {
		return g.chance(60)
	}
	o := object{}
	n := g.IntN(11)
	if deep <= 0 {
		n = g.IntN(5)
	}
	switch n {
	case 0, 1:
		o["type"] = "string"
		g.string(o)
	case 2:
		o["type"] = []any{"integer", "number"}[g.IntN(2)]
		g.numbers(o)
	case 3:
		o["type"] = []any{"boolean", "null", []any{"string", "null"}, []any{"integer", "object"}}[g.IntN(4)]
	case 4:
		if g.chance(50) {
			o["enum"] = g.values(1 + g.IntN(3))
		} else {
			o["const"] = g.value()
		}
	case 5, 6, 7:
		o["type"] = "object"
		g.object(o, deep)
	case 8:
		o["type"] = "array"
		g.array(o, deep)
	case 9:
		g.combine(o, deep)
	case 10:
		where := "#/$defs/"
		if g.draft == 7 {
			where = "#/definitions/"
		}
		o["$ref"] = where + string(rune('d'+g.IntN(2)))
		if g.chance(10) {
			o["$ref"] = "#"
		}
	}
	if g.chance(10) {
		g.combine(o, deep)
	}
	if g.chance(8) {
		o["default"] = g.value()
	}
	if g.chance(5) {
		g.extra(o, deep)
	}
	return o
}

func (g *schemaMaker) value() any {
	return []any{"x", "y", "ab", json.Number("1"), json.Number("2"), json.Number("1.5"), true, nil, object{"a": json.Number("1")}, "z"}[g.IntN(10)]
}

func (g *schemaMaker) values(n int) []any {
	var vs []any
	for range n {
		v := g.value()
		if !slices.ContainsFunc(vs, func(o any) bool { return equal(o, v) }) {
			vs = append(vs, v)
		}
	}
	return vs
}

func (g *schemaMaker) string(o object) {
	if g.chance(30) {
		o["minLength"] = g.num(3)
	}
	if g.chance(30) {
		o["maxLength"] = g.num(4)
	}
	if g.chance(20) {
		o["pattern"] = []any{"^a", "b$", "^[a-z]+$"}[g.IntN(3)]
	}
	if g.chance(10) {
		o["format"] = []any{"uuid", "date", "unheard-of"}[g.IntN(3)]
	}
	if g.chance(20) {
		o["enum"] = []any{"x", "y", "ab", "b"}[:1+g.IntN(4)]
		if g.chance(30) {
			o["x-extensible-enum"] = true
		}
	}
}

func (g *schemaMaker) numbers(o object) {
	for _, keyword := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} {
		if g.chance(20) {
			o[keyword] = g.num(4)
		}
	}
	if g.chance(15) {
		o["multipleOf"] = []any{json.Number("1"), json.Number("2"), json.Number("0.5"), json.Number("3")}[g.IntN(4)]
	}
}

func (g *schemaMaker) object(o object, deep int) {
	members := object{}
	for range g.IntN(4) {
		members[g.name()] = g.schema(deep - 1)
	}
	if len(members) > 0 {
		o["properties"] = members
	}
	if g.chance(50) {
		var names []any
		for _, name := range []string{"a", "b", "c"} {
			if g.chance(35) {
				names = append(names, name)
			}
		}
		if names != nil {
			o["required"] = names
		}
	}
	switch {
	case g.chance(30):
		o["additionalProperties"] = false
	case g.chance(15):
		o["additionalProperties"] = g.schema(deep - 1)
	}
	if g.chance(15) {
		o["patternProperties"] = object{[]string{"^a", "^[bc]$", "d"}[g.IntN(3)]: g.schema(deep - 1)}
	}
	if g.chance(8) {
		o["minProperties"] = g.num(3)
	}
	if g.chance(8) {
		o["maxProperties"] = g.num(4)
	}
	if g.chance(6) {
		g.extra(o, deep)
	}
}

// extra adds rarer rules.
func (g *schemaMaker) extra(o object, deep int) {
	switch g.IntN(6) {
	case 0:
		o["propertyNames"] = object{"pattern": []any{"^[a-c]$", "^a", "^[a-d]"}[g.IntN(3)]}
	case 1:
		if g.draft == 7 {
			o["dependencies"] = object{g.name(): []any{[]any{g.name()}, g.schema(deep - 1)}[g.IntN(2)]}
		} else {
			o["dependentRequired"] = object{g.name(): []any{g.name()}}
		}
	case 2:
		if g.draft != 7 {
			o["dependentSchemas"] = object{g.name(): g.schema(deep - 1)}
		}
	case 3:
		if g.draft != 7 {
			o["unevaluatedProperties"] = []any{false, g.schema(deep - 1)}[g.IntN(2)]
		}
	case 4:
		o["if"] = g.schema(deep - 1)
		if g.chance(80) {
			o["then"] = g.schema(deep - 1)
		}
		if g.chance(50) {
			o["else"] = g.schema(deep - 1)
		}
	case 5:
		o["not"] = g.schema(deep - 1)
	}
}

func (g *schemaMaker) array(o object, deep int) {
	list := func() []any {
		var l []any
		for range 1 + g.IntN(2) {
			l = append(l, g.schema(deep-1))
		}
		return l
	}
	switch {
	case g.chance(25) && g.draft == 7:
		o["items"] = list()
		if g.chance(50) {
			o["additionalItems"] = g.schema(deep - 1)
		}
	case g.chance(80):
		o["items"] = g.schema(deep - 1)
	}
	if g.draft != 7 && g.chance(25) {
		o["prefixItems"] = list()
	}
	if g.chance(20) {
		o["minItems"] = g.num(3)
	}
	if g.chance(20) {
		o["maxItems"] = g.num(4)
	}
	if g.chance(15) {
		o["uniqueItems"] = g.chance(70)
	}
	if g.chance(12) {
		o["contains"] = g.schema(deep - 1)
		if g.chance(30) {
			o["minContains"] = g.num(3)
		}
		if g.chance(30) {
			o["maxContains"] = g.num(3)
		}
	}
	if g.draft != 7 && g.chance(6) {
		o["unevaluatedItems"] = g.schema(deep - 1)
	}
}

func (g *schemaMaker) combine(o object, deep int) {
	var parts []any
	for range 1 + g.IntN(3) {
		parts = append(parts, g.schema(deep-1))
	}
	o[[]string{"anyOf", "oneOf", "allOf"}[g.IntN(3)]] = parts
}

// change makes one random change somewhere in the schema.
func (g *schemaMaker) change(v any) any {
	var all []object
	walkSchemas(v, "", func(_ string, s object) { all = append(all, s) })
	if len(all) == 0 {
		return g.schema(2)
	}
	s := all[g.IntN(len(all))]
	members, _ := s["properties"].(object)
	required, _ := s["required"].([]any)
	switch g.IntN(12) {
	case 0: // a new member
		if members == nil {
			members = object{}
			s["properties"] = members
		}
		members[g.name()] = g.schema(1)
	case 1: // a member less
		if len(members) > 0 {
			names := slices.Sorted(maps.Keys(members))
			delete(members, names[g.IntN(len(names))])
		}
	case 2: // demanded
		name := any(g.name())
		if !slices.Contains(required, name) {
			s["required"] = append(slices.Clone(required), name)
		}
	case 3:
		if len(required) > 0 {
			s["required"] = slices.Delete(slices.Clone(required), 0, 1)
		}
	case 4: // a keyword less
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(s)), func(n string) bool { return n == "$schema" || n == "$defs" || n == "definitions" })
		if len(names) > 0 {
			delete(s, names[g.IntN(len(names))])
		}
	case 5: // a keyword of another schema
		if o, ok := g.schema(2).(object); ok {
			for _, name := range slices.Sorted(maps.Keys(o)) {
				s[name] = o[name]
				break
			}
		}
	case 6: // numbers
		for _, name := range slices.Sorted(maps.Keys(s)) {
			if n, ok := s[name].(json.Number); ok && g.chance(60) {
				i, err := strconv.Atoi(string(n))
				if err == nil {
					s[name] = json.Number(strconv.Itoa(max(0, i+g.IntN(3)-1)))
				}
			}
		}
	case 7:
		if values, ok := s["enum"].([]any); ok {
			if g.chance(50) {
				v := g.value()
				if !slices.ContainsFunc(values, func(o any) bool { return equal(o, v) }) {
					s["enum"] = append(slices.Clone(values), v)
				}
			} else if len(values) > 1 {
				s["enum"] = values[1:]
			}
		}
	case 8:
		if _, ok := s["type"].(string); ok && g.chance(50) {
			s["type"] = []any{s["type"], "null"}
		} else if s["type"] == "integer" {
			s["type"] = "number"
		}
	case 9: // alternatives
		for _, keyword := range lists {
			if parts, ok := s[keyword].([]any); ok {
				if g.chance(50) {
					s[keyword] = append(slices.Clone(parts), g.schema(1))
				} else if len(parts) > 1 {
					s[keyword] = parts[1:]
				}
			}
		}
	case 10:
		for _, keyword := range lists {
			if parts, ok := s[keyword].([]any); ok {
				delete(s, keyword)
				s[lists[g.IntN(3)]] = parts
				break
			}
		}
	case 11:
		s["additionalProperties"] = []any{false, true, g.schema(1)}[g.IntN(3)]
	}
	return v
}

// documentMaker makes values that often fit a schema.
type documentMaker struct {
	*rand.Rand
	root any
}

func (d *documentMaker) any(deep int) any {
	switch n := d.IntN(10); {
	case n == 0 && deep > 0:
		l := []any{}
		for range d.IntN(4) {
			l = append(l, d.any(deep-1))
		}
		return l
	case n < 4 && deep > 0:
		o := object{}
		for range d.IntN(4) {
			o[string(rune('a'+d.IntN(5)))] = d.any(deep - 1)
		}
		return o
	}
	return []any{
		"x", "y", "ab", "b", "", "abc", json.Number("0"), json.Number("1"), json.Number("2"), json.Number("3"), json.Number("1.5"), json.Number("0.5"),
		json.Number("6"), true, false, nil, "z", "2025-10-18", "0b6a1f5e-5b1f-4a52-9d9e-0d5a4a1b2c3d",
	}[d.IntN(19)]
}

// valid is a value that may be valid for s.
func (d *documentMaker) valid(v any, deep int) any {
	s, ok := v.(object)
	if !ok || deep < 0 || d.IntN(40) == 0 {
		return d.any(max(deep, 0))
	}
	if ref, ok := s["$ref"].(string); ok {
		return d.valid(lookup(d.root, strings.TrimPrefix(ref, "#")), deep-1)
	}
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		if parts, ok := s[keyword].([]any); ok && len(parts) > 0 && (s["type"] == nil || d.IntN(2) == 0) {
			merged := object{}
			maps.Copy(merged, s)
			delete(merged, keyword)
			if o, ok := parts[d.IntN(len(parts))].(object); ok {
				for name, m := range o {
					if p, ok := merged[name].(object); ok && name == "properties" {
						q, _ := m.(object)
						both := maps.Clone(p)
						maps.Copy(both, q)
						m = both
					}
					merged[name] = m
				}
			}
			return d.valid(merged, deep-1)
		}
	}
	if c, ok := s["const"]; ok {
		return c
	}
	if e, ok := s["enum"].([]any); ok && len(e) > 0 {
		return e[d.IntN(len(e))]
	}
	kind, _ := s["type"].(string)
	if kinds, ok := s["type"].([]any); ok && len(kinds) > 0 {
		kind, _ = kinds[d.IntN(len(kinds))].(string)
	}
	members, hasMembers := s["properties"].(object)
	if kind == "" && (hasMembers || s["required"] != nil) {
		kind = "object"
	}
	switch kind {
	case "object":
		o := object{}
		required, _ := s["required"].([]any)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if slices.Contains(required, any(name)) || d.IntN(2) == 0 {
				o[name] = d.valid(members[name], deep-1)
			}
		}
		for _, name := range required {
			if n, ok := name.(string); ok && o[n] == nil && members[n] == nil {
				o[n] = d.any(1)
			}
		}
		if d.IntN(4) == 0 {
			name := string(rune('a' + d.IntN(5)))
			if _, there := o[name]; !there {
				o[name] = d.valid(s["additionalProperties"], deep-1)
			}
		}
		return o
	case "array":
		l := []any{}
		firsts, _ := s["prefixItems"].([]any)
		rest := s["items"]
		if list, ok := rest.([]any); ok {
			firsts, rest = list, s["additionalItems"]
		}
		for i := range d.IntN(4) {
			if i < len(firsts) {
				l = append(l, d.valid(firsts[i], deep-1))
			} else {
				l = append(l, d.valid(rest, deep-1))
			}
		}
		return l
	case "string":
		if s["format"] == "uuid" {
			return "0b6a1f5e-5b1f-4a52-9d9e-0d5a4a1b2c3d"
		}
		return []any{"x", "y", "ab", "b", "", "abc", "abcd", "2025-10-18"}[d.IntN(8)]
	case "integer", "number":
		if kind == "number" && d.IntN(3) == 0 {
			return json.Number([]string{"0.5", "1.5", "2.5", "0.25"}[d.IntN(4)])
		}
		return json.Number(strconv.Itoa(d.IntN(8) - 1))
	case "boolean":
		return d.IntN(2) == 0
	case "null":
		return nil
	}
	return d.any(deep)
}

// change makes one small change to a value.
func (d *documentMaker) change(v any) any {
	switch v := v.(type) {
	case object:
		names := slices.Sorted(maps.Keys(v))
		switch {
		case len(names) == 0 || d.IntN(4) == 0:
			v[string(rune('a'+d.IntN(5)))] = d.any(1)
		case d.IntN(3) == 0:
			delete(v, names[d.IntN(len(names))])
		default:
			name := names[d.IntN(len(names))]
			v[name] = d.change(v[name])
		}
		return v
	case []any:
		switch {
		case len(v) == 0 || d.IntN(3) == 0:
			return append(v, d.any(1))
		case d.IntN(3) == 0:
			return v[1:]
		}
		i := d.IntN(len(v))
		v[i] = d.change(v[i])
		return v
	}
	return d.any(1)
}
