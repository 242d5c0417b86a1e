package schema

import (
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// What is spent on counter-examples: breaking differences that get one tried, values tried for each, and how large they may be.
const (
	maxIllustrated = 32
	maxTries       = 96
	maxSampleSize  = 4096
)

// illustrate gives breaking differences a counter-example where one is found among what is easily made up: a document that
// the oracle accepts for the writer and refuses for the reader, for a reason at the place of the difference.
func (c *comparison) illustrate() {
	if c.failed != nil {
		return
	}
	w, err := c.writer.compile("")
	if err != nil {
		return
	}
	r, err := c.reader.compile("")
	if err != nil {
		return
	}
	e := illustrator{comparison: c, w: w, r: r}
	e.steps = 0
	bases := e.bases()
	left := maxIllustrated
	for i, d := range c.out {
		if d.Breaking && left > 0 && d.Type != TooComplex {
			left--
			c.out[i].CounterExample = e.counterExample(d, bases)
		}
	}
}

type illustrator struct {
	*comparison
	w, r *jsonschema.Schema
}

// bases are documents of the writer to begin with: the author's examples, and two that are made up.
func (e *illustrator) bases() []any {
	root := []subschema{{doc: e.writer, v: e.writer.root}}
	var all []any
	if examples, ok := root[0].keywords()["examples"].([]any); ok {
		all = append(all, examples[:min(len(examples), 3)]...)
	}
	for _, full := range []bool{false, true} {
		s := sampler{comparison: e.comparison, full: full}
		all = append(all, s.sample(root, 0))
	}
	return all
}

// place is a step from a value to one within: a member's name, or an item's index.
type place struct {
	name string
	item int // -1 for members
}

// way is where in a document the schema at path speaks, and what each side says there.
func (e *illustrator) way(path string) (to []place, w, r []subschema) {
	w, r = []subschema{{doc: e.writer, v: e.writer.root}}, []subschema{{doc: e.reader, v: e.reader.root}}
	member := func(name string) {
		to = append(to, place{name, -1})
		w, r = e.under(w, name), e.under(r, name)
	}
	item := func(i int) {
		to = append(to, place{"", i})
		w, r = e.itemUnder(w, i), e.itemUnder(r, i)
	}
	tokens := strings.Split(strings.TrimPrefix(path, "#"), "/")[1:]
	for i := 0; i < len(tokens); i++ {
		next := ""
		if i+1 < len(tokens) {
			next = strings.ReplaceAll(strings.ReplaceAll(tokens[i+1], "~1", "/"), "~0", "~")
		}
		index, err := strconv.Atoi(next)
		switch tokens[i] {
		case "properties":
			i++
			member(next)
		case "items", "prefixItems":
			if err == nil {
				i++
			} else {
				index = 0
			}
			item(index)
		case "additionalItems":
			if i+1 < len(tokens) {
				item(max(e.longest(e.flat(w)), e.longest(e.flat(r))))
			}
		case "additionalProperties":
			if i+1 < len(tokens) || len(e.others(e.flat(w))) > 0 {
				member("extra")
			}
		case "allOf", "anyOf", "oneOf":
			i++
		case "$ref", "dependencies", "dependentSchemas", "then", "else":
		default:
			return to, w, r
		}
	}
	return to, w, r
}

func (c *comparison) flat(w []subschema) []subschema {
	flat, _ := c.expand(w)
	// Alternatives add to what can be found below, though not all of them hold.
	for _, n := range flat {
		for _, keyword := range []string{"anyOf", "oneOf"} {
			for _, b := range n.list(keyword) {
				more, _ := c.expand([]subschema{b})
				flat = append(flat, more...)
			}
		}
	}
	return flat
}

func (c *comparison) under(w []subschema, name string) []subschema {
	schemas, _ := c.memberOf(c.flat(w), name)
	return schemas
}

func (c *comparison) itemUnder(w []subschema, i int) []subschema { return c.itemOf(c.flat(w), i) }

// nothing stands for a member that is taken away.
type nothing struct{}

func (e *illustrator) counterExample(d Difference, bases []any) []byte {
	to, w, r := e.way(d.Path)
	tries := 0
	var candidates []any
	if len(to) > 0 && to[len(to)-1].item < 0 {
		candidates = append(candidates, nothing{})
	}
	candidates = append(candidates, e.values(w, r)...)
	for _, base := range bases {
		for _, v := range append([]any{nil}, candidates...) {
			if tries++; tries > maxTries*len(bases) {
				return nil
			}
			doc := copied(base)
			if tries%(len(candidates)+1) != 1 { // the first is the base as it is
				var ok bool
				if doc, ok = e.put(doc, to, []subschema{{doc: e.writer, v: e.writer.root}}, v); !ok {
					continue
				}
			}
			if b := e.proves(d, doc, to); b != nil {
				return b
			}
		}
	}
	return nil
}

// proves is doc as JSON where the writer's schema allows it and the reader's refuses it at the place to, or within, or for its
// absence.
func (e *illustrator) proves(d Difference, doc any, to []place) (b []byte) {
	defer func() {
		if recover() != nil {
			b = nil
		}
	}()
	if e.w.Validate(doc) != nil {
		return nil
	}
	var ve *jsonschema.ValidationError
	if !errors.As(e.r.Validate(doc), &ve) {
		return nil
	}
	names := make([]string, len(to))
	for i, p := range to {
		if names[i] = p.name; p.item >= 0 {
			names[i] = strconv.Itoa(p.item)
		}
	}
	at := pointer(names)
	last := d.Path[strings.LastIndexByte(d.Path, '/')+1:]
	_, rule := keywords[last]
	rule = rule && !slices.Contains([]string{"items", "additionalProperties", "not", "contains", "oneOf", "anyOf", "enum", "const"}, last) &&
		!strings.HasSuffix(d.Path, "properties/"+last)
	there := func(v Violation) bool {
		if rule && v.Rule != last || v.Rule == "required" && v.Pointer == at && !strings.HasPrefix(d.Type, "REQUIRED_") {
			return false
		}
		return v.Pointer == at || strings.HasPrefix(v.Pointer, at+"/") || v.Pointer == "" || strings.HasPrefix(at, v.Pointer+"/")
	}
	var invalid *Invalid
	if !errors.As(violations(ve, ""), &invalid) || !there(invalid.Violation) && !slices.ContainsFunc(invalid.Others, there) {
		return nil
	}
	b, err := jsonx.Marshal(doc)
	if err != nil || len(b) > maxSampleSize {
		return nil
	}
	return b
}

// put is doc with v at the place; what is missing on the way is made up from w.
func (e *illustrator) put(doc any, to []place, w []subschema, v any) (any, bool) {
	if len(to) == 0 {
		_, gone := v.(nothing)
		return copied(v), !gone
	}
	p := to[0]
	if p.item >= 0 {
		list, ok := doc.([]any)
		if !ok {
			list = nil
		}
		for len(list) <= p.item {
			s := sampler{comparison: e.comparison}
			list = append(list, s.sample(e.itemUnder(w, len(list)), 1))
		}
		item, ok := e.put(list[p.item], to[1:], e.itemUnder(w, p.item), v)
		list[p.item] = item
		return list, ok
	}
	o, ok := doc.(object)
	if !ok {
		s := sampler{comparison: e.comparison}
		if o, ok = s.sample(w, 1).(object); !ok {
			return nil, false
		}
	}
	if _, gone := v.(nothing); gone && len(to) == 1 {
		_, there := o[p.name]
		delete(o, p.name)
		return o, there
	}
	below := e.under(w, p.name)
	member, there := o[p.name]
	if !there && len(to) > 1 {
		s := sampler{comparison: e.comparison}
		member = s.sample(below, 1)
	}
	member, ok = e.put(member, to[1:], below, v)
	o[p.name] = member
	return o, ok
}

func copied(v any) any {
	switch v := v.(type) {
	case object:
		o := maps.Clone(v)
		for name, m := range o {
			o[name] = copied(m)
		}
		return o
	case []any:
		l := slices.Clone(v)
		for i := range l {
			l[i] = copied(l[i])
		}
		return l
	}
	return v
}

// values are values to try where the writer keeps to w and the reader to r: those that are named, those at the edge, and one of
// every kind.
func (e *illustrator) values(w, r []subschema) []any {
	from, to := e.flat(w), e.flat(r)
	var all []any
	for _, n := range slices.Concat(from, to) {
		values, _ := listed(n)
		all = append(all, values...)
		for _, keyword := range []string{"examples"} {
			if examples, ok := n.keywords()[keyword].([]any); ok {
				all = append(all, examples...)
			}
		}
		if v, ok := n.keywords()["default"]; ok {
			all = append(all, v)
		}
		all = append(all, edges(n)...)
	}
	for _, full := range []bool{false, true} {
		s := sampler{comparison: e.comparison, full: full}
		sample := s.sample(w, 1)
		all = append(all, sample)
		switch v := sample.(type) {
		case object:
			for _, name := range e.demanded(to) {
				less := maps.Clone(v)
				delete(less, name)
				all = append(all, less)
			}
			for _, name := range []string{"extra", "Extra-1"} {
				if v[name] == nil {
					for _, extra := range []any{"x", json.Number("1"), nil, object{}} {
						more := maps.Clone(v)
						more[name] = extra
						all = append(all, more)
					}
				}
			}
		case []any:
			all = append(all, append(slices.Clone(v), "x"), append(slices.Clone(v), v...))
			for _, n := range slices.Concat(from, to) {
				for _, keyword := range []string{"minItems", "maxItems"} {
					if q, ok := n.number(keyword); ok {
						all = append(all, e.lists(w, q)...)
					}
				}
			}
		}
	}
	all = append(all, "x", "", json.Number("1.5"), json.Number("1"), json.Number("0"), json.Number("-1"), true, false, nil, object{}, []any{}, []any{"x", "x"},
		"another text, which is a little longer")
	if len(all) > maxTries {
		all = all[:maxTries]
	}
	return all
}

// lists are arrays of about n items.
func (e *illustrator) lists(w []subschema, n json.Number) []any {
	size, err := strconv.Atoi(string(n))
	if err != nil || size > 64 {
		return nil
	}
	var all []any
	for length := max(0, size-1); length <= size+1; length++ {
		l := []any{}
		for i := range length {
			s := sampler{comparison: e.comparison}
			l = append(l, s.sample(e.itemUnder(w, i), 1))
		}
		all = append(all, l)
	}
	return all
}

// edges are values at the edges of what the bounds of n allow.
func edges(n subschema) []any {
	var all []any
	for _, keyword := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} {
		v, ok := n.number(keyword)
		if !ok {
			continue
		}
		all = append(all, v)
		if q := exact(v); q != nil {
			for _, off := range []*big.Rat{big.NewRat(-1, 1), big.NewRat(1, 1), big.NewRat(-1, 2), big.NewRat(1, 2)} {
				all = append(all, decimalText(new(big.Rat).Add(q, off)))
			}
		}
	}
	for _, keyword := range []string{"minLength", "maxLength"} {
		v, ok := n.number(keyword)
		if !ok {
			continue
		}
		size, err := strconv.Atoi(string(v))
		if err != nil || size >= maxSampleSize {
			continue
		}
		for _, length := range []int{size, size + 1, size - 1} {
			all = append(all, strings.Repeat("x", max(0, length)))
		}
	}
	return all
}

