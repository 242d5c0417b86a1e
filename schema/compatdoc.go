package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// compared is a schema document as it is compared: the text, and what it means in either role.
type compared struct {
	text  string // canonical
	draft int    // 4, 6, 7, 2019 or 2020
	base  bool   // a schema within has an $id, so that references do not mean what they say
	name  string // of two schemas, which
	roles map[string]*document
}

// readCompared reads b and checks that it is JSON Schema. Without $schema it is 2020-12, or draft-07 where it uses what only
// that has.
func readCompared(b []byte, name string) (*compared, error) {
	tree, err := readSchema(b)
	if err != nil {
		return nil, err
	}
	switch tree.(type) {
	case object, bool:
	default:
		return nil, errors.New("a schema is an object or a boolean")
	}
	text, err := jsonx.Marshal(tree)
	if err != nil {
		return nil, err
	}
	c := &compared{text: string(text), name: name, roles: map[string]*document{}}
	c.look(tree)
	root, err := c.tree()
	if err != nil {
		return nil, err
	}
	d := newDocument(c, root)
	s, err := d.compile("")
	if err == nil {
		err = affordable(s)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// tree is the document as a tree of its own.
func (c *compared) tree() (any, error) {
	return jsonx.Tree([]byte(c.text), jsonx.Limits{Depth: maxDepth, Bytes: 2 * maxSchemaBytes})
}

var drafts = map[string]int{
	"json-schema.org/draft-04/schema": 4, "json-schema.org/draft-06/schema": 6, "json-schema.org/draft-07/schema": 7,
	"json-schema.org/draft/2019-09/schema": 2019, "json-schema.org/draft/2020-12/schema": 2020,
}

// look finds the draft and what else matters of the whole document.
func (c *compared) look(tree any) {
	root, _ := tree.(object)
	name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text(root, "$schema"), "http://"), "https://"), "#")
	c.draft = drafts[name]
	old := false
	walkSchemas(tree, "", func(at string, s object) {
		_, list := s["items"].([]any)
		_, dependencies := s["dependencies"]
		_, additional := s["additionalItems"]
		old = old || list || dependencies || additional
		_, id := s["$id"].(string)
		_, id4 := s["id"].(string)
		c.base = c.base || at != "" && (id || id4 && c.draft == 4)
	})
	if c.draft == 0 {
		c.draft = 2020
		if old {
			c.draft = 7
		}
	}
}

// walkSchemas visits every schema object within v, v first.
func walkSchemas(v any, at string, visit func(at string, s object)) {
	s, ok := v.(object)
	if !ok {
		return
	}
	visit(at, s)
	for _, name := range slices.Sorted(maps.Keys(s)) {
		here := at + pointer([]string{name})
		k := keywords[name]
		switch name { // of earlier drafts, or of several kinds
		case "definitions", "dependencies":
			k = holds{many: true}
		case "additionalItems":
			k = holds{one: true}
		case "items":
			k = holds{one: true, list: true}
		}
		switch member := s[name].(type) {
		case object:
			switch {
			case k.one:
				walkSchemas(member, here, visit)
			case k.many:
				for _, key := range slices.Sorted(maps.Keys(member)) {
					walkSchemas(member[key], here+pointer([]string{key}), visit)
				}
			}
		case []any:
			for i, item := range member {
				if k.list {
					walkSchemas(item, here+"/"+strconv.Itoa(i), visit)
				}
			}
		}
	}
}

// document is a schema document in one role, with the oracle for each of its schemas.
type document struct {
	*compared
	root     any
	written  any             // the root as the author wrote it
	places   map[string]bool // where schemas are
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
	lists    map[string][]subschema // what has been listed before, by pointer and keyword
}

func newDocument(c *compared, root any) *document {
	d := &document{compared: c, root: root, written: root, places: map[string]bool{}, compiled: map[string]*jsonschema.Schema{}, lists: map[string][]subschema{}}
	d.settle()
	return d
}

// settle notes where schemas are, and takes out what means nothing in their draft.
func (d *document) settle() {
	walkSchemas(d.root, "", func(at string, s object) {
		d.places[at] = true
		for name := range s {
			if !d.knows(name, s) {
				delete(s, name)
			}
		}
	})
}

