package broker

import (
	"regexp"
	"strconv"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// groupEntry is an entry of groups.log, as far as positions go.
type groupEntry struct {
	Type   string `json:"type"`
	Group  string `json:"g"`
	Topic  string `json:"t"`
	Part   int32  `json:"p"`
	Offset int64  `json:"o"`
}

type positionKey struct {
	group, topic string
	partition    int32
}

// guessEntries reads what damaged bytes of groups.log were, for the report. An entry whose checksum does not match is read field
// by field, and what is no longer there is left empty or -1.
func guessEntries(bytes []byte) []groupEntry {
	var found []groupEntry
	for _, text := range regexp.MustCompile(`\{"type":?.*?(?:\}|$)`).FindAll(bytes, -1) {
		var e groupEntry
		if jsonx.Unmarshal(text, &e) == nil && e.Type != "" {
			found = append(found, e)
			continue
		}
		found = append(found, groupEntry{
			Type: textField(text, "type"), Group: textField(text, "g"), Topic: textField(text, "t"),
			Part: int32(numberField(text, "p", 0)), Offset: numberField(text, "o", 0),
		})
	}
	if len(found) == 0 {
		found = []groupEntry{{Part: -1, Offset: -1}}
	}
	return found
}

func textField(text []byte, name string) string {
	m := regexp.MustCompile(`"` + name + `":"([^"\\]*)"`).FindSubmatch(text)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// numberField reads a number that is left out where it is zero.
func numberField(text []byte, name string, none int64) int64 {
	m := regexp.MustCompile(`"` + name + `":(-?\d+)[,}]`).FindSubmatch(text)
	if m == nil {
		return none
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		return none
	}
	return n
}
