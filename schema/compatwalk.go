package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxComparisons bounds how many pairs of schemas one comparison looks at, so that no schema keeps it busy for long.
const maxComparisons = 20_000

// comparison decides whether everything that the writer's schema allows is allowed by the reader's. Whatever it does not see
// to be so is a breaking difference: a doubt never passes for compatible.
type comparison struct {
	policy    Policy
	direction Direction
	writer    *document
	reader    *document
	failed    error // the schemas could not be put into their roles

	out   []Difference
	steps int

	// Recursive schemas come back to a pair that is still being compared. It is taken for kept: a document that breaks it has
	// one further within that breaks it too, and documents end. That only holds where the way back led into the document.
	active map[string]frame
	kept   map[string]bool // pairs found to be kept whatever else holds
	depth  int             // members and items between the root and here
	low    int             // the outermost pair that was taken for kept
}

const noFrame = int(^uint(0) >> 1)

type frame struct{ index, depth int }

func newComparison(writer, reader *compared, p Policy, d Direction) *comparison {
	c := &comparison{policy: p, direction: d, active: map[string]frame{}, kept: map[string]bool{}, low: noFrame}
	if c.writer, c.failed = writer.inRole(p, Producer); c.failed == nil {
		c.reader, c.failed = reader.inRole(p, Consumer)
	}
	return c
}

// run lists what stands between the writer's schema and the reader's.
func (c *comparison) run() []Difference {
	if c.failed != nil {
		c.report(true, Undecided, "#", "the schemas cannot be read for their roles: %v", c.failed)
		return c.out
	}
	w, r := subschema{doc: c.writer, v: c.writer.root}, subschema{doc: c.reader, v: c.reader.root}
	c.compare("#", []subschema{w}, &w, r)
	if c.steps > maxComparisons {
		c.out = []Difference{}
		c.report(true, TooComplex, "#", "the schemas are too entangled to be compared within %d steps", maxComparisons)
	}
	return c.out
}

// explained is run with counter-examples.
func (c *comparison) explained() []Difference {
	c.run()
	c.illustrate()
	return c.out
}

func (c *comparison) report(breaking bool, kind, path, format string, args ...any) {
	if path == "#" {
		path = "#/"
	}
	if c.direction == ForwardDirection {
		kind = reversed(kind)
	}
	message := strings.NewReplacer("{writer}", c.written(), "{reader}", c.read()).Replace(fmt.Sprintf(format, args...))
	c.out = append(c.out, Difference{Type: kind, Path: path, Direction: c.direction, Breaking: breaking, Message: message})
}

// written and read are what messages call the two sides.
func (c *comparison) written() string {
	if c.direction == ForwardDirection {
		return "data of the newer schema"
	}
	return "data of the older schema"
}

func (c *comparison) read() string {
	if c.direction == ForwardDirection {
		return "the older schema"
	}
	return "the newer schema"
}

// turns are the types that a change has in one direction and in the other.
var turns = map[string]string{
	"REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL":              "REQUIRED_ATTRIBUTE_REMOVED",
	"REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL": "REQUIRED_ATTRIBUTE_REMOVED",
	"OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL":              "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL",
	"PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL":                   "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL",
	"PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL":       "PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL",
	"PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL":        "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL",
	"REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED":                        "REQUIRED_ATTRIBUTE_REMOVED",
}

var opposites = [][2]string{
	{"_ADDED_TO_", "_REMOVED_FROM_"}, {"_ADDED", "_REMOVED"}, {"_INCREASED", "_DECREASED"}, {"_EXTENDED", "_NARROWED"}, {"_EXPANDED", "_REDUCED"},
}

// reversed is the type of the change from b to a where kind is that from a to b.
func reversed(kind string) string {
	if turned, ok := turns[kind]; ok {
		return turned
	}
	for _, o := range opposites {
		for i := range o {
			if strings.Contains(kind, o[i]) {
				return strings.Replace(kind, o[i], o[1-i], 1)
			}
		}
	}
	return kind
}

