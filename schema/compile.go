package schema

import (
	"encoding/json"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// anything is the schema without rules.
var anything = &node{free: true, kinds: isAny}

var plainText = textRules{plain: true, most: unlimited}

// compiler makes programs of the library's schemas.
type compiler struct {
	nodes map[*jsonschema.Schema]*node
	slow  []string // what is left to the library: pointers to keywords
}

// blank is a node that any value fits until rules are added.
func blank() *node {
	return &node{kinds: isAny, object: &anyObject, array: &anyArray, text: &plainText}
}

// compile is the program for s, the same one each time, so that references may come back to it.
func (c *compiler) compile(s *jsonschema.Schema) *node {
	if n, ok := c.nodes[s]; ok {
		return n
	}
	if s.Bool != nil {
		n := anything
		if !*s.Bool {
			n = &node{}
		}
		c.nodes[s] = n
		return n
	}
	n := blank()
	c.nodes[s] = n
	if s.DraftVersion < 7 {
		c.leave(n, s, isAny, "$schema")
		return n
	}
	c.types(n, s)
	c.constants(n, s)
	c.texts(n, s)
	c.numbers(n, s)
	c.objects(n, s)
	c.arrays(n, s)
	c.combine(n, s)
	n.more = n.only != nil || n.also != nil || n.anyOf != nil || n.oneOf != nil || n.not != nil || n.cond != nil
	n.free = n.kinds == isAny && n.opaque == 0 && !n.integer && !n.more && n.number == nil &&
		n.object == &anyObject && n.array == &anyArray && n.text == &plainText
	return n
}

// leave lets the library decide about values of some kinds because of a keyword.
func (c *compiler) leave(n *node, s *jsonschema.Schema, kinds uint8, keyword string) {
	n.opaque |= kinds
	_, fragment, _ := strings.Cut(s.Location, "#")
	if plain, err := url.PathUnescape(fragment); err == nil {
		fragment = plain
	}
	c.slow = append(c.slow, fragment+"/"+keyword)
}

var kindsOf = map[string]uint8{
	"object": isObject, "array": isArray, "string": isString, "number": isNumber, "integer": isNumber, "boolean": isBool, "null": isNull,
}

func (c *compiler) types(n *node, s *jsonschema.Schema) {
	if s.Types == nil || s.Types.IsEmpty() {
		return
	}
	names := s.Types.ToStrings()
	n.kinds = 0
	for _, name := range names {
		n.kinds |= kindsOf[name]
	}
	n.integer = slices.Contains(names, "integer") && !slices.Contains(names, "number")
}

func (c *compiler) constants(n *node, s *jsonschema.Schema) {
	if s.Enum != nil {
		n.keep(s.Enum.Values)
	}
	if s.Const == nil {
		return
	}
	if n.only == nil {
		n.keep([]any{*s.Const})
		return
	}
	n.also = append(n.also, constant(*s.Const))
}

// keep allows values only.
func (n *node) keep(values []any) {
	only := &constants{texts: map[string]bool{}}
	var kinds uint8
	for _, v := range values {
		switch v := v.(type) {
		case string:
			kinds |= isString
			only.texts[v] = true
		case bool:
			kinds |= isBool
			only.words = append(only.words, map[bool]string{true: "true", false: "false"}[v])
		case nil:
			kinds |= isNull
			only.words = append(only.words, "null")
		case json.Number:
			kinds |= isNumber
			d, ok := parseDecimal([]byte(v))
			only.numbers, only.hard = append(only.numbers, d), only.hard || !ok
		case map[string]any:
			kinds |= isObject
			only.nodes = append(only.nodes, constant(v))
		case []any:
			kinds |= isArray
			only.nodes = append(only.nodes, constant(v))
		default:
			kinds |= isAny
			n.opaque = isAny
		}
	}
	n.only, n.more = only, true
	n.kinds &= kinds
}

// constant is the program for exactly v.
func constant(v any) *node {
	n := blank()
	switch v := v.(type) {
	case map[string]any:
		n.kinds = isObject
		if len(v) > maxMembers {
			n.opaque = isObject
			return n
		}
		o := &objectRules{most: unlimited}
		members := newMembers()
		for _, name := range slices.Sorted(maps.Keys(v)) {
			m := members.named(name)
			m.node = constant(v[name])
			o.required.set(m.bit)
		}
		o.members = members.table()
		n.object = o
	case []any:
		n.kinds = isArray
		a := &arrayRules{least: len(v), most: len(v)}
		for _, item := range v {
			a.prefix = append(a.prefix, constant(item))
		}
		n.array = a
	default:
		n.keep([]any{v})
	}
	return n
}

func (c *compiler) texts(n *node, s *jsonschema.Schema) {
	if s.MinLength == nil && s.MaxLength == nil && s.Pattern == nil && s.Format == nil {
		return
	}
	const far = 1 << 40
	t := &textRules{least: min(orElse(s.MinLength, 0), far), most: orElse(s.MaxLength, unlimited)}
	if s.Pattern != nil {
		t.exact, _ = s.Pattern.(*regexp.Regexp)
		t.pattern = compilePattern(s.Pattern.String())
		if t.exact == nil {
			c.leave(n, s, isString, "pattern")
		}
	}
	if f := s.Format; f != nil {
		t.format = quickFormats[f.Name]
		t.valid = func(text string) bool { return f.Validate(text) == nil }
	}
	n.text = t
}

func orElse(n *int, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return *n
}

func (c *compiler) numbers(n *node, s *jsonschema.Schema) {
	var rules numberRules
	ruled := false
	for _, bound := range []struct {
		keyword string
		is      *big.Rat
		to      **decimal
	}{
		{"minimum", s.Minimum, &rules.least},
		{"maximum", s.Maximum, &rules.most},
		{"exclusiveMinimum", s.ExclusiveMinimum, &rules.above},
		{"exclusiveMaximum", s.ExclusiveMaximum, &rules.below},
		{"multipleOf", s.MultipleOf, &rules.multiple},
	} {
		if bound.is == nil {
			continue
		}
		d, ok := decimalOf(bound.is)
		if !ok {
			c.leave(n, s, isNumber, bound.keyword)
			continue
		}
		*bound.to, ruled = &d, true
	}
	if ruled {
		n.number = &rules
	}
}

func (c *compiler) arrays(n *node, s *jsonschema.Schema) {
	a := arrayRules{items: anything, least: orElse(s.MinItems, 0), most: orElse(s.MaxItems, unlimited), unique: s.UniqueItems}
	ruled := s.MinItems != nil || s.MaxItems != nil || s.UniqueItems
	prefix := s.PrefixItems
	switch items := s.Items.(type) {
	case *jsonschema.Schema:
		a.items, ruled = c.compile(items), true
	case []*jsonschema.Schema:
		prefix = items
		switch rest := s.AdditionalItems.(type) {
		case bool:
			if !rest {
				a.items = nil
			}
		case *jsonschema.Schema:
			a.items = c.compile(rest)
		}
	}
	if s.Items2020 != nil {
		a.items, ruled = c.compile(s.Items2020), true
	}
	for _, item := range prefix {
		a.prefix = append(a.prefix, c.compile(item))
	}
	if s.Contains != nil {
		a.contains = c.compile(s.Contains)
		a.few, a.many = orElse(s.MinContains, 1), orElse(s.MaxContains, unlimited)
	}
	if ruled || a.prefix != nil || a.contains != nil {
		n.array = &a
	}
	if s.UnevaluatedItems != nil {
		c.leave(n, s, isArray, "unevaluatedItems")
	}
}

// members are the names that the rules for an object know.
type members struct {
	byName map[string]*member
	order  []*member
}

func newMembers() *members { return &members{byName: map[string]*member{}} }

// named is the member called name; beyond maxMembers it shares the bit of another, which must not be used.
func (m *members) named(name string) *member {
	known, ok := m.byName[name]
	if !ok {
		known = &member{name: name, hash: hashOf([]byte(name)), bit: len(m.order) % maxMembers}
		m.byName[name] = known
		m.order = append(m.order, known)
	}
	return known
}

func (m *members) mask(names []string) (all bitset) {
	for _, name := range names {
		all.set(m.named(name).bit)
	}
	return all
}

func (m *members) table() table {
	all := make([]member, len(m.order))
	for i, known := range m.order {
		all[i] = *known
	}
	return newTable(all)
}

func (c *compiler) objects(n *node, s *jsonschema.Schema) {
	o := &objectRules{additional: anything, least: orElse(s.MinProperties, 0), most: orElse(s.MaxProperties, unlimited)}
	known := newMembers()
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		known.named(name).node = c.compile(s.Properties[name])
	}
	if !c.patterns(o, s.PatternProperties) {
		c.leave(n, s, isObject, "patternProperties")
	}
	switch a := s.AdditionalProperties.(type) {
	case bool:
		if !a {
			o.additional = nil
		}
	case *jsonschema.Schema:
		o.additional = c.compile(a)
	}
	o.required = known.mask(s.Required)
	if s.PropertyNames != nil {
		o.names = c.compile(s.PropertyNames)
	}
	if c.requiredOnly(s.AnyOf) {
		for _, branch := range s.AnyOf {
			o.anyRequired = append(o.anyRequired, known.mask(branch.Required))
		}
	}
	c.dependents(o, known, s)
	o.members = known.table()
	if len(known.order) > maxMembers {
		c.leave(n, s, isObject, "properties")
		return
	}
	if len(known.order) > 0 || o.patterns != nil || o.additional != anything || o.names != nil || s.MinProperties != nil || s.MaxProperties != nil {
		n.object = o
	}
}