// knows reports whether the keyword name of s means anything in the document's draft, as far as its meaning is compared.
func (c *compared) knows(name string, s object) bool {
	switch name {
	case "contains", "propertyNames", "const":
		return c.draft >= 6
	case "if", "then", "else":
		return c.draft >= 7 && s["if"] != nil
	case "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems":
		return c.draft >= 2019
	case "minContains", "maxContains":
		return c.draft >= 2019 && s["contains"] != nil
	case "prefixItems":
		return c.draft >= 2020
	}
	return true
}

// inRole is the document as it is for the writer or the reader under p.
func (c *compared) inRole(p Policy, r Role) (*document, error) {
	key := "as it is"
	if p == ByRole {
		key = strconv.Itoa(int(r))
	}
	if d, ok := c.roles[key]; ok {
		return d, nil
	}
	root, err := c.tree()
	if err != nil {
		return nil, err
	}
	d := newDocument(c, root)
	if o, ok := root.(object); ok && p == ByRole {
		if d.written, err = c.tree(); err != nil {
			return nil, err
		}
		composing := composer{role: r, shared: map[string]bool{}}
		composing.findShared(o)
		composing.value(o)
		d.settle()
	}
	c.roles[key] = d
	return d, nil
}

// compile is the oracle for the schema at the pointer at.
func (d *document) compile(at string) (s *jsonschema.Schema, err error) {
	if s, ok := d.compiled[at]; ok {
		if s == nil {
			return nil, errors.New("compile schema: refused before")
		}
		return s, nil
	}
	defer recovered("compile schema", &err)
	defer func() { d.compiled[at] = s }()
	if d.compiler == nil {
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft2020)
		if d.draft == 7 {
			c.DefaultDraft(jsonschema.Draft7)
		}
		c.AssertFormat()
		c.UseLoader(noLoader{})
		if err := c.AddResource(documentURL, d.root); err != nil {
			return nil, fmt.Errorf("compile schema: %w", err)
		}
		d.compiler = c
	}
	url := documentURL
	if at != "" {
		url += "#" + fragment(at)
	}
	s, err = d.compiler.Compile(url)
	var invalid *jsonschema.SchemaValidationError
	var ve *jsonschema.ValidationError
	switch {
	case errors.As(err, &invalid) && errors.As(invalid.Err, &ve):
		return nil, fmt.Errorf("compile schema: %w", violations(ve, ""))
	case err != nil:
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	return s, nil
}