// tell reports a change that does no harm.
func (c *comparison) tell(kind, path, format string, args ...any) {
	c.report(false, kind, path, format, args...)
}

// refuse reports a change that breaks the reader.
func (c *comparison) refuse(kind, path, format string, args ...any) {
	c.report(true, kind, path, format, args...)
}

// step counts, and reports whether there is budget left.
func (c *comparison) step() bool {
	c.steps++
	return c.steps <= maxComparisons
}

// implies reports whether every value that w allows is allowed by r, without saying where not.
func (c *comparison) implies(w []subschema, r subschema) bool {
	kept := c.out
	c.out = nil
	c.compare("#", w, nil, r)
	ok := !c.broken() && c.steps <= maxComparisons
	c.out = kept
	return ok
}

func (c *comparison) broken() bool { return anyBreaking(c.out) }

func anyBreaking(ds []Difference) bool {
	for _, d := range ds {
		if d.Breaking {
			return true
		}
	}
	return false
}

// within compares the schemas of a member or item.
func (c *comparison) within(path string, w []subschema, was *subschema, r subschema) {
	c.depth++
	c.compare(path, w, was, r)
	c.depth--
}

// impliesWithin is implies for the schemas of a member or item.
func (c *comparison) impliesWithin(w []subschema, r subschema) bool {
	c.depth++
	defer func() { c.depth-- }()
	return c.implies(w, r)
}

// compare reports what keeps r from allowing every value that all of w allow, and, where was is r's earlier self, whatever
// else has changed.
func (c *comparison) compare(path string, w []subschema, was *subschema, r subschema) {
	if !c.step() {
		return
	}
	key := pairKey(w, r)
	if f, ok := c.active[key]; ok {
		if f.depth >= c.depth {
			c.refuse(Undecided, path, "the schema refers to itself without end")
			return
		}
		c.low = min(c.low, f.index)
		return
	}
	if c.kept[key] && was == nil {
		return
	}
	outer, index := c.low, len(c.active)
	c.low = noFrame
	c.active[key] = frame{index: index, depth: c.depth}
	before := c.out
	c.out = nil
	c.pair(path, w, was, r)
	delete(c.active, key)
	if c.low >= index { // nothing further out was taken for kept
		c.low = noFrame
		if !c.broken() && c.steps <= maxComparisons {
			c.kept[key] = true
		}
	}
	c.low = min(c.low, outer)
	c.out = append(before, c.out...)
}

func pairKey(w []subschema, r subschema) string {
	var b strings.Builder
	for _, n := range w {
		b.WriteString(n.key())
		b.WriteByte('\n')
	}
	b.WriteString("in ")
	b.WriteString(r.key())
	return b.String()
}

// pair is compare for a pair that is looked at for the first time.
func (c *comparison) pair(path string, w []subschema, was *subschema, r subschema) {
	if was != nil {
		c.annotations(path, *was, r)
	}
	flat, possible := c.expand(w)
	if !possible {
		return
	}
	c.rules(path, flat, was, r)
	accepted, finite := c.valuesFit(flat, r)
	switch {
	case finite && accepted, c.broken() && !finite && c.splits(flat, r):
		c.out = slices.DeleteFunc(c.out, func(d Difference) bool { return d.Breaking && !c.formal(d) })
	case finite && !c.broken():
		c.refuse("ENUM_ARRAY_NARROWED", path, "{reader} refuses a value that {writer} may have")
	}
}

// formal reports whether d breaks by the letter of the policy, whatever the values are.
func (c *comparison) formal(d Difference) bool {
	return c.policy != ByRole && d.Type == "COMPOSITION_METHOD_CHANGED"
}

