package schema

import (
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// What a schema may be. Whoever writes one decides what each of its events costs everyone, so there is an end to it.
const (
	maxSchemaBytes = 256 << 10
	maxSchemaDepth = 34      // 32 of a payload's schema, which [Compose] puts two deeper
	maxObjects     = 5_000   // JSON objects
	maxRefs        = 500     // references
	maxPattern     = 512     // bytes of one
	maxCost        = 100_000 // rules with every reference written out
)

// What one value may cost the library.
const (
	maxChecks      = 200_000 // rules held against a value
	maxUniqueItems = 10_000
)

// readSchema reads a schema and refuses what is too much or cannot be done. Its error is an *[Invalid] where it is about a place.
func readSchema(b []byte) (any, error) {
	doc, err := jsonx.Tree(b, jsonx.Limits{Depth: maxSchemaDepth, Bytes: maxSchemaBytes})
	if err != nil {
		return nil, err
	}
	m := measure{}
	m.value(doc, "")
	switch {
	case m.err != nil:
		return nil, m.err
	case m.objects > maxObjects:
		return nil, fmt.Errorf("%d objects, at most %d are allowed", m.objects, maxObjects)
	case m.refs > maxRefs:
		return nil, fmt.Errorf("%d references, at most %d are allowed", m.refs, maxRefs)
	}
	return doc, nil
}

// measure walks over the text of a schema.
type measure struct {
	objects, refs int
	err           error // the first
}

func (m *measure) value(v any, at string) {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			m.value(item, at+"/"+strconv.Itoa(i))
		}
	case object:
		m.objects++
		for name, rule := range v {
			here := at + pointer([]string{name})
			text, isText := rule.(string)
			switch name {
			case "const", "enum", "default", "examples": // data
				continue
			case "$ref", "$dynamicRef", "$recursiveRef":
				if isText {
					m.refs++
				}
			case "pattern":
				if isText {
					m.pattern(text, here)
				}
			case "patternProperties":
				patterns, _ := rule.(object)
				for p := range patterns {
					m.pattern(p, here+pointer([]string{p}))
				}
			}
			m.value(rule, here)
		}
	}
}

func (m *measure) fail(at, rule, message string) {
	if m.err == nil {
		m.err = &Invalid{Violation: Violation{Pointer: at, Rule: rule, Message: message}}
	}
}

func (m *measure) pattern(p, at string) {
	if len(p) > maxPattern {
		m.fail(at, "pattern", fmt.Sprintf("the pattern has %d bytes, at most %d are allowed", len(p), maxPattern))
		return
	}
	if _, err := regexp.Compile(p); err != nil {
		m.fail(at, "pattern", "unsupported pattern: "+patternFault(p, err))
	}
}

// patternFault says in plain words why p is not RE2.
func patternFault(p string, err error) string {
	for _, f := range []struct{ sign, what string }{
		{"(?=", "look-ahead"}, {"(?!", "look-ahead"}, {"(?<=", "look-behind"}, {"(?<!", "look-behind"}, {"(?>", "an atomic group"},
	} {
		if strings.Contains(p, f.sign) {
			return f.what + " " + f.sign + "…) is not part of RE2"
		}
	}
	for i := 0; i+1 < len(p); i++ {
		if p[i] == '\\' {
			if p[i+1] >= '1' && p[i+1] <= '9' {
				return "a back reference, " + p[i:i+2] + ", is not part of RE2"
			}
			i++
		}
	}
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// affordable refuses a schema whose references lead back to itself without going deeper into the value, and one that is huge when
// every reference is written out.
func affordable(s *jsonschema.Schema) error {
	a := accounts{cost: map[*jsonschema.Schema]int{}, inPlace: map[*jsonschema.Schema]bool{}}
	if a.of(s) > maxCost {
		return fmt.Errorf("more than %d rules when every reference is written out", maxCost)
	}
	for s := range a.cost {
		if a.loops(s) {
			_, at, _ := strings.Cut(s.Location, "#")
			return &Invalid{Violation: Violation{Pointer: at, Rule: "$ref", Message: "leads back to itself: no value would ever be decided"}}
		}
	}
	return nil
}

type accounts struct {
	cost    map[*jsonschema.Schema]int
	inPlace map[*jsonschema.Schema]bool // whether it is being looked at (true) or was found sound
}

func (a *accounts) of(s *jsonschema.Schema) int {
	if known, ok := a.cost[s]; ok {
		return known
	}
	a.cost[s] = 0 // a way back costs what the value is deep
	sum := 1
	for part := range parts(s) {
		sum = min(sum+a.of(part), maxCost+1)
	}
	a.cost[s] = sum
	return sum
}

func (a *accounts) loops(s *jsonschema.Schema) bool {
	if open, ok := a.inPlace[s]; ok {
		return open
	}
	a.inPlace[s] = true
	for part, inPlace := range parts(s) {
		if inPlace && a.loops(part) {
			return true
		}
	}
	a.inPlace[s] = false
	return false
}

// parts yields the schemas that s applies, and whether they are about the same value.
func parts(s *jsonschema.Schema) iter.Seq2[*jsonschema.Schema, bool] {
	return func(yield func(*jsonschema.Schema, bool) bool) {
		going := true
		give := func(inPlace bool, some ...*jsonschema.Schema) {
			for _, one := range some {
				going = going && (one == nil || yield(one, inPlace))
			}
		}
		give(true, s.Ref, s.Not, s.If, s.Then, s.Else)
		give(true, s.AllOf...)
		give(true, s.AnyOf...)
		give(true, s.OneOf...)
		give(false, s.PropertyNames, s.UnevaluatedProperties, s.Items2020, s.Contains, s.UnevaluatedItems, s.RecursiveRef)
		give(false, s.PrefixItems...)
		if s.DynamicRef != nil {
			give(false, s.DynamicRef.Ref)
		}
		for _, one := range s.DependentSchemas {
			give(true, one)
		}
		for _, one := range s.Properties {
			give(false, one)
		}
		for _, one := range s.PatternProperties {
			give(false, one)
		}
		for _, d := range s.Dependencies {
			if one, ok := d.(*jsonschema.Schema); ok {
				give(true, one)
			}
		}
		for _, d := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
			switch d := d.(type) {
			case *jsonschema.Schema:
				give(false, d)
			case []*jsonschema.Schema:
				give(false, d...)
			}
		}
	}
}

