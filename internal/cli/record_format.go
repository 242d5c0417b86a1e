package cli

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// recordFormat is a parsed --format: what to append, piece by piece.
type recordFormat []func(b []byte, v *view) []byte

// formatGrammar is what the help and the errors say.
const formatGrammar = "%t topic, %p partition, %o offset, %k key, %v value, %h headers, %T milliseconds since 1970, %d date and time,\n" +
	`%K %V bytes of the key and the value (-1: null), %H number of headers, %{payload.a.b} a member, %%; \n \t \r \0 \\ \xFF`

// parseFormat reads a --format.
func parseFormat(s string) (recordFormat, error) {
	var f recordFormat
	var text []byte
	flush := func() {
		if lit := string(text); lit != "" {
			f = append(f, func(b []byte, _ *view) []byte { return append(b, lit...) })
		}
		text = nil
	}
	bad := func(at int, why string) error {
		return badText(codeTemplate, "--format", s, at, why).fix("%s", formatGrammar)
	}
	for i := 0; i < len(s); {
		switch s[i] {
		case '\\':
			c, size, why := unescape(s[i:])
			if why != "" {
				return nil, bad(i, why)
			}
			text = append(text, c)
			i += size
		case '%':
			if i+1 == len(s) {
				return nil, bad(i, "a % at the end")
			}
			if s[i+1] == '%' {
				text = append(text, '%')
				i += 2
				continue
			}
			flush()
			if s[i+1] == '{' {
				end := strings.IndexByte(s[i:], '}')
				if end < 0 {
					return nil, bad(i, "want a }")
				}
				p, at, why := parsePath(s[i+2 : i+end])
				if why != "" {
					return nil, bad(i+2+at, why)
				}
				f = append(f, func(b []byte, v *view) []byte { return p.text(b, v.doc()) })
				i += end + 1
				continue
			}
			put, ok := verbs[s[i+1]]
			if !ok {
				c, _ := utf8.DecodeRuneInString(s[i+1:])
				return nil, bad(i, "%"+string(c)+" stands for nothing")
			}
			f = append(f, put)
			i += 2
		default:
			text = append(text, s[i])
			i++
		}
	}
	flush()
	return f, nil
}

// verbs are what one letter stands for.
var verbs = map[byte]func(b []byte, v *view) []byte{
	't': func(b []byte, v *view) []byte { return append(b, v.Topic...) },
	'p': func(b []byte, v *view) []byte { return strconv.AppendInt(b, int64(v.Partition), 10) },
	'o': func(b []byte, v *view) []byte { return strconv.AppendInt(b, v.Offset, 10) },
	'k': func(b []byte, v *view) []byte { return append(b, v.Key...) },
	'K': func(b []byte, v *view) []byte { return appendSize(b, v.Key) },
	'v': func(b []byte, v *view) []byte { return append(b, v.Value...) },
	's': func(b []byte, v *view) []byte { return append(b, v.Value...) },
	'V': func(b []byte, v *view) []byte { return appendSize(b, v.Value) },
	'S': func(b []byte, v *view) []byte { return appendSize(b, v.Value) },
	'T': func(b []byte, v *view) []byte { return strconv.AppendInt(b, v.Timestamp.UnixMilli(), 10) },
	'd': func(b []byte, v *view) []byte { return appendTime(b, v.Timestamp) },
	'H': func(b []byte, v *view) []byte { return strconv.AppendInt(b, int64(len(v.Headers)), 10) },
	'h': func(b []byte, v *view) []byte {
		for i, h := range v.Headers {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, h.Name...)
			if h.Value != nil {
				b = append(append(b, '='), h.Value...)
			}
		}
		return b
	},
}

func appendSize(b, of []byte) []byte {
	if of == nil {
		return append(b, "-1"...)
	}
	return strconv.AppendInt(b, int64(len(of)), 10)
}

// unescape reads the escape at the start of s.
func unescape(s string) (c byte, size int, why string) {
	if len(s) < 2 {
		return 0, 0, `a \ at the end`
	}
	switch s[1] {
	case 'n':
		return '\n', 2, ""
	case 't':
		return '\t', 2, ""
	case 'r':
		return '\r', 2, ""
	case '0':
		return 0, 2, ""
	case '\\':
		return '\\', 2, ""
	case 'x':
		if len(s) >= 4 {
			if n, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
				return byte(n), 4, ""
			}
		}
		return 0, 0, `want two hexadecimal digits behind \x`
	}
	return 0, 0, `\` + s[1:2] + " stands for nothing"
}
