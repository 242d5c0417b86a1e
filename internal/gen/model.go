package gen

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// def is what the generator reads of a JSON Schema. One model serves all languages: each says of it what it can.
type def struct {
	Ref                  string            `json:"$ref"`
	Defs                 map[string]*def   `json:"$defs"`
	Type                 oneOrMore         `json:"type"`
	Description          string            `json:"description"`
	Deprecated           bool              `json:"deprecated"`
	Properties           ordered           `json:"properties"`
	Required             []string          `json:"required"`
	AdditionalProperties json.RawMessage   `json:"additionalProperties"`
	Items                *def              `json:"items"`
	Enum                 []json.RawMessage `json:"enum"`
	ExtensibleEnum       json.RawMessage   `json:"x-extensible-enum"` // true, or the known values
	Const                json.RawMessage   `json:"const"`
	Format               string            `json:"format"`
	AnyOf                json.RawMessage   `json:"anyOf"`
	OneOf                json.RawMessage   `json:"oneOf"`

	// Bounds, as they are written.
	MinLength        json.RawMessage `json:"minLength"`
	MaxLength        json.RawMessage `json:"maxLength"`
	Pattern          string          `json:"pattern"`
	Minimum          json.RawMessage `json:"minimum"`
	Maximum          json.RawMessage `json:"maximum"`
	ExclusiveMinimum json.RawMessage `json:"exclusiveMinimum"`
	ExclusiveMaximum json.RawMessage `json:"exclusiveMaximum"`
	MultipleOf       json.RawMessage `json:"multipleOf"`
	MinItems         json.RawMessage `json:"minItems"`
	MaxItems         json.RawMessage `json:"maxItems"`

	Others map[string]json.RawMessage `json:",embed"` // every other keyword

	values *def // additionalProperties where it is a schema with rules
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	if jsonx.Value(b).Kind() == '"' {
		*o = []string{""}
		return jsonx.Unmarshal(b, &(*o)[0])
	}
	return jsonx.Unmarshal(b, (*[]string)(o))
}

// ordered are members in the order of the file, which is the order of the struct's fields.
type ordered []property

type property struct {
	name string
	def  *def
}

func (o *ordered) UnmarshalJSON(b []byte) error {
	var defs map[string]*def
	if err := jsonx.Unmarshal(b, &defs); err != nil {
		return err
	}
	r := jsonx.NewReader(b, jsonx.Limits{})
	defer r.Free()
	if _, err := r.Next(); err != nil {
		return err
	}
	for r.Peek() == '"' {
		name, err := r.Next()
		if err != nil {
			return err
		}
		n := jsonx.Text(name)
		*o = append(*o, property{name: n, def: defs[n]})
		if err := r.Skip(); err != nil {
			return err
		}
	}
	return nil
}

// maxNesting stops at definitions that refer to themselves, for which there is no finite struct by value.
const maxNesting = 32

