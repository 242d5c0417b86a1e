package govern_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/internal/govern"
	"github.com/omninode-ai/omnibus/schema"
)

const (
	name  = "shop/event/sold.v1.json"
	topic = "omninode.shop.event.sold.v1"
	tidy  = `{
  "x-version": "1.2.3",
  "x-omnibus": {"topic": "omninode.shop.event.sold.v1", "producers": ["shop"], "consumers": ["*"], "key": "/article"},
  "type": "object",
  "properties": {
    "article": {"type": "string", "description": "Number."},
    "count": {"type": "number"},
    "place": {"type": "object", "properties": {"shelf": {"type": "string", "maxLength": 8}}}
  },
  "required": ["article"]
}`
)

var today = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// with is tidy with replacements, each an old text and a new one.
func with(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(tidy) }

// review holds one file against what it was, the newest first, and returns the findings without those of changes that do no harm.
func review(t *testing.T, now string, o govern.Options, before ...string) (lines []string, report govern.Report) {
	t.Helper()
	var history []govern.State
	for i, text := range before {
		history = append(history, govern.State{Name: name, Where: fmt.Sprintf("c%d", i), Text: []byte(text)})
	}
	past, _ := govern.Pasts(history[:1], history, 10)
	o.Today = today
	var files []govern.File
	if now != "" {
		files = append(files, govern.File{Name: name, Text: []byte(now)})
	}
	report = govern.Review(files, past, o)
	for _, f := range report.Findings {
		if f.Severity != govern.OK {
			lines = append(lines, fmt.Sprintf("%s:%d:%d %s %s %s", f.File, f.Line, f.Column, f.Severity, f.Rule, f.Fix))
		}
	}
	return lines, report
}

func TestVersionFollowsTheChange(t *testing.T) {
	const at = name + ":2:3 error VERSION write \"x-version\": "
	for _, tc := range []struct{ what, now, want string }{
		{"nothing", tidy, ""},
		{"a description", with(`"Number."`, `"What is sold."`), at + `"1.2.4"`},
		{"a description, told", with(`"Number."`, `"What is sold."`, "1.2.3", "1.2.4"), ""},
		{"a description, told as more", with(`"Number."`, `"What is sold."`, "1.2.3", "1.3.0"), ""},
		{"another owner", with(`"producers"`, `"owner": "shop", "producers"`), at + `"1.2.4"`},
		{"an optional member", with(`"count"`, `"color": {"type": "boolean"}, "count"`), at + `"1.3.0"`},
		{"an optional member, told as a patch", with(`"count"`, `"color": {"type": "boolean"}, "count"`, "1.2.3", "1.2.4"), at + `"1.3.0"`},
		{"an optional member, told", with(`"count"`, `"color": {"type": "boolean"}, "count"`, "1.2.3", "1.3.0"), ""},
		{"an alias", with(`"key"`, `"aliases": {"sku": "article"}, "key"`), at + `"1.3.0"`},
		{"a version that goes back", with("1.2.3", "1.2.2"), at + `"1.2.4"`},
		{"another major version", with("1.2.3", "2.0.0", `"Number."`, `"What is sold."`), at + `"1.2.4"`},
		{"no version", with("1.2.3", "soon", `"Number."`, `"What is sold."`), at + `"1.2.4"`},
	} {
		t.Run(tc.what, func(t *testing.T) {
			lines, report := review(t, tc.now, govern.Options{}, tidy)
			if got := strings.Join(lines, "\n"); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if report.Breaking || report.Untidy != (tc.want != "") {
				t.Errorf("breaking %v, untidy %v", report.Breaking, report.Untidy)
			}
		})
	}
}

func TestARenamedMemberIsFound(t *testing.T) {
	for _, tc := range []struct{ what, now, want string }{
		{"of the same kind", with(`"count"`, `"pieces"`), "7:5 error PROPERTY_RENAMED"},
		{"of another kind", with(`"count": {"type": "number"}`, `"pieces": {"type": "string"}`), ""},
		{"with an alias", with(`"count"`, `"pieces"`, `"key"`, `"aliases": {"count": "pieces"}, "key"`), ""},
		{"within", with(`"shelf"`, `"rack"`), "8:48 error PROPERTY_RENAMED"},
		{"both there", with(`"count"`, `"pieces": {"type": "number"}, "count"`), ""},
	} {
		t.Run(tc.what, func(t *testing.T) {
			lines, report := review(t, strings.Replace(tc.now, "1.2.3", "1.3.0", 1), govern.Options{}, tidy)
			got := strings.Join(lines, "\n")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if report.Breaking != (tc.want != "") {
				t.Errorf("breaking: %v", report.Breaking)
			}
		})
	}
}

