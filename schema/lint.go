package schema

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Finding is one thing that a schema file should say otherwise.
type Finding struct {
	File         string
	Line, Column int // from 1
	Warning      bool
	Rule         string
	Message      string // what is wrong
	Fix          string // what to do
}

func (f Finding) String() string {
	level := "error"
	if f.Warning {
		level = "warning"
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s (%s); %s", f.File, f.Line, f.Column, level, f.Message, f.Rule, f.Fix)
}

// Lint reads every *.json file below fsys, each the schema of one payload with its "x-omnibus" member, and reports what the
// house rules for schema files forbid, in the order of files and lines.
func Lint(fsys fs.FS) []Finding {
	l := linter{topics: map[string]string{}}
	err := fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".json") {
			return err
		}
		b, err := fs.ReadFile(fsys, file)
		if err != nil {
			return err
		}
		l.file(file, b)
		return nil
	})
	if err != nil {
		l.findings = append(l.findings, Finding{File: ".", Line: 1, Column: 1, Rule: "read", Message: err.Error(), Fix: "make the files readable"})
	}
	l.succession()
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Rule, b.Rule))
	})
	return l.findings
}

type linter struct {
	findings []Finding
	topics   map[string]string // topic → file
	lives    []life
}

// lintFile is one file being looked at.
type lintFile struct {
	*linter
	name   string
	src    []byte
	places Places
}

func (l *linter) file(name string, src []byte) {
	f := &lintFile{linter: l, name: name, src: src}
	tree, err := jsonx.Tree(src, jsonx.Limits{Depth: maxSchemaDepth, Bytes: maxSchemaBytes})
	if se, ok := errors.AsType[*jsonx.SyntaxError](err); ok {
		l.findings = append(l.findings, Finding{
			File: name, Line: se.Line, Column: se.Column, Rule: "json", Message: se.Why, Fix: "write strict JSON",
		})
		return
	}
	root, ok := tree.(object)
	if !ok {
		f.report("", "schema", "not a JSON object", "write the schema of the payload as an object")
		return
	}
	f.places = PlacesOf(src)
	f.header(root)
	f.node("", root)
	f.omnibus(root)
	f.life(root)
	if f.compiles() {
		f.examples(root)
	}
}

func (f *lintFile) add(warning bool, pointer, rule, message, fix string) {
	line, column := f.places.At(pointer)
	f.findings = append(f.findings, Finding{
		File: f.name, Line: line, Column: column, Warning: warning, Rule: rule, Message: message, Fix: fix,
	})
}

func (f *lintFile) report(pointer, rule, message, fix string) {
	f.add(false, pointer, rule, message, fix)
}

func (f *lintFile) warn(pointer, rule, message, fix string) { f.add(true, pointer, rule, message, fix) }

