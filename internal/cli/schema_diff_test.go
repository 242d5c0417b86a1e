package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func (s shell) git(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=ann", "GIT_COMMITTER_EMAIL=ann@example.com",
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// squeezed is a table without its alignment.
func squeezed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

func TestSchemaDiffComparesWhatIsNamed(t *testing.T) {
	s := inShop(t)
	s.env = append(s.env, "PATH="+os.Getenv("PATH"))
	s.git(t, "init", "-q", "-b", "main")
	s.git(t, "add", "events")
	s.git(t, "commit", "-q", "-m", "as it was")
	s.must(t, "", "schema", "register", "--all")
	if out := s.must(t, "", "schema", "diff", snapshot); !strings.HasSuffix(out, "They are the same\n") {
		t.Errorf("registered as it is:\n%s", out)
	}
	s.change(t, func(schema map[string]any) { schema["x-version"] = "1.0.9" })
	if out := s.must(t, "", "schema", "diff", snapshot+"-value"); !strings.HasSuffix(out, "Nothing differs that events depend on\n") {
		t.Errorf("another version:\n%s", out)
	}
	s.change(t, func(schema map[string]any) { member(schema, "hint", false) })
	contains(t, "with the catalogue", squeezed(s.must(t, "", "schema", "diff", snapshot)), "older "+snapshot+"-value@1, id ", "newer "+snapshot+", as its whole event",
		"#/properties/payload/properties/hint ok ok ")
	s.must(t, "", "schema", "register", snapshot)
	contains(t, "two versions", squeezed(s.must(t, "", "schema", "diff", snapshot+"-value@1..latest")), "@1, ", "@2, ", "#/properties/payload/properties/hint ok ok ")
	contains(t, "the other way", squeezed(s.must(t, "", "schema", "diff", snapshot+"@latest", snapshot+"@1")), "PROPERTY_REMOVED")

	file := filepath.Join("events", "audit", "quality_snapshot.v1.json")
	s.change(t, func(schema map[string]any) { member(schema, "zeal", true) })
	args := []string{"schema", "diff", "git:main:" + file, file}
	contains(t, "with a commit", squeezed(s.must(t, "", args...)), "refuses some", "#/properties/hint ok ok ", "breaks")
	doc := s.must(t, "", append(args, "-o", "json")...)
	contains(t, "the document", doc, `"backward": false`, `"forward": true`, `"REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"`, `"counter_example": `)
	contains(t, "a file and a version", s.must(t, "", "schema", "diff", snapshot+"-value@1", file), "as its whole event", "/properties/payload")

	for _, tc := range []struct {
		line []string
		want wrong
	}{
		{[]string{snapshot + "-value@1..7"}, wrong{exit: 3, code: "OMB-0313", says: "2 versions, 1 to 2", advice: "name one of them"}},
		{[]string{snapshot + "-vaule@1..2"}, wrong{exit: 3, code: "OMB-0313", says: "none by that name", advice: "did you mean " + snapshot + "-value?"}},
		{[]string{"git:mian:" + file, file}, wrong{exit: 3, code: "OMB-0313", says: "no branch, tag or commit", advice: "did you mean git:main?"}},
		{[]string{"git:main:none.json", file}, wrong{exit: 3, code: "OMB-0313", says: "names one file", advice: "git ls-tree"}},
		{[]string{"none"}, wrong{exit: 3, code: "OMB-0303", says: "does not declare it", advice: "omnibus catalog list"}},
	} {
		t.Run(strings.Join(tc.line, " "), func(t *testing.T) {
			check(t, tc.want, s.run(t.Context(), "", append([]string{"schema", "diff"}, tc.line...)...))
		})
	}
}

func TestSchemaDiffOfFiles(t *testing.T) {
	s := inShop(t)
	for name, text := range map[string]string{
		"a.json": `{"type": "object", "properties": {"n": {"type": "integer"}}}`,
		"b.json": `{"type": "object", "properties": {"n": {"type": "string"}}}`,
		"c.json": `{"type": 1}`,
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	contains(t, "two files", squeezed(s.must(t, "", "schema", "diff", "a.json", "b.json", "--policy", "STRICT")), "TYPE_CHANGED #/properties/n breaks breaks")
	check(t, wrong{exit: 7, code: "OMB-0705", says: "type", advice: "schema lint"}, s.run(t.Context(), "", "schema", "diff", "a.json", "c.json"))
}

func TestSchemaCheckAgainstTheRegistry(t *testing.T) {
	s := inShop(t)
	line := []string{"schema", "check", "events", "--against", "registry"}
	contains(t, "nothing registered", s.must(t, "", line...), "a new schema")
	s.must(t, "", "schema", "register", "--all")
	if out := s.must(t, "", line...); out != "" {
		t.Errorf("as it is registered:\n%s", out)
	}
	s.change(t, func(schema map[string]any) { member(schema, "hint", false) })
	contains(t, "harmless", s.must(t, "", line...), "quality_snapshot.v1.json:", ": ok: ", "hint")
	s.must(t, "", "schema", "register", snapshot)
	s.change(t, func(schema map[string]any) { member(schema, "zeal", true) })
	for _, against := range []string{"registry", "registry:" + s.variable(t, "SCHEMA_REGISTRY_URL")} {
		r := s.run(t.Context(), "", "schema", "check", "events", "--against", against)
		check(t, wrong{exit: 7, code: "OMB-0708", says: "2 earlier versions", advice: "as the findings say", out: r.out}, r)
		contains(t, "breaking", r.out, ": error: #/properties/zeal the newer schema demands", "of "+snapshot+"-value@2")
		if strings.Contains(r.out, ":1:1: error") || strings.Contains(r.out, "/properties/payload") {
			t.Errorf("it is not in the file:\n%s", r.out)
		}
	}
}

// variable is the value of a variable of the environment.
func (s shell) variable(t *testing.T, name string) string {
	t.Helper()
	for _, v := range s.env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	t.Fatalf("no variable %s", name)
	return ""
}
