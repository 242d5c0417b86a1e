package cli

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// memberPath is a way into the document of a record: payload.scores.0, header."content-type". Where it begins with no member of the
// document, it begins in the payload.
type memberPath []string

// recordMembers are the members of a document that are not of the envelope.
func recordMembers() []string {
	return []string{"topic", "partition", "offset", "timestamp", "key", "key_b64", "headers", "header", "value", "value_text", "value_b64"}
}

// parsePath reads dotted names; one with dots in it stands in double quotes. Where it is wrong, why says so, and at where.
func parsePath(s string) (p memberPath, at int, why string) {
	for rest := s; ; {
		var name string
		at = len(s) - len(rest)
		if strings.HasPrefix(rest, `"`) {
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return nil, at, "a quote without its end"
			}
			name, rest = rest[1:end+1], rest[end+2:]
			if rest != "" && rest[0] != '.' {
				return nil, len(s) - len(rest), "want a dot behind a quoted name"
			}
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			name, rest = rest[:end], rest[end:]
			if name == "" {
				return nil, at, "want a name"
			}
		}
		p = append(p, name)
		if rest == "" {
			break
		}
		rest = rest[1:]
	}
	if !slices.Contains(recordMembers(), p[0]) && !slices.Contains(envelopeMembers(), p[0]) {
		p = append(memberPath{"payload"}, p...)
	}
	return p, 0, ""
}

// in is what lies at p.
func (p memberPath) in(doc map[string]any) (v any, found bool) {
	v = doc
	for _, name := range p {
		switch at := v.(type) {
		case map[string]any:
			if v, found = at[name]; !found {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// text is what lies at p as one cell: text as it is, anything else as JSON, nothing as nothing.
func (p memberPath) text(b []byte, doc map[string]any) []byte {
	v, found := p.in(doc)
	if !found {
		return b
	}
	switch v := v.(type) {
	case string:
		return append(b, v...)
	case json.Number:
		return append(b, v...)
	}
	return append(b, jsonText(v)...)
}

// jsonText is a value of a document, or what jq made of one, as compact JSON with sorted members.
func jsonText(v any) []byte {
	b, err := gojq.Marshal(v)
	_ = err // it never fails on what gojq and jsonx.Tree make
	return b
}
