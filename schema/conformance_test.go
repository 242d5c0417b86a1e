package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/schema"
)

// suiteGroup is a schema of the JSON-Schema-Test-Suite with its values.
type suiteGroup struct {
	File        string          `json:"-"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	Tests       []struct {
		Description string          `json:"description"`
		Data        json.RawMessage `json:"data"`
		Valid       bool            `json:"valid"`
	} `json:"tests"`
}

// suite is the official suite for draft-07 and 2020-12, its optional part included.
func suite(t testing.TB) []suiteGroup {
	t.Helper()
	var all []suiteGroup
	const tests = "testdata/JSON-Schema-Test-Suite/tests"
	err := filepath.WalkDir(tests, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var groups []suiteGroup
		if err := json.Unmarshal(b, &groups); err != nil {
			return err
		}
		name, err := filepath.Rel(tests, file)
		for _, g := range groups {
			g.File = filepath.ToSlash(name)
			if strings.HasPrefix(g.File, "draft7/") {
				g.Schema = withDialect(t, g.Schema)
			}
			all = append(all, g)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// withDialect adds what the files for draft-07 leave to their folder.
func withDialect(t testing.TB, doc json.RawMessage) json.RawMessage {
	t.Helper()
	var o map[string]json.RawMessage
	if json.Unmarshal(doc, &o) != nil || o["$schema"] != nil {
		return doc // true, false, or said already
	}
	o["$schema"] = json.RawMessage(`"http://json-schema.org/draft-07/schema#"`)
	return object(o)
}

// why says which of our decisions an exception follows from. None is about a rule of JSON Schema itself.
func why(t testing.TB, exception string) string {
	t.Helper()
	for _, reason := range []struct{ sign, why string }{
		{"schemas are not loaded from elsewhere", "nothing is loaded"},
		{"unknown dialect", "nothing is loaded"},
		{"is only an annotation by default", "formats are asserted"},
		{"optional/format.json", "formats are asserted"},
		{"unsupported pattern", "patterns are RE2"},
		{"ecmascript-regex.json", "patterns are RE2"},
		{"optional/non-bmp-regex.json", "patterns are RE2"},
		{"optional/format/", "a format as the library knows it"},
		{"optional/content.json", "content is not looked into"},
		{"uniqueItems.json", "whether two objects are equal"},
		{"left", "more than 18 digits"},
	} {
		if strings.Contains(exception, reason.sign) {
			return reason.why
		}
	}
	t.Errorf("%s: for no known reason", exception)
	return ""
}

// TestJSONSchemaTestSuite: what the suite wants is what Scan says, but for the golden's exceptions; and where the library alone can
// decide, it says the same.
func TestJSONSchemaTestSuite(t *testing.T) {
	var exceptions []string
	run, quick, slow := 0, 0, 0
	for _, g := range suite(t) {
		at := g.File + ": " + g.Description
		s, err := schema.Parse(g.Schema)
		if err != nil {
			exceptions = append(exceptions, fmt.Sprintf("%s: the schema is refused: %v", at, err))
			continue
		}
		valid := reference(t, g.Schema)
		for _, tc := range g.Tests {
			run++
			_, err := s.Scan(tc.Data)
			if invalid, ok := errors.AsType[*schema.Invalid](err); err != nil && !ok {
				t.Errorf("%s: %s: %v is no *Invalid", at, tc.Description, err)
			} else if (ok && invalid.Rule != "json" || !ok) && (err == nil) != valid(tc.Data) {
				t.Errorf("%s: %s: Scan says %v, the library otherwise", at, tc.Description, err)
			}
			if (err == nil) != tc.Valid {
				exceptions = append(exceptions, fmt.Sprintf("%s: %s: valid is %v, Scan says %v", at, tc.Description, tc.Valid, err))
			}
		}
		c := s.Counts()
		quick, slow = quick+int(c.Program), slow+int(c.Slow) //nolint:gosec // small
		if c.Slow > 0 && len(s.Slow()) == 0 {
			exceptions = append(exceptions, fmt.Sprintf("%s: the program covers the schema and left %d valid values to the library", at, c.Slow))
		}
	}
	for i, e := range exceptions {
		exceptions[i] = why(t, e) + ": " + e
	}
	slices.Sort(exceptions)
	golden(t, "testdata/suite_exceptions.txt", strings.Join(exceptions, "\n")+"\n")
	t.Logf("%d values; of the valid ones the program accepted %d and the library %d", run, quick, slow)
	if run < 2500 || quick < 5*slow {
		t.Errorf("%d values, of which the program accepted %d and the library %d: the program does too little", run, quick, slow)
	}
}

func golden(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", file, diff)
	}
}
