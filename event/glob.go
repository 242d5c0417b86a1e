package event

import (
	"regexp"
	"strings"
)

// Glob selects topics by name. '*' stands for any characters, dots too. Dead-letter topics match only a glob that ends in
// ".dlq", and names beginning with '_' only one that does.
type Glob string

// IsPattern reports whether g can match more than the one topic that it spells.
func (g Glob) IsPattern() bool { return strings.Contains(string(g), "*") }

// Match reports whether g selects t.
func (g Glob) Match(t Topic) bool {
	if !g.IsPattern() {
		return string(g) == string(t)
	}
	if t.IsDLQ() && !strings.HasSuffix(string(g), dlqSuffix) || strings.HasPrefix(string(t), "_") && !strings.HasPrefix(string(g), "_") {
		return false
	}
	pieces := strings.Split(string(g), "*")
	rest, ok := strings.CutPrefix(string(t), pieces[0])
	if !ok {
		return false
	}
	last := pieces[len(pieces)-1]
	for _, piece := range pieces[1 : len(pieces)-1] {
		i := strings.Index(rest, piece)
		if i < 0 {
			return false
		}
		rest = rest[i+len(piece):]
	}
	return strings.HasSuffix(rest, last)
}

// Regexp is g as an anchored regular expression, for clients that subscribe by one. It may match a dead-letter or an internal
// topic that [Glob.Match] refuses: ask Match as well.
func (g Glob) Regexp() string {
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(string(g)), `\*`, `.*`) + "$"
}
