package schema

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Bundle puts the schemas that root refers to by a name in refs, and those that they refer to, among root's definitions, so that
// no reference leaves the document. A name is what stands before the fragment of a $ref, as it is written or as it reads from
// the root's $id. Without such references the result is root, canonical. What is neither within nor in refs is an error.
func Bundle(root []byte, refs map[string][]byte) ([]byte, error) {
	tree, err := jsonx.Tree(root, jsonx.Limits{Depth: maxDepth, Bytes: maxSchemaBytes})
	if err != nil {
		return nil, fmt.Errorf("bundle schema: %w", err)
	}
	b := bundler{refs: refs, keys: map[string]string{}, where: "$defs"}
	o, ok := tree.(object)
	if ok {
		if old := (&compared{}); text(o, "$schema") != "" {
			old.look(tree)
			if old.draft <= 7 {
				b.where = "definitions"
			}
		}
		b.dialect = text(o, "$schema")
		b.base, err = url.Parse(text(o, "$id"))
		if err != nil {
			return nil, fmt.Errorf("bundle schema: $id: %w", err)
		}
		definitions, _ := o[b.where].(object)
		b.definitions = definitions
		if err := b.rewrite(tree, "", b.base); err != nil {
			return nil, fmt.Errorf("bundle schema: %w", err)
		}
		if len(b.definitions) > 0 {
			o[b.where] = b.definitions
		}
	}
	out, err := jsonx.Marshal(tree)
	if err == nil && len(out) > maxSchemaBytes {
		err = fmt.Errorf("%d bytes with what it refers to, at most %d are allowed", len(out), maxSchemaBytes)
	}
	if err == nil {
		err = jsonx.Check(out, jsonx.Limits{Depth: maxDepth, Bytes: maxSchemaBytes})
	}
	if err != nil {
		return nil, fmt.Errorf("bundle schema: %w", err)
	}
	return out, nil
}

type bundler struct {
	refs        map[string][]byte
	keys        map[string]string // name → its key among the definitions
	where       string
	dialect     string
	base        *url.URL // the root's $id
	definitions object
	bytes       int
}

// rewrite points every reference of the schema v, which stands at the pointer at, to where its target is within the bundle.
func (b *bundler) rewrite(v any, at string, base *url.URL) error {
	var failed error
	walkSchemas(v, "", func(where string, s object) {
		if id, ok := s["$id"].(string); ok && where != "" && !strings.HasPrefix(id, "#") {
			failed = errors.Join(failed, fmt.Errorf("%s has an $id of its own, which moves the references within", "#"+where))
		}
		for _, keyword := range []string{"$ref", "$dynamicRef", "$recursiveRef"} {
			ref, ok := s[keyword].(string)
			if !ok || failed != nil {
				continue
			}
			to, err := b.target(ref, at, base)
			if err != nil {
				failed = err
				return
			}
			s[keyword] = to
		}
	})
	return failed
}

// target is the reference ref, of a schema at the pointer at, as it reads within the bundle.
func (b *bundler) target(ref, at string, base *url.URL) (string, error) {
	name, inner, _ := strings.Cut(ref, "#")
	if name != "" && at == "" && name == base.String() {
		name = "" // the root by its own $id
	}
	if name == "" {
		if inner != "" && !strings.HasPrefix(inner, "/") {
			return "#" + inner, nil // an anchor
		}
		return "#" + fragment(at) + inner, nil
	}
	key, err := b.include(name, base)
	if err != nil {
		return "", err
	}
	if inner != "" && !strings.HasPrefix(inner, "/") {
		return "#" + inner, nil
	}
	return "#" + fragment(pointer([]string{b.where, key})) + inner, nil
}

// include puts the schema called name among the definitions, once, and returns its key.
func (b *bundler) include(name string, base *url.URL) (string, error) {
	text, ok := b.refs[name]
	if !ok {
		if u, err := base.Parse(name); err == nil && base.IsAbs() {
			if text, ok = b.refs[u.String()]; ok {
				name = u.String()
			}
		}
	}
	if !ok {
		return "", fmt.Errorf("%q is outside the document and not among its references (%s)", name, quoted(slices.Sorted(maps.Keys(b.refs))))
	}
	if key, ok := b.keys[name]; ok {
		return key, nil
	}
	if b.bytes += len(text); b.bytes > maxSchemaBytes {
		return "", fmt.Errorf("more than %d bytes are referred to", maxSchemaBytes)
	}
	tree, err := jsonx.Tree(text, jsonx.Limits{Depth: maxDepth, Bytes: maxSchemaBytes})
	if err != nil {
		return "", fmt.Errorf("the referenced schema %q: %w", name, err)
	}
	key := b.key(name)
	b.keys[name] = key
	if b.definitions == nil {
		b.definitions = object{}
	}
	b.definitions[key] = tree
	o, ok := tree.(object)
	if !ok {
		return key, nil
	}
	if d, ok := o["$schema"].(string); ok && b.dialect != "" && strings.TrimSuffix(d, "#") != strings.TrimSuffix(b.dialect, "#") {
		return "", fmt.Errorf("the referenced schema %q is written in %s, the schema in %s", name, d, b.dialect)
	}
	own := base
	if id, ok := o["$id"].(string); ok {
		if own, err = url.Parse(id); err != nil {
			return "", fmt.Errorf("the referenced schema %q: $id: %w", name, err)
		}
	}
	delete(o, "$schema")
	delete(o, "$id")
	if err := b.rewrite(tree, pointer([]string{b.where, key}), own); err != nil {
		return "", fmt.Errorf("the referenced schema %q: %w", name, err)
	}
	return key, nil
}

// key is a key for name that is free and needs no escaping.
func (b *bundler) key(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, name)
	key := plain
	for i := 2; b.definitions[key] != nil; i++ {
		key = plain + "_" + strconv.Itoa(i)
	}
	return key
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "there are none"
	}
	for i, n := range names {
		names[i] = strconv.Quote(n)
	}
	return list(names, "and")
}
