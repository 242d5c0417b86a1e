package schema_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/schema"
)

// The six everyday changes (and those beside them) under every policy, for objects that are open and closed: backward and
// forward.
func TestEverydayChanges(t *testing.T) {
	const (
		a          = `"a":{"type":"string"}`
		b          = `"b":{"type":"integer"}`
		c          = `"c":{"type":"integer"}`
		enum       = `"a":{"enum":["x","y"]}`
		larger     = `"a":{"enum":["x","y","z"]}`
		openOld    = `"a":{"enum":["x","y"],"x-extensible-enum":true}`
		openNew    = `"a":{"enum":["x","y","z"],"x-extensible-enum":true}`
		openList   = `"a":{"enum":["x","y"],"x-extensible-enum":["x","y"]}`
		openLonger = `"a":{"enum":["x","y","z"],"x-extensible-enum":["x","y","z"]}`
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
		{"add a value to an enum beside the list of known ones", ``, ``, []string{openList}, []string{openLonger}, verdicts{"✓✗", "✓✗", "✓✗", "✓✓"}},
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
				var s strings.Builder
				for _, l := range []schema.Level{schema.Backward, schema.Forward} {
					v, err := schema.Check(newer, []schema.Version{{Number: 1, Schema: older}}, l, p)
					if err != nil {
						t.Fatal(err)
					}
					s.WriteString(map[bool]string{true: "✓", false: "✗"}[v.Compatible])
				}
				return s.String()
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

func TestLevels(t *testing.T) {
	one, two, three := `{"type":"object","properties":{"foo":{"type":"string"}}}`, `{"type":"object","properties":{}}`,
		`{"type":"object","properties":{"foo":{"type":"integer"}}}`
	demanding := `{"type":"object","properties":{"foo":{"type":"string"}},"required":["foo"]}`
	for _, tt := range []struct {
		level schema.Level
		older []string
		next  string
		want  bool
	}{
		{schema.None, []string{one}, three, true},
		{schema.Backward, []string{one, two}, three, true}, // two passes over what one wrote, and three has never met it
		{schema.BackwardTransitive, []string{one, two}, three, false},
		{schema.Forward, []string{one, two}, three, true},
		{schema.ForwardTransitive, []string{one, two}, three, false},
		{schema.Full, []string{one, two}, three, true},
		{schema.FullTransitive, []string{one, two}, three, false},
		{"", []string{one, two}, three, false},
		{schema.Backward, []string{one}, demanding, false},
		{schema.Forward, []string{one}, demanding, true},
		{schema.Full, []string{one}, demanding, false},
		{schema.Backward, []string{demanding}, one, true},
		{schema.Forward, []string{demanding}, one, false},
		{schema.FullTransitive, nil, three, true},
	} {
		var older []schema.Version
		for i, s := range tt.older {
			older = append(older, schema.Version{Number: i + 1, Schema: []byte(s)})
		}
		v, err := schema.Check([]byte(tt.next), older, tt.level, "")
		if err != nil {
			t.Fatal(err)
		}
		if v.Compatible != tt.want {
			t.Errorf("%s of %s after %v: compatible is %v, want %v: %+v", tt.level, tt.next, tt.older, v.Compatible, tt.want, v.Differences)
		}
		for _, d := range v.Differences {
			if d.Against < 1 || d.Against > len(older) {
				t.Errorf("%+v is against no version", d)
			}
		}
	}
}

func TestNewestFirst(t *testing.T) {
	older := []schema.Version{{1, []byte(`{"type":"string"}`)}, {3, []byte(`{"type":"array"}`)}, {2, []byte(`{"type":"boolean"}`)}}
	v, err := schema.Check([]byte(`{"type":"integer"}`), older, schema.BackwardTransitive, schema.Strict)
	if err != nil {
		t.Fatal(err)
	}
	var against []int
	for _, d := range v.Differences {
		against = append(against, d.Against)
	}
	if diff := cmp.Diff([]int{3, 2, 1}, against); diff != "" {
		t.Error(diff)
	}
	if v, err = schema.Check([]byte(`{"type":"array"}`), older, schema.Backward, schema.Strict); err != nil || !v.Compatible {
		t.Errorf("the latest of three in disorder: %+v, %v", v, err)
	}
}

func TestParseLevelAndPolicy(t *testing.T) {
	for _, l := range schema.Levels() {
		if got, err := schema.ParseLevel(strings.ToLower(string(l))); got != l || err != nil {
			t.Errorf("%s: %s, %v", l, got, err)
		}
	}
	if l, err := schema.ParseLevel(""); l != schema.FullTransitive || err != nil {
		t.Errorf("%s, %v", l, err)
	}
	if _, err := schema.ParseLevel("SIDEWAYS"); err == nil || !strings.Contains(err.Error(), "BACKWARD") {
		t.Errorf("%v", err)
	}
	if p, err := schema.ParsePolicy("lenient"); p != schema.Lenient || err != nil {
		t.Errorf("%s, %v", p, err)
	}
	if p, err := schema.ParsePolicy(""); p != schema.ByRole || err != nil {
		t.Errorf("%s, %v", p, err)
	}
	if _, err := schema.ParsePolicy("LOGICAL"); err == nil || !strings.Contains(err.Error(), "STRICT") {
		t.Errorf("%v", err)
	}
}

// A member that goes while one of its type comes is allowed where both are optional, and told.
func TestRenameIsTold(t *testing.T) {
	older := []byte(`{"type":"object","properties":{"id":{"type":"string"},"lang":{"type":"string"}},"required":["id"]}`)
	newer := []byte(`{"type":"object","properties":{"id":{"type":"string"},"language":{"type":"string"},"n":{"type":"integer"}},"required":["id"]}`)
	v, err := schema.Check(newer, []schema.Version{{Number: 4, Schema: older}}, schema.Full, schema.ByRole)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, d := range v.Differences {
		if d.Type == schema.RenameSuspected {
			told = append(told, string(d.Direction)+" "+d.Path)
		}
	}
	want := []string{"BACKWARD #/properties/language", "FORWARD #/properties/language"}
	if diff := cmp.Diff(want, told); diff != "" || !v.Compatible {
		t.Errorf("compatible %v: %s", v.Compatible, diff)
	}
}

// Registries take readers to fill in defaults. One that its own rules refuse is no help.
func TestRequiredMemberWithDefault(t *testing.T) {
	older := []byte(`{"type":"object","properties":{"a":{"type":"string","default":"x"},"n":{"type":"integer","default":"none"}}}`)
	for _, tt := range []struct {
		member string
		policy schema.Policy
		want   bool
	}{{"a", schema.Strict, true}, {"a", schema.Lenient, true}, {"a", schema.ByRole, false}, {"n", schema.Strict, false}, {"n", schema.Lenient, false}} {
		newer := []byte(strings.TrimSuffix(string(older), "}") + `,"required":["` + tt.member + `"]}`)
		v, err := schema.Check(newer, []schema.Version{{Number: 1, Schema: older}}, schema.Backward, tt.policy)
		if err != nil {
			t.Fatal(err)
		}
		if v.Compatible != tt.want {
			t.Errorf("%s, %s: compatible is %v: %+v", tt.member, tt.policy, v.Compatible, v.Differences)
		}
	}
}

// What is neither shown to be kept nor shown to be broken is breaking, and says so.
func TestDoubtIsBreaking(t *testing.T) {
	for _, tt := range []struct{ name, older, newer, kind string }{
		{
			"a condition", `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}`,
			`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"if":{"required":["a"]},"then":{"required":["b"]}}`, schema.Undecided,
		},
		{
			"a reference by an anchor", `{"$defs":{"x":{"$anchor":"x","type":"string"}},"$ref":"#x"}`, `{"$defs":{"x":{"$anchor":"x","type":["string","null"]}},"$ref":"#x"}`,
			schema.Undecided,
		},
		{
			"a dynamic reference", `{"$dynamicAnchor":"n","properties":{"next":{"$dynamicRef":"#n"}}}`,
			`{"$dynamicAnchor":"n","properties":{"next":{"$dynamicRef":"#n"}},"title":"n"}`, schema.Undecided,
		},
		{
			"alternatives that overlap", `{"type":["integer","null"]}`, `{"oneOf":[{"type":["integer","null"]},{"type":"number","minimum":3}]}`, "COMBINED_TYPE_SUBSCHEMAS_CHANGED",
		},
		{"a format", `{"type":"string"}`, `{"type":"string","format":"uuid"}`, "FORMAT_ADDED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := schema.Check([]byte(tt.newer), []schema.Version{{Number: 1, Schema: []byte(tt.older)}}, schema.Backward, schema.ByRole)
			if err != nil {
				t.Fatal(err)
			}
			if v.Compatible || v.Differences[0].Type != tt.kind {
				t.Errorf("%+v", v)
			}
		})
	}
}

// Nothing that a schema says keeps the checker busy for long.
func TestHostileSchemasEnd(t *testing.T) {
	var fan strings.Builder
	fan.WriteString(`{"$defs":{`)
	for i := range 40 {
		next := fmt.Sprintf(`{"$ref":"#/$defs/d%d"}`, i+1)
		fmt.Fprintf(&fan, `"d%d":{"anyOf":[{"type":"object","properties":{"a":%s,"b":%s}},{"oneOf":[%s,{"type":"string","maxLength":%%d}]}]},`, i, next, next, next)
	}
	fan.WriteString(`"d40":{"type":"string","maxLength":%d}},"$ref":"#/$defs/d0"}`)
	filled := func(n int) string { return strings.ReplaceAll(fan.String(), "%d", strconv.Itoa(n)) }
	deep := func(leaf string) string {
		return strings.Repeat(`{"items":`, 60) + leaf + strings.Repeat(`}`, 60)
	}
	many := func(n int) string {
		var parts []string
		for i := range 300 {
			parts = append(parts, fmt.Sprintf(`{"type":"object","properties":{"k%d":{"type":"integer","minimum":%d}},"required":["k%d"]}`, i, n, i))
		}
		return `{"oneOf":[` + strings.Join(parts, ",") + `]}`
	}
	for _, tt := range []struct{ name, older, newer string }{
		{"fan-out", filled(3), filled(4)},
		{"itself", `{"$ref":"#"}`, `{"$ref":"#","title":"x"}`},
		{"itself by a detour", `{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#"}]}}}`, `{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#"},{"$ref":"#/$defs/a"}]}}}`},
		{"deep", deep(`{"type":"string"}`), deep(`{"type":"integer"}`)},
		{"many alternatives", many(1), many(2)},
		{"huge numbers", `{"type":"number","multipleOf":1e-300,"maximum":1e300}`, `{"type":"number","multipleOf":3e-300,"maximum":1e299}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, p := range []schema.Policy{schema.ByRole, schema.Strict, schema.Lenient} {
				start := time.Now()
				_, err := schema.Compare([]byte(tt.older), []byte(tt.newer), p)
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("%s: took %v (%v)", p, took, err)
				} else {
					t.Logf("%s: %v (%v)", p, took, err)
				}
			}
		})
	}
}

func FuzzCompare(f *testing.F) {
	for _, s := range []string{
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, `{"oneOf":[{"type":"string"},{"const":1}]}`, `true`,
		`{"$ref":"#/$defs/a","$defs":{"a":{"items":{"$ref":"#/$defs/a"}}}}`, `{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true}`,
		`{"items":[{"type":"null"}],"additionalItems":false}`, `{"not":{"enum":[1,"a"]},"if":{"minimum":1},"then":{"maximum":2}}`,
		`{"patternProperties":{"^a":{"format":"uuid"}},"unevaluatedProperties":false,"dependentSchemas":{"a":{"required":["b"]}}}`,
	} {
		f.Add([]byte(s), []byte(`{"type":"object","x":1}`), uint8(0))
		f.Add([]byte(`{"type":["string","null"],"maxLength":3}`), []byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, older, newer []byte, policy uint8) {
		p := []schema.Policy{schema.ByRole, schema.Strict, schema.Lenient}[policy%3]
		start := time.Now()
		ds, err := schema.Compare(older, newer, p)
		if took := time.Since(start); took > 20*time.Second {
			t.Fatalf("took %v", took)
		}
		for _, d := range ds {
			if err != nil || d.Type == "" || d.Path == "" || d.Message == "" {
				t.Fatalf("%+v, %v", d, err)
			}
		}
	})
}
