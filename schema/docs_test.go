package schema_test

import (
	"os"
	"strings"
	"testing"
)

// TestThePageSaysWhatIsSo holds docs/reference/validation.md against what the tests pin.
func TestThePageSaysWhatIsSo(t *testing.T) {
	b, err := os.ReadFile("../docs/reference/validation.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	decided, err := os.ReadFile("../internal/jsonx/testdata/decided.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(decided)) {
		file, verdict, _ := strings.Cut(strings.TrimSpace(line), " ")
		if want := "| `" + file + "` | " + verdict + " |"; !strings.Contains(page, want) {
			t.Errorf("the page lacks the row %s", want)
		}
		rows++
	}
	if rows != 35 {
		t.Errorf("%d files are decided, want 35", rows)
	}
	for _, rule := range []string{
		"$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
		"multipleOf", "properties", "$schema",
	} {
		if !strings.Contains(page, "`"+rule+"`") {
			t.Errorf("the page does not say that %s is left to the library", rule)
		}
	}
}
