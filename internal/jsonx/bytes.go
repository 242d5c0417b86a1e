package jsonx

import (
	"bytes"
	"encoding/base64"
	"errors"
	"unicode/utf8"
)

// What JSON cannot hold as it is: bytes that are no text, and the difference between none and empty.

// TextOrBase64 gives b as text where it is UTF-8, else as standard base64; neither where b is nil.
func TextOrBase64(b []byte) (text, b64 *string) {
	if b == nil {
		return nil, nil
	}
	if utf8.Valid(b) {
		return new(string(b)), nil
	}
	return nil, new(base64.StdEncoding.EncodeToString(b))
}

// FromTextOrBase64 is the inverse of [TextOrBase64]. It fails where both are there, or the second is not base64; its errors go
// on from the name of the member.
func FromTextOrBase64(text, b64 *string) ([]byte, error) {
	switch {
	case text != nil && b64 != nil:
		return nil, errors.New("is there twice, as text and as base64")
	case text != nil:
		return []byte(*text), nil
	case b64 != nil:
		b, err := base64.StdEncoding.DecodeString(*b64)
		if err != nil {
			return nil, errors.New("is not base64")
		}
		return b, nil
	}
	return nil, nil
}

// keptDepth is how deep a value may nest to stand in a line: below what any reader of the line, which is one deeper, takes on.
const keptDepth = 1000

// Keeps reports whether value is an object that comes out of a line of JSON byte for byte.
func Keeps(value []byte) bool {
	if len(value) == 0 || value[0] != '{' {
		return false
	}
	if tight(value) {
		return true
	}
	out, err := Marshal(Value(value))
	if err != nil || string(out) != string(value) {
		return false
	}
	if bytes.Count(value, []byte("{"))+bytes.Count(value, []byte("[")) <= keptDepth {
		return true
	}
	r := NewReader(value, Limits{Depth: keptDepth})
	defer r.Free()
	return r.Skip() == nil
}

// tight reports whether value is an object that nobody would write otherwise: no blanks and no escapes. It may only say yes
// where [Keeps] does, and is there because most values are.
func tight(value []byte) bool {
	if bytes.IndexByte(value, '\\') >= 0 {
		return false
	}
	inText := false
	for _, c := range value {
		switch {
		case c == '"':
			inText = !inText
		case c <= ' ' && !inText:
			return false
		}
	}
	var members [quickMembers]quickMember
	end, _ := quickObject(value, 0, 0, members[:])
	return end == len(value)
}
