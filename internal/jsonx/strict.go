package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound what [Check], [Tree] and a [Reader] accept. The zero value means the defaults.
type Limits struct {
	Depth int // arrays and objects inside one another; default 64
	Bytes int // default 64 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Depth == 0 {
		l.Depth = 64
	}
	if l.Bytes == 0 {
		l.Bytes = 64 << 20
	}
	return l
}

// What a number may be. Larger ones cost a reader that computes exactly more than the rest of the event together.
const (
	maxNumber   = 1000 // characters
	maxExponent = 308  // as far as a double reaches
)

// SyntaxError says where and why bytes are not strict JSON. It never quotes them, member names in Pointer apart.
type SyntaxError struct {
	Offset       int64
	Line, Column int // from 1; a column is a character
	Pointer      string
	Why          string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Why)
}

// Check reports whether b is one strict JSON value: no duplicate member names, valid UTF-8, nothing after the value, no
// number that a double cannot hold, and within the limits. Its error is a *SyntaxError.
func Check(b []byte, limits Limits) error {
	r := NewReader(b, limits)
	defer r.Free()
	if err := r.Skip(); err != nil {
		return err
	}
	return r.End()
}

// Tree decodes strict JSON into map[string]any, []any, string, bool, nil and json.Number, which keeps the digits as they
// stand. Its error is a *SyntaxError.
func Tree(b []byte, limits Limits) (any, error) {
	r := NewReader(b, limits)
	defer r.Free()
	v, err := r.tree()
	if err != nil {
		return nil, err
	}
	return v, r.End()
}

// Reader reads strict JSON piece by piece without allocating.
type Reader struct {
	dec    jsontext.Decoder
	buf    bytes.Buffer
	src    []byte
	limits Limits
}

var readers = sync.Pool{New: func() any { return new(Reader) }}

// NewReader returns a reader of b. It must be given back with Free; b must not change before.
func NewReader(b []byte, limits Limits) *Reader {
	r, ok := readers.Get().(*Reader)
	if !ok {
		r = new(Reader)
	}
	r.src, r.limits = b, limits.withDefaults()
	r.buf = *bytes.NewBuffer(b)
	r.dec.Reset(&r.buf)
	return r
}

// Free gives r back. Nothing that r returned may be used afterwards.
func (r *Reader) Free() {
	r.src = nil
	r.buf = bytes.Buffer{}
	r.dec.Reset(&r.buf)
	readers.Put(r)
}

// Peek is the kind of the next piece: one of { } [ ] " 0 t f n, or 0 where Next will return an error.
func (r *Reader) Peek() byte { return byte(r.dec.PeekKind()) }

// Next reads one piece: a delimiter, a member name or a scalar, as it stands in the bytes.
func (r *Reader) Next() ([]byte, error) {
	if len(r.src) > r.limits.Bytes {
		return nil, r.fail(0, fmt.Sprintf("%d bytes, at most %d are allowed", len(r.src), r.limits.Bytes))
	}
	switch k := r.dec.PeekKind(); k {
	case '{', '[':
		if r.dec.StackDepth() >= r.limits.Depth {
			return nil, r.fail(r.offset(), fmt.Sprintf("nested more than %d deep", r.limits.Depth))
		}
		fallthrough
	case '}', ']', 0:
		if _, err := r.dec.ReadToken(); err != nil {
			return nil, r.syntax(err)
		}
		end := r.dec.InputOffset()
		return r.src[end-1 : end], nil
	default:
		v, err := r.dec.ReadValue()
		if err != nil {
			return nil, r.syntax(err)
		}
		if k == '0' {
			if why := Absurd(v); why != "" {
				return nil, r.fail(r.dec.InputOffset()-int64(len(v)), why)
			}
		}
		return v, nil
	}
}

// Offset is where the piece ends that Next read last.
func (r *Reader) Offset() int { return int(r.dec.InputOffset()) }

// Skip reads one value, or one member's name and value together where a name comes next.
func (r *Reader) Skip() error {
	depth := r.dec.StackDepth()
	for {
		if _, err := r.Next(); err != nil {
			return err
		}
		if r.dec.StackDepth() <= depth {
			return nil
		}
	}
}

// End checks that nothing but white space follows.
func (r *Reader) End() error {
	at := r.offset()
	if _, err := r.dec.ReadToken(); errors.Is(err, io.EOF) {
		return nil
	}
	return r.fail(at, "text after the end of the JSON value")
}

