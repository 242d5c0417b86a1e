package schema

import (
	"fmt"
	"slices"
	"strings"
)

// portableBytes is how large a schema may be before some registries advise against it.
const portableBytes = 128 << 10

// later are the keywords that validators of draft 7 pass over, which some registries have for all drafts.
var later = []string{
	"$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "dependentRequired", "dependentSchemas", "minContains", "maxContains", "prefixItems",
	"unevaluatedItems", "unevaluatedProperties",
}

// portable reports at the schema s what the registries of the neighbourhood do not read alike.
func (f *lintFile) portable(at string, s object) {
	var combinators []string
	for _, name := range []string{"allOf", "anyOf", "oneOf", "not", "if"} {
		if s[name] != nil {
			combinators = append(combinators, name)
		}
	}
	if len(combinators) > 1 {
		f.report(at+"/"+combinators[1], "combinators", strings.Join(combinators, " and ")+" in one schema: some registries refuse it", "put one of them into a schema within, or do without")
	}
	if branches, ok := s["oneOf"].([]any); ok && !discriminated(branches) {
		f.warn(at+"/oneOf", "oneOf", "no member tells which alternative is meant", `give each alternative a required member with a "const" of its own, or use anyOf`)
	}
	if ref, ok := s["$ref"].(string); ok && strings.HasPrefix(ref, "#") && !strings.HasPrefix(ref, "#/$defs/") {
		f.report(at+"/$ref", "reference", fmt.Sprintf("%q is not in $defs", ref), "move what is shared into $defs, and refer to it there")
	}
	if at != "" {
		for _, name := range []string{"$id", "$schema", "$defs"} {
			if s[name] != nil {
				f.report(at+"/"+name, "root", name+" stands within the schema: some registries refuse it", "have it at the top only")
			}
		}
	}
	members, _ := s["properties"].(object)
	for name, sub := range members {
		if _, ok := sub.(bool); ok {
			f.report(at+"/properties"+pointer([]string{name}), "boolean", fmt.Sprintf("the schema of the member %q is true or false: there is a registry that it stops", name), `write an object with "type" and "description"`)
		}
	}
	for name := range s {
		if slices.Contains(later, name) {
			f.warn(at+"/"+name, "portable", name+" is passed over by registries that know draft 7 only", "do without it where others must check the same")
		}
	}
}

// discriminated reports whether one member tells the alternatives apart: each demands it, with a value of its own.
func discriminated(branches []any) bool {
	constants := func(branch any) map[string]string {
		o, _ := branch.(object)
		members, _ := o["properties"].(object)
		required, _ := o["required"].([]any)
		out := map[string]string{}
		for name, sub := range members {
			if m, ok := sub.(object); ok && m["const"] != nil && slices.Contains(required, any(name)) {
				out[name] = value(m["const"])
			}
		}
		return out
	}
	if len(branches) == 0 {
		return true
	}
	for name := range constants(branches[0]) {
		seen := map[string]bool{}
		for _, b := range branches {
			if c, ok := constants(b)[name]; ok {
				seen[c] = true
			}
		}
		if len(seen) == len(branches) {
			return true
		}
	}
	return false
}