// fragment writes a JSON pointer as the fragment of a URL.
func fragment(at string) string {
	var b strings.Builder
	for _, c := range []byte(at) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/$", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// subschema is one schema of a document.
type subschema struct {
	doc *document
	at  string // pointer
	v   any    // object or bool
	// Keywords of which an alternative has been chosen already, and which; -1 where that does not matter.
	taken map[string]int
}

func (n subschema) key() string {
	k := n.at
	if n.doc != nil {
		k = n.doc.name + k
	}
	parts := []string{k}
	for _, keyword := range slices.Sorted(maps.Keys(n.taken)) {
		parts = append(parts, keyword+strconv.Itoa(n.taken[keyword]))
	}
	return strings.Join(parts, " ")
}

// free reports whether n allows everything.
func (n subschema) free() bool {
	if b, ok := n.v.(bool); ok {
		return b
	}
	for name := range n.keywords() {
		switch name {
		case "title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "$id", "id", "$schema", "$defs", "definitions",
			"$anchor", "$dynamicAnchor", "contentEncoding", "contentMediaType", "contentSchema":
			continue
		}
		if !strings.HasPrefix(name, "x-") {
			return false
		}
	}
	return true
}

// keywordsOf are the keywords of n; none where n is a boolean.
func (n subschema) keywords() object {
	o, _ := n.v.(object)
	return o
}

func (n subschema) has(keyword string) bool {
	_, ok := n.keywords()[keyword]
	return ok
}

// child is the schema that the keyword holds; ok is false where there is none.
func (n subschema) child(keyword string) (child subschema, ok bool) {
	return schemaAt(n.doc, n.at+pointer([]string{keyword}), n.keywords()[keyword])
}

// member is the schema under name in the keyword.
func (n subschema) member(keyword, name string) (child subschema, ok bool) {
	members, _ := n.keywords()[keyword].(object)
	return schemaAt(n.doc, n.at+pointer([]string{keyword, name}), members[name])
}

// list are the schemas of the keyword in their order.
func (n subschema) list(keyword string) []subschema {
	items, _ := n.keywords()[keyword].([]any)
	if items == nil {
		return nil
	}
	key := n.at + " " + keyword
	if known, ok := n.doc.lists[key]; ok {
		return known
	}
	var out []subschema
	defer func() { n.doc.lists[key] = out }()
	for i, item := range items {
		if c, ok := schemaAt(n.doc, n.at+pointer([]string{keyword, strconv.Itoa(i)}), item); ok {
			out = append(out, c)
		}
	}
	return out
}

func schemaAt(d *document, at string, v any) (subschema, bool) {
	switch v.(type) {
	case object, bool:
		return subschema{doc: d, at: at, v: v}, true
	}
	return subschema{}, false
}

// names are the member names of the keyword, sorted.
func (n subschema) names(keyword string) []string {
	members, _ := n.keywords()[keyword].(object)
	return slices.Sorted(maps.Keys(members))
}

// demanded are the members that n requires.
func (n subschema) demanded() []string {
	items, _ := n.keywords()["required"].([]any)
	var out []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// written are the keywords of n as its author wrote them, whatever the role made of them.
func (n subschema) written() object {
	o, _ := lookup(n.doc.written, n.at).(object)
	return o
}

// referred is what n's $ref points to; ok is false where that is not within reach.
func (n subschema) referred() (target subschema, ok bool) {
	ref, _ := n.keywords()["$ref"].(string)
	if ref == "" || n.doc == nil || n.doc.base {
		return subschema{}, false
	}
	if ref == "#" {
		return schemaAt(n.doc, "", n.doc.root)
	}
	at, local := strings.CutPrefix(ref, "#/")
	if !local {
		return subschema{}, false
	}
	at = "/" + unescapeFragment(at)
	target, ok = schemaAt(n.doc, at, lookup(n.doc.root, at))
	_, boolean := target.v.(bool)
	return target, ok && (boolean || n.doc.places[at])
}

func unescapeFragment(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// lookup follows the pointer at from v; nil where it leads nowhere.
func lookup(v any, at string) any {
	for at != "" {
		token, rest, more := strings.Cut(at[1:], "/")
		at = ""
		if more {
			at = "/" + rest
		}
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch o := v.(type) {
		case object:
			v = o[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(o) {
				return nil
			}
			v = o[i]
		default:
			return nil
		}
	}
	return v
}

// refOnly reports whether everything beside $ref is to be passed over, as before 2019-09.
func (n subschema) refOnly() bool { return n.has("$ref") && n.doc.draft <= 7 }

// besides are the rules beside a $ref of the early drafts that validators hold against values all the same, ours among them.
func (n subschema) besides() subschema {
	o := object{}
	for _, keyword := range []string{"const", "contains", "propertyNames", "if", "then", "else"} {
		if v, ok := n.keywords()[keyword]; ok {
			o[keyword] = v
		}
	}
	n.v = o
	return n
}

// accepts asks the oracle whether n allows the value; sure is false where it cannot say.
func (n subschema) accepts(v any) (ok, sure bool) {
	if n.doc == nil {
		return kindOfValue(v)&allowedKinds(n) != 0, !n.has("required")
	}
	s, err := n.doc.compile(n.at)
	if err != nil {
		return false, false
	}
	defer func() {
		if recover() != nil {
			ok, sure = false, false
		}
	}()
	return s.Validate(v) == nil, true
}

// number reads a keyword's number.
func (n subschema) number(keyword string) (json.Number, bool) {
	v, ok := n.keywords()[keyword].(json.Number)
	return v, ok
}
