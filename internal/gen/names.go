package gen

import (
	"strings"
	"unicode"
)

// initialisms are the words that Go writes in one case.
var initialisms = map[string]string{
	"api": "API", "blake3": "BLAKE3", "cpu": "CPU", "db": "DB", "dlq": "DLQ", "html": "HTML", "http": "HTTP", "https": "HTTPS",
	"id": "ID", "ids": "IDs", "io": "IO", "ip": "IP", "json": "JSON", "mb": "MB", "ms": "MS", "onex": "ONEX", "prd": "PRD",
	"roi": "ROI", "sha": "SHA", "sql": "SQL", "ttl": "TTL", "uid": "UID", "uri": "URI", "url": "URL", "urls": "URLs", "utf8": "UTF8",
	"uuid": "UUID",
}

// goName is the exported Go name of a member, an operation or an enum value: "code_content" gives CodeContent.
func goName(s string) string {
	var b strings.Builder
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if w == strings.ToUpper(w) {
			w = strings.ToLower(w)
		}
		if whole, ok := initialisms[strings.ToLower(w)]; ok {
			b.WriteString(whole)
			continue
		}
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	name := b.String()
	if name == "" || !unicode.IsLetter([]rune(name)[0]) {
		return "X" + name
	}
	return name
}

// itemName names one of many: "issues" gives Issue, "patterns_matched" PatternsMatchedItem.
func itemName(s string) string {
	one := s
	switch {
	case strings.HasSuffix(s, "ies"):
		one = s[:len(s)-3] + "y"
	case strings.HasSuffix(s, "ches"), strings.HasSuffix(s, "shes"), strings.HasSuffix(s, "xes"), strings.HasSuffix(s, "sses"):
		one = s[:len(s)-2]
	case strings.HasSuffix(s, "ss"), strings.HasSuffix(s, "us"), strings.HasSuffix(s, "is"):
	default:
		one = strings.TrimSuffix(s, "s")
	}
	if one == s {
		return goName(s) + "Item"
	}
	return goName(one)
}

// fieldType names the type of a member that needs one of its own. Names that say little alone get the parent's before them.
func fieldType(parent, member string) string {
	switch member {
	case "type", "kind", "status", "state", "mode", "result", "value", "error":
		return parent + goName(member)
	}
	return goName(member)
}
