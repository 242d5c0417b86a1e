package govern

import (
	"cmp"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/schema"
)

// advice is what to do about a difference that breaks somebody: what may stay in the file, or a file of its own.
func (v *review) advice(d schema.Difference) string {
	next := "or " + v.nextMajor()
	switch {
	case strings.HasPrefix(d.Type, "REQUIRED_") && strings.Contains(d.Type, "_ADDED"):
		return "leave it optional, " + next
	case strings.HasPrefix(d.Type, "REQUIRED_"), strings.HasPrefix(d.Type, "PROPERTY_REMOVED"):
		return "keep it, and go on demanding it, " + next
	case d.Type == "ENUM_ARRAY_EXTENDED" && strings.Contains(d.Path, "/enum"):
		return `waive it once every consumer knows the value, ` + next + `; "x-extensible-enum": true, from the first version on, lets values come`
	}
	return "keep what was, " + next
}

var majorForm = regexp.MustCompile(`^(.*\.v)(\d{1,6})$`)

// nextMajor says how to make the next major version of the schema.
func (v *review) nextMajor() string {
	topic := cmp.Or(v.was.topic, v.now.topic)
	m := majorForm.FindStringSubmatch(topic)
	name := majorForm.FindStringSubmatch(strings.TrimSuffix(path.Base(v.file.Name), ".json"))
	if m == nil || name == nil {
		return "make it a new topic"
	}
	n, err := strconv.Atoi(m[2])
	if err != nil {
		return "make it a new topic"
	}
	return "make it " + name[1] + strconv.Itoa(n+1) + `.json with "x-supersedes": ` + strconv.Quote(topic)
}
