package jsonx

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// What quickly takes on; the decoder takes the rest.
const (
	quickMembers = 48 // of all objects that are open at once
	quickDepth   = 32
)

// quickMember says where a member's name, without its quotes, and its value stand.
type quickMember struct{ name, nameEnd, from, to int }

// quickObject reads the object at i in one pass and returns the index behind it, or -1 where it is not strict JSON or has
// more members, depth or escapes in names than are worth the trouble: then the decoder decides and explains. It is ten times
// as fast, and may only say yes where the decoder would. What members has beyond its own is for the objects within.
func quickObject(b []byte, i, depth int, members []quickMember) (end, n int) {
	if i >= len(b) || b[i] != '{' || depth > quickDepth {
		return -1, 0
	}
	if i = Blanks(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, 0
	}
	for {
		m := quickMember{name: i + 1}
		var escaped bool
		if i, escaped = ScanString(b, i); i < 0 || escaped || n == len(members) {
			return -1, 0
		}
		m.nameEnd = i - 1
		name := b[m.name:m.nameEnd]
		for _, other := range members[:n] {
			if other.nameEnd-other.name == len(name) && string(b[other.name:other.nameEnd]) == string(name) {
				return -1, 0
			}
		}
		if i = Blanks(b, i); i >= len(b) || b[i] != ':' {
			return -1, 0
		}
		m.from = Blanks(b, i+1)
		members[n] = m
		if i = quickValue(b, m.from, depth+1, members[n+1:]); i < 0 {
			return -1, 0
		}
		members[n].to = i
		n++
		if i = Blanks(b, i); i >= len(b) {
			return -1, 0
		}
		switch b[i] {
		case '}':
			return i + 1, n
		case ',':
			i = Blanks(b, i+1)
		default:
			return -1, 0
		}
	}
}

// Blanks returns the index of the first byte from i on that is no white space.
func Blanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// The following return the index behind what they read, or -1.

func quickValue(b []byte, i, depth int, members []quickMember) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		i, _ = ScanString(b, i)
		return i
	case '{':
		i, _ = quickObject(b, i, depth, members)
		return i
	case '[':
		return quickArray(b, i, depth, members)
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	}
	i, _ = ScanNumber(b, i)
	return i
}

func quickArray(b []byte, i, depth int, members []quickMember) int {
	if depth > quickDepth {
		return -1
	}
	if i = Blanks(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = quickValue(b, i, depth+1, members); i < 0 {
			return -1
		}
		if i = Blanks(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			i = Blanks(b, i+1)
		default:
			return -1
		}
	}
}

func literal(b []byte, i int, s string) int {
	if len(b)-i >= len(s) && string(b[i:i+len(s)]) == s {
		return i + len(s)
	}
	return -1
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// ScanNumber returns the index behind the number at i, and whether it has an exponent; or -1 where none of the JSON grammar is
// there. It says nothing of how large the number is: see [Absurd].
func ScanNumber(b []byte, i int) (end int, exponent bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	end = digits(b, i)
	if end == i || b[i] == '0' && end > i+1 {
		return -1, false
	}
	if end < len(b) && b[end] == '.' {
		fraction := digits(b, end+1)
		if fraction == end+1 {
			return -1, false
		}
		end = fraction
	}
	if end < len(b) && b[end]|0x20 == 'e' {
		i = end + 1
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if end = digits(b, i); end == i {
			return -1, false
		}
		exponent = true
	}
	return end, exponent
}

// ScanString returns the index behind the JSON string at i, and whether it holds an escape; or -1 where it is not strict. It
// reads eight bytes at a time up to one that is a quote, an escape, a control character or not ASCII.
func ScanString(b []byte, i int) (end int, escaped bool) {
	const low, high = 0x0101010101010101, 0x8080808080808080
	if i >= len(b) || b[i] != '"' {
		return -1, false
	}
	for i++; ; {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, escape := x^('"'*low), x^('\\'*low)
			if m := ((quote-low)&^quote | (escape-low)&^escape | (x-0x20*low)&^x | x) & high; m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return -1, false
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			n := escapeLength(b[i:])
			if n == 0 {
				return -1, false
			}
			escaped = true
			i += n
		case c < 0x20:
			return -1, false
		case c < 0x80:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return -1, false
			}
			i += n
		}
	}
}

// escapeLength is the length of the escape that b begins with, a pair of surrogates being one, or 0 where it is not legal.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r := hex4(b[2:])
		switch {
		case r < 0 || r >= 0xdc00 && r < 0xe000:
			return 0
		case r < 0xd800 || r >= 0xe000:
			return 6
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return 0
		}
		if r = hex4(b[8:]); r >= 0xdc00 && r < 0xe000 {
			return 12
		}
	}
	return 0
}

// hex4 is the value of the four hexadecimal digits that b begins with, or -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// quickFind says where the value of the member name of object stands, or -1 where it has none or only the decoder can tell.
func quickFind(object []byte, name string) (from, to int) {
	var members [quickMembers]quickMember
	i := Blanks(object, 0)
	if i >= len(object) || object[i] != '{' {
		return -1, 0
	}
	for i = Blanks(object, i+1); ; i = Blanks(object, i+1) {
		end, escaped := ScanString(object, i)
		if end < 0 || escaped {
			return -1, 0
		}
		found := string(object[i+1:end-1]) == name
		if i = Blanks(object, end); i >= len(object) || object[i] != ':' {
			return -1, 0
		}
		from = Blanks(object, i+1)
		if to = quickValue(object, from, 1, members[:]); to < 0 {
			return -1, 0
		}
		if found {
			return from, to
		}
		if i = Blanks(object, to); i >= len(object) || object[i] != ',' {
			return -1, 0
		}
	}
}

// plainASCII reports whether s stands in a JSON string as it is.
func plainASCII[Text ~string | ~[]byte](s Text) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
