package schema

import (
	"maps"
	"math/big"
	"regexp"
	"slices"
)

// covered are the members that the rules beside unevaluatedProperties may speak of.
type covered struct {
	names    map[string]bool
	patterns map[string]bool
	all      bool // all that there can be
}

// speaksOf collects what the rules of n, itself included, may speak of.
func (c *comparison) speaksOf(n subschema, of *covered, seen map[string]bool) {
	if seen[n.key()] || !c.step() {
		return
	}
	seen[n.key()] = true
	for _, name := range n.names("properties") {
		of.names[name] = true
	}
	for _, p := range n.names("patternProperties") {
		of.patterns[p] = true
	}
	if n.has("additionalProperties") || n.has("unevaluatedProperties") && len(seen) > 1 || n.has("$dynamicRef") || n.has("$recursiveRef") {
		of.all = true
	}
	if target, ok := n.referred(); ok {
		c.speaksOf(target, of, seen)
	} else if n.has("$ref") {
		of.all = true
	}
	for _, keyword := range lists {
		for _, part := range n.list(keyword) {
			c.speaksOf(part, of, seen)
		}
	}
	for _, keyword := range []string{"if", "then", "else"} {
		if part, ok := n.child(keyword); ok {
			c.speaksOf(part, of, seen)
		}
	}
	for _, keyword := range []string{"dependentSchemas", "dependencies"} {
		for _, name := range n.names(keyword) {
			if part, ok := n.member(keyword, name); ok {
				c.speaksOf(part, of, seen)
			}
		}
	}
}

func (c *comparison) unevaluated(n subschema) covered {
	of := covered{names: map[string]bool{}, patterns: map[string]bool{}}
	c.speaksOf(n, &of, map[string]bool{})
	return of
}

func matches(pattern, name string) bool {
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(name)
}

func (of covered) has(name string) bool {
	if of.all || of.names[name] {
		return true
	}
	for p := range of.patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}

// memberOf are the schemas that w holds for the member name; declared is whether one of them names it.
func (c *comparison) memberOf(w []subschema, name string) (schemas []subschema, declared bool) {
	for _, n := range w {
		spoken := false
		if s, ok := n.member("properties", name); ok {
			schemas = append(schemas, s)
			declared, spoken = true, true
		}
		for _, p := range n.names("patternProperties") {
			if s, ok := n.member("patternProperties", p); ok && matches(p, name) {
				schemas = append(schemas, s)
				spoken = true
			}
		}
		if s, ok := n.child("additionalProperties"); ok && !spoken {
			schemas = append(schemas, s)
		}
		if s, ok := n.child("unevaluatedProperties"); ok && !c.unevaluated(n).has(name) {
			schemas = append(schemas, s)
		}
	}
	return schemas, declared
}

// others are the schemas for members that w neither declares nor has a pattern for.
func (c *comparison) others(w []subschema) []subschema {
	var schemas []subschema
	for _, n := range w {
		if s, ok := n.child("additionalProperties"); ok {
			schemas = append(schemas, s)
		}
		if s, ok := n.child("unevaluatedProperties"); ok && !c.unevaluated(n).all {
			schemas = append(schemas, s)
		}
	}
	return schemas
}

// spoken are the names and the patterns that w has rules for.
func (c *comparison) spoken(w []subschema) (names, patterns []string) {
	all := covered{names: map[string]bool{}, patterns: map[string]bool{}}
	for _, n := range w {
		for _, name := range n.names("properties") {
			all.names[name] = true
		}
		for _, p := range n.names("patternProperties") {
			all.patterns[p] = true
		}
		if n.has("unevaluatedProperties") {
			of := c.unevaluated(n)
			maps.Copy(all.names, of.names)
			maps.Copy(all.patterns, of.patterns)
		}
	}
	return slices.Sorted(maps.Keys(all.names)), slices.Sorted(maps.Keys(all.patterns))
}

