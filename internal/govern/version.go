package govern

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/schema"
)

// version holds what the file says about its version against what was done to it: annotations are a patch, everything else that
// may be done to a file is a minor version, and what is not compatible is a file of its own.
func (v *review) version(head Release) {
	same, err := schema.SameRules(head.Text, v.file.Text)
	if err != nil {
		return // the lint rules say why
	}
	if same {
		v.add(Finding{Severity: OK, Rule: RuleSame, Message: "events look as before: only annotations changed"}, "")
	}
	if v.was.key != v.now.key {
		v.add(Finding{
			Severity: Warning, Rule: RuleKey, Path: "#/x-omnibus/key", Message: fmt.Sprintf("the key was %s and is %s: events that are written before and after the change are not in order", key(v.was.key), key(v.now.key)),
			Fix: "let consumers finish what is written before the change goes out",
		}, "/x-omnibus/key")
	}
	was, ok := parseVersion(v.was.version)
	if !ok || v.breaks > v.waivedBreaks() {
		return // there is nothing to count from, or the change may not stay
	}
	want, kind := [3]int{was[0], was[1] + 1, 0}, "minor"
	if same {
		want, kind = [3]int{was[0], was[1], was[2] + 1}, "patch"
	}
	now, ok := parseVersion(v.now.version)
	if ok && now[0] == was[0] && !less(now, want) {
		return
	}
	text := fmt.Sprintf("%d.%d.%d", want[0], want[1], want[2])
	why := fmt.Sprintf("%q was %s and is %s, and the change is a %s one", "x-version", v.was.version, v.now.version, kind)
	switch {
	case v.now.version == v.was.version:
		why = fmt.Sprintf("%q is still %s, and the change is a %s one", "x-version", v.was.version, kind)
	case ok && now[0] != was[0]:
		why = fmt.Sprintf("%q was %s and is %s, and a new major version is a file of its own", "x-version", v.was.version, v.now.version)
	}
	v.add(Finding{Severity: Error, Rule: RuleVersion, Path: "#/x-version", Message: why, Fix: fmt.Sprintf("write %q: %q", "x-version", text)}, "/x-version")
}

func key(name string) string {
	if name == "" {
		return "the correlation id"
	}
	return name
}

// waivedBreaks is how many of the breaks somebody has answered for.
func (v *review) waivedBreaks() (n int) {
	for i := range v.report.Findings {
		f := &v.report.Findings[i]
		if f.File == v.file.Name && f.Severity == Error && f.Breaks != "" && v.waiverOf(f) >= 0 {
			n++
		}
	}
	return n
}

func parseVersion(s string) (v [3]int, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
