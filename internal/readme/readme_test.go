// Package readme holds the test that does what the README shows.
package readme

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const root = "../.."

// blocks are the code blocks of a language.
func blocks(text, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestCommandsWork does what the pages show, each with a stack of its own.
func TestCommandsWork(t *testing.T) {
	binary := build(t)
	for page, atLeast := range map[string]int{
		"README.md": 6, "docs/how-to/dead-letters.md": 15, "docs/how-to/prove-your-cluster.md": 1, "docs/how-to/move-a-group.md": 12,
		"docs/how-to/high-lag.md": 15, "docs/how-to/schema-errors.md": 7, "docs/how-to/plan-and-apply.md": 24, "docs/reference/trace.md": 5, "docs/reference/publish.md": 8,
		"docs/tutorials/first-flow.md": 10, "docs/tutorials/fix-a-dead-letter.md": 12,
	} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(root, page))
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("XDG_DATA_HOME", t.TempDir()) // the developer's own stack may be running
			if ran := do(t, binary, up(t, binary), blocks(string(b), "sh")); ran < atLeast {
				t.Errorf("%d commands found, want at least %d", ran, atLeast)
			}
		})
	}
}

// build returns the program.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "omnibus")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, root+"/cmd/omnibus").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

var exit = regexp.MustCompile(`\s+# exit (\d+)$`)

// do runs every line of the blocks and returns how many there were.
func do(t *testing.T, binary, address string, blocks []string) (ran int) {
	t.Helper()
	for _, block := range blocks {
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			want := 0
			if m := exit.FindStringSubmatch(line); m != nil {
				want, _ = strconv.Atoi(m[1]) // the pattern says digits
				line = exit.ReplaceAllString(line, "")
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(line, "bin/omnibus", binary))
			cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP_SERVERS="+address)
			out, err := cmd.CombinedOutput()
			got := 0
			if exited := (*exec.ExitError)(nil); errors.As(err, &exited) {
				got = exited.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("%s\nexit %d, want %d\n%s", line, got, want, out)
			}
			ran++
		}
	}
	return ran
}

// up starts the stack as "make up" does, on free ports, and returns its address; that of its registry is in the environment.
func up(t *testing.T, binary string) string {
	t.Helper()
	address, _ := upAndRegistry(t, binary)
	return address
}

// upAndRegistry is up that returns the host and port of the schema registry too.
func upAndRegistry(t *testing.T, binary string) (address, registry string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "up", "--ephemeral", "--port-kafka", "0", "--port-console", "0", "--port-registry", "0")
	cmd.Env = append(os.Environ(), "KAFKA_BOOTSTRAP_SERVERS=")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("omnibus up ended with %v", err)
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 2 && f[0] == "Kafka" {
			address = f[1]
		} else if len(f) == 2 && f[0] == "Registry" {
			registry = strings.TrimPrefix(f[1], "http://")
		}
		if f := strings.Fields(lines.Text()); len(f) == 2 && f[0] == "Registry" {
			t.Setenv("SCHEMA_REGISTRY_URL", f[1])
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			return address, registry
		}
	}
	t.Fatal("omnibus up ended before it was ready")
	return "", ""
}

func TestCodeIsCopiedFromTheExamples(t *testing.T) {
	for _, page := range []string{"README.md", "docs/tutorials/first-flow.md", "docs/how-to/migrate-to-a-new-version.md"} {
		text := read(t, page)
		found := regexp.MustCompile("(?s)<!-- (examples/[^ ]+) -->\n```go\n(.*?)```").FindAllStringSubmatch(text, -1)
		if len(found) != len(blocks(text, "go")) || len(found) == 0 {
			t.Errorf("%s: %d Go blocks name their example, there are %d", page, len(found), len(blocks(text, "go")))
		}
		for _, m := range found {
			if !strings.Contains(read(t, m[1]), m[2]) {
				t.Errorf("%s: the code that it shows of %s is not in it", page, m[1])
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range append(pages(t), "README.md", "CONTRIBUTING.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: link to %s: %v", page, m[1], err)
			}
		}
	}
}

// A page that nothing leads to is read by nobody.
func TestEveryPageIsInTheIndex(t *testing.T) {
	const index = "docs/README.md"
	linked := map[string]bool{index: true}
	for _, m := range link.FindAllStringSubmatch(read(t, index), -1) {
		linked[filepath.Join("docs", m[1])] = true
	}
	for _, page := range pages(t) {
		if !linked[page] && filepath.Dir(page) != filepath.Join("docs", "decisions") {
			t.Errorf("%s has no link to %s", index, page)
		}
	}
}

// pages are those of the documentation.
func pages(t *testing.T) (found []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), "docs", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".md") {
			found = append(found, filepath.FromSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