func (c *comparison) demanded(w []subschema) []string {
	var names []string
	for _, n := range w {
		names = append(names, n.demanded()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// empty reports whether surely no value is allowed by all of w.
func (c *comparison) empty(w []subschema) bool {
	flat, possible := c.expand(w)
	if !possible {
		return true
	}
	if values, ok := c.finite(flat); ok && len(values) == 0 {
		return true
	}
	return c.kinds(flat) == 0
}

// openness is how an object treats members that it does not declare.
type openness int

const (
	open openness = iota
	partly
	closed
)

func (c *comparison) openness(w []subschema) openness {
	rest := c.others(w)
	_, patterns := c.spoken(w)
	flat, possible := c.expand(rest)
	free := !slices.ContainsFunc(flat, func(n subschema) bool { return !n.free() })
	switch {
	case !possible && len(patterns) == 0:
		return closed
	case !possible || !free || len(patterns) > 0:
		return partly
	}
	return open
}

// object compares what is asked of objects.
func (c *comparison) object(path string, w []subschema, was *subschema, r subschema) {
	c.properties(path, w, was, r)
	c.required(path, w, was, r)
	c.patterned(path, w, was, r)
	c.additional(path, w, was, r)
	c.propertyNames(path, w, r)
	c.count(path, limit{"minProperties", false, "members"}, w, was, r, big.NewRat(int64(len(c.demanded(w))), 1))
	var most *big.Rat
	if c.openness(w) == closed {
		names, _ := c.spoken(w)
		most = big.NewRat(int64(len(names)), 1)
	}
	c.count(path, limit{"maxProperties", true, "members"}, w, was, r, most)
	c.dependent(path, w, was, r)
	if r.has("unevaluatedProperties") {
		c.left(path+"/unevaluatedProperties", w, r)
	}
}

func (c *comparison) properties(path string, w []subschema, was *subschema, r subschema) {
	model := c.openness(w)
	for _, name := range r.names("properties") {
		s, ok := r.member("properties", name)
		if !ok {
			continue
		}
		here := path + pointer([]string{"properties", name})
		from, declared := c.memberOf(w, name)
		if c.impossible(from) {
			if !declared {
				c.added(here, name, was, r)
			}
			continue
		}
		if declared {
			var before *subschema
			if was != nil {
				if b, ok := was.member("properties", name); ok {
					before = &b
				}
			}
			c.within(here, from, before, s)
			continue
		}
		fits := c.impliesWithin(from, s)
		switch {
		case fits && s.free() && model == open:
			c.tell("PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL", here, "{reader} names %q and asks nothing of it", name)
		case fits && was != nil:
			c.tell("PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", here, "{reader} names %q, and asks no more than {writer} keeps to", name)
		case fits:
		case c.policy == Lenient && !slices.Contains(c.demanded(w), name):
			c.tell("PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", here, "{reader} has rules for %q, which {writer} does not declare", name)
		case model == open:
			c.refuse("PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", here, "{reader} has rules for %q, {writer} may hold anything by this name", name)
		default:
			c.refuse("PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", here, "{reader} has rules for %q, {writer} may hold something else by this name", name)
		}
	}
	c.removed(path, w, was, r)
	if was != nil {
		c.renamed(path, *was, r)
	}
}

func (c *comparison) impossible(w []subschema) bool { return len(w) > 0 && c.empty(w) }

// added tells of a member that r declares and the writer never writes.
func (c *comparison) added(path, name string, was *subschema, r subschema) {
	if was != nil && !was.has("properties") && !was.has("required") && !r.has("required") && len(was.keywords()) == 0 {
		return
	}
	if !slices.Contains(r.demanded(), name) {
		c.tell("OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", path, "{reader} also knows %q, which {writer} never holds", name)
	}
}

// removed compares the members that the writer declares and r does not.
func (c *comparison) removed(path string, w []subschema, was *subschema, r subschema) {
	names, _ := c.spoken(w)
	reader := []subschema{r}
	for _, name := range names {
		if _, ok := r.member("properties", name); ok {
			continue
		}
		from, _ := c.memberOf(w, name)
		here := path + pointer([]string{"properties", name})
		own := was != nil && slices.Contains(was.names("properties"), name)
		to := c.plainMember(r, name)
		impossible := c.impossible(from)
		fits := true
		for _, s := range to {
			fits = fits && c.impliesWithin(from, s)
		}
		model := c.openness(reader)
		if r.has("unevaluatedProperties") && len(to) == 0 {
			continue // looked at there
		}
		switch {
		case fits && !own:
		case model == open:
			c.tell("PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL", here, "{reader} does not know %q, and passes over it", name)
		case fits && impossible:
			c.tell("PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", here, "{reader} does not know %q, which {writer} never holds", name)
		case fits:
			c.tell("PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", here, "{reader} does not name %q, and allows it", name)
		case c.policy == Lenient:
			c.tell("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", here, "{reader} does not know %q", name)
		case model == closed:
			c.refuse("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", here, "{reader} does not allow %q, which {writer} may hold", name)
		default:
			c.refuse("PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", here, "{reader} asks of %q what {writer} need not keep to", name)
		}
	}
}

// plainMember are the schemas of one reader's schema for a member that it does not name: its patterns', or that for the rest.
func (c *comparison) plainMember(r subschema, name string) []subschema {
	var schemas []subschema
	for _, p := range r.names("patternProperties") {
		if s, ok := r.member("patternProperties", p); ok && matches(p, name) {
			schemas = append(schemas, s)
		}
	}
	if s, ok := r.child("additionalProperties"); ok && schemas == nil {
		schemas = append(schemas, s)
	}
	return schemas
}

func (c *comparison) required(path string, w []subschema, was *subschema, r subschema) {
	has := c.demanded(w)
	for _, name := range r.demanded() {
		if slices.Contains(has, name) {
			continue
		}
		here := path + pointer([]string{"properties", name})
		s, declared := r.member("properties", name)
		filled := declared && c.policy != ByRole && c.fillsIn(r, name, s)
		_, known := c.memberOf(w, name)
		model := c.openness(w)
		switch {
		case filled && known:
			c.tell("REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED", here, "{reader} demands %q, and has a default where {writer} lacks it", name)
		case filled && model != open:
			c.tell("REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL", here, "{reader} demands %q, and has a default as {writer} lacks it", name)
		case filled:
		case known || !declared || model == open:
			c.refuse("REQUIRED_ATTRIBUTE_ADDED", here, "{reader} demands %q, {writer} may lack it", name)
		default:
			c.refuse("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", here, "{reader} demands %q, {writer} never holds it", name)
		}
	}
	if was == nil {
		return
	}
	for _, name := range was.demanded() {
		_, here := r.member("properties", name)
		_, before := was.member("properties", name)
		if !slices.Contains(r.demanded(), name) && (here || !before) && !r.has("$ref") {
			c.tell("REQUIRED_ATTRIBUTE_REMOVED", path+pointer([]string{"properties", name}), "{reader} does not demand %q", name)
		}
	}
}

// fillsIn reports whether a reader that puts in the default of the member name, which has the schema s, has a value that r
// allows: the default keeps to its own rules, and no rule speaks of which members there are.
func (c *comparison) fillsIn(r subschema, name string, s subschema) bool {
	def, has := s.keywords()["default"]
	if !has || r.has("$ref") {
		return false
	}
	if slices.ContainsFunc([]string{
		"maxProperties", "propertyNames", "dependencies", "dependentRequired", "dependentSchemas", "if", "not", "allOf", "anyOf", "oneOf",
	}, r.has) {
		return false
	}
	rules, _ := c.memberOf([]subschema{r}, name)
	return !slices.ContainsFunc(rules, func(n subschema) bool {
		ok, sure := n.accepts(def)
		return !ok || !sure
	})
}

// patterned compares the rules for members whose name matches a pattern.
func (c *comparison) patterned(path string, w []subschema, was *subschema, r subschema) {
	names, patterns := c.spoken(w)
	for _, p := range r.names("patternProperties") {
		s, ok := r.member("patternProperties", p)
		if !ok {
			continue
		}
		here := path + pointer([]string{"patternProperties", p})
		var before *subschema
		if was != nil {
			if b, ok := was.member("patternProperties", p); ok {
				before = &b
			}
		}
		var own []subschema
		for _, n := range w {
			if o, ok := n.member("patternProperties", p); ok {
				own = append(own, o)
			}
		}
		if own != nil {
			c.within(here, own, before, s) // it holds for whatever matches, declared or not
			continue
		}
		for _, name := range names {
			from, _ := c.memberOf(w, name)
			if matches(p, name) && !c.impossible(from) && !c.impliesWithin(from, s) {
				c.refuse("PATTERN_PROPERTY_ADDED", here, "{reader} has rules for members such as %q that {writer} need not keep to", name)
			}
		}
		fits := c.fitsOthers(w, patterns, s, nil)
		if !fits {
			c.refuse("PATTERN_PROPERTY_ADDED", here, "{reader} has rules for members that match %s, {writer} may hold anything there", p)
		}
	}
}

// fitsOthers reports whether whatever w allows for members that it does not declare fits s; except are patterns that are
// looked at elsewhere.
func (c *comparison) fitsOthers(w []subschema, patterns []string, s subschema, except []string) bool {
	if s.free() {
		return true
	}
	rest := c.others(w)
	if !c.impossible(rest) && !c.impliesWithin(rest, s) {
		return false
	}
	for _, p := range patterns {
		if slices.Contains(except, p) {
			continue
		}
		var under []subschema
		for _, n := range w {
			if o, ok := n.member("patternProperties", p); ok {
				under = append(under, o)
			}
		}
		if !c.impossible(under) && !c.impliesWithin(under, s) {
			return false
		}
	}
	return true
}

// additional compares what is allowed of members that are not declared.
func (c *comparison) additional(path string, w []subschema, was *subschema, r subschema) {
	keyword := "additionalProperties"
	here := path + "/" + keyword
	s, has := r.child(keyword)
	var before subschema
	var had bool
	if was != nil {
		before, had = was.child(keyword)
	}
	if !has {
		if old, ok := writtenChild(was, keyword); ok && old != true && r.written()[keyword] == nil && had && !r.has("$ref") {
			c.tell("ADDITIONAL_PROPERTIES_ADDED", here, "{reader} allows undeclared members")
		}
		return
	}
	if b, ok := s.v.(bool); ok && b {
		if old, ok := writtenChild(was, keyword); ok && old != true && had {
			c.tell("ADDITIONAL_PROPERTIES_EXTENDED", here, "{reader} allows undeclared members")
		}
		return
	}
	_, patterns := c.spoken(w)
	rest := c.others(w)
	if !c.impossible(rest) {
		switch {
		case c.policy == Lenient && (len(rest) == 0 || c.allFree(rest)):
			kind := "ADDITIONAL_PROPERTIES_NARROWED"
			if s.v == false {
				kind = "ADDITIONAL_PROPERTIES_REMOVED"
			}
			c.tell(kind, here, "{reader} does not allow every undeclared member")
		case c.policy == Lenient && s.v == false:
			c.tell("ADDITIONAL_PROPERTIES_REMOVED", here, "{reader} allows no undeclared members")
		case s.v == false:
			c.refuse("ADDITIONAL_PROPERTIES_REMOVED", here, "{reader} allows no undeclared members, {writer} may hold some")
		case len(rest) == 0 || c.allFree(rest):
			if !c.impliesWithin(rest, s) {
				c.refuse("ADDITIONAL_PROPERTIES_NARROWED", here, "{reader} does not allow every undeclared member, {writer} may hold any")
			}
		case had:
			c.within(here, rest, &before, s)
		default:
			c.within(here, rest, nil, s)
		}
	} else if had && s.v != false {
		c.tell("ADDITIONAL_PROPERTIES_EXTENDED", here, "{reader} allows some undeclared members")
	}
	for _, p := range patterns {
		if slices.Contains(r.names("patternProperties"), p) || c.policy == Lenient {
			continue
		}
		var under []subschema
		for _, n := range w {
			if o, ok := n.member("patternProperties", p); ok {
				under = append(under, o)
			}
		}
		if !c.impossible(under) && !c.impliesWithin(under, s) {
			c.refuse("PATTERN_PROPERTY_REMOVED", path+pointer([]string{"patternProperties", p}), "{reader} does not allow every member that {writer} may hold under a name matching %s", p)
		}
	}
}

func (c *comparison) allFree(w []subschema) bool {
	return !slices.ContainsFunc(w, func(n subschema) bool { return !n.free() })
}

func writtenChild(n *subschema, keyword string) (any, bool) {
	if n == nil {
		return nil, false
	}
	v, ok := n.written()[keyword]
	return v, ok
}

// left compares what is allowed of members that no other rule of r speaks of.
func (c *comparison) left(path string, w []subschema, r subschema) {
	s, ok := r.child("unevaluatedProperties")
	if !ok || s.free() {
		return
	}
	// Sure to be spoken of is only what r itself and what it always refers to declares.
	sure := covered{names: map[string]bool{}, patterns: map[string]bool{}}
	all, _ := c.expand([]subschema{r})
	for _, n := range all {
		for _, name := range n.names("properties") {
			sure.names[name] = true
		}
		for _, p := range n.names("patternProperties") {
			sure.patterns[p] = true
		}
		sure.all = sure.all || n.has("additionalProperties")
	}
	if sure.all {
		return
	}
	names, patterns := c.spoken(w)
	for _, name := range names {
		from, _ := c.memberOf(w, name)
		if !sure.has(name) && !c.impossible(from) && !c.impliesWithin(from, s) {
			c.refuse(Undecided, path, "{reader} may not allow %q, which {writer} may hold", name)
			return
		}
	}
	if !c.fitsOthers(w, patterns, s, slices.Collect(maps.Keys(sure.patterns))) {
		c.refuse("UNEVALUATED_PROPERTIES_NARROWED", path, "{reader} does not allow every undeclared member, {writer} may hold others")
	}
}

// renamed tells of an optional member that has gone while one of the same type has come.
func (c *comparison) renamed(path string, was, r subschema) {
	old, fresh := was.written(), r.written()
	before, _ := old["properties"].(object)
	after, _ := fresh["properties"].(object)
	gone := slices.DeleteFunc(slices.Sorted(maps.Keys(before)), func(name string) bool { return after[name] != nil || slices.Contains(was.demanded(), name) })
	come := slices.DeleteFunc(slices.Sorted(maps.Keys(after)), func(name string) bool { return before[name] != nil || slices.Contains(r.demanded(), name) })
	for _, name := range gone {
		s, ok := before[name].(object)
		if !ok || s["type"] == nil {
			continue
		}
		i := slices.IndexFunc(come, func(other string) bool {
			o, ok := after[other].(object)
			return ok && equal(o["type"], s["type"])
		})
		if i < 0 {
			continue
		}
		from, to := name, come[i]
		if c.direction == ForwardDirection {
			from, to = to, from
		}
		come = slices.Delete(come, i, i+1)
		c.tell(RenameSuspected, path+pointer([]string{"properties", to}), "%q looks like %q renamed: {reader} does not find there what {writer} holds under the other name", to, from)
	}
}