func TestWhoIsBrokenIsTold(t *testing.T) {
	_, report := review(t, with(`["article"]`, `["article", "count"]`, "1.2.3", "1.3.0"), govern.Options{}, tidy)
	var got []string
	for _, f := range report.Findings {
		if f.Severity == govern.Error {
			got = append(got, f.Direction+": "+f.Breaks, f.Fix)
		}
	}
	want := []string{
		"backward: any consumers with 1.3.0 refuse what producers (shop) wrote with 1.2.3 of c0",
		`leave it optional, or make it sold.v2.json with "x-supersedes": "omninode.shop.event.sold.v1"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAKeyThatChangesIsTold(t *testing.T) {
	lines, _ := review(t, with(`"key": "/article"`, `"key": "/count"`, "1.2.3", "1.3.0"), govern.Options{}, tidy)
	if len(lines) != 1 || !strings.HasPrefix(lines[0], name+":3:100 warning KEY_CHANGED") {
		t.Errorf("got %q", lines)
	}
}

func TestWhatAnEarlierChangeBrokeIsNotToldAgain(t *testing.T) {
	narrow := with(`"number"`, `"integer"`)
	for what, o := range map[string]struct {
		now  string
		want bool
	}{
		"another change":   {strings.Replace(narrow, "Number.", "What.", 1), false},
		"the change again": {with(`"number"`, `"integer"`, `"article"]`, `"article", "count"]`), true},
	} {
		_, report := review(t, strings.Replace(o.now, "1.2.3", "1.3.0", 1), govern.Options{}, narrow, tidy)
		if report.Breaking != o.want || report.Versions != 2 {
			t.Errorf("%s: breaking %v, held against %d versions: %+v", what, report.Breaking, report.Versions, report.Findings)
		}
	}
	_, report := review(t, strings.Replace(narrow, "1.2.3", "1.3.0", 1), govern.Options{Level: schema.Full}, with(`"number"`, `"integer"`, "Number.", "What."), tidy)
	if report.Breaking || report.Versions != 1 {
		t.Errorf("a level that is not transitive looks at %d versions: %+v", report.Versions, report.Findings)
	}
}

func TestAFileThatIsGone(t *testing.T) {
	deprecated := func(sunset string) string {
		return with(`"type": "object",
  "properties"`, `"x-deprecated": {"since": "2026-01-01", "sunset": "`+sunset+`"}, "type": "object", "properties"`)
	}
	for what, tc := range map[string]struct {
		before   string
		breaking bool
	}{"in use": {tidy, true}, "before its sunset": {deprecated("2026-11-24"), true}, "after its sunset": {deprecated("2026-11-23"), false}} {
		_, report := review(t, "", govern.Options{}, tc.before)
		if report.Breaking != tc.breaking || len(report.Findings) != 1 || report.Findings[0].Rule != govern.RuleRemoved {
			t.Errorf("%s: breaking %v: %+v", what, report.Breaking, report.Findings)
		}
	}
}

func TestWaivers(t *testing.T) {
	narrow := with(`"number"`, `"integer"`, "1.2.3", "1.3.0")
	for what, tc := range map[string]struct {
		waiver string
		want   []string // severity and rule
	}{
		"of the topic":      {"subject: " + topic, []string{"waived TYPE_NARROWED"}},
		"of the subject":    {"subject: " + topic + "-value", []string{"waived TYPE_NARROWED"}},
		"of the file":       {"file: sold.v1.json", []string{"waived TYPE_NARROWED"}},
		"of the place":      {"file: " + name + "\n  path: '#/properties/count'\n  expires: 2026-11-24", []string{"waived TYPE_NARROWED"}},
		"of another place":  {"file: " + name + "\n  path: '#/properties/article'", []string{"warning WAIVER", "error TYPE_NARROWED"}},
		"of another schema": {"subject: omninode.shop.event.bought.v1", []string{"warning WAIVER", "error TYPE_NARROWED"}},
		"that is over":      {"file: " + name + "\n  expires: 2026-11-23", []string{"error WAIVER", "error TYPE_NARROWED"}},
		"over, of nothing":  {"file: x.json\n  expires: 2026-11-23", []string{"warning WAIVER", "error TYPE_NARROWED"}},
	} {
		waivers, err := govern.ParseWaivers("w.yaml", []byte("waivers:\n- rule: TYPE_NARROWED\n  reason: agreed\n  "+tc.waiver))
		if err != nil {
			t.Fatal(err)
		}
		_, report := review(t, narrow, govern.Options{Waivers: waivers}, tidy)
		var got []string
		for _, f := range report.Findings {
			got = append(got, string(f.Severity)+" "+f.Rule)
		}
		want := tc.want
		if len(want) == 2 {
			want = []string{want[1], want[0]} // in the order of their files
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

func TestParseWaiversSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"waivers: [":                       "line 1: it is not YAML: did not find expected node content",
		"- a":                              `line 1: here should be "waivers: …"`,
		"waiver: []":                       `line 1: unknown key "waiver"`,
		"waivers: x":                       "line 1: there is no list called waivers",
		"waivers:\n- x":                    `line 2: here should be "rule: …"`,
		"waivers:\n- rule: A\n  rule: B":   `line 3: key "rule" is there twice`,
		"waivers:\n- reason: x\n  file: a": "line 2: a waiver needs a rule: what it lets pass",
		"waivers:\n- rule: A\n  file: a":   "line 2: a waiver needs a reason",
		"waivers:\n- rule: A\n  file: a\n  reason: ' '":          "line 4: reason needs a text",
		"waivers:\n- rule: A\n  file: [a]\n  reason: x":          "line 3: file needs a text",
		"waivers:\n- rule: A\n  reason: x":                       "line 2: a waiver needs a subject or a file, one of them",
		"waivers:\n- rule: A\n  reason: x\n  file: a\n  path: /": "line 5: a path begins with #, as findings print it",
		"waivers:\n- rule: A\n  reason: x\n  expires: soon":      "line 4: expires needs a date such as 2026-12-31",
	} {
		_, err := govern.ParseWaivers("w.yaml", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if w, err := govern.ParseWaivers("w.yaml", nil); len(w) != 0 || err != nil {
		t.Errorf("an empty file: %v, %v", w, err)
	}
}

func FuzzParseWaivers(f *testing.F) {
	f.Add([]byte("waivers:\n- rule: A\n  reason: x\n  file: a\n"))
	f.Add([]byte("waivers: [{rule: &a A, reason: *a}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		waivers, err := govern.ParseWaivers("w.yaml", text)
		for _, w := range waivers {
			if w.Rule == "" || w.Reason == "" || (w.File == "") == (w.Subject == "") {
				t.Errorf("%q gives %+v, %v", text, w, err)
			}
		}
	})
}

func TestPasts(t *testing.T) {
	other := strings.Replace(tidy, topic, "omninode.shop.event.other.v1", 1)
	state := func(name, where, text string) govern.State {
		return govern.State{Name: name, Where: where, Text: []byte(text)}
	}
	all, left := govern.Pasts(
		[]govern.State{state("new/sold.json", "main", tidy)},
		[]govern.State{
			state("new/sold.json", "c4", tidy), state("sold.json", "c3", with("Number.", "3")),
			{Name: "x.json", Where: "c3"},
			state("other.json", "c2", other),
			state("sold.json", "c2", with("Number.", "2")), state("sold.json", "c1", with("Number.", "1")),
		}, 3)
	var got []string
	for _, p := range all {
		for _, r := range p.Releases {
			got = append(got, fmt.Sprint(p.Name, " ", p.Gone, " ", r.Where))
		}
	}
	want := []string{"new/sold.json false main", "new/sold.json false c3", "new/sold.json false c2", "other.json true c2"}
	if diff := cmp.Diff(want, got); diff != "" || left != 1 {
		t.Errorf("%d left out, want 1; -want +got:\n%s", left, diff)
	}
}