func (r *Reader) tree() (any, error) {
	k := r.Peek()
	piece, err := r.Next()
	if err != nil {
		return nil, err
	}
	switch k {
	case '{':
		m := map[string]any{}
		for r.Peek() != '}' {
			name, err := r.Next()
			if err != nil {
				return nil, err
			}
			key := Text(name)
			if m[key], err = r.tree(); err != nil {
				return nil, err
			}
		}
		_, err := r.Next()
		return m, err
	case '[':
		list := []any{}
		for r.Peek() != ']' {
			v, err := r.tree()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := r.Next()
		return list, err
	case '"':
		return Text(piece), nil
	case '0':
		return json.Number(piece), nil
	case 't', 'f':
		return k == 't', nil
	default:
		return nil, nil
	}
}

// Text is what the JSON string quoted, which has been read before, stands for.
func Text(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	return string(AppendText(nil, quoted))
}

// AppendText appends what the JSON string quoted, which has been read before, stands for.
func AppendText(b, quoted []byte) []byte {
	b, err := jsontext.AppendUnquote(b, quoted)
	_ = err // it has been read before, and so is valid
	return b
}

// Absurd says what is wrong with a number that follows the grammar and yet is more than a reader should take on, or "".
func Absurd(number []byte) (why string) {
	mark := bytes.IndexAny(number, "eE")
	if len(number) <= 17 && mark < 0 {
		return ""
	}
	if len(number) > maxNumber {
		return fmt.Sprintf("a number of more than %d characters", maxNumber)
	}
	mantissa, e := number, 0
	if mark >= 0 {
		mantissa = number[:mark]
		if e = smallInt(number[mark+1:]); e > maxExponent || e < -maxExponent {
			return fmt.Sprintf("a number with an exponent beyond ±%d", maxExponent)
		}
	}
	whole := bytes.IndexByte(mantissa, '.')
	if whole < 0 {
		whole = len(mantissa)
	}
	if mantissa[0] == '-' {
		whole--
	}
	if whole+e > maxExponent+1 {
		return fmt.Sprintf("a number beyond 1e%d", maxExponent)
	}
	return ""
}

// smallInt reads an exponent; beyond a million it no longer counts.
func smallInt(b []byte) int {
	n, sign := 0, 1
	for _, c := range b {
		switch {
		case c == '-':
			sign = -1
		case c != '+' && n < 1_000_000:
			n = n*10 + int(c-'0')
		}
	}
	return sign * n
}

// offset is where the next piece begins, white space and delimiters skipped.
func (r *Reader) offset() int64 {
	i := r.dec.InputOffset()
	for i < int64(len(r.src)) && strings.IndexByte(" \t\r\n,:", r.src[i]) >= 0 {
		i++
	}
	return i
}

func (r *Reader) syntax(err error) error {
	var se *jsontext.SyntacticError
	if !errors.As(err, &se) {
		return r.fail(int64(len(r.src)), "the text ends before its JSON value does")
	}
	at := min(max(se.ByteOffset, 0), int64(len(r.src)))
	rest := r.src[at:]
	c, size := utf8.DecodeRune(rest)
	why := "not JSON"
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		why = "the same member name twice in one object"
	case errors.Is(err, jsontext.ErrNonStringName):
		why = "a member name must be a string in double quotes"
	case errors.Is(err, io.ErrUnexpectedEOF), len(rest) == 0:
		why = "the text ends before its JSON value does"
	case c == utf8.RuneError && size <= 1:
		why = "invalid UTF-8"
	case c == '\\':
		why = "an invalid escape in a string"
	case c < ' ':
		why = "a control character; inside a string it must be escaped"
	case strings.ContainsRune("{}[]():,;'\"`/#<>=+*&|!", c):
		why = "unexpected " + strconv.QuoteRune(c)
	}
	e := r.fail(at, why)
	e.Pointer = string(se.JSONPointer)
	return e
}

func (r *Reader) fail(at int64, why string) *SyntaxError {
	before := r.src[:at]
	line := bytes.LastIndexByte(before, '\n') + 1
	return &SyntaxError{
		Offset: at, Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[line:]),
		Pointer: string(r.dec.StackPointer()), Why: why,
	}
}