// bearable refuses a value that would cost the library too much. Its error is an *[Invalid].
func (o oracle) bearable(value any, prefix string) error {
	c := checks{left: maxChecks, nodes: o.nodes}
	c.walk(o.exact, value)
	switch {
	case c.many:
		return &Invalid{Violation: Violation{
			Pointer: prefix, Rule: "uniqueItems", Message: fmt.Sprintf("more than %d items cannot be told apart", maxUniqueItems),
		}}
	case c.left < 0:
		return &Invalid{Violation: Violation{
			Pointer: prefix, Rule: "cost", Message: fmt.Sprintf("takes more than %d checks against its schema", maxChecks),
		}}
	}
	return nil
}

// checks counts what the library would do with a value, without doing it.
type checks struct {
	left  int
	many  bool
	nodes map[*jsonschema.Schema]*node
}

func (c *checks) walk(s *jsonschema.Schema, v any) {
	if s == nil || c.left < 0 || c.many {
		return
	}
	c.left--
	if s.Enum != nil {
		c.left -= len(s.Enum.Values)
	}
	kind := kindOfTree(v)
	if n := c.nodes[s]; s.Bool != nil || n != nil && n.kinds&kind == 0 {
		return
	}
	for part, inPlace := range parts(s) {
		if inPlace {
			c.walk(part, v)
		}
	}
	c.walk(s.RecursiveRef, v)
	if s.DynamicRef != nil {
		c.walk(s.DynamicRef.Ref, v)
	}
	switch v := v.(type) {
	case object:
		c.members(s, v)
	case []any:
		c.items(s, v)
	}
}

func (c *checks) members(s *jsonschema.Schema, v object) {
	rest, _ := s.AdditionalProperties.(*jsonschema.Schema)
	c.left -= len(v) * len(s.PatternProperties)
	for name, value := range v {
		if c.left < 0 {
			return
		}
		c.walk(s.PropertyNames, name)
		declared := s.Properties[name]
		c.walk(declared, value)
		for p, one := range s.PatternProperties {
			if p.MatchString(name) {
				c.walk(one, value)
				declared = one
			}
		}
		if declared == nil {
			c.walk(rest, value)
			c.walk(s.UnevaluatedProperties, value)
		}
	}
}

func (c *checks) items(s *jsonschema.Schema, v []any) {
	c.many = c.many || s.UniqueItems && len(v) > maxUniqueItems
	prefix := s.PrefixItems
	rest := s.Items2020
	switch items := s.Items.(type) {
	case *jsonschema.Schema:
		rest = items
	case []*jsonschema.Schema:
		prefix = items
		rest, _ = s.AdditionalItems.(*jsonschema.Schema)
	}
	for i, item := range v {
		if i < len(prefix) {
			c.walk(prefix[i], item)
		} else {
			c.walk(rest, item)
			c.walk(s.UnevaluatedItems, item)
		}
		c.walk(s.Contains, item)
	}
}

func kindOfTree(v any) uint8 {
	switch v.(type) {
	case object:
		return isObject
	case []any:
		return isArray
	case string:
		return isString
	case bool:
		return isBool
	case nil:
		return isNull
	}
	return isNumber
}
