package schema

import (
	"encoding/json"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

// Kinds of values. A number is an integer or a fraction.
const (
	objectKind uint8 = 1 << iota
	arrayKind
	stringKind
	integerKind
	fractionKind
	boolKind
	nullKind
	allKinds = objectKind | arrayKind | stringKind | integerKind | fractionKind | boolKind | nullKind
)

var kindBits = map[string]uint8{
	"object": objectKind, "array": arrayKind, "string": stringKind, "number": fractionKind | integerKind, "integer": integerKind, "boolean": boolKind, "null": nullKind,
}

// allowedKinds are the kinds that the keywords of one schema leave.
func allowedKinds(n subschema) uint8 {
	if b, ok := n.v.(bool); ok {
		if b {
			return allKinds
		}
		return 0
	}
	kinds := allKinds
	switch t := n.keywords()["type"].(type) {
	case string:
		kinds = kindBits[t]
	case []any:
		kinds = 0
		for _, item := range t {
			name, _ := item.(string)
			kinds |= kindBits[name]
		}
	}
	if values, ok := listed(n); ok {
		of := uint8(0)
		for _, v := range values {
			of |= kindOfValue(v)
		}
		kinds &= of
	}
	return kinds
}

func kindOfValue(v any) uint8 {
	switch v := v.(type) {
	case object:
		return objectKind
	case []any:
		return arrayKind
	case string:
		return stringKind
	case bool:
		return boolKind
	case json.Number:
		if q := exact(v); q != nil && q.IsInt() {
			return integerKind
		}
		return fractionKind
	}
	return nullKind
}

// kinds are the kinds that a value allowed by all of w can have.
func (c *comparison) kinds(w []subschema) uint8 {
	kinds := allKinds
	for _, n := range w {
		kinds &= allowedKinds(n)
	}
	return kinds
}

// kindNames are kinds in words.
func kindNames(kinds uint8) []string {
	var names []string
	for _, name := range []string{"object", "array", "string", "number", "integer", "boolean", "null"} {
		bits := kindBits[name]
		if kinds&bits == bits && (name != "integer" || kinds&fractionKind == 0) || name == "number" && kinds&fractionKind != 0 {
			names = append(names, name)
		}
	}
	return names
}

// types compares which kinds of values are allowed, and returns those that both allow.
func (c *comparison) types(path string, w []subschema, was *subschema, r subschema) uint8 {
	from := c.kinds(w)
	to := allKinds
	if r.has("type") {
		to = allowedKinds(subschema{v: object{"type": r.keywords()["type"]}})
	}
	missing := from &^ to
	sum := false
	if was != nil {
		_, before := was.keywords()["type"].([]any)
		_, after := r.keywords()["type"].([]any)
		sum = before || after
	}
	switch {
	case missing == 0:
	case from&to == 0:
		c.refuse("TYPE_CHANGED", path, "{reader} wants %s, {writer} has %s", list(articles(kindNames(to)), "or"), list(articles(kindNames(from)), "or"))
	case sum:
		c.refuse("SUM_TYPE_NARROWED", path, "{reader} does not allow %s, which {writer} may have", c.lost(from, to))
	default:
		c.refuse("TYPE_NARROWED", path, "{reader} does not allow %s, which {writer} may have", c.lost(from, to))
	}
	if was == nil || missing != 0 || r.has("$ref") || r.has("anyOf") || r.has("oneOf") || r.has("allOf") || was.has("$ref") {
		return from & to
	}
	if before := allowedKinds(subschema{v: object{"type": was.keywords()["type"]}}); before&^to == 0 && before != to {
		kind := "TYPE_EXTENDED"
		if sum {
			kind = "SUM_TYPE_EXTENDED"
		}
		c.tell(kind, path, "{reader} allows %s too", list(articles(kindNames(to&^before)), "or"))
	}
	return from & to
}

// lost are the kinds in from that are not in to, in words.
func (c *comparison) lost(from, to uint8) string {
	if from&^to == fractionKind && to&integerKind != 0 {
		return "a number with a fraction"
	}
	return list(articles(kindNames(from&^to)), "or")
}

// listed are the values of enum and const; ok is false where n has neither.
func listed(n subschema) (values []any, ok bool) {
	values, ok = n.keywords()["enum"].([]any)
	if v, has := n.keywords()["const"]; has {
		if !ok || slices.ContainsFunc(values, func(e any) bool { return equal(e, v) }) {
			return []any{v}, true
		}
		return nil, true
	}
	return values, ok
}

// equal is equality of JSON values: 1 and 1.0 are one number.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, y := exact(a), exact(b)
		return x != nil && y != nil && x.Cmp(y) == 0
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case object:
		b, ok := b.(object)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, v := range a {
			if other, ok := b[name]; !ok || !equal(v, other) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// exact is the number as a fraction.
func exact(n json.Number) *big.Rat {
	q, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return nil
	}
	return q
}

// finite are the only values that w allows; ok is false where they cannot be counted.
func (c *comparison) finite(w []subschema) (values []any, ok bool) {
	for _, n := range w {
		if values, ok = listed(n); ok {
			break
		}
	}
	if !ok {
		if c.kinds(w)&^(boolKind|nullKind) != 0 {
			return nil, false
		}
		values = []any{nil, true, false}
	}
	return slices.DeleteFunc(slices.Clone(values), func(v any) bool {
		return slices.ContainsFunc(w, func(n subschema) bool {
			fits, sure := n.accepts(v)
			c.steps++
			return sure && !fits
		})
	}), true
}

// valuesFit asks the oracle about every value, where w has only so many.
func (c *comparison) valuesFit(w []subschema, r subschema) (accepted, finite bool) {
	values, finite := c.finite(w)
	if !finite {
		return false, false
	}
	for _, v := range values {
		c.steps++
		if fits, sure := r.accepts(v); !fits || !sure {
			return false, true
		}
	}
	return true, true
}

// values compares enum and const.
func (c *comparison) values(path string, w []subschema, was *subschema, r subschema) {
	for _, keyword := range []string{"enum", "const"} {
		c.listed(path+"/"+keyword, keyword, w, was, r)
	}
}

func (c *comparison) listed(path, keyword string, w []subschema, was *subschema, r subschema) {
	now, has := listed(subschema{v: object{keyword: r.keywords()[keyword]}})
	if !r.has(keyword) {
		c.unlisted(path, keyword, was, r)
		return
	}
	from, finite := c.finite(w)
	if !has || !finite {
		c.refuse("ENUM_ARRAY_NARROWED", path, "{reader} allows only %s, {writer} may have other values", some(now))
		return
	}
	without := func(a, b []any) []any {
		return slices.DeleteFunc(slices.Clone(a), func(v any) bool {
			return slices.ContainsFunc(b, func(o any) bool { return equal(v, o) })
		})
	}
	lost := without(from, now)
	added := without(now, from)
	kind := "ENUM_ARRAY_NARROWED"
	if len(added) > 0 {
		kind = "ENUM_ARRAY_CHANGED"
	}
	switch {
	case len(lost) > 0:
		c.refuse(kind, path, "{reader} does not know %s, which {writer} may have", some(lost))
	case len(added) > 0 && was != nil && was.has(keyword):
		c.tell("ENUM_ARRAY_EXTENDED", path, "{reader} also knows %s", some(added))
	}
}

// unlisted tells of an enum or const that r does not have, or that its role passes over.
func (c *comparison) unlisted(path, keyword string, was *subschema, r subschema) {
	if was == nil || !was.has(keyword) {
		return
	}
	before, _ := listed(subschema{v: object{keyword: was.keywords()[keyword]}})
	after, open := r.written()[keyword].([]any)
	if !open || keyword != "enum" {
		if !r.has("$ref") && !r.has("anyOf") && !r.has("oneOf") && !r.has("enum") && !r.has("const") {
			c.tell("ENUM_ARRAY_EXTENDED", path, "{reader} allows other values than %s", some(before))
		}
		return
	}
	has := func(in []any) func(v any) bool {
		return func(v any) bool { return !slices.ContainsFunc(in, func(o any) bool { return equal(v, o) }) }
	}
	gained, lost := slices.ContainsFunc(after, has(before)), slices.ContainsFunc(before, has(after))
	var kind string
	switch {
	case gained && lost:
		kind = "ENUM_ARRAY_CHANGED"
	case gained:
		kind = "ENUM_ARRAY_EXTENDED"
	case lost:
		kind = "ENUM_ARRAY_NARROWED"
	default:
		return
	}
	c.tell(kind, path, "the values may change, as readers pass over those that they do not know (x-extensible-enum)")
}

// some are the first few values in words.
func some(vs []any) string {
	const most = 5
	more := ""
	if len(vs) > most {
		vs, more = vs[:most], " and others"
	}
	return values(vs) + more
}

// limits are the keywords that hold a count.
type limit struct {
	keyword string
	most    bool // it is the largest count, and not the smallest
	what    string
}

func (l limit) name() string {
	var b strings.Builder
	for _, r := range l.keyword {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// count compares one limit; known is what w is known to keep by other rules, nil where nothing.
func (c *comparison) count(path string, l limit, w []subschema, was *subschema, r subschema, known *big.Rat) {
	strongest := known
	stronger := func(a, b *big.Rat) bool { return (a.Cmp(b) < 0) == l.most && a.Cmp(b) != 0 }
	for _, n := range w {
		if v, ok := n.number(l.keyword); ok {
			if q := exact(v); q != nil && (strongest == nil || stronger(q, strongest)) {
				strongest = q
			}
		}
	}
	want, has := r.number(l.keyword)
	path += "/" + l.keyword
	if has {
		q := exact(want)
		if strongest == nil || stronger(q, strongest) {
			more := "at least"
			if l.most {
				more = "at most"
			}
			c.refuse(l.name()+c.change(was, l.keyword, q), path, "{reader} wants %s %s %s, {writer} may have %s", more, rat(q), l.what, l.other())
			return
		}
	}
	c.tellNumber(path, l.keyword, l.name(), was, r)
}

func (l limit) other() string {
	if l.most {
		return "more"
	}
	return "fewer"
}

// change is what happened to the keyword of was, which is now q.
func (c *comparison) change(was *subschema, keyword string, q *big.Rat) string {
	if was == nil {
		return "_ADDED"
	}
	v, ok := was.number(keyword)
	if !ok {
		return "_ADDED"
	}
	if exact(v).Cmp(q) < 0 {
		return "_INCREASED"
	}
	return "_DECREASED"
}

// tellNumber reports a changed number that does no harm.
func (c *comparison) tellNumber(path, keyword, name string, was *subschema, r subschema) {
	if was == nil {
		return
	}
	before, had := was.number(keyword)
	after, has := r.number(keyword)
	switch {
	case had && !has && !r.has("$ref"):
		c.tell(name+"_REMOVED", path, "{reader} has no %s", keyword)
	case has && !had && !was.has("$ref"):
		c.tell(name+"_ADDED", path, "{reader} has a %s, which {writer} keeps anyway", keyword)
	case has && had && exact(before).Cmp(exact(after)) != 0:
		c.tell(name+c.change(was, keyword, exact(after)), path, "%s of {reader} is %s instead of %s", keyword, after, before)
	}
}

// strings compares what is asked of strings.
func (c *comparison) strings(path string, w []subschema, was *subschema, r subschema) {
	c.count(path, limit{"minLength", false, "characters"}, w, was, r, new(big.Rat))
	c.count(path, limit{"maxLength", true, "characters"}, w, was, r, nil)
	c.text(path, "pattern", "PATTERN", w, was, r)
	c.text(path, "format", "FORMAT", w, was, r)
}

// text compares a keyword whose value is a rule that only equals itself.
func (c *comparison) text(path, keyword, name string, w []subschema, was *subschema, r subschema) {
	want, has := r.keywords()[keyword].(string)
	had := false
	before := ""
	if was != nil {
		before, had = was.keywords()[keyword].(string)
	}
	path += "/" + keyword
	asserted := has && (keyword != "format" || slices.Contains(formats, want))
	kept := slices.ContainsFunc(w, func(n subschema) bool { return n.keywords()[keyword] == want })
	switch {
	case asserted && !kept && had:
		c.refuse(name+"_CHANGED", path, "{reader} wants the %s %s, {writer} keeps to %s", keyword, want, before)
	case asserted && !kept:
		c.refuse(name+"_ADDED", path, "{reader} wants the %s %s, which {writer} need not keep to", keyword, want)
	case had && !has && !r.has("$ref"):
		c.tell(name+"_REMOVED", path, "{reader} does not ask for the %s %s", keyword, before)
	case had && has && before != want:
		c.tell(name+"_CHANGED", path, "the %s is %s instead of %s", keyword, want, before)
	}
}

// bound is one end of a range.
type bound struct {
	at   *big.Rat
	open bool // at itself is beyond
}

// end is the lower or upper bound that the keywords of n set.
func (n subschema) end(upper bool) *bound {
	closed, open := "minimum", "exclusiveMinimum"
	if upper {
		closed, open = "maximum", "exclusiveMaximum"
	}
	var b *bound
	if v, ok := n.number(closed); ok {
		exclusive, _ := n.keywords()[open].(bool) // draft-04
		b = &bound{exact(v), exclusive}
	}
	if v, ok := n.number(open); ok {
		o := &bound{exact(v), true}
		if b == nil || o.within(b, upper) {
			b = o
		}
	}
	return b
}

// within reports whether everything on this side of b is on this side of o.
func (b *bound) within(o *bound, upper bool) bool {
	cmp := b.at.Cmp(o.at)
	if upper {
		cmp = -cmp
	}
	return cmp > 0 || cmp == 0 && (b.open || !o.open)
}

// narrowest is the bound that all of w set together.
func (c *comparison) narrowest(w []subschema, upper bool) *bound {
	var narrowest *bound
	for _, n := range w {
		if b := n.end(upper); b != nil && (narrowest == nil || b.within(narrowest, upper)) {
			narrowest = b
		}
	}
	if narrowest != nil && c.kinds(w)&fractionKind == 0 && narrowest.at.IsInt() && narrowest.open {
		one := big.NewRat(1, 1)
		if upper {
			one.Neg(one)
		}
		return &bound{at: one.Add(one, narrowest.at)}
	}
	return narrowest
}

// numbers compares ranges and multiples.
func (c *comparison) numbers(path string, w []subschema, was *subschema, r subschema, kinds uint8) {
	for _, keyword := range []string{"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"} {
		upper := strings.HasSuffix(keyword, "aximum")
		want := subschema{v: object{keyword: r.keywords()[keyword]}}.end(upper)
		if b, ok := r.keywords()["exclusive"+strings.ToUpper(keyword[:1])+keyword[1:]].(bool); ok && want != nil {
			want.open = b
		}
		l := limit{keyword: keyword}
		here := path + "/" + keyword
		from := c.narrowest(w, upper)
		if want != nil && (from == nil || !from.within(want, upper)) {
			words := map[string]string{
				"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than",
			}
			c.refuse(l.name()+c.change(was, keyword, want.at), here, "{reader} wants %s %s, {writer} may have others", words[keyword], rat(want.at))
			continue
		}
		c.tellNumber(here, keyword, l.name(), was, r)
	}
	c.multiple(path+"/multipleOf", w, was, r, kinds)
}

func (c *comparison) multiple(path string, w []subschema, was *subschema, r subschema, kinds uint8) {
	var before *big.Rat
	if was != nil {
		if v, ok := was.number("multipleOf"); ok {
			before = exact(v)
		}
	}
	v, has := r.number("multipleOf")
	if !has {
		if before != nil && !r.has("$ref") {
			c.tell("MULTIPLE_OF_REMOVED", path, "{reader} does not ask for multiples of %s", rat(before))
		}
		return
	}
	want := exact(v)
	divides := func(q *big.Rat) bool { return new(big.Rat).Quo(q, want).IsInt() }
	kept := kinds&fractionKind == 0 && divides(big.NewRat(1, 1)) || slices.ContainsFunc(w, func(n subschema) bool {
		v, ok := n.number("multipleOf")
		return ok && divides(exact(v))
	})
	kind := "MULTIPLE_OF_ADDED"
	switch {
	case before == nil:
	case before.Cmp(want) == 0:
		kind = ""
	case divides(before):
		kind = "MULTIPLE_OF_REDUCED"
	case new(big.Rat).Quo(want, before).IsInt():
		kind = "MULTIPLE_OF_EXPANDED"
	default:
		kind = "MULTIPLE_OF_CHANGED"
	}
	switch {
	case !kept && kind == "":
		c.refuse(Undecided, path, "{reader} wants multiples of %s", rat(want))
	case !kept:
		c.refuse(kind, path, "{reader} wants multiples of %s, {writer} may have others", rat(want))
	case kind != "" && was != nil:
		c.tell(kind, path, "{reader} wants multiples of %s", rat(want))
	}
}

// annotations tells of changes that no value notices.
func (c *comparison) annotations(path string, was, r subschema) {
	for _, a := range [][2]string{{"$id", "ID_CHANGED"}, {"id", "ID_CHANGED"}, {"title", "TITLE_CHANGED"}, {"description", "DESCRIPTION_CHANGED"}, {"default", "DEFAULT_CHANGED"}} {
		before, had := was.keywords()[a[0]]
		after, has := r.keywords()[a[0]]
		if had != has || !equal(before, after) {
			c.tell(a[1], path, "%q is not what it was", a[0])
		}
	}
}

// same reports whether the keyword says the same in a and in b, which may stand in two documents.
func (c *comparison) same(a, b subschema, keyword string) bool {
	return c.sameText(a, b, a.keywords()[keyword], b.keywords()[keyword], map[[2]string]bool{})
}

func (c *comparison) sameText(a, b subschema, v, w any, seen map[[2]string]bool) bool {
	if !c.step() {
		return false
	}
	switch v := v.(type) {
	case object:
		w, ok := w.(object)
		if !ok || len(v) != len(w) {
			return false
		}
		for name, item := range v {
			other, ok := w[name]
			if !ok || !c.sameText(a, b, item, other, seen) {
				return false
			}
		}
		for _, name := range []string{"$dynamicRef", "$recursiveRef"} {
			if _, ok := v[name].(string); ok {
				return false
			}
		}
		if ref, ok := v["$ref"].(string); ok {
			return c.sameTarget(subschema{doc: a.doc, v: v}, subschema{doc: b.doc, v: w}, ref, seen)
		}
		return true
	case []any:
		w, ok := w.([]any)
		return ok && slices.EqualFunc(v, w, func(x, y any) bool { return c.sameText(a, b, x, y, seen) })
	}
	return equal(v, w)
}

func (c *comparison) sameTarget(a, b subschema, ref string, seen map[[2]string]bool) bool {
	if a.doc == nil || b.doc == nil {
		return false
	}
	key := [2]string{ref, ref}
	if seen[key] {
		return true
	}
	seen[key] = true
	x, ok := a.referred()
	y, found := b.referred()
	return ok && found && c.sameText(x, y, x.v, y.v, seen)
}