var (
	versionForm = regexp.MustCompile(`^\d{1,9}\.\d{1,9}\.\d{1,9}$`)
	snakeCase   = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

func (f *lintFile) header(root object) {
	if text(root, "description") == "" {
		f.report("", "description", "the event has no description", "say in one sentence what happened or what is asked")
	}
	if v := text(root, "x-version"); !versionForm.MatchString(v) {
		f.report("/x-version", "version", `"x-version" is not a semantic version`, `write it as "1.0.0"`)
	}
	if len(f.src) > portableBytes {
		f.warn("", "size", fmt.Sprintf("the file has %d KiB; some registries advise against more than %d", len(f.src)>>10, portableBytes>>10), "split the event, or refer to what is large")
	}
	if root["type"] != "object" {
		f.report("/type", "type", "the payload is not declared an object", `add "type": "object"`)
	}
}

// keywords are those of JSON Schema 2020-12 and whether their value holds schemas.
var keywords = map[string]holds{
	"$schema": {}, "$id": {}, "$ref": {}, "$defs": {many: true}, "$comment": {}, "$anchor": {}, "$dynamicRef": {}, "$dynamicAnchor": {}, "$vocabulary": {},
	"type": {}, "enum": {}, "const": {}, "title": {}, "description": {}, "default": {}, "examples": {}, "deprecated": {}, "readOnly": {}, "writeOnly": {},
	"properties": {many: true}, "patternProperties": {many: true}, "additionalProperties": {one: true}, "unevaluatedProperties": {one: true},
	"propertyNames": {one: true}, "required": {}, "minProperties": {}, "maxProperties": {}, "dependentRequired": {}, "dependentSchemas": {many: true},
	"items": {one: true}, "prefixItems": {list: true}, "contains": {one: true}, "minContains": {}, "maxContains": {}, "minItems": {}, "maxItems": {},
	"uniqueItems": {}, "unevaluatedItems": {one: true}, "minLength": {}, "maxLength": {}, "pattern": {}, "format": {}, "contentEncoding": {},
	"contentMediaType": {}, "contentSchema": {one: true}, "minimum": {}, "maximum": {}, "exclusiveMinimum": {}, "exclusiveMaximum": {}, "multipleOf": {},
	"allOf": {list: true}, "anyOf": {list: true}, "oneOf": {list: true}, "not": {one: true}, "if": {one: true}, "then": {one: true}, "else": {one: true},
}

type holds struct{ one, many, list bool }

var formats = []string{
	"uuid", "date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uri-template",
	"iri", "iri-reference", "json-pointer", "relative-json-pointer", "regex", "semver",
}

// node looks at the schema at pointer and at those within.
func (f *lintFile) node(at string, s object) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		here := at + pointer([]string{name})
		k, known := keywords[name]
		if !known && !strings.HasPrefix(name, "x-") {
			fix := `remove it, or begin its name with "x-"`
			if near := nearest(name); near != "" {
				fix = "did you mean " + strconv.Quote(near) + "?"
			}
			f.report(here, "keyword", fmt.Sprintf("%q is no keyword of JSON Schema and has no effect", name), fix)
		}
		switch v := s[name].(type) {
		case object:
			switch {
			case k.one:
				f.node(here, v)
			case k.many:
				for _, member := range slices.Sorted(maps.Keys(v)) {
					if sub, ok := v[member].(object); ok {
						f.member(here+pointer([]string{member}), name, member, sub)
					}
				}
			}
		case []any:
			for i, item := range v {
				if sub, ok := item.(object); ok && k.list {
					f.node(here+"/"+strconv.Itoa(i), sub)
				}
			}
		}
	}
	f.portable(at, s)
	if p, ok := s["pattern"].(string); ok {
		if _, err := regexp.Compile(p); err != nil {
			f.report(at+"/pattern", "pattern", "the pattern is not RE2: "+err.Error(), "do without look-ahead, look-behind and back references")
		}
	}
	if format, ok := s["format"].(string); ok && !slices.Contains(formats, format) {
		f.report(at+"/format", "format", fmt.Sprintf("the format %q is not known and would not be checked", format), "use a known format or a pattern")
	}
	if v, ok := s["x-extensible-enum"]; ok {
		_, isList := v.([]any)
		if open, isBool := v.(bool); !isBool && !isList || (open || isList) && s["enum"] == nil {
			f.report(at+"/x-extensible-enum", "extensible", `"x-extensible-enum" says nothing here`, `write it as true, or the known values, beside "enum"`)
		}
	}
	if s["type"] == "string" && unbounded(s) {
		f.warn(at, "maxLength", "the string may be of any length", `add "maxLength"`)
	}
}

func (f *lintFile) member(at, keyword, name string, s object) {
	if keyword == "properties" {
		if !snakeCase.MatchString(name) {
			f.report(at, "name", fmt.Sprintf("the member name %q is not snake_case", name), "use lower-case letters, digits and '_', a letter first")
		}
		if text(s, "description") == "" && s["$ref"] == nil {
			f.report(at, "description", fmt.Sprintf("the member %q has no description", name), "say what it means, and its unit")
		}
		_, ref := s["$ref"]
		if _, ok := s["type"]; !ok && !ref && s["enum"] == nil && s["const"] == nil && s["oneOf"] == nil && s["anyOf"] == nil && s["allOf"] == nil {
			f.warn(at, "type", fmt.Sprintf("the member %q may be of any type", name), `add "type"`)
		}
	}
	f.node(at, s)
}

