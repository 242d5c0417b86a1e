package govern

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

type object = map[string]any

// renames adds a finding for every optional member that went while one of the same kind came: two steps that break nobody, and
// together lose what old and new programs tell each other, unless an alias says that both are the same.
func (v *review) renames(head Release) {
	var before, after any
	if jsonx.Unmarshal(head.Text, &before) != nil || jsonx.Unmarshal(v.file.Text, &after) != nil {
		return
	}
	v.renamed("", before, after)
}

func (v *review) renamed(at string, before, after any) {
	a, _ := before.(object)
	b, _ := after.(object)
	if a == nil || b == nil {
		return
	}
	was, _ := a["properties"].(object)
	is, _ := b["properties"].(object)
	required, _ := a["required"].([]any)
	for _, gone := range slices.Sorted(maps.Keys(was)) {
		if is[gone] != nil || slices.Contains(required, any(gone)) { // what was required breaks somebody anyway
			continue
		}
		for _, come := range slices.Sorted(maps.Keys(is)) {
			if was[come] != nil || !sameKind(was[gone], is[come]) || at == "" && v.now.aliases[gone] == come {
				continue
			}
			v.rename(at, gone, come)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		here := at + "/" + escape(name)
		switch inner := a[name].(type) {
		case object:
			switch name {
			case "properties", "$defs", "patternProperties":
				others, _ := b[name].(object)
				for _, member := range slices.Sorted(maps.Keys(inner)) {
					v.renamed(here+"/"+escape(member), inner[member], others[member])
				}
			case "items", "additionalProperties":
				v.renamed(here, inner, b[name])
			}
		}
	}
}

// rename adds one finding.
func (v *review) rename(at, gone, come string) {
	where := at + "/properties/" + escape(come)
	f := Finding{
		Severity: Error, Rule: RuleRenamed, Path: "#" + where,
		Message: fmt.Sprintf("%q went and %q of the same kind came: if it is the same under another name, old and new programs lose it silently", gone, come),
		Breaks:  fmt.Sprintf("%s do not find in %q what %s write into %q, and the other way round", people(v.now.consumers, "consumers"), gone, people(v.now.producers, "producers"), come),
		Fix:     fmt.Sprintf("add %q: %q to the aliases in x-omnibus; or make it two changes; or waive it where they are not the same", gone, come),
	}
	if at != "" {
		f.Fix = fmt.Sprintf("keep %q beside %q until everybody knows the new one; or waive it where they are not the same", gone, come)
	}
	v.add(f, where)
}

// sameKind reports whether two members may hold the same: they differ in what is said to people only.
func sameKind(a, b any) bool {
	x, ok := a.(object)
	y, same := b.(object)
	if !ok || !same {
		return false
	}
	for _, name := range []string{"type", "format", "enum", "const", "$ref"} {
		if !reflect.DeepEqual(x[name], y[name]) {
			return false
		}
	}
	return true
}

func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