func (c *compiler) patterns(o *objectRules, of map[jsonschema.Regexp]*jsonschema.Schema) bool {
	for match, s := range of {
		re, ok := match.(*regexp.Regexp)
		if !ok {
			return false
		}
		o.patterns = append(o.patterns, patternRule{re, c.compile(s)})
	}
	slices.SortFunc(o.patterns, func(a, b patternRule) int { return strings.Compare(a.match.String(), b.match.String()) })
	return true
}

func (c *compiler) dependents(o *objectRules, known *members, s *jsonschema.Schema) {
	add := func(name string, also []string, then *jsonschema.Schema) {
		d := dependent{bit: known.named(name).bit, also: known.mask(also)}
		if then != nil {
			d.node = c.compile(then)
		}
		o.dependents = append(o.dependents, d)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Dependencies)) {
		switch d := s.Dependencies[name].(type) {
		case []string:
			add(name, d, nil)
		case *jsonschema.Schema:
			add(name, nil, d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.DependentRequired)) {
		add(name, s.DependentRequired[name], nil)
	}
	for _, name := range slices.Sorted(maps.Keys(s.DependentSchemas)) {
		add(name, nil, s.DependentSchemas[name])
	}
}

// requiredOnly reports whether the branches say nothing but which members must be there.
func (c *compiler) requiredOnly(branches []*jsonschema.Schema) bool {
	for _, b := range branches {
		n := c.compile(b)
		o := n.object
		if n.kinds != isAny || n.opaque != 0 || n.integer || n.more || n.array != &anyArray || n.text != &plainText || n.number != nil ||
			o == &anyObject || o.patterns != nil || o.additional != anything || o.names != nil || o.least > 0 || o.most < unlimited ||
			o.anyRequired != nil || o.dependents != nil || slices.ContainsFunc(o.members.places, func(m member) bool { return m.node != nil }) {
			return false
		}
	}
	return branches != nil
}

