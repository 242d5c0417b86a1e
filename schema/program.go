package schema

import (
	"bytes"
	"math/bits"
	"regexp"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// node is a schema as a program over the bytes: one pass, nothing allocated. It answers with the index behind the value, or no,
// or doubt. Only its yes counts: after a no or a doubt the library decides and explains, so that a doubt costs time and never
// correctness. Within the program a no must be certain all the same, for "not", "oneOf" and "if" turn on it.
type node struct {
	free    bool  // no rules at all
	kinds   uint8 // what the value may be
	opaque  uint8 // the kinds of values that the library must decide about
	integer bool  // numbers must be whole

	object    *objectRules
	array     *arrayRules
	text      *textRules
	number    *numberRules
	only      *constants // enum or const
	more      bool       // whether there are rules below
	also      []*node    // what must hold besides: allOf, $ref, unevaluatedProperties
	anyOf     []*node
	oneOf     []*node
	chosen    *discriminator // how to find the one of oneOf
	not       *node
	cond      *node
	then      *node // nil: nothing to hold
	otherwise *node
}

// Answers that are no index.
const (
	no    = -1 // breaks a rule, or is not strict JSON
	doubt = -2
)

const (
	isObject uint8 = 1 << iota
	isArray
	isString
	isNumber
	isBool
	isNull
	isAny = isObject | isArray | isString | isNumber | isBool | isNull
)

// kindOf tells the kind of a value by its first byte; 0 where no value begins so.
var kindOf = [256]uint8{
	'{': isObject, '[': isArray, '"': isString, 't': isBool, 'f': isBool, 'n': isNull, '-': isNumber,
	'0': isNumber, '1': isNumber, '2': isNumber, '3': isNumber, '4': isNumber, '5': isNumber, '6': isNumber, '7': isNumber, '8': isNumber, '9': isNumber,
}

const unlimited = int(^uint(0) >> 1)

// What one run may cost before it is in doubt.
const (
	maxSteps  = 200_000 // nodes that read a value
	maxNames  = 256     // undeclared members of one object
	maxUnique = 64      // items under uniqueItems
)

// run is one reading of a value.
type run struct {
	b     []byte
	steps int
	names []nameOf // undeclared members of the objects that are open
	items []span   // of arrays with uniqueItems that are open
	spare []byte   // strings whose escapes are resolved
	view  View
}

type nameOf struct {
	text []byte
	hash uint64
}

type span struct{ from, to int }

var runs = sync.Pool{New: func() any { return new(run) }}

// accepts reports whether value is surely strict JSON that follows the schema, and finds the members of its envelope. depth is
// that of the value within the event.
func (n *node) accepts(value []byte, depth int) (v View, ok bool) {
	r, _ := runs.Get().(*run) // the pool holds nothing else
	defer func() {
		if recover() != nil { // a fault of the program is a doubt
			v, ok = View{}, false
		}
		*r = run{names: r.names[:0], items: r.items[:0], spare: r.spare[:0]}
		runs.Put(r)
	}()
	r.b, r.steps = value, maxSteps
	end := n.read(r, jsonx.Blanks(value, 0), depth)
	if end < 0 || jsonx.Blanks(value, end) != len(value) {
		return View{}, false
	}
	v = r.view
	v.Value = value
	return v, true
}

// read holds the value at i against the rules.
func (n *node) read(r *run, i, depth int) int {
	if n.free {
		return r.skip(i, depth)
	}
	if i >= len(r.b) {
		return no
	}
	r.steps--
	kind := kindOf[r.b[i]]
	switch {
	case kind&n.kinds == 0:
		return no
	case kind&n.opaque != 0 || r.steps < 0:
		return doubt
	}
	var end int
	switch kind {
	case isString:
		end = n.text.read(r, i)
	case isNumber:
		end = n.numeral(r, i)
	case isObject:
		end = n.object.read(r, i, depth)
	case isArray:
		end = n.array.read(r, i, depth)
	default:
		end = r.literal(i)
	}
	if end < 0 || !n.more {
		return end
	}
	return n.rest(r, i, end, depth)
}

// skip reads a value that has no rules.
func (r *run) skip(i, depth int) int {
	if i >= len(r.b) {
		return no
	}
	switch kindOf[r.b[i]] {
	case isString:
		end, _ := jsonx.ScanString(r.b, i)
		return end
	case isNumber:
		return r.numeral(i)
	case isObject:
		return anyObject.read(r, i, depth)
	case isArray:
		return anyArray.read(r, i, depth)
	case 0:
		return no
	}
	return r.literal(i)
}

func (r *run) literal(i int) int {
	word := "true"
	switch r.b[i] {
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	}
	if end := i + len(word); end <= len(r.b) && string(r.b[i:end]) == word {
		return end
	}
	return no
}

// numeral reads a number of any size that strict JSON allows.
func (r *run) numeral(i int) int {
	end, exponent := jsonx.ScanNumber(r.b, i)
	if (end-i > 17 || exponent) && jsonx.Absurd(r.b[i:end]) != "" {
		return doubt
	}
	return end
}

// try is read where a no is not the end of the run.
func (r *run) try(n *node, i, depth int) int {
	names, items, spare := len(r.names), len(r.items), len(r.spare)
	end := n.read(r, i, depth)
	r.names, r.items, r.spare = r.names[:names], r.items[:items], r.spare[:spare]
	return end
}

// rest holds the value from i to end, which has been read, against the rules that read it again.
func (n *node) rest(r *run, i, end, depth int) int {
	if n.only != nil {
		if v := n.only.hold(r, i, end, depth); v < 0 {
			return v
		}
	}
	for _, part := range n.also {
		if v := r.try(part, i, depth); v < 0 {
			return v
		}
	}
	if n.anyOf != nil {
		verdict := no
		for _, branch := range n.anyOf {
			if v := r.try(branch, i, depth); v >= 0 {
				verdict = v
				break
			} else if v == doubt {
				verdict = doubt
			}
		}
		if verdict < 0 {
			return verdict
		}
	}
	if n.oneOf != nil {
		if v := n.one(r, i, depth); v < 0 {
			return v
		}
	}
	if n.not != nil {
		switch v := r.try(n.not, i, depth); {
		case v >= 0:
			return no
		case v == doubt:
			return doubt
		}
	}
	if n.cond != nil {
		next := n.then
		switch v := r.try(n.cond, i, depth); v {
		case doubt:
			return doubt
		case no:
			next = n.otherwise
		}
		if next != nil {
			if v := r.try(next, i, depth); v < 0 {
				return v
			}
		}
	}
	return end
}

// one holds the value at i against oneOf.
func (n *node) one(r *run, i, depth int) int {
	if n.chosen != nil && r.b[i] == '{' {
		spare := len(r.spare)
		branch, known := n.chosen.find(r, i, depth)
		r.spare = r.spare[:spare]
		if known {
			if branch == nil {
				return no
			}
			return r.try(branch, i, depth)
		}
	}
	verdict := no
	for _, branch := range n.oneOf {
		switch v := r.try(branch, i, depth); {
		case v == doubt:
			return doubt
		case v >= 0 && verdict >= 0:
			return no
		case v >= 0:
			verdict = v
		}
	}
	return verdict
}

// discriminator is a member of which each branch of a oneOf demands texts of its own.
type discriminator struct {
	name     string
	branches map[string]*node
}

// find is the only branch that the object at i can fit, or nil; it is not known where the object cannot be read.
func (d *discriminator) find(r *run, i, depth int) (branch *node, known bool) {
	for i = jsonx.Blanks(r.b, i+1); i < len(r.b) && r.b[i] == '"'; {
		end, escaped := jsonx.ScanString(r.b, i)
		if end < 0 {
			return nil, false
		}
		name := r.unescape(i, end, escaped)
		from := jsonx.Blanks(r.b, jsonx.Blanks(r.b, end)+1)
		to := r.skip(from, depth+1)
		if to < 0 {
			return nil, false
		}
		if string(name) == d.name {
			if r.b[from] != '"' {
				return nil, true
			}
			return d.branches[string(r.unescape(from, to, true))], true
		}
		if i = jsonx.Blanks(r.b, to); i < len(r.b) && r.b[i] == ',' {
			i = jsonx.Blanks(r.b, i+1)
		}
	}
	return nil, true
}

// unescape is what the string from i to end stands for.
func (r *run) unescape(i, end int, escaped bool) []byte {
	if !escaped || bytes.IndexByte(r.b[i:end], '\\') < 0 {
		return r.b[i+1 : end-1]
	}
	from := len(r.spare)
	r.spare = jsonx.AppendText(r.spare, r.b[i:end])
	return r.spare[from:]
}

// textRules are the rules for strings.
type textRules struct {
	plain       bool // none but strict JSON
	least, most int  // characters
	pattern     *pattern
	exact       *regexp.Regexp // decides where pattern says no, or is nil
	format      func(text []byte) bool
	valid       func(text string) bool // decides where format says no, or is nil
}

func (t *textRules) read(r *run, i int) int {
	end, escaped := jsonx.ScanString(r.b, i)
	if t.plain || end < 0 {
		return end
	}
	spare := len(r.spare)
	s := r.b[i+1 : end-1]
	if escaped {
		s = r.unescape(i, end, true)
	}
	if !t.hold(s) {
		end = no
	}
	r.spare = r.spare[:spare]
	return end
}

func (t *textRules) hold(s []byte) bool {
	// A character has one to four bytes.
	if len(s) > t.most || len(s) < t.least*utf8.UTFMax && t.least > 0 {
		if n := utf8.RuneCount(s); n < t.least || n > t.most {
			return false
		}
	}
	if t.exact != nil && (t.pattern == nil || !t.pattern.match(s)) && !t.exact.Match(s) {
		return false
	}
	return t.valid == nil || t.format != nil && t.format(s) || t.valid(string(s))
}

// numberRules are the rules for numbers.
type numberRules struct {
	least, most  *decimal
	above, below *decimal // exclusive
	multiple     *decimal
}

func (n *node) numeral(r *run, i int) int {
	end := r.numeral(i)
	if end < 0 || !n.integer && n.number == nil {
		return end
	}
	d, ok := parseDecimal(r.b[i:end])
	if !ok {
		return doubt
	}
	if n.integer && !d.whole() {
		return no
	}
	if n.number == nil {
		return end
	}
	for _, bound := range [...]struct {
		at   *decimal
		sign int // of the comparison that is not allowed
		open bool
	}{{n.number.least, -1, false}, {n.number.most, 1, false}, {n.number.above, -1, true}, {n.number.below, 1, true}} {
		if bound.at == nil {
			continue
		}
		c, ok := d.compare(*bound.at)
		switch {
		case !ok:
			return doubt
		case c == bound.sign, c == 0 && bound.open:
			return no
		}
	}
	if n.number.multiple != nil {
		whole, ok := d.multipleOf(*n.number.multiple)
		switch {
		case !ok:
			return doubt
		case !whole:
			return no
		}
	}
	return end
}

// constants are the values of enum or const.
type constants struct {
	texts   map[string]bool
	numbers []decimal
	words   []string // true, false, null
	nodes   []*node  // objects and arrays
	hard    bool     // holds a number beyond decimal
}

func (c *constants) hold(r *run, i, end, depth int) int {
	switch kindOf[r.b[i]] {
	case isString:
		spare := len(r.spare)
		known := c.texts[string(r.unescape(i, end, true))]
		r.spare = r.spare[:spare]
		if !known {
			return no
		}
	case isNumber:
		d, ok := parseDecimal(r.b[i:end])
		if !ok || c.hard {
			return doubt
		}
		for _, known := range c.numbers {
			if v, ok := d.compare(known); !ok {
				return doubt
			} else if v == 0 {
				return end
			}
		}
		return no
	case isObject, isArray:
		verdict := no
		for _, n := range c.nodes {
			if v := r.try(n, i, depth); v >= 0 {
				return end
			} else if v == doubt {
				verdict = doubt
			}
		}
		return verdict
	default:
		if !slices.Contains(c.words, string(r.b[i:end])) {
			return no
		}
	}
	return end
}

// bitset says which declared members an object has.
type bitset [maxMembers / 64]uint64

// maxMembers is how many members an object schema may name for the program to know it.
const maxMembers = 256

func (s *bitset) set(i int)      { s[i>>6] |= 1 << (i & 63) }
func (s *bitset) has(i int) bool { return s[i>>6]>>(i&63)&1 == 1 }
func (s *bitset) holds(all *bitset) bool {
	return all[0]&^s[0]|all[1]&^s[1]|all[2]&^s[2]|all[3]&^s[3] == 0
}

// hashOf mixes the length and the first and last bytes of a name: enough to tell members apart, and compared no further than that.
func hashOf(name []byte) uint64 {
	var first, last uint64
	if n := len(name); n >= 8 {
		first, last = word(name), word(name[n-8:])
	} else {
		for _, c := range name {
			first = first<<8 | uint64(c)
		}
	}
	hi, lo := bits.Mul64(first^0x9e3779b97f4a7c15, last^uint64(len(name))*0xff51afd7ed558ccd^0xc4ceb9fe1a85ec53)
	return (hi ^ lo) | 1<<63 // 0 is an empty place in a table
}

func word(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
