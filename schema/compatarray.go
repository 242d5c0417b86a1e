package schema

import (
	"math/big"
	"slices"
	"strconv"
)

// firsts are the schemas for the first items, one each, and the keyword that holds them.
func (n subschema) firsts() (keyword string, schemas []subschema) {
	if n.doc != nil && n.doc.draft >= 2020 && n.has("prefixItems") {
		return "prefixItems", n.list("prefixItems")
	}
	if _, ok := n.keywords()["items"].([]any); ok {
		return "items", n.list("items")
	}
	return "prefixItems", nil
}

// rest is the schema for the items behind the first ones, and its keyword.
func (n subschema) rest() (keyword string, s subschema, ok bool) {
	if _, ok := n.keywords()["items"].([]any); ok {
		s, ok = n.child("additionalItems")
		return "additionalItems", s, ok
	}
	s, ok = n.child("items")
	return "items", s, ok
}

// itemOf are the schemas that w holds for the item i.
func (c *comparison) itemOf(w []subschema, i int) []subschema {
	var schemas []subschema
	for _, n := range w {
		if _, firsts := n.firsts(); i < len(firsts) {
			schemas = append(schemas, firsts[i])
		} else if _, s, ok := n.rest(); ok {
			schemas = append(schemas, s)
		}
	}
	return schemas
}

// longest is how many items w has rules of their own for.
func (c *comparison) longest(w []subschema) int {
	n := 0
	for _, s := range w {
		_, firsts := s.firsts()
		n = max(n, len(firsts))
	}
	return n
}

// most is how many items w allows at most; -1 where any number.
func (c *comparison) most(w []subschema) int {
	most := -1
	for _, n := range w {
		v, ok := n.number("maxItems")
		if !ok {
			continue
		}
		if q := exact(v); q.IsInt() && q.Num().IsInt64() && (most < 0 || int(q.Num().Int64()) < most) {
			most = int(q.Num().Int64())
		}
	}
	for i := range c.longest(w) + 1 {
		if (most < 0 || i < most) && c.impossible(c.itemOf(w, i)) {
			return i
		}
	}
	return most
}

func (c *comparison) fewest(w []subschema) int {
	fewest := 0
	for _, n := range w {
		if v, ok := n.number("minItems"); ok {
			if q := exact(v); q.IsInt() && q.Num().IsInt64() {
				fewest = max(fewest, int(q.Num().Int64()))
			}
		}
	}
	return fewest
}

// array compares what is asked of arrays.
func (c *comparison) array(path string, w []subschema, was *subschema, r subschema) {
	c.items(path, w, was, r)
	c.count(path, limit{"minItems", false, "items"}, w, was, r, new(big.Rat))
	var most *big.Rat
	if n := c.most(w); n >= 0 {
		most = big.NewRat(int64(n), 1)
	}
	c.count(path, limit{"maxItems", true, "items"}, w, was, r, most)
	unique := r.keywords()["uniqueItems"] == true
	before := was != nil && was.keywords()["uniqueItems"] == true
	kept := slices.ContainsFunc(w, func(n subschema) bool { return n.keywords()["uniqueItems"] == true }) || most != nil && c.most(w) <= 1
	switch {
	case unique && !kept:
		c.refuse("UNIQUE_ITEMS_ADDED", path+"/uniqueItems", "{reader} wants all items to differ, {writer} may have equal ones")
	case before && !unique && !r.has("$ref"):
		c.tell("UNIQUE_ITEMS_REMOVED", path+"/uniqueItems", "{reader} does not ask for items to differ")
	}
	c.contains(path+"/contains", w, r)
	c.idleItems(path+"/additionalItems", was, r)
	if s, ok := r.child("unevaluatedItems"); ok && !s.free() && !c.among(w, r, "unevaluatedItems") {
		if _, _, all := r.rest(); !all {
			fits := true
			for i := range c.longest(w) + 1 {
				fits = fits && (c.most(w) >= 0 && i >= c.most(w) || c.impliesWithin(c.itemOf(w, i), s))
			}
			if !fits {
				c.refuse(Undecided, path+"/unevaluatedItems", "{reader} may not allow every item that {writer} may have")
			}
		}
	}
}

