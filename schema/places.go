package schema

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Places knows where every value of a JSON text stands.
type Places struct {
	src    []byte
	offset map[string]int // by JSON pointer; members at their names
}

// PlacesOf reads src as far as it is JSON.
func PlacesOf(src []byte) Places {
	p := Places{src, map[string]int{"": 0}}
	r := jsonx.NewReader(src, jsonx.Limits{})
	defer r.Free()
	p.walk(r, "")
	return p
}

// At is where the value at a JSON pointer begins, in lines and characters from 1: a member at its name. Of a value that is not
// there it is the place of the nearest one around it that is.
func (p Places) At(pointer string) (line, column int) {
	at, ok := p.offset[pointer]
	for !ok && pointer != "" {
		pointer = pointer[:max(0, strings.LastIndexByte(pointer, '/'))]
		at, ok = p.offset[pointer]
	}
	before := p.src[:at]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])
}

func (p Places) walk(r *jsonx.Reader, at string) bool {
	kind := r.Peek()
	if _, err := r.Next(); err != nil {
		return false
	}
	switch kind {
	case '{':
		for r.Peek() != '}' {
			name, err := r.Next()
			if err != nil {
				return false
			}
			here := at + pointer([]string{jsonx.Text(name)})
			p.offset[here] = r.Offset() - len(name)
			if !p.walk(r, here) {
				return false
			}
		}
	case '[':
		for i := 0; r.Peek() != ']'; i++ {
			here := at + "/" + strconv.Itoa(i)
			start := r.Offset()
			for start < len(p.src) && strings.IndexByte(" \t\r\n,", p.src[start]) >= 0 {
				start++
			}
			p.offset[here] = start
			if !p.walk(r, here) {
				return false
			}
		}
	default:
		return true
	}
	_, err := r.Next()
	return err == nil
}
