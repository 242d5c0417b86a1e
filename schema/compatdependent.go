package schema

import (
	"slices"
	"strconv"
)

func (c *comparison) propertyNames(path string, w []subschema, r subschema) {
	s, ok := r.child("propertyNames")
	if !ok || s.free() {
		return
	}
	here := path + "/propertyNames"
	var kept []subschema
	for _, n := range w {
		if o, ok := n.child("propertyNames"); ok {
			kept = append(kept, o)
		}
	}
	if kept != nil && c.impliesWithin(append(kept, aString), s) {
		return
	}
	names, patterns := c.spoken(w)
	if len(patterns) > 0 || !c.impossible(c.others(w)) {
		c.refuse("PROPERTY_NAMES_NARROWED", here, "{reader} does not allow every name that a member of {writer} may have")
		return
	}
	for _, name := range names {
		from, _ := c.memberOf(w, name)
		if fits, sure := s.accepts(name); (!fits || !sure) && !c.impossible(from) {
			c.refuse("PROPERTY_NAMES_NARROWED", here, "{reader} does not allow members by the name %q", name)
		}
	}
}

var aString = subschema{at: "a string", v: object{"type": "string"}}

// dependent compares what the presence of one member asks of others.
func (c *comparison) dependent(path string, w []subschema, was *subschema, r subschema) {
	demanded := c.demanded(w)
	for _, keyword := range []string{"dependencies", "dependentRequired", "dependentSchemas"} {
		for _, name := range r.names(keyword) {
			here := path + pointer([]string{keyword, name})
			if from, _ := c.memberOf(w, name); c.impossible(from) {
				continue
			}
			if s, ok := r.member(keyword, name); ok {
				c.dependentSchema(here, name, w, was, s)
				continue
			}
			members, _ := r.keywords()[keyword].(object)
			if b, ok := members[name].(bool); ok && b {
				continue
			}
			items, _ := members[name].([]any)
			kept := slices.Clone(demanded)
			for _, n := range w {
				kept = append(kept, dependsOn(n, name)...)
			}
			for _, item := range items {
				other, _ := item.(string)
				if !slices.Contains(kept, other) && other != name {
					kind := "DEPENDENCY_ARRAY_ADDED"
					if was != nil && dependsOn(*was, name) != nil {
						kind = "DEPENDENCY_ARRAY_EXTENDED"
					}
					c.refuse(kind, here, "{reader} demands %q where %q is, {writer} may lack it", other, name)
				}
			}
		}
		if was == nil || r.has("$ref") {
			continue
		}
		for _, name := range was.names(keyword) {
			members, _ := r.keywords()[keyword].(object)
			if _, ok := members[name]; !ok {
				kind := "DEPENDENCY_ARRAY_REMOVED"
				if _, ok := was.member(keyword, name); ok {
					kind = "DEPENDENCY_SCHEMA_REMOVED"
				}
				c.tell(kind, path+pointer([]string{keyword, name}), "{reader} asks nothing more where %q is", name)
			}
		}
	}
}

func dependsOn(n subschema, name string) []string {
	var names []string
	for _, keyword := range []string{"dependencies", "dependentRequired"} {
		members, _ := n.keywords()[keyword].(object)
		items, _ := members[name].([]any)
		for _, item := range items {
			if s, ok := item.(string); ok {
				names = append(names, s)
			}
		}
	}
	return names
}

func (c *comparison) dependentSchema(path, name string, w []subschema, was *subschema, s subschema) {
	there := slices.Clone(w)
	var own *subschema
	for _, n := range w {
		for _, keyword := range []string{"dependencies", "dependentSchemas"} {
			if o, ok := n.member(keyword, name); ok {
				there = append(there, o)
			}
		}
	}
	if was != nil {
		for _, keyword := range []string{"dependencies", "dependentSchemas"} {
			if o, ok := was.member(keyword, name); ok {
				own = &o
			}
		}
	}
	there = append(there, subschema{at: "with " + strconv.Quote(name), v: object{"required": []any{name}}})
	if own == nil {
		if !c.implies(there, s) {
			c.refuse("DEPENDENCY_SCHEMA_ADDED", path, "{reader} has rules where %q is that {writer} need not keep to", name)
		}
		return
	}
	c.compare(path, there, own, s)
}
