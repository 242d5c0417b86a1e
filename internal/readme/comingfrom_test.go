package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEquivalentsWork runs each of our commands in the tables for people who come from elsewhere.
func TestEquivalentsWork(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "docs", "explanation", "coming-from.md"))
	if err != nil {
		t.Fatal(err)
	}
	var commands strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^\|.*\| [^|]*`+"`(omnibus [^`]+)`"+`[^|]* \|$`).FindAllStringSubmatch(string(b), -1) {
		commands.WriteString("bin/" + m[1] + "\n")
	}
	binary := build(t)
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // the developer's own stack may be running
	if ran := do(t, binary, up(t, binary), append(blocks(string(b), "sh"), commands.String())); ran < 2+17 {
		t.Errorf("%d commands were found, want at least 19:\n%s", ran, &commands)
	}
}
