package catalogue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Field is one member that a schema declares, in words.
type Field struct {
	Path       string // issues[].line
	Name       string // line
	Depth      int    // 0 is the top level
	Type       string // string, integer or null, array of object
	Required   bool   // wherever the object is that has it
	Limits     []string
	Doc        string
	Default    json.RawMessage
	Deprecated bool
	Variant    string // the form of the object that has it, where there are several
}

// Notes are what to know of the field f of e beside its type: limits, other names, the record key.
func (e Entry) Notes(f Field) []string {
	notes := slices.Clone(f.Limits)
	if f.Depth == 0 {
		if names := e.OtherNames[f.Name]; len(names) > 0 {
			notes = append(notes, "also read as "+strings.Join(names, ", "))
		}
		if e.Key == f.Name {
			notes = append(notes, "the record key")
		}
		if v, ok := e.Defaults[f.Name]; ok {
			notes = append(notes, "taken as "+plain(v)+" where it is missing")
		}
	}
	if f.Default != nil {
		notes = append(notes, "usually "+plain(f.Default))
	}
	if f.Variant != "" {
		notes = append(notes, "in "+f.Variant)
	}
	if f.Deprecated {
		notes = append(notes, "deprecated")
	}
	return notes
}

// maxFieldDepth is how far down fields are listed; the schema itself has the rest.
const maxFieldDepth = 12

