package gen

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// def is what the generator reads of a JSON Schema.
type def struct {
	Ref                  string          `json:"$ref"`
	Defs                 map[string]*def `json:"$defs"`
	Type                 oneOrMore       `json:"type"`
	Description          string          `json:"description"`
	Properties           ordered         `json:"properties"`
	Required             []string        `json:"required"`
	AdditionalProperties json.RawMessage `json:"additionalProperties"`
	Items                *def            `json:"items"`
	Enum                 []any           `json:"enum"`
	Const                any             `json:"const"`
	Format               string          `json:"format"`
	OneOf                json.RawMessage `json:"oneOf"`

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

// texts are the values of an enum of strings, or nil.
func (d *def) texts() []string {
	all := d.Enum
	if d.Const != nil {
		all = []any{d.Const}
	}
	var out []string
	for _, v := range all {
		s, ok := v.(string)
		if !ok {
			return nil
		}
		out = append(out, s)
	}
	return out
}

// shape tells apart types that differ, whatever is written about them.
func (d *def) shape() string {
	var b strings.Builder
	d.writeShape(&b)
	return b.String()
}

func (d *def) writeShape(b *strings.Builder) {
	fmt.Fprintf(b, "%v %q %s %q", d.Type, d.texts(), d.Format, slices.Sorted(slices.Values(d.Required)))
	if d.OneOf != nil || len(d.Type) != 1 {
		b.WriteString("raw")
	}
	if d.values != nil {
		b.WriteString("map ")
		d.values.writeShape(b)
	} else {
		b.Write(d.AdditionalProperties)
	}
	if d.Items != nil {
		b.WriteByte('[')
		d.Items.writeShape(b)
		b.WriteByte(']')
	}
	b.WriteByte('{')
	for _, p := range d.Properties {
		b.WriteString(p.name + ":")
		p.def.writeShape(b)
		b.WriteByte(',')
	}
	b.WriteByte('}')
}
