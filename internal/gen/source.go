package gen

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// source writes the package, not yet formatted.
func (p *pkg) source() []byte {
	var body bytes.Buffer
	for _, e := range p.events {
		fmt.Fprintf(&body, "\n")
		comment(&body, "//", fmt.Sprintf("%s is the payload of %s.", e.name, e.spec.Topic))
		if e.spec.Doc != "" {
			fmt.Fprintf(&body, "//\n")
			comment(&body, "//", e.spec.Doc)
		}
		p.structure(&body, e.name, e.name, &e, e.def)
		fmt.Fprintf(&body, "\n// EventTopic implements [event.Payload].\nfunc (%s) EventTopic() event.Topic { return %q }\n", e.name, e.spec.Topic)
	}
	slices.SortFunc(p.nested, func(a, b *nested) int { return cmp.Compare(a.name, b.name) })
	for _, n := range p.nested {
		fmt.Fprintf(&body, "\n")
		p.nestedType(&body, n)
	}
	slices.SortFunc(p.methods, func(a, b method) int { return cmp.Compare(a.name, b.name) })
	for _, m := range p.methods {
		fmt.Fprintf(&body, "\n// %s asks with [%s] and is answered with [%s].\nvar %s = event.Method[%s, %s]{Name: %q}\n",
			m.name, m.request, m.response, m.name, m.request, m.response, m.wire)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s// Package %s holds the payloads of the events omninode.%s.*.\npackage %s\n\nimport (\n", header, p.name, p.domain(), p.name)
	groups := [2][]string{}
	for _, path := range slices.Sorted(maps.Keys(p.imports)) {
		ours := 0
		if strings.HasPrefix(path, module) {
			ours = 1
		}
		groups[ours] = append(groups[ours], path)
	}
	for i, group := range groups {
		if i == 1 && len(groups[0]) > 0 {
			fmt.Fprintf(&out, "\n")
		}
		for _, path := range group {
			fmt.Fprintf(&out, "%q\n", path)
		}
	}
	fmt.Fprintf(&out, ")\n")
	out.Write(body.Bytes())
	return out.Bytes()
}

func (p *pkg) domain() string { return p.events[0].spec.Topic.Domain() }

func (p *pkg) nestedType(b *bytes.Buffer, n *nested) {
	doc := n.name + " is a part of " + n.root.name + "."
	if n.users > 1 {
		doc = n.name + " is a part of several payloads."
	}
	comment(b, "//", doc)
	if n.doc != "" {
		fmt.Fprintf(b, "//\n")
		comment(b, "//", n.doc)
	}
	values := n.enum()
	if values == nil {
		p.structure(b, n.name, n.candidate, n.root, n.def)
		return
	}
	fmt.Fprintf(b, "type %s string\n\n// The values of %s.\nconst (\n", n.name, n.name)
	for _, v := range values {
		fmt.Fprintf(b, "%s %s = %q\n", n.name+goName(v), n.name, v)
	}
	fmt.Fprintf(b, ")\n")
}

// structure writes the struct name; candidate is what its members' types were named after.
func (p *pkg) structure(b *bytes.Buffer, name, candidate string, root *payload, d *def) {
	fmt.Fprintf(b, "type %s struct {\n", name)
	for i, prop := range d.Properties {
		if i > 0 && prop.def.Description != "" {
			fmt.Fprintf(b, "\n")
		}
		comment(b, "//", prop.def.Description)
		typ, pointed := p.goType(root, prop.def, fieldType(candidate, prop.name), itemName(prop.name))
		tag := prop.name
		if !slices.Contains(d.Required, prop.name) {
			tag += ",omitzero"
			if pointed {
				typ = "*" + typ
			}
		}
		fmt.Fprintf(b, "%s %s `json:%q`\n", goName(prop.name), typ, tag)
	}
	if string(d.AdditionalProperties) == "true" && len(d.Properties) > 0 {
		fmt.Fprintf(b, "\n// Extra holds the members that the schema does not name.\nExtra map[string]any `json:\",embed\"`\n")
	}
	fmt.Fprintf(b, "}\n")
}

// goType is the Go type of d, and whether it needs a pointer for its absence to be told from its zero value.
func (p *pkg) goType(root *payload, d *def, one, item string) (typ string, pointed bool) {
	switch d.kind() {
	case "string":
		switch {
		case len(d.texts()) > 0:
			return p.typeOf(root, d, one), false
		case d.Format == "date-time":
			p.imports["time"] = true
			return "time.Time", false
		}
		return "string", false
	case "integer":
		return "int64", true
	case "number":
		return "float64", true
	case "boolean":
		return "bool", true
	case "array":
		if d.Items == nil {
			return "[]any", false
		}
		typ, _ := p.goType(root, d.Items, item, item+"Item")
		return "[]" + typ, false
	case "object":
		if len(d.Properties) > 0 {
			return p.typeOf(root, d, one), true
		}
		if d.values != nil {
			typ, _ := p.goType(root, d.values, item, item+"Item")
			return "map[string]" + typ, false
		}
		return "map[string]any", false
	}
	p.imports["encoding/json"] = true
	return "json.RawMessage", false
}

const width = 110

// comment writes text in lines that begin with mark.
func comment(b *bytes.Buffer, mark, text string) {
	for _, line := range wrapped(text, width-len(mark)-1) {
		fmt.Fprintln(b, mark, line)
	}
}

// wrapped breaks text into lines no longer than most, where its words allow that.
func wrapped(text string, most int) []string {
	var lines []string
	line := ""
	for w := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = w
		case len(line)+1+len(w) > most:
			lines = append(lines, line)
			line = w
		default:
			line += " " + w
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