// expand puts what they refer to in the place of references below d, which belongs to the file root.
func (d *def) expand(root *def, depth int) (*def, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested more than %d deep, or a definition within itself", maxNesting)
	}
	if d.Ref != "" {
		name, ok := strings.CutPrefix(d.Ref, "#/$defs/")
		target := root.Defs[name]
		if !ok || target == nil {
			return nil, fmt.Errorf("$ref %s: only definitions in the file's $defs can be generated", d.Ref)
		}
		copied := *target
		if d.Description != "" {
			copied.Description = d.Description
		}
		beside := *d
		beside.Ref, beside.Defs = "", nil
		if beside.rules() != new(def).rules() {
			copied.Others = maps.Clone(copied.Others)
			if copied.Others == nil {
				copied.Others = map[string]json.RawMessage{}
			}
			copied.Others["what stands beside $ref"] = json.RawMessage("true")
		}
		return copied.expand(root, depth+1)
	}
	var err error
	for i, p := range d.Properties {
		if d.Properties[i].def, err = p.def.expand(root, depth+1); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if d.Items != nil {
		if d.Items, err = d.Items.expand(root, depth+1); err != nil {
			return nil, err
		}
	}
	if len(d.AdditionalProperties) > 0 && d.AdditionalProperties[0] == '{' {
		d.values = new(def)
		if err := jsonx.Unmarshal(d.AdditionalProperties, d.values); err != nil {
			return nil, err
		}
		if d.values, err = d.values.expand(root, depth+1); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// allowed are the values that an enum or a const allows, or nil.
func (d *def) allowed() []json.RawMessage {
	if d.Const != nil {
		return []json.RawMessage{d.Const}
	}
	return d.Enum
}

// extensible reports whether readers take other values than those of the enum.
func (d *def) extensible() bool {
	return string(d.ExtensibleEnum) == "true" || jsonx.Value(d.ExtensibleEnum).Kind() == '['
}

// texts are the values of an enum of strings, or nil.
func (d *def) texts() []string {
	var out []string
	for _, v := range d.allowed() {
		if jsonx.Value(v).Kind() != '"' {
			return nil
		}
		out = append(out, jsonx.Text(v))
	}
	return out
}

// annotations are the keywords that forbid nothing.
var annotations = []string{
	"$schema", "$id", "$comment", "$anchor", "$vocabulary", "title", "default", "examples", "readOnly", "writeOnly",
	"contentEncoding", "contentMediaType", "contentSchema",
}

// unknown are the rules of d that the model does not hold.
func (d *def) unknown() []string {
	var out []string
	for name := range d.Others {
		if !slices.Contains(annotations, name) && !strings.HasPrefix(name, "x-") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// eitherRequired are the lists of members of which one must be there whole, where d's anyOf says that and nothing more.
func (d *def) eitherRequired() [][]string {
	var branches []map[string]json.RawMessage
	if len(d.AnyOf) == 0 || jsonx.Unmarshal(d.AnyOf, &branches) != nil {
		return nil
	}
	var out [][]string
	for _, b := range branches {
		var names []string
		if len(b) != 1 || jsonx.Unmarshal(b["required"], &names) != nil || len(names) == 0 {
			return nil
		}
		out = append(out, names)
	}
	return out
}

// shape tells apart types that differ in Go, whatever is written about them.
func (d *def) shape() string {
	var b strings.Builder
	d.writeShape(&b, func(*def) {})
	return b.String()
}

// rules tells apart types that differ in anything that is checked.
func (d *def) rules() string {
	var b strings.Builder
	d.writeShape(&b, func(d *def) {
		fmt.Fprintf(&b, " %s %s %t %s %s %q", d.Enum, d.Const, d.extensible(), d.MinLength, d.MaxLength, d.Pattern)
		fmt.Fprintf(&b, " %s %s %s %s %s", d.Minimum, d.Maximum, d.ExclusiveMinimum, d.ExclusiveMaximum, d.MultipleOf)
		fmt.Fprintf(&b, " %s %s %s %s", d.MinItems, d.MaxItems, d.AnyOf, d.OneOf)
		for _, name := range d.unknown() {
			fmt.Fprintf(&b, " %s %s", name, d.Others[name])
		}
	})
	return b.String()
}

// writeShape writes the shape of d and all below; more adds to each.
func (d *def) writeShape(b *strings.Builder, more func(*def)) {
	fmt.Fprintf(b, "%v %q %s %q", d.Type, d.texts(), d.Format, slices.Sorted(slices.Values(d.Required)))
	more(d)
	if d.OneOf != nil || len(d.Type) != 1 {
		b.WriteString("raw")
	}
	if d.values != nil {
		b.WriteString("map ")
		d.values.writeShape(b, more)
	} else {
		b.Write(d.AdditionalProperties)
	}
	if d.Items != nil {
		b.WriteByte('[')
		d.Items.writeShape(b, more)
		b.WriteByte(']')
	}
	b.WriteByte('{')
	for _, p := range d.Properties {
		b.WriteString(p.name + ":")
		p.def.writeShape(b, more)
		b.WriteByte(',')
	}
	b.WriteByte('}')
}
