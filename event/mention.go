package event

import (
	"bytes"
	"strings"
)

// rare are letters by how seldom they stand in events, the seldomest first. Digits of hashes and ids come last.
const rare = "zqxjkvywpguhmlisrntofbcdae"

// mentions reports whether b holds name between quotes, as a member name without escapes would. It looks for the rarest letter,
// which is several times as fast as looking for the first of what every name begins with.
func mentions(b []byte, name string) bool {
	i := strings.IndexAny(rare, name)
	if i < 0 {
		return bytes.Contains(b, []byte(`"`+name+`"`))
	}
	at := strings.IndexByte(name, rare[i])
	before, after := name[:at], name[at+1:]
	for from := 0; ; {
		hit := bytes.IndexByte(b[from:], rare[i])
		if hit < 0 {
			return false
		}
		hit += from
		if start, end := hit-at-1, hit+1+len(after); start >= 0 && end < len(b) && b[start] == '"' && b[end] == '"' &&
			string(b[start+1:hit]) == before && string(b[hit+1:end]) == after {
			return true
		}
		from = hit + 1
	}
}