func unbounded(s object) bool {
	for _, name := range []string{"maxLength", "enum", "const"} {
		if _, ok := s[name]; ok {
			return false
		}
	}
	switch s["format"] {
	case "uuid", "date-time", "date", "time", "ipv4", "ipv6":
		return false
	}
	p, _ := s["pattern"].(string)
	return !strings.HasPrefix(p, "^") || !strings.HasSuffix(p, "$") || strings.ContainsAny(p, "*+") || strings.Contains(p, ",}")
}

var metaMembers = []string{
	"topic", "owner", "producers", "consumers", "key", "tier", "retention", "aliases", "defaults", "replies", "alias_of", "strict_envelope", "dual_publish",
	"wire",
}

func (f *lintFile) omnibus(root object) {
	x, ok := root["x-omnibus"].(object)
	if !ok {
		f.report("", "x-omnibus", `there is no "x-omnibus" member`, `add {"topic": …, "owner": …} as docs/reference/catalogue.md describes`)
		return
	}
	const at = "/x-omnibus"
	for _, name := range slices.Sorted(maps.Keys(x)) {
		if !slices.Contains(metaMembers, name) && !strings.HasPrefix(name, "x-") {
			f.report(at+pointer([]string{name}), "x-omnibus", fmt.Sprintf("%q is not known in x-omnibus", name), "use one of "+strings.Join(metaMembers, ", "))
		}
	}
	if text(x, "owner") == "" {
		f.report(at, "owner", "nobody owns the event", `add "owner"`)
	}
	f.topic(text(x, "topic"))
	properties, _ := root["properties"].(object)
	f.key(text(x, "key"), root, properties)
	switch tier := x["tier"]; tier {
	case nil, "high", "medium", "low", "default":
	default:
		f.report(at+"/tier", "tier", "the tier is not known", "use high, medium, low or default")
	}
	switch wire := x["wire"]; wire {
	case nil, "none", "header", "prefix":
	default:
		f.report(at+"/wire", "x-omnibus", fmt.Sprintf("%q is no way to name the schema of an event", fmt.Sprint(wire)), "use none, header or prefix")
	}
	if r, ok := x["retention"]; ok {
		if d, err := time.ParseDuration(fmt.Sprint(r)); err != nil || d <= 0 {
			f.report(at+"/retention", "retention", "the retention is not a duration", `write it in hours, such as "168h"`)
		}
	}
	aliases, _ := x["aliases"].(object)
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		here := at + "/aliases" + pointer([]string{alias})
		if name, _ := aliases[alias].(string); properties[name] == nil {
			f.report(here, "alias", fmt.Sprintf("the alias %q stands for %q, which is no member of the payload", alias, name), "name a declared member")
		}
		if properties[alias] != nil {
			f.report(here, "alias", fmt.Sprintf("%q is an alias and a member at once", alias), "remove one of them")
		}
	}
	defaults, _ := x["defaults"].(object)
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		if properties[name] == nil {
			f.report(at+"/defaults"+pointer([]string{name}), "default", fmt.Sprintf("there is a default for %q, which is no member of the payload", name), "name a declared member")
		}
	}
}

func (f *lintFile) topic(topic string) {
	const at = "/x-omnibus/topic"
	if topic == "" {
		f.report(at, "topic", "the file names no topic", `add "topic" to x-omnibus`)
		return
	}
	if other, ok := f.topics[topic]; ok {
		f.report(at, "topic", fmt.Sprintf("the topic is declared in %s too", other), "declare each topic once")
	}
	f.topics[topic] = f.name
	parts := strings.Split(topic, ".")
	if len(parts) < 4 || parts[0] != "omninode" {
		return // another house's name
	}
	n := len(parts)
	want := strings.Join(parts[1:n-2], "/") + "/" + parts[n-2] + "." + parts[n-1] + ".json"
	if f.name != want && !strings.HasSuffix(f.name, "/"+want) && !strings.HasSuffix(want, "/"+f.name) {
		f.report(at, "path", fmt.Sprintf("the topic %s belongs into %s", topic, want), "move the file or correct the topic")
	}
}

