package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/cli"
)

// The reference of the command line is what the commands say about themselves.
func TestReferenceIsTheHelp(t *testing.T) {
	s := newShell(t)
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the commands: `go test ./internal/cli -run TestReference -update` writes it. What `-o json` prints has\n" +
		"[schemas](outputs), errors have [pages](errors.md), settings are [here](configuration.md).\n")
	all, _ := cli.Commands()
	for _, path := range all {
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s```\n", strings.TrimSpace("omnibus "+path), s.must(t, "", append(strings.Fields(path), "--help")...))
	}
	file := filepath.Join("..", "..", "docs", "reference", "command-line.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != b.String() {
		t.Errorf("%s is not what the commands say (%v): go test ./internal/cli -run TestReference -update writes it", file, err)
	}
}
