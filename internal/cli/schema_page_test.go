package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/internal/cli"
)

// TestChangingASchemaIsAsThePageSays does what docs/how-to/change-a-schema.md shows, from the first block to the last in one repository:
// it writes the files, applies the changes, runs the commands, and compares all that they print. With -update it writes that
// into the page.
func TestChangingASchemaIsAsThePageSays(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "how-to", "change-a-schema.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	environ := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_AUTHOR_DATE=2026-11-24T12:00:00Z",
		"GIT_COMMITTER_NAME=ann", "GIT_COMMITTER_EMAIL=ann@example.com", "GIT_COMMITTER_DATE=2026-11-24T12:00:00Z",
	}
	day := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	run := func(stdin, command string) string {
		var out strings.Builder
		if line, ours := strings.CutPrefix(command, "omnibus "); ours {
			p := cli.Process{Args: strings.Fields(line), Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &out, Environ: environ, Dir: dir, Now: func() time.Time { return day }}
			if code := p.Run(t.Context()); code != 0 && code != 7 {
				t.Fatalf("%s: exit %d\n%s", command, code, &out)
			}
			return out.String()
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, environ, strings.NewReader(stdin), &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s\n%s", command, err, &out, stdin)
		}
		return out.String()
	}
	commands := 0
	block := regexp.MustCompile("(?ms)(?:^<!-- file: (\\S+) -->\n)?^```(\\w+)\n(.*?)^```$")
	got := block.ReplaceAllStringFunc(string(text), func(whole string) string {
		m := block.FindStringSubmatch(whole)
		file, language, body := m[1], m[2], m[3]
		switch {
		case file != "":
			name := filepath.Join(dir, filepath.FromSlash(file))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		case language == "diff":
			run(body, "git apply --recount -")
		case language == "console":
			var printed strings.Builder
			for line := range strings.Lines(body) {
				if command, ok := strings.CutPrefix(line, "$ "); ok {
					printed.WriteString(line + run("", strings.TrimSpace(command)))
					commands++
				}
			}
			return "```console\n" + printed.String() + "```"
		}
		return whole
	})
	if commands < 19 {
		t.Errorf("%d commands were run, want at least 19", commands)
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-shown +printed):\n%s", page, diff)
	}
}
