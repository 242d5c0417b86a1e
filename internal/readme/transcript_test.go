package readme

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTranscriptsAreWhatCommandsPrint runs the command of every transcript of the README and compares what it prints, but for the
// time that it took. Keys are handled at once: lines may come in another order than the one shown.
func TestTranscriptsAreWhatCommandsPrint(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "omnibus")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, root+"/cmd/omnibus").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // the developer's own stack may be running
	address, ran := "", 0
	for _, block := range blocks(read(t, "README.md"), "console") {
		command, want, _ := strings.Cut(block, "\n")
		args, ok := strings.CutPrefix(command, "$ bin/omnibus ")
		if !ok {
			continue
		}
		if address == "" {
			address = up(t, binary)
		}
		cmd := exec.CommandContext(t.Context(), binary, strings.Fields(args)...)
		cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP_SERVERS="+address)
		got, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, got)
		}
		if diff := cmp.Diff(timeless(want), timeless(string(got))); diff != "" {
			t.Errorf("%s (-shown +printed):\n%s", command, diff)
		}
		ran++
	}
	if ran != 1 {
		t.Errorf("%d transcripts, want 1", ran)
	}
}

// timeless are the lines of a transcript, sorted, without times.
func timeless(s string) []string {
	lines := strings.Split(regexp.MustCompile(` *\d+ ms`).ReplaceAllString(strings.TrimSpace(s), "0 ms"), "\n")
	slices.Sort(lines)
	return lines
}
