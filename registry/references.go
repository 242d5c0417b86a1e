package registry

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// What a schema may draw in with its references.
const (
	maxReferences = 100
	maxBundle     = 512 << 10
)

// fixed names the version of references that mean the latest.
func (s *state) fixed(refs []schema.Reference) ([]schema.Reference, error) {
	out := slices.Clone(refs)
	for i, r := range out {
		if r.Version == -1 {
			last := s.latest(r.Subject, live)
			if last == nil {
				return nil, noReference(r)
			}
			out[i].Version = last.number
		}
	}
	return out, nil
}

func noReference(r schema.Reference) error {
	return invalidSchema("no schema reference found for subject \"%s\" and version %d", clip(r.Subject), r.Version)
}

// sound checks that c is a schema, together with what it refers to.
func (s *state) sound(c *content) error {
	for _, r := range c.refs {
		if v := s.version(r.Subject, r.Version); v == nil || v.deleted {
			return noReference(r)
		}
	}
	text, err := s.bundle(c)
	if err != nil {
		return err
	}
	if _, err := schema.Parse(text); err != nil {
		return invalidSchema("details: %v", err)
	}
	return nil
}

// bundle is the text of c as one document: what it refers to stands in its $defs. References are followed to wherever they lead,
// also to versions that are deleted softly, which are there to be read.
func (s *state) bundle(c *content) ([]byte, error) {
	if len(c.refs) == 0 {
		return []byte(c.text), nil
	}
	b := bundler{state: s, names: map[*content]string{}, defs: map[string]any{}}
	root, err := b.rewrite(c, "")
	if err != nil {
		return nil, err
	}
	doc, ok := root.(map[string]any)
	if !ok {
		return []byte(c.text), nil // true or false refer to nothing
	}
	defs, ok := doc["$defs"].(map[string]any)
	if !ok {
		defs = map[string]any{}
		doc["$defs"] = defs
	}
	maps.Copy(defs, b.defs)
	text, err := jsonx.Marshal(doc)
	if err == nil && len(text) > maxBundle {
		err = invalidSchema("with what it refers to it is larger than %d bytes", maxBundle)
	}
	return text, err
}

type bundler struct {
	state *state
	names map[*content]string
	defs  map[string]any
}

// rewrite reads c, which stands at the pointer "at" of the bundle, and points its references there.
func (b *bundler) rewrite(c *content, at string) (any, error) {
	tree, err := jsonx.Tree([]byte(c.text), jsonx.Limits{})
	if err != nil {
		return nil, invalidSchema("details: %v", err)
	}
	base := ""
	if doc, ok := tree.(map[string]any); ok {
		base = idOf(doc)
		if at != "" { // inside another document they would begin one of their own
			delete(doc, "$schema")
			delete(doc, "$id")
			delete(doc, "id")
		}
	}
	pointers := map[string]string{}
	for _, r := range c.refs {
		v := b.state.version(r.Subject, r.Version)
		if v == nil {
			return nil, noReference(r)
		}
		pointer, err := b.place(v.content)
		if err != nil {
			return nil, err
		}
		pointers[r.Name] = pointer
	}
	repoint(tree, func(ref string) string {
		name, fragment, _ := strings.Cut(ref, "#")
		if name == "" || name == base {
			return "#" + at + fragment
		}
		for _, candidate := range []string{name, strings.TrimPrefix(name, base[:strings.LastIndexByte(base, '/')+1])} {
			if pointer, ok := pointers[candidate]; ok {
				return "#" + pointer + fragment
			}
		}
		return ref
	})
	return tree, nil
}

// place puts c among the definitions, once, and says where it stands.
func (b *bundler) place(c *content) (pointer string, err error) {
	if name, ok := b.names[c]; ok {
		return "/$defs/" + name, nil
	}
	if len(b.names) == maxReferences {
		return "", invalidSchema("it draws in more than %d schemas", maxReferences)
	}
	name := "schema-" + strconv.Itoa(c.id)
	b.names[c] = name
	doc, err := b.rewrite(c, "/$defs/"+name)
	b.defs[name] = doc
	return "/$defs/" + name, err
}

func idOf(doc map[string]any) string {
	for _, name := range []string{"$id", "id"} {
		if id, ok := doc[name].(string); ok {
			return strings.TrimSuffix(id, "#")
		}
	}
	return ""
}

// repoint changes every $ref below v.
func repoint(v any, to func(string) string) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			v["$ref"] = to(ref)
		}
		for _, member := range v {
			repoint(member, to)
		}
	case []any:
		for _, item := range v {
			repoint(item, to)
		}
	}
}
