package schema

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Violation is one rule that a value breaks.
type Violation struct {
	Pointer string // JSON pointer to the member concerned, whether it is there or missing
	Rule    string // the schema's keyword; "json" where the value is not strict JSON
	Message string // plain words without anything of the value but member names
}

func (v Violation) String() string {
	where := v.Pointer + ": "
	if v.Pointer == "" {
		where = "value "
	}
	return where + v.Message + " (" + v.Rule + ")"
}

// Invalid is the error about content: the value is not strict JSON or breaks the schema. The same value will never pass.
type Invalid struct { //nolint:errname // it reads schema.Invalid
	Violation             // the most telling one
	Others    []Violation // further ones, in the order of their pointers, at most 100
	Omitted   int         // how many more there are

	Offset       int64 // where the Rule is "json": the byte,
	Line, Column int   // and for people, from 1
}

func (e *Invalid) Error() string {
	if e.Rule == "json" {
		return fmt.Sprintf("line %d, column %d: %s (json)", e.Line, e.Column, e.Message)
	}
	if n := len(e.Others) + e.Omitted; n > 0 {
		return fmt.Sprintf("%s, and %d more", e.Violation, n)
	}
	return e.String()
}

func notJSON(err error, prefix string) error {
	var se *jsonx.SyntaxError
	if !errors.As(err, &se) {
		return err
	}
	return &Invalid{
		Violation: Violation{Pointer: prefix + se.Pointer, Rule: "json", Message: se.Why},
		Offset:    se.Offset, Line: se.Line, Column: se.Column,
	}
}

// maxViolations bounds a report: a poisonous value is to cost no more than any other.
const maxViolations = 100

