package schema

import (
	"bytes"
	"math/big"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// node is a schema as a program over the bytes: one pass, nothing allocated. It may only say yes. "Not yes" means invalid or
// too hard to tell, and the library then decides, so a doubt costs time and never correctness.
type node struct {
	free    bool // no rules at all
	kinds   uint8
	integer bool // numbers must be whole

	members       map[string]declared
	required      uint64   // members by their bit
	anyRequired   []uint64 // one of these must be there whole
	additional    *node    // nil: what members lacks is refused
	minMembers    int
	maxMembers    int
	items         *node
	minItems      int
	maxItems      int
	minLen        int
	maxLen        int
	strings       map[string]bool // enum and const
	pattern       *pattern
	slowPattern   *regexp.Regexp
	format        func(text []byte) bool
	bounded       bool
	least, most   float64
	beyond, below bool // whether least and most are themselves excluded
}

type declared struct {
	bit     uint64
	node    *node
	payload bool // the place of this one is wanted
}

const (
	isObject uint8 = 1 << iota
	isArray
	isString
	isNumber
	isBool
	isNull
	isAny = isObject | isArray | isString | isNumber | isBool | isNull
)

const unlimited = int(^uint(0) >> 1)

// run is one reading of a value.
type run struct {
	*jsonx.Reader
	payload [2]int // where the member "payload" of the outermost object lies, with the white space before it
}

// accepts reports whether value is surely strict JSON that follows the schema, and finds its payload.
func (n *node) accepts(value []byte, limits jsonx.Limits) (payload []byte, ok bool) {
	r := run{Reader: jsonx.NewReader(value, limits)}
	defer r.Free()
	ok = n.read(&r) && r.End() == nil
	return bytes.TrimLeft(value[r.payload[0]:r.payload[1]], " \t\r\n:"), ok
}

func (n *node) read(r *run) bool {
	if n.free {
		return r.Skip() == nil
	}
	kind := r.Peek()
	if n.kinds&kindBit(kind) == 0 {
		return false
	}
	piece, err := r.Next()
	if err != nil {
		return false
	}
	switch kind {
	case '{':
		return n.object(r)
	case '[':
		return n.array(r)
	case '"':
		return n.string(piece)
	case '0':
		return n.number(piece)
	}
	return true
}

func kindBit(kind byte) uint8 {
	switch kind {
	case '{':
		return isObject
	case '[':
		return isArray
	case '"':
		return isString
	case '0':
		return isNumber
	case 't', 'f':
		return isBool
	case 'n':
		return isNull
	}
	return 0
}

func (n *node) object(r *run) bool {
	var seen uint64
	count := 0
	for r.Peek() != '}' {
		name, err := r.Next()
		if err != nil {
			return false
		}
		count++
		inner := name[1 : len(name)-1]
		m, ok := n.members[string(inner)]
		if bytes.IndexByte(inner, '\\') >= 0 {
			m, ok = n.members[jsonx.Text(name)]
		}
		child := n.additional
		if ok {
			seen |= m.bit
			child = m.node
		}
		start := r.Offset()
		if child == nil || !child.read(r) {
			return false
		}
		if m.payload {
			r.payload = [2]int{start, r.Offset()}
		}
	}
	if _, err := r.Next(); err != nil {
		return false
	}
	if seen&n.required != n.required || count < n.minMembers || count > n.maxMembers {
		return false
	}
	for _, mask := range n.anyRequired {
		if seen&mask == mask {
			return true
		}
	}
	return n.anyRequired == nil
}

func (n *node) array(r *run) bool {
	count := 0
	for r.Peek() != ']' {
		if count++; count > n.maxItems || !n.items.read(r) {
			return false
		}
	}
	_, err := r.Next()
	return err == nil && count >= n.minItems
}

func (n *node) string(quoted []byte) bool {
	s := quoted[1 : len(quoted)-1]
	if !n.length(s) {
		return false
	}
	if n.strings == nil && n.pattern == nil && n.slowPattern == nil && n.format == nil {
		return true
	}
	if bytes.IndexByte(s, '\\') >= 0 {
		s = []byte(jsonx.Text(quoted))
	}
	return (n.strings == nil || n.strings[string(s)]) &&
		(n.pattern == nil || n.pattern.match(s)) &&
		(n.slowPattern == nil || n.slowPattern.Match(s)) &&
		(n.format == nil || n.format(s))
}

// length reports whether s, escapes included, surely has a legal number of characters. An escape is never shorter than its
// character.
func (n *node) length(s []byte) bool {
	if len(s) <= n.maxLen && len(s) >= n.minLen && n.minLen <= 1 {
		return true
	}
	if bytes.IndexByte(s, '\\') >= 0 {
		return false
	}
	c := utf8.RuneCount(s)
	return c >= n.minLen && c <= n.maxLen
}

func (n *node) number(v []byte) bool {
	if !n.integer && !n.bounded {
		return true
	}
	f, whole, ok := decimal(v)
	if !ok || n.integer && !whole {
		return false
	}
	return !n.bounded || f >= n.least && f <= n.most && !(n.beyond && f == n.least) && !(n.below && f == n.most)
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// decimal reads numbers of at most 15 digits without exponent, for which a double is as good as the decimal: two that differ
// are different doubles in the same order.
func decimal(v []byte) (f float64, whole, ok bool) {
	var m int64
	digits, fraction := 0, 0
	whole = true
	for i, c := range v {
		switch {
		case c == '-' && i == 0:
		case c == '.':
			whole = false
		case c >= '0' && c <= '9':
			m = m*10 + int64(c-'0')
			digits++
			if !whole {
				fraction++
			}
		default:
			return 0, false, false
		}
	}
	if digits > 15 {
		return 0, false, false
	}
	f = float64(m) / powers[fraction]
	if v[0] == '-' {
		f = -f
	}
	return f, whole, true
}

// program compiles s, or returns nil where s uses what the program does not know.
func program(s *jsonschema.Schema) *node {
	c := quickCompiler{nodes: map[*jsonschema.Schema]*node{}, ok: true}
	n := c.compile(s)
	if !c.ok {
		return nil
	}
	if m, ok := n.members["payload"]; ok {
		m.payload = true
		n.members["payload"] = m
	}
	return n
}

type quickCompiler struct {
	nodes map[*jsonschema.Schema]*node
	ok    bool
}

// anything is the schema without rules.
func anything() *node {
	n := &node{free: true, kinds: isAny, maxMembers: unlimited, maxItems: unlimited, maxLen: unlimited}
	n.additional, n.items = n, n
	return n
}

func (c *quickCompiler) compile(s *jsonschema.Schema) *node {
	if n, ok := c.nodes[s]; ok {
		return n
	}
	n := anything()
	c.nodes[s] = n
	if s.Bool != nil {
		n.free = *s.Bool
		if !*s.Bool {
			n.kinds = 0
		}
		return n
	}
	n.free = s.Ref == nil && bare(s)
	if s.Ref != nil && bare(s) {
		delete(c.nodes, s)
		if loop := s.Ref == s || s.Ref.Ref != nil; loop {
			c.ok = false
			return n
		}
		return c.compile(s.Ref)
	}
	if s.Ref != nil || beyondProgram(s) {
		c.ok = false
		return n
	}
	c.kinds(n, s)
	c.members(n, s)
	set := func(to, from *int) {
		if from != nil {
			*to = *from
		}
	}
	set(&n.minMembers, s.MinProperties)
	set(&n.maxMembers, s.MaxProperties)
	set(&n.minItems, s.MinItems)
	set(&n.maxItems, s.MaxItems)
	set(&n.minLen, s.MinLength)
	set(&n.maxLen, s.MaxLength)
	if s.Items2020 != nil {
		n.items = c.compile(s.Items2020)
	}
	if items, ok := s.Items.(*jsonschema.Schema); ok {
		n.items = c.compile(items)
	}
	if s.Pattern != nil {
		re, ok := s.Pattern.(*regexp.Regexp)
		c.ok = c.ok && ok
		if n.pattern = compilePattern(s.Pattern.String()); n.pattern == nil {
			n.slowPattern = re
		}
	}
	if s.Format != nil {
		n.format = quickFormat(s.Format)
	}
	c.bounds(n, s)
	return n
}

// bare reports whether s says nothing of the value but its $ref.
func bare(s *jsonschema.Schema) bool {
	return s.Types == nil && s.Enum == nil && s.Const == nil && s.Format == nil && s.Pattern == nil && s.AnyOf == nil && s.Bool == nil &&
		s.Properties == nil && s.Required == nil && s.AdditionalProperties == nil && s.Items2020 == nil && s.Items == nil &&
		s.MinLength == nil && s.MaxLength == nil && s.MinItems == nil && s.MaxItems == nil && s.MinProperties == nil && s.MaxProperties == nil &&
		s.Minimum == nil && s.Maximum == nil && s.ExclusiveMinimum == nil && s.ExclusiveMaximum == nil && !beyondProgram(s)
}

// beyondProgram reports whether s has a rule that the program does not know.
func beyondProgram(s *jsonschema.Schema) bool {
	list, _ := s.Items.([]*jsonschema.Schema)
	return s.RecursiveRef != nil || s.DynamicRef != nil || s.Not != nil || s.AllOf != nil || s.OneOf != nil || s.If != nil ||
		s.PropertyNames != nil || len(s.PatternProperties) > 0 || len(s.Dependencies) > 0 || len(s.DependentRequired) > 0 ||
		len(s.DependentSchemas) > 0 || s.UnevaluatedProperties != nil || s.UniqueItems || s.Contains != nil || list != nil ||
		s.AdditionalItems != nil || s.PrefixItems != nil || s.UnevaluatedItems != nil || s.ContentEncoding != nil ||
		s.ContentMediaType != nil || s.ContentSchema != nil || s.MultipleOf != nil || s.Extensions != nil
}

func (c *quickCompiler) kinds(n *node, s *jsonschema.Schema) {
	if s.Types != nil {
		n.kinds = 0
		for _, t := range s.Types.ToStrings() {
			switch t {
			case "integer":
				n.integer = n.kinds&isNumber == 0
				n.kinds |= isNumber
			case "number":
				n.integer = false
				n.kinds |= isNumber
			default:
				n.kinds |= map[string]uint8{"object": isObject, "array": isArray, "string": isString, "boolean": isBool, "null": isNull}[t]
			}
		}
	}
	texts := func(values []any) {
		only := map[string]bool{}
		for _, v := range values {
			if t, ok := v.(string); ok && (n.strings == nil || n.strings[t]) {
				only[t] = true
			}
		}
		n.strings = only
		n.kinds &= isString // values of other kinds are left to the library
	}
	if s.Enum != nil {
		texts(s.Enum.Values)
	}
	if s.Const != nil {
		texts([]any{*s.Const})
	}
}

func (c *quickCompiler) members(n *node, s *jsonschema.Schema) {
	n.members = map[string]declared{}
	bit := func(name string) uint64 {
		m, ok := n.members[name]
		if !ok {
			c.ok = c.ok && len(n.members) < 64
			m = declared{bit: 1 << (len(n.members) % 64)}
			n.members[name] = m
		}
		return m.bit
	}
	switch a := s.AdditionalProperties.(type) {
	case bool:
		if !a {
			n.additional = nil
		} else {
			n.additional = anything()
		}
	case *jsonschema.Schema:
		n.additional = c.compile(a)
	default:
		n.additional = anything()
	}
	for name, p := range s.Properties {
		n.members[name] = declared{bit: bit(name), node: c.compile(p)}
	}
	mask := func(names []string) uint64 {
		var all uint64
		for _, name := range names {
			all |= bit(name)
		}
		return all
	}
	n.required = mask(s.Required)
	for _, branch := range s.AnyOf {
		if !requiredOnly(branch) {
			c.ok = false
			return
		}
		n.anyRequired = append(n.anyRequired, mask(branch.Required))
	}
	if s.AnyOf != nil {
		n.kinds &= isObject // of what is no object the alternatives say nothing: left to the library
	}
	for name, m := range n.members {
		if m.node == nil { // required and not declared
			m.node = n.additional
			n.members[name] = m
		}
	}
}

// requiredOnly reports whether s says nothing but which members must be there.
func requiredOnly(s *jsonschema.Schema) bool {
	rest := *s
	rest.Required = nil
	return s.Required != nil && s.Ref == nil && bare(&rest)
}

func (c *quickCompiler) bounds(n *node, s *jsonschema.Schema) {
	const far = 1e300
	n.least, n.most = -far, far
	set := func(r *big.Rat, to *float64, open *bool, isOpen bool) {
		if r == nil {
			return
		}
		f, _ := r.Float64()
		short, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', 15, 64))
		if !ok || short.Cmp(r) != 0 || *to != far && *to != -far {
			c.ok = false // more digits than a double holds, or both an open and a closed bound
			return
		}
		n.bounded = true
		*to, *open = f, isOpen
	}
	set(s.Minimum, &n.least, &n.beyond, false)
	set(s.ExclusiveMinimum, &n.least, &n.beyond, true)
	set(s.Maximum, &n.most, &n.below, false)
	set(s.ExclusiveMaximum, &n.most, &n.below, true)
}
