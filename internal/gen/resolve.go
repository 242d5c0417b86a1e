package gen

import (
	"fmt"
	"slices"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// language is what the names of types depend on.
type language struct {
	shape     func(*def) string // types of the same name and shape are one
	constants bool              // whether each value of an enum is a constant named after the type and the value
	reserved  []string          // names of types that the language, or what is written around the types, needs itself
}

var goLanguage = language{shape: (*def).shape, constants: true}

// pkg is one domain with the name of every type decided.
type pkg struct {
	language

	name    string
	events  []payload
	methods []method
	nested  []*nested
	byShape map[string]*nested // by candidate name and shape, of those that share
	imports map[string]bool
}

type payload struct {
	spec event.Spec
	name string
	def  *def
}

type method struct{ name, request, response, wire string }

// nested is a struct or an enum inside a payload.
type nested struct {
	name      string // as it is written
	candidate string // as it would be, were it alone
	shape     string
	root      *payload
	def       *def
	doc       string
	users     int
}

// resolve reads the domain's schemas and names everything in them.
func resolve(domain string, specs []event.Spec, l language) (*pkg, error) {
	p := &pkg{language: l, name: packageName(domain), imports: map[string]bool{module + "/event": true}}
	taken := map[string]bool{}
	for _, name := range l.reserved {
		taken[name] = true
	}
	for _, s := range specs {
		d := new(def)
		if err := jsonx.Unmarshal(s.Schema, d); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Topic, err)
		}
		d, err := d.expand(d, 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Topic, err)
		}
		name := typeName(s.Topic)
		if slices.Contains(l.reserved, name) {
			name += "Event"
		}
		if taken[name] {
			return nil, fmt.Errorf("%s: two events of %s would be the type %s", s.Topic, domain, name)
		}
		taken[name] = true
		p.events = append(p.events, payload{spec: s, name: name, def: d})
	}
	for _, e := range p.events {
		t := e.spec.Topic
		if t.Pattern() != event.Request || e.spec.Replies == "" {
			continue
		}
		if !slices.ContainsFunc(specs, func(s event.Spec) bool { return s.Topic == e.spec.Replies }) {
			return nil, fmt.Errorf("%s: replies to %s, which the domain does not declare", t, e.spec.Replies)
		}
		name := goName(t.Operation()) + majorSuffix(t)
		if taken[name] {
			name += "Method"
		}
		taken[name] = true
		p.methods = append(p.methods, method{
			name: name, request: e.name, response: typeName(e.spec.Replies),
			wire: fmt.Sprintf("%s.%s.v%d", t.Domain(), t.Operation(), t.Major()),
		})
	}
	for i := range p.events {
		p.collect(&p.events[i], p.events[i].def, p.events[i].name)
	}
	return p, p.nameNested(taken)
}

// collect finds the nested types of what is below d.
func (p *pkg) collect(root *payload, d *def, parent string) {
	for _, prop := range d.Properties {
		p.collectValue(root, prop.def, fieldType(parent, prop.name), itemName(prop.name))
	}
}

func (p *pkg) collectValue(root *payload, d *def, one, item string) {
	switch {
	case d.Items != nil:
		p.collectValue(root, d.Items, item, item+"Item")
	case len(d.Properties) > 0 || d.kind() == "string" && len(d.texts()) > 0:
		p.nested = append(p.nested, &nested{candidate: one, shape: p.shape(d), root: root, def: d, doc: d.Description})
		p.collect(root, d, one)
	case d.values != nil:
		p.collectValue(root, d.values, item, item+"Item")
	}
}

// kind is the one type of d, or "" where it may have several or any.
func (d *def) kind() string {
	switch {
	case d.OneOf != nil, len(d.Type) > 1:
		return ""
	case len(d.Type) == 1:
		return d.Type[0]
	case len(d.texts()) > 0:
		return "string"
	case len(d.Properties) > 0:
		return "object"
	}
	return ""
}

// nameNested gives every nested type the name of its member where that is unambiguous in the package, and else one with
// the event's name before it. Types of the same name and shape are one.
func (p *pkg) nameNested(taken map[string]bool) error {
	shapes := map[string]map[string]bool{}
	for _, n := range p.nested {
		if shapes[n.candidate] == nil {
			shapes[n.candidate] = map[string]bool{}
		}
		shapes[n.candidate][n.shape] = true
	}
	p.byShape = map[string]*nested{}
	var unique []*nested
	for _, n := range p.nested {
		n.name = n.candidate
		if len(shapes[n.candidate]) > 1 || taken[n.candidate] {
			n.name = n.root.name + n.candidate
		}
		key := n.name + " " + n.shape
		if same := p.byShape[key]; same != nil {
			same.users++
			continue
		}
		n.users = 1
		p.byShape[key] = n
		unique = append(unique, n)
	}
	p.nested = unique
	for _, n := range p.nested {
		if taken[n.name] {
			return fmt.Errorf("%s: two different types would be called %s: rename a member", n.root.spec.Topic, n.name)
		}
		taken[n.name] = true
		if !p.constants {
			continue
		}
		for _, v := range n.enum() {
			if c := n.name + goName(v); taken[c] {
				return fmt.Errorf("%s: two constants would be called %s: rename a value", n.root.spec.Topic, c)
			}
			taken[n.name+goName(v)] = true
		}
	}
	return nil
}

func (n *nested) enum() []string {
	if len(n.def.Properties) > 0 {
		return nil
	}
	return n.def.texts()
}

// typeOf finds the Go name of the nested type d in root.
func (p *pkg) typeOf(root *payload, d *def, candidate string) string {
	shape := p.shape(d)
	for _, name := range []string{candidate, root.name + candidate} {
		if n := p.byShape[name+" "+shape]; n != nil {
			return n.name
		}
	}
	return "any"
}