// decimalText writes q as JSON, rounded where it has no end.
func decimalText(q *big.Rat) json.Number {
	if q.IsInt() {
		return json.Number(q.Num().String())
	}
	return json.Number(strings.TrimRight(q.FloatString(12), "0"))
}

// sampler makes up values that are likely to be allowed.
type sampler struct {
	*comparison
	full bool // with members that need not be there
}

// sample is a value that is likely to be allowed by all of w.
func (s *sampler) sample(w []subschema, deep int) any {
	flat, _ := s.expand(w)
	if deep > 12 || s.steps > maxComparisons {
		return object{}
	}
	for _, n := range flat {
		for _, keyword := range []string{"anyOf", "oneOf"} {
			if branches := n.list(keyword); len(branches) > 0 {
				more, _ := s.expand(branches[:1])
				flat = append(flat, more...)
			}
		}
	}
	for _, n := range flat {
		if values, ok := listed(n); ok && len(values) > 0 {
			for _, v := range values {
				if s.fitsAll(v, flat) {
					return v
				}
			}
			return values[0]
		}
	}
	for _, n := range flat {
		examples, _ := n.keywords()["examples"].([]any)
		for _, v := range examples {
			if s.fitsAll(v, flat) {
				return v
			}
		}
		if v, ok := n.keywords()["default"]; ok && s.fitsAll(v, flat) {
			return v
		}
	}
	kinds := s.kinds(flat)
	asks := func(keyword string) bool {
		return slices.ContainsFunc(flat, func(n subschema) bool { return n.has(keyword) })
	}
	switch {
	case kinds&objectKind != 0 && (kinds == objectKind || asks("properties") || asks("required") || deep == 0):
		return s.object(flat, deep)
	case kinds&stringKind != 0:
		return s.text(flat)
	case kinds&(integerKind|fractionKind) != 0:
		return s.number(flat)
	case kinds&arrayKind != 0:
		l := []any{}
		for i := range min(s.fewest(flat), 16) {
			l = append(l, s.sample(s.itemOf(flat, i), deep+1))
		}
		if s.full && len(l) == 0 && s.most(flat) != 0 {
			l = append(l, s.sample(s.itemOf(flat, 0), deep+1))
		}
		return l
	case kinds&objectKind != 0:
		return s.object(flat, deep)
	case kinds&boolKind != 0:
		return true
	}
	return nil
}