func violations(e *jsonschema.ValidationError, prefix string) error {
	x := explainer{prefix: prefix}
	all := x.explain(e)
	slices.SortFunc(all, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	all = slices.Compact(all)
	// A wrong value tells more than a missing member, and that more than one too many: a misspelt name shows as both.
	weight := func(v Violation) int { return slices.Index([]string{"", "required", "additionalProperties"}, v.Rule) }
	first := slices.MinFunc(all, func(a, b Violation) int { return cmp.Compare(max(weight(a), 0), max(weight(b), 0)) })
	i := slices.Index(all, first)
	others := slices.Delete(all, i, i+1)
	if n := len(others) - maxViolations; n > 0 {
		others, x.omitted = slices.Clip(others[:maxViolations]), x.omitted+n
	}
	return &Invalid{Violation: first, Others: others, Omitted: x.omitted}
}

// explainer flattens the library's tree of causes into violations.
type explainer struct {
	prefix  string
	omitted int // what a place has beyond maxViolations
}

func (x *explainer) explain(e *jsonschema.ValidationError) []Violation {
	at := x.prefix + pointer(e.InstanceLocation)
	one := func(rule, format string, args ...any) []Violation {
		return []Violation{{Pointer: at, Rule: rule, Message: fmt.Sprintf(format, args...)}}
	}
	each := func(rule, message string, names []string) []Violation {
		if len(names) > maxViolations {
			names = slices.Sorted(slices.Values(names)) // the same ones each time
			x.omitted += len(names) - maxViolations
			names = names[:maxViolations]
		}
		out := make([]Violation, len(names))
		for i, n := range names {
			out[i] = Violation{Pointer: at + pointer([]string{n}), Rule: rule, Message: message}
		}
		return out
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return one("type", "must be %s, is %s", list(articles(k.Want), "or"), article(k.Got))
	case *kind.Enum:
		return one("enum", "must be one of %s", values(k.Want))
	case *kind.Const:
		return one("const", "must be %s", value(k.Want))
	case *kind.Format:
		return one("format", "must be %s", formatName(k.Want))
	case *kind.Required:
		return each("required", "is missing", k.Missing)
	case *kind.DependentRequired:
		return each("dependentRequired", "is missing, as "+strconv.Quote(k.Prop)+" is there", k.Missing)
	case *kind.AdditionalProperties:
		return each("additionalProperties", "is not declared in the schema", k.Properties)
	case *kind.FalseSchema:
		return one("false", "must not be there")
	case *kind.Minimum:
		return one("minimum", "must be at least %s", rat(k.Want))
	case *kind.Maximum:
		return one("maximum", "must be at most %s", rat(k.Want))
	case *kind.ExclusiveMinimum:
		return one("exclusiveMinimum", "must be more than %s", rat(k.Want))
	case *kind.ExclusiveMaximum:
		return one("exclusiveMaximum", "must be less than %s", rat(k.Want))
	case *kind.MultipleOf:
		return one("multipleOf", "must be a multiple of %s", rat(k.Want))
	case *kind.MinLength:
		return one("minLength", "must have at least %s, has %d", count(k.Want, "character"), k.Got)
	case *kind.MaxLength:
		return one("maxLength", "must have at most %s, has %d", count(k.Want, "character"), k.Got)
	case *kind.Pattern:
		return one("pattern", "must match %s", k.Want)
	case *kind.MinItems:
		return one("minItems", "must have at least %s, has %d", count(k.Want, "item"), k.Got)
	case *kind.MaxItems:
		return one("maxItems", "must have at most %s, has %d", count(k.Want, "item"), k.Got)
	case *kind.UniqueItems:
		return one("uniqueItems", "items %d and %d must not be equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinProperties:
		return one("minProperties", "must have at least %s, has %d", count(k.Want, "member"), k.Got)
	case *kind.MaxProperties:
		return one("maxProperties", "must have at most %s, has %d", count(k.Want, "member"), k.Got)
	case *kind.PropertyNames:
		return []Violation{{Pointer: at + pointer([]string{k.Property}), Rule: "propertyNames", Message: "is not a legal member name here"}}
	case *kind.AnyOf:
		return x.choose("anyOf", "must fit at least one of the alternatives", at, e.Causes)
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return one("oneOf", "must fit one alternative only, fits %d and %d", k.Subschemas[0]+1, k.Subschemas[1]+1)
		}
		return x.choose("oneOf", "must fit one of the alternatives", at, e.Causes)
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		var out []Violation
		for _, c := range e.Causes {
			out = append(out, x.explain(c)...)
		}
		if len(out) > 0 {
			return out
		}
	}
	rule := "schema"
	if path := e.ErrorKind.KeywordPath(); len(path) > 0 {
		rule = path[0]
	}
	return one(rule, "breaks the rule %s", rule)
}

// choose explains why none of several alternatives fits: by the members that would have done, or by the one alternative that
// is not of another type altogether.
func (x *explainer) choose(rule, message, at string, causes []*jsonschema.ValidationError) []Violation {
	var missing []string
	var near [][]Violation
	omitted := x.omitted
	onlyMissing := true
	for _, c := range causes {
		vs := x.explain(c)
		for _, v := range vs {
			if v.Rule != "required" {
				onlyMissing = false
			}
		}
		if len(vs) == 1 && vs[0].Rule == "required" {
			missing = append(missing, strconv.Quote(vs[0].Pointer[strings.LastIndexByte(vs[0].Pointer, '/')+1:]))
		}
		if !slices.ContainsFunc(vs, func(v Violation) bool { return v.Pointer == at && (v.Rule == "type" || v.Rule == "const") }) {
			near = append(near, vs)
		}
	}
	switch {
	case onlyMissing && len(missing) == len(causes) && len(missing) > 0:
		return []Violation{{Pointer: at, Rule: rule, Message: "needs " + list(missing, "or")}}
	case len(near) == 1:
		return near[0]
	}
	x.omitted = omitted // of what is not told
	return []Violation{{Pointer: at, Rule: rule, Message: message}}
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(path []string) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(escaper.Replace(p))
	}
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func article(kind string) string {
	switch kind {
	case "null":
		return kind
	case "array", "object", "integer":
		return "an " + kind
	}
	return "a " + kind
}

func articles(kinds []string) []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = article(k)
	}
	return out
}

func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// maxValues is how many of the allowed values a message spells out.
const maxValues = 20

func values(vs []any) string {
	var words []string
	for _, v := range vs[:min(len(vs), maxValues)] {
		words = append(words, value(v))
	}
	all := strings.Join(words, ", ")
	if n := len(vs) - maxValues; n > 0 {
		all += fmt.Sprintf(" and %d more", n)
	}
	return all
}

func value(v any) string {
	b, err := jsonx.Marshal(v)
	if err != nil {
		return "the declared value"
	}
	return string(b)
}

func rat(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(12), "0")
}

func formatName(format string) string {
	switch format {
	case "uuid":
		return "a UUID"
	case "date-time":
		return "a time such as 2025-10-18T10:00:00.000Z"
	case "date":
		return "a date such as 2025-10-18"
	case "email":
		return "an e-mail address"
	case "uri", "iri":
		return "an absolute URI"
	}
	return "of the format " + format
}
