package gen

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// mayBeNull reports whether null is a value of d. What is not said to be anything may be null, too.
func (d *def) mayBeNull() bool {
	if len(d.allowed()) > 0 {
		return slices.ContainsFunc(d.allowed(), func(v json.RawMessage) bool { return string(v) == "null" })
	}
	return len(d.Type) == 0 && d.kind() == "" || slices.Contains(d.Type, "null")
}

// typ is the annotation of d, and the rules that it does not hold.
func (m *pythonModule) typ(root *payload, d *def, one, item string) (typ string, left []string) {
	switch kind := d.kind(); {
	case kind != "":
		return m.single(root, d, kind, one, item)
	case len(d.allowed()) > 0:
		if typ := literal(d); typ != "" {
			return typ, d.unsaid()
		}
		return "Any", append(d.unsaid(), "enum")
	case len(d.Type) == 0:
		return "Any", d.unsaid()
	}
	var alternatives []string
	for _, kind := range d.Type {
		typ, more := m.single(root, d, kind, one, item)
		alternatives, left = append(alternatives, typ), append(left, more...)
	}
	slices.Sort(left)
	return strings.Join(alternatives, " | "), slices.Compact(left)
}

// literal is the type of values that are not all text. Python's has no place for numbers with a fraction, lists and objects.
func literal(d *def) string {
	var values []string
	for _, v := range d.allowed() {
		if k := jsonx.Value(v).Kind(); k == '[' || k == '{' || k == '0' && strings.ContainsAny(string(v), ".eE") {
			return ""
		}
		values = append(values, pythonValue(v))
	}
	return "Literal[" + strings.Join(values, ", ") + "]"
}

// single is the annotation of d as the one of its types that kind names.
func (m *pythonModule) single(root *payload, d *def, kind, one, item string) (typ string, left []string) {
	left = d.unsaid(kind)
	if len(d.allowed()) > 0 && len(d.texts()) == 0 {
		if typ := literal(d); typ != "" {
			return typ, left
		}
		left = append(left, "enum")
	}
	var rules []string
	rule := func(name string, value json.RawMessage) {
		if value != nil {
			rules = append(rules, name+"="+string(value))
		}
	}
	switch kind {
	case "string":
		if len(d.texts()) > 0 {
			return m.refer(root, d, one), left
		}
		rule("min_length", d.MinLength)
		rule("max_length", d.MaxLength)
		switch d.Format {
		case "uuid":
			typ = m.helper("Id")
		case "date-time":
			typ = m.helper("Time")
		default:
			typ = m.helper("Text")
		}
		if p, ok := pythonPattern(d.Pattern); !ok || typ != "Text" && d.Pattern != "" {
			left = append(left, "pattern")
		} else if p != "" {
			rules = append(rules, "pattern="+pythonText(p))
		}
		if typ != "Text" {
			rules = slices.DeleteFunc(rules, func(r string) bool { return strings.HasSuffix(strings.SplitN(r, "=", 2)[0], "_length") })
			if d.MinLength != nil || d.MaxLength != nil {
				left = append(left, "the length")
			}
		}
	case "integer", "number":
		rule("ge", d.Minimum)
		rule("le", d.Maximum)
		rule("gt", d.ExclusiveMinimum)
		rule("lt", d.ExclusiveMaximum)
		typ = m.helper("Number")
		if kind == "integer" {
			typ = m.helper("Integer")
			rule("multiple_of", d.MultipleOf)
		} else if d.MultipleOf != nil {
			left = append(left, "multipleOf")
		}
	case "boolean":
		return m.helper("Boolean"), left
	case "null":
		return "None", left
	case "array":
		of := "Any"
		if d.Items != nil {
			inner, more := m.typ(root, d.Items, item, item+"Item")
			of, left = inner, append(left, within("items", more)...)
		}
		typ = "list[" + of + "]"
		rule("min_length", d.MinItems)
		rule("max_length", d.MaxItems)
	default:
		if len(d.Properties) > 0 {
			return m.refer(root, d, one), nil // the class says what it does not check
		}
		of := "Any"
		if d.values != nil {
			inner, more := m.typ(root, d.values, item, item+"Item")
			of, left = inner, append(left, within("values", more)...)
		}
		typ = "dict[str, " + of + "]"
		if string(d.AdditionalProperties) == "false" {
			left = append(left, "additionalProperties")
		}
	}
	if len(rules) > 0 {
		return fmt.Sprintf("Annotated[%s, Field(%s)]", typ, strings.Join(rules, ", ")), left
	}
	return typ, left
}

func within(place string, rules []string) []string {
	var out []string
	for _, r := range rules {
		out = append(out, r+" of its "+place)
	}
	return out
}

// bounds are the rules of the model by the type that they are for.
func (d *def) bounds() map[string][]string {
	bounds := map[string][]string{}
	add := func(kind, name string, there bool) {
		if there {
			bounds[kind] = append(bounds[kind], name)
		}
	}
	add("string", "minLength", d.MinLength != nil)
	add("string", "maxLength", d.MaxLength != nil)
	add("string", "pattern", d.Pattern != "")
	add("string", "format", d.Format != "")
	add("number", "minimum", d.Minimum != nil)
	add("number", "maximum", d.Maximum != nil)
	add("number", "exclusiveMinimum", d.ExclusiveMinimum != nil)
	add("number", "exclusiveMaximum", d.ExclusiveMaximum != nil)
	add("number", "multipleOf", d.MultipleOf != nil)
	add("array", "minItems", d.MinItems != nil)
	add("array", "maxItems", d.MaxItems != nil)
	add("array", "items", d.Items != nil)
	add("object", "properties", len(d.Properties) > 0)
	add("object", "additionalProperties", len(d.AdditionalProperties) > 0 && string(d.AdditionalProperties) != "true")
	return bounds
}

// unsaid are the rules of d that a type which speaks for kinds does not hold: those of other kinds too, where it may be of any.
func (d *def) unsaid(kinds ...string) []string {
	left := d.unknown()
	if d.AnyOf != nil && !slices.Contains(kinds, "anyOf") {
		left = append(left, "anyOf")
	}
	if d.OneOf != nil {
		left = append(left, "oneOf")
	}
	if slices.Contains(kinds, "integer") {
		kinds = append(kinds, "number")
	}
	if slices.Contains(kinds, "string") && d.Format != "" && d.Format != "uuid" && d.Format != "date-time" {
		left = append(left, "format "+d.Format)
	}
	if len(kinds) == 0 {
		bounds := d.bounds()
		for _, kind := range slices.Sorted(maps.Keys(bounds)) {
			left = append(left, bounds[kind]...)
		}
	}
	slices.Sort(left)
	return slices.Compact(left)
}

var plainPattern = regexp.MustCompile(`\\[A-Za-z]|\[[^\]]*\[|&&|--|~~|\(\?`)