func (c *compiler) combine(n *node, s *jsonschema.Schema) {
	all := func(of []*jsonschema.Schema) (nodes []*node) {
		for _, s := range of {
			nodes = append(nodes, c.compile(s))
		}
		return nodes
	}
	if s.Ref != nil {
		n.also = append(n.also, c.compile(s.Ref))
	}
	n.also = append(n.also, all(s.AllOf)...)
	if !c.requiredOnly(s.AnyOf) {
		n.anyOf = all(s.AnyOf)
	}
	n.oneOf = all(s.OneOf)
	n.chosen = c.discriminator(s.OneOf)
	if s.Not != nil {
		n.not = c.compile(s.Not)
	}
	if s.If != nil {
		n.cond = c.compile(s.If)
		if s.Then != nil {
			n.then = c.compile(s.Then)
		}
		if s.Else != nil {
			n.otherwise = c.compile(s.Else)
		}
	}
	if s.UnevaluatedProperties != nil {
		n.also = append(n.also, c.unevaluated(n, s))
	}
	if s.RecursiveRef != nil {
		c.leave(n, s, isAny, "$recursiveRef")
	}
	if s.DynamicRef != nil {
		c.leave(n, s, isAny, "$dynamicRef")
	}
	if s.Extensions != nil || s.ContentEncoding != nil || s.ContentMediaType != nil {
		c.leave(n, s, isAny, "$vocabulary")
	}
}

