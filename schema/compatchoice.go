package schema

import (
	"slices"
	"strconv"
)

// combined compares allOf, anyOf, oneOf, not, and if with then and else.
func (c *comparison) combined(path string, w []subschema, was *subschema, r subschema) {
	c.method(path, was, r)
	var before []subschema
	if was != nil {
		before = was.list("allOf")
	}
	for i, part := range r.list("allOf") {
		var own *subschema
		if i < len(before) {
			own = &before[i]
		}
		c.compare(path+"/allOf/"+strconv.Itoa(i), w, own, part)
	}
	if n := len(r.list("allOf")); was != nil && len(before) > n && n > 0 {
		c.tell("PRODUCT_TYPE_NARROWED", path, "{reader} keeps to fewer rules")
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if r.has(keyword) {
			c.choice(path, keyword, w, was, r)
		}
	}
	c.not(path+"/not", w, was, r)
	c.conditional(path, w, r)
}

// method tells where one way of combining has taken another's place.
func (c *comparison) method(path string, was *subschema, r subschema) {
	if was == nil {
		return
	}
	of := func(n subschema) string {
		for _, keyword := range lists {
			if n.has(keyword) {
				return keyword
			}
		}
		return ""
	}
	before, after := of(*was), of(r)
	if before == "" || after == "" || before == after {
		return
	}
	if before == "oneOf" && after == "anyOf" {
		c.tell("COMBINED_TYPE_EXTENDED", path, "{reader} wants at least one of the alternatives instead of one only")
	} else if c.policy != ByRole {
		c.refuse("COMPOSITION_METHOD_CHANGED", path, "{reader} has %s instead of %s", after, before)
	}
}

// choice compares the alternatives of r.
func (c *comparison) choice(path, keyword string, w []subschema, was *subschema, r subschema) {
	branches := r.list(keyword)
	fits := c.fitsOne(keyword, w, branches)
	var before []subschema
	if was != nil {
		for _, k := range []string{keyword, "anyOf", "oneOf"} {
			if before = was.list(k); before != nil {
				break
			}
		}
		switch {
		case before == nil && len(branches) > 1 && !was.has("allOf") && !was.has("$ref"),
			before != nil && len(branches) > len(before):
			c.tell("SUM_TYPE_EXTENDED", path, "{reader} has more alternatives")
		}
	}
	if fits {
		return
	}
	if before == nil {
		c.refuse("COMBINED_TYPE_SUBSCHEMAS_CHANGED", path+"/"+keyword, "{reader} has no alternative, or more than one, for all that {writer} may be")
		return
	}
	c.alternatives(path, keyword, w, before, branches)
}

// fitsOne reports whether everything that w allows fits a branch; for oneOf, no other at the same
// time.
func (c *comparison) fitsOne(keyword string, w, branches []subschema) bool {
	for i, b := range branches {
		if !c.implies(w, b) {
			continue
		}
		if keyword == "anyOf" {
			return true
		}
		apart := true
		for j, other := range branches {
			if j != i && !c.disjoint(w, []subschema{other}) && !c.excluded(w, other) {
				apart = false
				break
			}
		}
		if apart {
			return true
		}
	}
	return false
}

// excluded reports whether a oneOf of w rules out, by another branch than the chosen one, what other allows.
func (c *comparison) excluded(w []subschema, other subschema) bool {
	for _, n := range w {
		chosen, ok := n.taken["oneOf"]
		if !ok || chosen < 0 {
			continue
		}
		for i, b := range n.list("oneOf") {
			if i != chosen && c.implies([]subschema{other}, b) {
				return true
			}
		}
	}
	return slices.ContainsFunc(w, func(n subschema) bool {
		s, ok := n.child("not")
		return ok && c.implies([]subschema{other}, s)
	})
}

// alternatives pairs each of the writer's alternatives with one of the reader's, as many as can be, and says what keeps the
// others from fitting.
func (c *comparison) alternatives(path, keyword string, w, before, branches []subschema) {
	rest := slices.Clone(w)
	for i, n := range rest {
		n.taken = map[string]int{"anyOf": -1, "oneOf": -1}
		rest[i] = n
	}
	fits := make([][]int, len(before))
	for i, b := range before {
		for j, to := range branches {
			if c.implies(append(slices.Clone(rest), b), to) {
				fits[i] = append(fits[i], j)
			}
		}
	}
	pairs := matching(fits, len(branches))
	free := make([]bool, len(branches))
	for j := range free {
		free[j] = !slices.Contains(pairs, j)
	}
	told := false
	for i, b := range before {
		if pairs[i] >= 0 {
			continue
		}
		if len(fits[i]) > 0 { // several fit the same one, which is no harm
			continue
		}
		if i < len(branches) && free[i] {
			free[i] = false
			was := len(c.out)
			c.compare(path+"/"+keyword+"/"+strconv.Itoa(i), append(slices.Clone(rest), b), &before[i], branches[i])
			told = told || anyBreaking(c.out[was:])
			continue
		}
		c.refuse("SUM_TYPE_NARROWED", path+"/"+keyword+"/"+strconv.Itoa(i), "{reader} has no alternative for one that {writer} may be")
		told = true
	}
	if told {
		return
	}
	if keyword == "oneOf" {
		c.refuse(Undecided, path+"/oneOf", "{writer} may fit several of the alternatives of {reader} at once")
		return
	}
	c.refuse("COMBINED_TYPE_SUBSCHEMAS_CHANGED", path+"/"+keyword, "{reader} has no alternative for all that {writer} may be")
}