// fieldsOf lists what a schema declares, in the order of the schema, and the rules that hold for the whole.
func fieldsOf(b []byte) (fields []Field, rules []string, err error) {
	root, err := readNode(b)
	if err != nil {
		return nil, nil, err
	}
	l := &lister{defs: map[string]json.RawMessage{}}
	for at, defs := range map[string]json.RawMessage{"#/$defs/": root.Defs, "#/definitions/": root.Definitions} {
		err := eachMember(defs, func(name string, def []byte) error {
			l.defs[at+name] = def
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	if err := l.members(root, "", "", 0); err != nil {
		return nil, nil, err
	}
	return l.fields, l.rules, nil
}

// node is a schema as far as it is told in words.
type node struct {
	Ref         string          `json:"$ref"`
	Type        json.RawMessage `json:"type"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Format      string          `json:"format"`
	Deprecated  bool            `json:"deprecated"`
	Default     json.RawMessage `json:"default"`

	Enum       []json.RawMessage `json:"enum"`
	Extensible json.RawMessage   `json:"x-extensible-enum"` // true, or the known values
	Const      json.RawMessage   `json:"const"`

	MinLength     json.RawMessage `json:"minLength"`
	MaxLength     json.RawMessage `json:"maxLength"`
	Pattern       string          `json:"pattern"`
	Minimum       json.RawMessage `json:"minimum"`
	Maximum       json.RawMessage `json:"maximum"`
	Above         json.RawMessage `json:"exclusiveMinimum"`
	Below         json.RawMessage `json:"exclusiveMaximum"`
	MultipleOf    json.RawMessage `json:"multipleOf"`
	MinItems      json.RawMessage `json:"minItems"`
	MaxItems      json.RawMessage `json:"maxItems"`
	UniqueItems   bool            `json:"uniqueItems"`
	MinProperties json.RawMessage `json:"minProperties"`
	MaxProperties json.RawMessage `json:"maxProperties"`

	Items       json.RawMessage   `json:"items"`
	PrefixItems []json.RawMessage `json:"prefixItems"`

	Required          []string        `json:"required"`
	Properties        json.RawMessage `json:"properties"`
	PatternProperties json.RawMessage `json:"patternProperties"`
	Additional        json.RawMessage `json:"additionalProperties"`

	AllOf []json.RawMessage `json:"allOf"`
	AnyOf []json.RawMessage `json:"anyOf"`
	OneOf []json.RawMessage `json:"oneOf"`
	Not   json.RawMessage   `json:"not"`
	If    json.RawMessage   `json:"if"`

	Defs        json.RawMessage `json:"$defs"`
	Definitions json.RawMessage `json:"definitions"`

	never bool // the schema "false"
}

func readNode(b []byte) (node, error) {
	var n node
	switch string(b) {
	case "true", "":
		return n, nil
	case "false":
		n.never = true
		return n, nil
	}
	err := jsonx.Unmarshal(b, &n)
	return n, err
}

// eachMember calls do for the members of an object in their order; none where there is no object.
func eachMember(object json.RawMessage, do func(name string, value []byte) error) error {
	if len(object) == 0 {
		return nil
	}
	var first error
	err := jsonx.Each(object, func(name []byte, from, to int) {
		if first == nil {
			first = do(string(name), object[from:to])
		}
	})
	if err != nil {
		return err
	}
	return first
}

type lister struct {
	defs   map[string]json.RawMessage
	open   []string // references that are being listed: a schema may refer to itself
	fields []Field
	rules  []string
}

// follow replaces a reference by what it refers to; a description beside it stays. It reports whether that is being listed already.
func (l *lister) follow(n node) (_ node, leave func(), again bool, err error) {
	leave = func() {}
	for n.Ref != "" {
		def, ok := l.defs[n.Ref]
		if !ok {
			return n, leave, false, nil
		}
		if slices.Contains(l.open, n.Ref) {
			return n, leave, true, nil
		}
		mark := len(l.open)
		l.open = append(l.open, n.Ref)
		leave = func() { l.open = l.open[:mark] }
		to, err := readNode(def)
		if err != nil {
			return n, leave, false, err
		}
		if n.Description != "" {
			to.Description = n.Description
		}
		n = to
	}
	return n, leave, false, nil
}

// members lists the fields of an object: its own, and those of its alternatives.
func (l *lister) members(n node, prefix, variant string, depth int) error {
	if depth > maxFieldDepth {
		return nil
	}
	err := eachMember(n.Properties, func(name string, b []byte) error {
		return l.field(Field{Path: prefix + name, Name: name, Depth: depth, Required: slices.Contains(n.Required, name), Variant: variant}, b)
	})
	if err != nil {
		return err
	}
	err = eachMember(n.PatternProperties, func(name string, b []byte) error {
		return l.field(Field{Path: prefix + "/" + name + "/", Name: "/" + name + "/", Depth: depth, Variant: variant}, b)
	})
	if err != nil {
		return err
	}
	return l.alternatives(n, prefix, variant, depth)
}

// alternatives lists what allOf, anyOf and oneOf add to an object.
func (l *lister) alternatives(n node, prefix, variant string, depth int) error {
	where := "the payload"
	if prefix != "" {
		where = strings.TrimSuffix(prefix, ".")
	}
	for _, c := range []struct {
		branches []json.RawMessage
		rule     string
	}{{n.AllOf, ""}, {n.AnyOf, "at least one of"}, {n.OneOf, "exactly one of"}} {
		var needs []string
		for i, b := range c.branches {
			branch, err := readNode(b)
			if err != nil {
				return err
			}
			branch, leave, again, err := l.follow(branch)
			if err != nil {
				return err
			}
			if len(branch.Required) > 0 {
				needs = append(needs, strings.Join(branch.Required, " with "))
			}
			form := variant
			if c.rule != "" && len(branch.Properties) > 0 {
				if form = branch.Title; form == "" {
					form = fmt.Sprintf("form %d", i+1)
				}
			}
			if !again {
				err = l.members(branch, prefix, form, depth)
			}
			leave()
			if err != nil {
				return err
			}
		}
		switch {
		case len(needs) == 0:
		case c.rule == "":
			l.rule("%s needs %s", where, strings.Join(needs, ", "))
		default:
			l.rule("%s needs %s: %s", where, c.rule, strings.Join(needs, "; "))
		}
	}
	if n.If != nil || n.Not != nil {
		l.rule("%s has conditions that only the JSON Schema tells", where)
	}
	return nil
}

func (l *lister) rule(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(l.rules, text) {
		l.rules = append(l.rules, text)
	}
}

// field lists one field, and what is in it.
func (l *lister) field(f Field, b []byte) error {
	n, err := readNode(b)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	n, leave, again, err := l.follow(n)
	defer func() { leave() }()
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	f.Doc, f.Default, f.Deprecated = n.Description, n.Default, n.Deprecated
	if again {
		f.Type = "as " + refName(n.Ref) + " above"
		l.fields = append(l.fields, f)
		return nil
	}
	f.Type, f.Limits = kind(n), limits(n)
	inner, path := n, f.Path
	for inner.Items != nil {
		path += "[]"
		item, err := readNode(inner.Items)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		item, out, again, err := l.follow(item)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		outer := leave
		leave = func() { out(); outer() }
		if again {
			f.Limits = append(f.Limits, "each as "+refName(item.Ref)+" above")
			break
		}
		f.Type = of(f.Type, kind(item))
		if f.Doc == "" {
			f.Doc = item.Description
		}
		for _, limit := range limits(item) {
			f.Limits = append(f.Limits, "each "+limit)
		}
		inner = item
	}
	if inner.Properties == nil && isSchema(inner.Additional) {
		value, err := readNode(inner.Additional)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		value, out, again, err := l.follow(value)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		outer := leave
		leave = func() { out(); outer() }
		if !again {
			f.Type = strings.TrimSuffix(f.Type, "object") + "map of " + kind(value)
			for _, limit := range limits(value) {
				f.Limits = append(f.Limits, "each "+limit)
			}
			inner, path = value, path+".*"
		}
	}
	l.fields = append(l.fields, f)
	return l.members(inner, path+".", "", f.Depth+1)
}

// of puts the kind of an item behind that of its array.
func of(array, item string) string {
	if item == "any" {
		return array
	}
	return array + " of " + item
}

func isSchema(b json.RawMessage) bool { return len(b) > 2 && b[0] == '{' }

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// kind is the type in a word or two.
func kind(n node) string {
	if n.never {
		return "never there"
	}
	if n.Ref != "" {
		return refName(n.Ref)
	}
	types := typesOf(n.Type)
	if len(types) == 0 {
		for _, b := range slices.Concat(n.AnyOf, n.OneOf) {
			if branch, err := readNode(b); err == nil {
				if k := kind(branch); k != "any" && !slices.Contains(types, k) {
					types = append(types, k)
				}
			}
		}
	}
	switch {
	case len(types) > 0:
	case n.Const != nil:
		types = []string{jsonKind(n.Const)}
	case len(n.Enum) > 0:
		types = []string{jsonKind(n.Enum[0])}
	case n.Properties != nil || len(n.AllOf) > 0:
		types = []string{"object"}
	case n.Items != nil:
		types = []string{"array"}
	default:
		types = []string{"any"}
	}
	text := strings.Join(types, " or ")
	if n.Format != "" {
		text = strings.Replace(text, "string", n.Format, 1)
	}
	return text
}

func typesOf(b json.RawMessage) []string {
	var one string
	if jsonx.Unmarshal(b, &one) == nil {
		return []string{one}
	}
	var several []string
	if jsonx.Unmarshal(b, &several) == nil {
		return several
	}
	return nil
}

func jsonKind(b []byte) string {
	switch b[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// limits are the rules on a value, in words.
func limits(n node) []string {
	var all []string
	add := func(text string) {
		if text != "" {
			all = append(all, text)
		}
	}
	if len(n.Enum) > 0 {
		names := make([]string, len(n.Enum))
		for i, v := range n.Enum {
			names[i] = plain(v)
		}
		text := "one of " + strings.Join(names, ", ")
		if string(n.Extensible) == "true" || jsonx.Value(n.Extensible).Kind() == '[' {
			text += "; more may come"
		}
		add(text)
	}
	if n.Const != nil {
		add("always " + plain(n.Const))
	}
	add(between(string(n.MinLength), string(n.MaxLength), "character", "characters"))
	if n.Pattern != "" {
		add("matches " + n.Pattern)
	}
	add(ranged(n))
	if n.MultipleOf != nil {
		add("a multiple of " + string(n.MultipleOf))
	}
	add(between(string(n.MinItems), string(n.MaxItems), "item", "items"))
	if n.UniqueItems {
		add("no item twice")
	}
	add(between(string(n.MinProperties), string(n.MaxProperties), "member", "members"))
	if string(n.Additional) == "false" && n.Properties == nil {
		add("no members")
	}
	return all
}

func between(least, most, one, many string) string {
	noun := func(n string) string {
		if n == "1" {
			return one
		}
		return many
	}
	switch {
	case least != "" && least == most:
		return fmt.Sprintf("%s %s", grouped(least), noun(least))
	case least != "" && most != "":
		return fmt.Sprintf("%s to %s %s", grouped(least), grouped(most), noun(most))
	case least != "":
		return fmt.Sprintf("at least %s %s", grouped(least), noun(least))
	case most != "":
		return fmt.Sprintf("at most %s %s", grouped(most), noun(most))
	}
	return ""
}

func ranged(n node) string {
	least, most, above, below := string(n.Minimum), string(n.Maximum), string(n.Above), string(n.Below)
	switch {
	case least != "" && most != "":
		return grouped(least) + " to " + grouped(most)
	case least != "" && below != "":
		return "from " + grouped(least) + ", below " + grouped(below)
	case above != "" && most != "":
		return "above " + grouped(above) + ", to " + grouped(most)
	case above != "" && below != "":
		return "above " + grouped(above) + ", below " + grouped(below)
	case least != "":
		return "at least " + grouped(least)
	case most != "":
		return "at most " + grouped(most)
	case above != "":
		return "above " + grouped(above)
	case below != "":
		return "below " + grouped(below)
	}
	return ""
}

// grouped puts commas into whole numbers of more than four digits.
func grouped(text string) string {
	if _, err := strconv.ParseUint(text, 10, 64); err != nil || len(text) < 5 {
		return text
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plain is a JSON value for a sentence: a string without its quotes.
func plain(v json.RawMessage) string {
	var s string
	if jsonx.Unmarshal(v, &s) == nil && s != "" {
		return s
	}
	return string(v)
}