// unevaluated is the program for unevaluatedProperties: the members that rules without conditions look at are free, and about
// others only the library can tell where there are conditions as well.
func (c *compiler) unevaluated(n *node, s *jsonschema.Schema) *node {
	e := evaluated{names: newMembers(), patterns: map[jsonschema.Regexp]*jsonschema.Schema{}, seen: map[*jsonschema.Schema]bool{}}
	e.look(s, true)
	if e.all {
		return anything
	}
	u := blank()
	o := &objectRules{most: unlimited, additional: c.compile(s.UnevaluatedProperties)}
	if e.conditional {
		o.additional = blank()
		c.leave(o.additional, s, isAny, "unevaluatedProperties")
	}
	for _, m := range e.names.order {
		m.node = anything
	}
	if len(e.names.order) > maxMembers || !c.patterns(o, e.patterns) {
		c.leave(n, s, isObject, "unevaluatedProperties")
		return anything
	}
	o.members = e.names.table()
	u.object = o
	return u
}

// evaluated is what the rules for an object look at.
type evaluated struct {
	names       *members
	patterns    map[jsonschema.Regexp]*jsonschema.Schema
	all         bool
	conditional bool // and more than that, depending on the object
	seen        map[*jsonschema.Schema]bool
}

var freeSchema = &jsonschema.Schema{Bool: new(true)}

func (e *evaluated) look(s *jsonschema.Schema, outermost bool) {
	if e.seen[s] {
		return
	}
	e.seen[s] = true
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		e.names.named(name)
	}
	for p := range s.PatternProperties {
		e.patterns[p] = freeSchema
	}
	e.all = e.all || s.AdditionalProperties != nil || !outermost && s.UnevaluatedProperties != nil
	e.conditional = e.conditional || s.AnyOf != nil || s.OneOf != nil || s.If != nil || len(s.DependentSchemas) > 0 || len(s.Dependencies) > 0 ||
		s.DynamicRef != nil || s.RecursiveRef != nil || s.DraftVersion < 2019
	if s.Ref != nil {
		e.look(s.Ref, false)
	}
	for _, part := range s.AllOf {
		e.look(part, false)
	}
}

// discriminator finds a member of which every branch demands other texts.
func (c *compiler) discriminator(branches []*jsonschema.Schema) *discriminator {
	if len(branches) < 2 {
		return nil
	}
	first := target(branches[0])
next:
	for _, name := range slices.Sorted(slices.Values(first.Required)) {
		d := &discriminator{name: name, branches: map[string]*node{}}
		for _, b := range branches {
			texts := demanded(target(b), name)
			if texts == nil {
				continue next
			}
			for _, text := range texts {
				if d.branches[text] != nil {
					continue next
				}
				d.branches[text] = c.compile(b)
			}
		}
		return d
	}
	return nil
}

// target follows references that stand alone.
func target(s *jsonschema.Schema) *jsonschema.Schema {
	for range 8 {
		if s.Ref == nil || s.Properties != nil {
			break
		}
		s = s.Ref
	}
	return s
}

// demanded are the texts that s allows for the member called name, which it demands; nil where it does not or allows others.
func demanded(s *jsonschema.Schema, name string) []string {
	p := s.Properties[name]
	if p == nil || !slices.Contains(s.Required, name) || s.Bool != nil {
		return nil
	}
	p = target(p)
	var values []any
	switch {
	case p.Const != nil:
		values = []any{*p.Const}
	case p.Enum != nil:
		values = p.Enum.Values
	}
	var texts []string
	for _, v := range values {
		text, ok := v.(string)
		if !ok {
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}
