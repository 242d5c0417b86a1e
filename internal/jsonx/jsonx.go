// Package jsonx is the one place that knows which JSON library Omnibus uses. What it reads is strict: no duplicate member
// names, no invalid UTF-8, one value and nothing after it. What it writes is deterministic.
package jsonx

import (
	"bytes"
	stdjson "encoding/json"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Value is a JSON value as it stands in the bytes.
type Value = jsontext.Value

// house is how everything is written: maps sorted by key, times in UTC with milliseconds (and more digits where they have
// them), a json.Number as its digits.
var house = json.JoinOptions(json.Deterministic(true), json.WithMarshalers(json.JoinMarshalers(
	json.MarshalToFunc(func(enc *jsontext.Encoder, t time.Time) error {
		t = t.UTC()
		layout := time.RFC3339Nano
		if t.Nanosecond()%1e6 == 0 {
			layout = "2006-01-02T15:04:05.000Z07:00"
		}
		return enc.WriteToken(jsontext.String(t.Format(layout)))
	}),
	json.MarshalToFunc(func(enc *jsontext.Encoder, n stdjson.Number) error {
		return enc.WriteValue(Value(n))
	}),
)))

// Marshal encodes v; maps come out sorted by key.
func Marshal(v any) ([]byte, error) {
	return json.Marshal(v, options(v))
}

// MarshalIndent is [Marshal] for people: two spaces a level.
func MarshalIndent(v any) ([]byte, error) {
	return json.Marshal(v, options(v), jsontext.WithIndent("  "))
}

// Unmarshal decodes one JSON value into v. Member names match exactly; members that v lacks are ignored.
func Unmarshal(b []byte, v any) error {
	return json.Unmarshal(b, v)
}

// UnmarshalStrict is [Unmarshal] that refuses members which v lacks.
func UnmarshalStrict(b []byte, v any) error {
	return json.Unmarshal(b, v, json.RejectUnknownMembers(true))
}

// AppendQuote appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, as no JSON string can hold it.
func AppendQuote[Text ~string | ~[]byte](b []byte, s Text) []byte {
	if plainASCII(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	out, err := jsontext.AppendQuote(b, s)
	_ = err // only says that s was not valid UTF-8, which out already mends
	return out
}

// Compact returns b without insignificant white space; b itself is not changed.
func Compact(b []byte) ([]byte, error) {
	v := jsontext.Value(b).Clone()
	if err := v.Compact(); err != nil {
		return nil, err
	}
	return v, nil
}

// Indent returns b with two spaces a level; b itself is not changed.
func Indent(b []byte) ([]byte, error) {
	v := jsontext.Value(b).Clone()
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		return nil, err
	}
	return v, nil
}

// Member is the string value of a top-level member of object, found without reading on behind it.
func Member(object []byte, name string) (string, bool) {
	if from, to := quickFind(object, name); from >= 0 {
		if object[from] != '"' {
			return "", false
		}
		return Text(object[from:to]), true
	}
	return slowMember(object, name)
}

// slowMember is Member by the decoder.
func slowMember(object []byte, name string) (string, bool) {
	r := NewReader(object, Limits{Depth: 10_000})
	defer r.Free()
	if open, err := r.Next(); err != nil || open[0] != '{' {
		return "", false
	}
	for r.Peek() == '"' {
		quoted, err := r.Next()
		if err != nil {
			return "", false
		}
		// A name with escapes may be the one as well.
		found := string(quoted[1:len(quoted)-1]) == name || bytes.IndexByte(quoted, '\\') >= 0 && Text(quoted) == name
		value, err := r.dec.ReadValue()
		if err != nil {
			return "", false
		}
		if found {
			if value[0] != '"' {
				return "", false
			}
			return Text(value), true
		}
	}
	return "", false
}

// Each calls member for every member of a JSON object: its name, and where its value stands in object. It is strict, as
// [Unmarshal] is; members before an error have been called for.
func Each(object []byte, member func(name []byte, from, to int)) error {
	var members [quickMembers]quickMember
	if end, n := quickObject(object, Blanks(object, 0), 0, members[:]); end >= 0 && Blanks(object, end) == len(object) {
		for _, m := range members[:n] {
			member(object[m.name:m.nameEnd], m.from, m.to)
		}
		return nil
	}
	return each(object, member)
}

// Elements calls element for every element of a JSON array: where it stands in array. It is strict, as [Unmarshal] is; elements
// before an error have been called for.
func Elements(array []byte, element func(from, to int)) error {
	var members [quickMembers]quickMember
	if i := Blanks(array, 0); i < len(array) && array[i] == '[' && quickArray(array, i, 0, members[:]) == len(array) {
		for i = Blanks(array, i+1); array[i] != ']'; i = Blanks(array, i) {
			from := i
			i = quickValue(array, from, 1, members[:])
			element(from, i)
			if i = Blanks(array, i); array[i] == ',' {
				i = Blanks(array, i+1)
			}
		}
		return nil
	}
	return elements(array, element)
}

// elements is Elements by the decoder.
func elements(array []byte, element func(from, to int)) error {
	r := NewReader(array, Limits{Depth: 10_000})
	defer r.Free()
	if k := r.Peek(); k != '[' && k != 0 {
		return r.fail(r.offset(), "not an array")
	}
	if _, err := r.Next(); err != nil {
		return err
	}
	for r.Peek() != ']' {
		value, err := r.dec.ReadValue()
		if err != nil {
			return r.syntax(err)
		}
		element(r.Offset()-len(value), r.Offset())
	}
	if _, err := r.Next(); err != nil {
		return err
	}
	return r.End()
}

// each is Each by the decoder.
func each(object []byte, member func(name []byte, from, to int)) error {
	r := NewReader(object, Limits{Depth: 10_000})
	defer r.Free()
	if k := r.Peek(); k != '{' && k != 0 {
		return r.fail(r.offset(), "not an object")
	}
	if _, err := r.Next(); err != nil {
		return err
	}
	for r.Peek() != '}' {
		name, err := r.Next()
		if err != nil {
			return err
		}
		if bytes.IndexByte(name, '\\') < 0 {
			name = name[1 : len(name)-1]
		} else {
			name = []byte(Text(name))
		}
		value, err := r.dec.ReadValue()
		if err != nil {
			return r.syntax(err)
		}
		to := r.Offset()
		member(name, to-len(value), to)
	}
	if _, err := r.Next(); err != nil {
		return err
	}
	return r.End()
}
