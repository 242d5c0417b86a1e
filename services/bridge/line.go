package bridge

import (
	"bytes"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

const (
	linePrefix = "# ONEX:"
	lineMax    = 1024 // no stamp is longer; content without a newline is not searched to its end
)

func lineText(s Stamp) string {
	return linePrefix + "uid=" + s.UID.String() + ",hash=" + s.Hash.String() + ",ts=" + s.Time.UTC().Format(timeFormat)
}

// cutLine cuts a lightweight stamp and its line ending off the beginning of content. A stamp that is all of the content
// needs no line ending: else Strip could not tell such content, given a rich stamp, from a line stamp above one.
func cutLine(content []byte) (s Stamp, rest []byte, ok bool) {
	if !bytes.HasPrefix(content, []byte(linePrefix)) {
		return Stamp{}, content, false
	}
	line, rest := content, content[len(content):]
	if i := bytes.IndexByte(content[:min(len(content), lineMax)], '\n'); i >= 0 {
		line, rest = content[:i], content[i+1:]
	}
	if len(line) > lineMax {
		return Stamp{}, content, false
	}
	if s, ok = parseLine(string(bytes.TrimSuffix(line, []byte("\r")))); !ok {
		return Stamp{}, content, false
	}
	return s, rest, true
}

func parseLine(line string) (Stamp, bool) {
	fields, ok := strings.CutPrefix(line, linePrefix)
	if !ok {
		return Stamp{}, false
	}
	var values [3]string
	for i, name := range [...]string{"uid=", "hash=", "ts="} {
		var field string
		field, fields, ok = strings.Cut(fields, ",")
		if !ok && i < 2 {
			return Stamp{}, false
		}
		if values[i], ok = strings.CutPrefix(field, name); !ok {
			return Stamp{}, false
		}
	}
	if strings.ContainsFunc(fields, isControl) {
		return Stamp{}, false
	}
	return parseStamp(Lightweight, values[0], values[1], values[2])
}

func parseStamp(k Kind, uid, hash, ts string) (Stamp, bool) {
	u, err := event.ParseID(uid)
	if err != nil {
		return Stamp{}, false
	}
	h, err := ParseHash(hash)
	if err != nil {
		return Stamp{}, false
	}
	t, err := time.Parse(time.RFC3339, ts)
	if err != nil {
		return Stamp{}, false
	}
	return Stamp{Kind: k, UID: u, Hash: h, Time: t.UTC()}, true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// lineEnding is that of the first line, LF where there is none.
func lineEnding(content []byte) string {
	if i := bytes.IndexByte(content, '\n'); i > 0 && content[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// appendLines appends text, which has LF line endings, with eol in their place and at the end.
func appendLines(b []byte, text, eol string) []byte {
	for line := range strings.SplitSeq(text, "\n") {
		b = append(b, line...)
		b = append(b, eol...)
	}
	return b
}