// matching is a largest set of pairs where fits[i] are the possible partners of i, below n: the partner of each, or -1.
func matching(fits [][]int, n int) []int {
	of := slices.Repeat([]int{-1}, n)
	var try func(i int, seen []bool) bool
	try = func(i int, seen []bool) bool {
		for _, j := range fits[i] {
			if seen[j] {
				continue
			}
			seen[j] = true
			if of[j] < 0 || try(of[j], seen) {
				of[j] = i
				return true
			}
		}
		return false
	}
	for i := range fits {
		try(i, make([]bool, n))
	}
	pairs := slices.Repeat([]int{-1}, len(fits))
	for j, i := range of {
		if i >= 0 {
			pairs[i] = j
		}
	}
	return pairs
}

func (c *comparison) not(path string, w []subschema, was *subschema, r subschema) {
	s, ok := r.child("not")
	if !ok {
		return
	}
	var before *subschema
	if was != nil {
		if b, ok := was.child("not"); ok {
			before = &b
		}
	}
	kept := c.disjoint(w, []subschema{s}) || slices.ContainsFunc(w, func(n subschema) bool {
		o, ok := n.child("not")
		return ok && (c.same(n, r, "not") || c.implies([]subschema{s}, o))
	})
	switch {
	case !kept && before != nil:
		c.refuse("NOT_TYPE_EXTENDED", path, "{reader} rules out something that {writer} may be")
	case !kept:
		c.refuse("NOT_TYPE_EXTENDED", path, "{reader} rules something out, and {writer} may be that")
	case before != nil && !equal(before.v, s.v):
		c.tell("NOT_TYPE_NARROWED", path, "{reader} rules out something else, which {writer} never is")
	}
}

// conditional compares if, then and else.
func (c *comparison) conditional(path string, w []subschema, r subschema) {
	test, ok := r.child("if")
	if !ok {
		return
	}
	then, hasThen := r.child("then")
	other, hasElse := r.child("else")
	if !hasThen && !hasElse {
		return
	}
	follows := func(keyword string, n subschema, is bool) bool {
		if !is || n.free() {
			return true
		}
		if c.implies(w, n) {
			return true
		}
		for _, o := range w {
			if o.has("if") && c.same(o, r, "if") {
				if s, ok := o.child(keyword); ok && c.implies(append(slices.Clone(w), s), n) {
					return true
				}
			}
		}
		return false
	}
	if !follows("then", then, hasThen) && !c.disjoint(w, []subschema{test}) {
		c.refuse(Undecided, path+"/then", "{reader} has rules that hold under a condition, and {writer} is not known to keep to them")
	}
	if !follows("else", other, hasElse) && !c.implies(w, test) {
		c.refuse(Undecided, path+"/else", "{reader} has rules that hold under a condition, and {writer} is not known to keep to them")
	}
}

// disjoint reports whether surely no value is allowed by all of a and all of b.
func (c *comparison) disjoint(a, b []subschema) bool {
	return c.apart(a, b, 0)
}

func (c *comparison) apart(a, b []subschema, deep int) bool {
	if deep > maxDepth/4 || !c.step() {
		return false
	}
	both, possible := c.expand(append(slices.Clone(a), b...))
	if !possible {
		return true
	}
	if values, ok := c.finite(both); ok && len(values) == 0 {
		return true
	}
	kinds := c.kinds(both)
	if kinds == 0 {
		return true
	}
	if c.branchesApart(both, deep) {
		return true
	}
	if kinds&^(integerKind|fractionKind) == 0 {
		low, high := c.narrowest(both, false), c.narrowest(both, true)
		if low != nil && high != nil {
			if cmp := low.at.Cmp(high.at); cmp > 0 || cmp == 0 && (low.open || high.open) {
				return true
			}
		}
	}
	if kinds != objectKind {
		return false
	}
	for _, name := range c.demanded(both) {
		schemas, _ := c.memberOf(both, name)
		if len(schemas) > 0 && c.apart(schemas, nil, deep+1) {
			return true
		}
	}
	return false
}

// branchesApart reports whether every alternative of one of w is ruled out by the rest.
func (c *comparison) branchesApart(w []subschema, deep int) bool {
	for i, n := range w {
		for _, keyword := range []string{"anyOf", "oneOf"} {
			branches := n.list(keyword)
			if _, taken := n.taken[keyword]; taken || len(branches) == 0 {
				continue
			}
			rest := slices.Clone(w)
			rest[i].taken = map[string]int{"anyOf": -1, "oneOf": -1}
			if !slices.ContainsFunc(branches, func(b subschema) bool { return !c.apart(append(slices.Clone(rest), b), nil, deep+1) }) {
				return true
			}
		}
	}
	return false
}