// splits reports whether r allows every one of the cases that w consists of: its alternatives, or its types.
func (c *comparison) splits(w []subschema, r subschema) bool {
	for i, n := range w {
		for _, keyword := range []string{"anyOf", "oneOf"} {
			branches := n.list(keyword)
			if _, taken := n.taken[keyword]; taken || len(branches) == 0 {
				continue
			}
			for j, b := range branches {
				each := append(slices.Clone(w), b)
				each[i].taken = map[string]int{keyword: j}
				maps.Copy(each[i].taken, n.taken)
				if !c.implies(each, r) {
					return false
				}
			}
			return true
		}
	}
	kinds := c.kinds(w)
	if !r.has("anyOf") && !r.has("oneOf") && !r.has("if") || len(kindNames(kinds)) < 2 {
		return false
	}
	for _, name := range kindNames(kinds) {
		if !c.implies(append(slices.Clone(w), subschema{at: "a " + name, v: object{"type": name}}), r) {
			return false
		}
	}
	return true
}

// rules holds w, expanded, against every rule of r.
func (c *comparison) rules(path string, w []subschema, was *subschema, r subschema) {
	if b, ok := r.v.(bool); ok {
		switch {
		case !b && !c.empty(w):
			c.refuse("TYPE_NARROWED", path, "{reader} allows nothing here any more")
		case b && was != nil && !was.free():
			c.tell("SCHEMA_REMOVED", path, "{reader} allows everything here")
		}
		return
	}
	if r.has("$ref") {
		c.reference(path, w, was, r)
		if r.refOnly() {
			if r = r.besides(); r.free() {
				return
			}
		}
	}
	if was != nil && was.refOnly() {
		if target, ok := was.referred(); ok {
			was = &target
		}
	}
	kinds := c.types(path, w, was, r)
	c.values(path, w, was, r)
	if kinds&(fractionKind|integerKind) != 0 {
		c.numbers(path, w, was, r, kinds)
	}
	if kinds&stringKind != 0 {
		c.strings(path, w, was, r)
	}
	if kinds&objectKind != 0 {
		c.object(path, w, was, r)
	}
	if kinds&arrayKind != 0 {
		c.array(path, w, was, r)
	}
	c.combined(path, w, was, r)
	for _, keyword := range []string{"$dynamicRef", "$recursiveRef"} {
		if r.has(keyword) {
			c.refuse(Undecided, path+"/"+keyword, "where %s leads depends on the way to it, and is not compared", keyword)
		}
	}
}

// reference follows the $ref of r.
func (c *comparison) reference(path string, w []subschema, was *subschema, r subschema) {
	target, ok := r.referred()
	if !ok {
		c.refuse(Undecided, path+"/$ref", "the reference does not lead to a schema within the document by a JSON pointer")
		return
	}
	if was != nil {
		if t, ok := was.referred(); ok {
			was = &t
		}
	}
	c.compare(path+"/$ref", w, was, target)
}

// expand replaces every schema of w by itself and those that its $ref and allOf add; possible is false where one of them
// allows nothing.
func (c *comparison) expand(w []subschema) (flat []subschema, possible bool) {
	seen := map[string]bool{}
	possible = true
	var add func(n subschema)
	add = func(n subschema) {
		if b, ok := n.v.(bool); ok {
			possible = possible && b
			return
		}
		if seen[n.key()] || !c.step() {
			return
		}
		seen[n.key()] = true
		if n.has("$ref") {
			if target, ok := n.referred(); ok {
				add(target)
			}
			if n.refOnly() {
				return
			}
		}
		flat = append(flat, n)
		for _, part := range n.list("allOf") {
			add(part)
		}
	}
	for _, n := range w {
		add(n)
	}
	return flat, possible
}

// among reports whether one of w has the keyword with the value that r gives it, and what that refers to is the same too.
func (c *comparison) among(w []subschema, r subschema, keyword string) bool {
	for _, n := range w {
		if n.has(keyword) && c.same(n, r, keyword) {
			return true
		}
	}
	return false
}