func (c *comparison) items(path string, w []subschema, was *subschema, r subschema) {
	keyword, firsts := r.firsts()
	var before []subschema
	if was != nil {
		var k string
		if k, before = was.firsts(); len(firsts) == 0 {
			keyword = k
		}
	}
	most := c.most(w)
	beyond := func(i int) bool { return most >= 0 && i >= most }
	for i, s := range firsts {
		here := path + "/" + keyword + "/" + strconv.Itoa(i)
		from := c.itemOf(w, i)
		switch {
		case beyond(i):
			if was != nil && i >= len(before) {
				c.tell("ITEM_ADDED_TO_CLOSED_CONTENT_MODEL", here, "{reader} has rules for an item that {writer} never holds")
			}
		case i < len(before):
			c.within(here, from, &before[i], s)
		case i < c.longest(w):
			c.within(here, from, nil, s)
		case c.impliesWithin(from, s):
			if was != nil {
				c.tell("ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", here, "{reader} has a rule for item %d that {writer} keeps to", i)
			}
		case len(from) == 0:
			c.refuse("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", here, "{reader} has a rule for item %d, {writer} may hold anything there", i)
		default:
			c.refuse("ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", here, "{reader} has a rule for item %d that {writer} need not keep to", i)
		}
	}
	name, s, has := r.rest()
	here := path + "/" + name
	var old subschema
	had := false
	if was != nil {
		_, old, had = was.rest()
	}
	for i := len(firsts); i < c.longest(w); i++ {
		at := path + "/" + keyword + "/" + strconv.Itoa(i)
		from := c.itemOf(w, i)
		switch {
		case beyond(i):
		case !has:
			if i < len(before) {
				c.tell("ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL", at, "{reader} has no rule for item %d", i)
			}
		case c.impliesWithin(from, s):
			if i < len(before) {
				c.tell("ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at, "{reader} has no rule of its own for item %d, and allows it", i)
			}
		case s.v == false:
			c.refuse("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL", at, "{reader} does not allow an item %d, which {writer} may hold", i)
		default:
			c.refuse("ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", at, "{reader} asks of item %d what {writer} need not keep to", i)
		}
	}
	first := max(len(firsts), c.longest(w))
	from := c.itemOf(w, first)
	switch {
	case !has:
		if had && !r.has("$ref") {
			kind := "SCHEMA_REMOVED"
			if old.v == false {
				kind = "ADDITIONAL_ITEMS_ADDED"
			}
			c.tell(kind, path+"/items", "{reader} allows any items")
		}
	case beyond(first):
	case s.v == false:
		c.refuse("ADDITIONAL_ITEMS_REMOVED", here, "{reader} allows no more than %d items, {writer} may have more", first)
	case len(from) == 0:
		if !c.impliesWithin(nil, s) {
			c.refuse("ADDITIONAL_ITEMS_NARROWED", here, "{reader} does not allow every item, {writer} may hold any")
		}
	case had:
		c.within(here, from, &old, s)
	default:
		c.within(here, from, nil, s)
	}
}

// idleItems compares the schemas for additional items where no items are listed, so that they have no effect: registries mind.
func (c *comparison) idleItems(path string, was *subschema, r subschema) {
	if was == nil || c.policy == ByRole || was.has("items") || r.has("items") {
		return
	}
	before, had := was.child("additionalItems")
	s, has := r.child("additionalItems")
	switch {
	case !had || !has:
	case s.v == false && before.v != false:
		c.refuse("ADDITIONAL_ITEMS_REMOVED", path, "{reader} allows no additional items")
	default:
		c.within(path, []subschema{before}, &before, s)
	}
}

// contains compares what some of the items must be.
func (c *comparison) contains(path string, w []subschema, r subschema) {
	s, ok := r.child("contains")
	if !ok {
		return
	}
	few, many := r.bounds()
	if few == 0 && many < 0 {
		return
	}
	for _, n := range w {
		o, ok := n.child("contains")
		if !ok {
			continue
		}
		least, most := n.bounds()
		if least >= few && (many < 0 || most >= 0 && most <= many && c.same(n, r, "contains")) && c.impliesWithin([]subschema{o}, s) {
			return
		}
	}
	// All items may be of the kind that is wanted.
	if fewest := c.fewest(w); many < 0 && fewest >= few && few > 0 {
		all := true
		for i := range c.longest(w) + 1 {
			all = all && c.impliesWithin(c.itemOf(w, i), s)
		}
		if all {
			return
		}
	}
	c.refuse("CONTAINS_NARROWED", path, "{reader} wants items that {writer} need not have")
}

// bounds are minContains and maxContains, -1 where there is no end.
func (n subschema) bounds() (few, many int) {
	few, many = 1, -1
	read := func(keyword string, to *int) {
		if v, ok := n.number(keyword); ok {
			if q := exact(v); q.IsInt() && q.Num().IsInt64() {
				*to = int(q.Num().Int64())
			}
		}
	}
	read("minContains", &few)
	read("maxContains", &many)
	return few, many
}