func (f *lintFile) key(key string, root, properties object) {
	if key == "" {
		return
	}
	const at = "/x-omnibus/key"
	name := strings.TrimPrefix(key, "/")
	required, _ := root["required"].([]any)
	member, _ := properties[name].(object)
	switch {
	case member == nil:
		f.report(at, "key", fmt.Sprintf("the key %q is no member of the payload", name), "name a required string member, or leave the key out to use the correlation id")
	case member["type"] != "string", !slices.Contains(required, any(name)):
		f.report(at, "key", fmt.Sprintf("the key %q is not a required string", name), "name a required string member, or leave the key out to use the correlation id")
	}
}

// compiles reports whether the file makes a schema for both roles.
func (f *lintFile) compiles() bool {
	for _, role := range []Role{Producer, Consumer} {
		doc, err := Compose(f.src, role)
		if err == nil {
			_, err = Parse(doc)
		}
		invalid, ok := errors.AsType[*Invalid](err)
		switch {
		case ok:
			at := strings.TrimPrefix(invalid.Pointer, "/properties/payload")
			if !strings.HasSuffix(at, "/pattern") { // said already, and better
				f.report(at, "schema", "not JSON Schema: "+invalid.Message, "follow JSON Schema 2020-12")
			}
			return false
		case err != nil:
			if len(f.findings) == 0 || f.findings[len(f.findings)-1].Rule != "pattern" {
				f.report("", "schema", err.Error(), "follow JSON Schema 2020-12, with references within the file only")
			}
			return false
		}
	}
	return true
}

func (f *lintFile) examples(root object) {
	examples, _ := root["examples"].([]any)
	if len(examples) == 0 {
		f.report("/examples", "example", "there is no example", `add at least one real payload to "examples"`)
		return
	}
	doc, err := Compose(f.src, Producer)
	if err != nil {
		return
	}
	s, err := Parse(doc)
	if err != nil {
		return
	}
	check := func(at, within, rule, what, fix string, payload any) {
		b, err := jsonx.Marshal(payload)
		if err == nil {
			err = s.ScanPayload(b)
		}
		if invalid, ok := errors.AsType[*Invalid](err); ok {
			inner, concerned := strings.CutPrefix(invalid.Pointer, "/payload"+within)
			if !concerned {
				return
			}
			f.report(at+inner, rule, what+" is not valid: "+strings.TrimPrefix(invalid.Error(), "/payload"), fix)
		}
	}
	for i, e := range examples {
		check("/examples/"+strconv.Itoa(i), "", "example", "the example", "correct the example or the schema", e)
	}
	x, _ := root["x-omnibus"].(object)
	defaults, _ := x["defaults"].(object)
	first, _ := examples[0].(object)
	properties, _ := root["properties"].(object)
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		filled, here := maps.Clone(first), pointer([]string{name})
		if filled == nil || properties[name] == nil {
			continue
		}
		filled[name] = defaults[name]
		check("/x-omnibus/defaults"+here, here, "default", "an event with this default", "correct the default or the schema", filled)
	}
}

func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

// nearest is the keyword that name is likely to be meant for.
func nearest(name string) string {
	for _, k := range slices.Sorted(maps.Keys(keywords)) {
		if strings.EqualFold(k, name) || strings.EqualFold(strings.ReplaceAll(name, "_", ""), k) || oneLetterOff(name, k) {
			return k
		}
	}
	return ""
}

// oneLetterOff reports whether one letter more, less or other makes a into b.
func oneLetterOff(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || len(a) < 3 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return i < len(a) && a[i+1:] == b[i+1:]
	}
	return a[i:] == b[i+1:]
}