func (s *sampler) fitsAll(v any, w []subschema) bool {
	return !slices.ContainsFunc(w, func(n subschema) bool {
		s.steps++
		ok, sure := n.accepts(v)
		return sure && !ok
	})
}

func (s *sampler) object(w []subschema, deep int) object {
	names := s.demanded(w)
	if s.full && deep < 6 {
		all, _ := s.spoken(w)
		names = append(names, all...)
	}
	o := object{}
	for _, name := range names {
		schemas, _ := s.memberOf(w, name)
		if _, there := o[name]; !there && !s.impossible(schemas) {
			o[name] = s.sample(schemas, deep+1)
		}
	}
	return o
}

func (s *sampler) text(w []subschema) string {
	least := 0
	candidates := []string{}
	for _, n := range w {
		if v, ok := n.number("minLength"); ok {
			if size, err := strconv.Atoi(string(v)); err == nil && size < maxSampleSize {
				least = max(least, size)
			}
		}
		switch text(n.keywords(), "format") {
		case "uuid":
			candidates = append(candidates, "3f2b8c9e-5a1d-4e7b-9c3f-1a2b3c4d5e6f")
		case "date-time":
			candidates = append(candidates, "2025-10-18T10:00:00.000Z")
		case "date":
			candidates = append(candidates, "2025-10-18")
		case "time":
			candidates = append(candidates, "10:00:00Z")
		case "email":
			candidates = append(candidates, "a@example.com")
		case "uri", "iri", "uri-reference", "iri-reference":
			candidates = append(candidates, "https://example.com/")
		case "hostname":
			candidates = append(candidates, "example.com")
		case "ipv4":
			candidates = append(candidates, "192.0.2.1")
		case "semver":
			candidates = append(candidates, "1.0.0")
		}
	}
	candidates = append(
		candidates,
		strings.Repeat("x", max(least, 1)), strings.Repeat("0", max(least, 1)), strings.Repeat("a", max(least, 1)), strings.Repeat("A", max(least, 1)), "",
		"1.0.0", strings.Repeat("0", 16), strings.Repeat("0", 32), strings.Repeat("0", 40), strings.Repeat("0", 64), "3f2b8c9e-5a1d-4e7b-9c3f-1a2b3c4d5e6f",
	)
	for _, t := range candidates {
		if s.fitsAll(t, w) {
			return t
		}
	}
	return candidates[0]
}

func (s *sampler) number(w []subschema) json.Number {
	candidates := []any{json.Number("0"), json.Number("1")}
	for _, n := range w {
		candidates = append(candidates, edges(n)...)
	}
	for _, v := range candidates {
		if q, ok := v.(json.Number); ok && s.fitsAll(q, w) {
			return q
		}
	}
	return "0"
}
