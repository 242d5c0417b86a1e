package jsonx

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// What quickly takes on; the decoder takes the rest.
const (
	quickMembers = 32
	quickDepth   = 32
)

// quickMember says where a member's name, without its quotes, and its value stand.
type quickMember struct{ name, nameEnd, from, to int }

// quickObject reads the object at i in one pass and returns the index behind it, or -1 where it is not strict JSON or has
// more members, depth or escapes in names than are worth the trouble: then the decoder decides and explains. It is ten times
// as fast, and may only say yes where the decoder would.
func quickObject(b []byte, i, depth int, members *[quickMembers]quickMember) (end, n int) {
	if i >= len(b) || b[i] != '{' || depth > quickDepth {
		return -1, 0
	}
	if i = blanks(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, 0
	}
	for {
		m := quickMember{name: i + 1}
		var escaped bool
		if i, escaped = quickString(b, i); i < 0 || escaped || n == quickMembers {
			return -1, 0
		}
		m.nameEnd = i - 1
		name := b[m.name:m.nameEnd]
		for _, other := range members[:n] {
			if other.nameEnd-other.name == len(name) && string(b[other.name:other.nameEnd]) == string(name) {
				return -1, 0
			}
		}
		if i = blanks(b, i); i >= len(b) || b[i] != ':' {
			return -1, 0
		}
		m.from = blanks(b, i+1)
		if i = quickValue(b, m.from, depth+1); i < 0 {
			return -1, 0
		}
		m.to = i
		members[n] = m
		n++
		if i = blanks(b, i); i >= len(b) {
			return -1, 0
		}
		switch b[i] {
		case '}':
			return i + 1, n
		case ',':
			i = blanks(b, i+1)
		default:
			return -1, 0
		}
	}
}

func blanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// The following return the index behind what they read, or -1.

func quickValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		i, _ = quickString(b, i)
		return i
	case '{':
		var members [quickMembers]quickMember
		i, _ = quickObject(b, i, depth, &members)
		return i
	case '[':
		return quickArray(b, i, depth)
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	}
	return quickNumber(b, i)
}

func quickArray(b []byte, i, depth int) int {
	if depth > quickDepth {
		return -1
	}
	if i = blanks(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = quickValue(b, i, depth+1); i < 0 {
			return -1
		}
		if i = blanks(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			i = blanks(b, i+1)
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

func quickNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	end := digits(b, i)
	if end == i || b[i] == '0' && end > i+1 {
		return -1
	}
	if end < len(b) && b[end] == '.' {
		fraction := digits(b, end+1)
		if fraction == end+1 {
			return -1
		}
		end = fraction
	}
	if end < len(b) && b[end]|0x20 == 'e' {
		return -1 // rare: the decoder's
	}
	return end
}

// quickString reads eight bytes at a time up to one that is a quote, an escape, a control character or not ASCII.
func quickString(b []byte, i int) (end int, escaped bool) {
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
			// Only those of one character; the decoder knows about surrogates.
			if i+1 >= len(b) || !shortEscape(b[i+1]) {
				return -1, false
			}
			escaped = true
			i += 2
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

func shortEscape(c byte) bool {
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	}
	return false
}
