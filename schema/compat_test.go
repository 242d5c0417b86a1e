package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/schema"
)

// The six everyday changes (and those beside them) under every policy, for objects that are open and closed: backward and
// forward.
func TestEverydayChanges(t *testing.T) {
	const (
		a       = `"a":{"type":"string"}`
		b       = `"b":{"type":"integer"}`
		c       = `"c":{"type":"integer"}`
		enum    = `"a":{"enum":["x","y"]}`
		larger  = `"a":{"enum":["x","y","z"]}`
		openOld = `"a":{"enum":["x","y"],"x-extensible-enum":true}`
		openNew = `"a":{"enum":["x","y","z"],"x-extensible-enum":true}`
	)
	doc := func(closed bool, required string, properties ...string) []byte {
		s := `{"type":"object","properties":{` + strings.Join(properties, ",") + `},"required":[` + required + `]`
		if closed {
			s += `,"additionalProperties":false`
		}
		return []byte(s + `}`)
	}
	type verdicts struct{ open, closed, lenient, role string } // backward, then forward
	for _, tt := range []struct {
		name                    string
		oldRequired, nowDemands string
		older, newer            []string
		want                    verdicts
	}{
		{"add an optional member", `"a"`, `"a"`, []string{a}, []string{a, b}, verdicts{"✗✓", "✓✗", "✓✓", "✓✓"}},
		{"remove an optional member", `"a"`, `"a"`, []string{a, b}, []string{a}, verdicts{"✓✗", "✗✓", "✓✓", "✓✓"}},
		{"add a value to an enum", ``, ``, []string{enum}, []string{larger}, verdicts{"✓✗", "✓✗", "✓✗", "✓✗"}},
		{"add a value to an enum that may grow", ``, ``, []string{openOld}, []string{openNew}, verdicts{"✓✗", "✓✗", "✓✗", "✓✓"}},
		{"demand a member no longer", `"a","b"`, `"a"`, []string{a, b}, []string{a, b}, verdicts{"✓✗", "✓✗", "✓✗", "✓✗"}},
		{"demand an optional member", `"a"`, `"a","b"`, []string{a, b}, []string{a, b}, verdicts{"✗✓", "✗✓", "✗✓", "✗✓"}},
		{"remove a required member", `"a","b"`, `"a"`, []string{a, b}, []string{a}, verdicts{"✓✗", "✗✗", "✓✗", "✓✗"}},
		{"add a required member", `"a"`, `"a","b"`, []string{a}, []string{a, b}, verdicts{"✗✓", "✗✗", "✗✓", "✗✓"}},
		{"change a type", `"a"`, `"a"`, []string{a}, []string{`"a":{"type":"integer"}`}, verdicts{"✗✗", "✗✗", "✗✗", "✗✗"}},
		{"rename a required member", `"a"`, `"b"`, []string{a}, []string{b}, verdicts{"✗✗", "✗✗", "✗✗", "✗✗"}},
		{"rename an optional member", ``, ``, []string{b}, []string{c}, verdicts{"✗✗", "✗✗", "✓✓", "✓✓"}},
		{"nothing", `"a"`, `"a"`, []string{a, b}, []string{a, b}, verdicts{"✓✓", "✓✓", "✓✓", "✓✓"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			verdict := func(closed bool, p schema.Policy) string {
				older, newer := doc(closed, tt.oldRequired, tt.older...), doc(closed, tt.nowDemands, tt.newer...)
				s := ""
				for _, l := range []schema.Level{schema.Backward, schema.Forward} {
					v, err := schema.Check(newer, []schema.Version{{Number: 1, Schema: older}}, l, p)
					if err != nil {
						t.Fatal(err)
					}
					s += map[bool]string{true: "✓", false: "✗"}[v.Compatible]
				}
				return s
			}
			got := verdicts{verdict(false, schema.Strict), verdict(true, schema.Strict), verdict(false, schema.Lenient), verdict(false, schema.ByRole)}
			if diff := cmp.Diff(fmt.Sprint(tt.want), fmt.Sprint(got)); diff != "" {
				t.Error(diff)
			}
			for _, p := range []schema.Policy{schema.Lenient, schema.ByRole} {
				if o, c := verdict(false, p), verdict(true, p); o != c {
					t.Errorf("%s: %s where objects are open, %s where they are closed", p, o, c)
				}
			}
		})
	}
}
