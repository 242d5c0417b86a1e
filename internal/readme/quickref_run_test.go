//go:build parts

package readme

import (
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/parts"
)

// reader does what the page says, as somebody who has started "omnibus up" and pastes one block after the other.
type reader struct {
	root     string // of the module, absolute
	bin      string // where the binaries are
	python   string // the interpreter that has aiokafka
	address  string // of the stack
	registry string // host and port of its schema registry
}

// promised is what a line says that its output contains.
var promised = regexp.MustCompile(`(?m)(?:#|//) → (.+)$`)

// TestQuickReference executes every block of the quick reference, in its order and on one stack. What is not yet must not
// work: the mark has to be turned when it does.
func TestQuickReference(t *testing.T) {
	r := newReader(t)
	ran := 0
	_, blocks := quickReferenceBlocks(t)
	for _, b := range blocks {
		t.Run("line_"+strconv.Itoa(b.line), func(t *testing.T) {
			out, err := r.execute(t, b)
			switch {
			case b.mark == "works" && err != nil:
				t.Errorf("%s is marked as working: %v\n%s\n%s", b, err, b.text, out)
			case b.mark == "not yet" && err == nil:
				t.Errorf("%s works now: turn its mark\n%s\n%s", b, b.text, out)
			}
			for _, m := range promised.FindAllStringSubmatch(b.text, -1) {
				if b.mark == "works" && !strings.Contains(string(out), m[1]) {
					t.Errorf("%s: the output lacks %q\n%s\n%s", b, m[1], b.text, out)
				}
			}
			ran++
		})
	}
	t.Logf("%s: %d blocks were executed", quickReference, ran)
}

// newReader builds what the page runs and starts the stack.
func newReader(t *testing.T) reader {
	t.Helper()
	tools := slices.DeleteFunc(parts.Tools(), func(tool parts.Tool) bool {
		return !slices.Contains([]string{"bash", "python3", "uuidgen"}, tool.Name)
	})
	if err := parts.Need(t.Context(), t.Output(), tools); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	r := reader{root: here, bin: t.TempDir()}
	cache, requirements := filepath.Join(here, ".cache"), filepath.Join(here, "interop", "python", "requirements.txt")
	if err := parts.InstallPython(t.Context(), cache, requirements); err != nil {
		t.Fatal(err)
	}
	if r.python, err = parts.Python(cache, requirements); err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"./cmd/omnibus", "./examples/quickreference"} {
		if out, err := r.command(t, "go", "build", "-o", r.bin, pkg).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // the developer's own stack may be running
	r.address, r.registry = upAndRegistry(t, filepath.Join(r.bin, "omnibus"))
	return r
}

// command runs in the root of the module, with the binaries found first.
func (r reader) command(t *testing.T, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = r.root
	ours := slices.DeleteFunc(os.Environ(), func(kv string) bool { // the settings of whoever runs the test
		return strings.HasPrefix(kv, "KAFKA_") || strings.HasPrefix(kv, "OMNIBUS_")
	})
	cmd.Env = append(ours, "PATH="+r.bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"OMNIBUS="+filepath.Join(r.bin, "omnibus"), "KAFKA_BOOTSTRAP_SERVERS="+r.address, "NO_COLOR=1")
	return cmd
}

// execute does what stands in the block.
func (r reader) execute(t *testing.T, b block) ([]byte, error) {
	switch b.language {
	case "sh":
		return r.shell(t, b.text)
	case "go":
		return r.code(t, b.source)
	case "python":
		return r.command(t, r.python, "-c", b.text).CombinedOutput()
	case "json":
		return r.publish(t, b)
	case "ndjson":
		cmd := r.command(t, filepath.Join(r.bin, "omnibus"), "publish", "--batch")
		cmd.Stdin = strings.NewReader(b.text)
		return cmd.CombinedOutput()
	case "yaml":
		return nil, compose([]byte(b.text))
	}
	return nil, errors.New("nothing executes " + b.language)
}

// shell runs the block as one script. What its last line says about the exit code is what it has to be.
func (r reader) shell(t *testing.T, text string) ([]byte, error) {
	want := 0
	if m := exit.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		want, _ = strconv.Atoi(m[1]) // the pattern says digits
	}
	// The names that the page has for a machine of its own are here those of the test.
	text = strings.NewReplacer("omninode-bridge-redpanda:9092", r.address, "localhost:8084", r.registry).Replace(text)
	out, err := r.command(t, "bash", "-euo", "pipefail", "-c", text).CombinedOutput()
	got := 0
	if exited := (*exec.ExitError)(nil); errors.As(err, &exited) {
		got = exited.ExitCode()
	} else if err != nil {
		return out, err
	}
	if got != want {
		return out, errors.New("exit " + strconv.Itoa(got) + ", want " + strconv.Itoa(want))
	}
	return out, nil
}

// code runs the file that the block is from: a test, or one of the things that the program of the page does.
func (r reader) code(t *testing.T, source string) ([]byte, error) {
	if strings.HasSuffix(source, "_test.go") {
		return r.command(t, "go", "test", "./"+path.Dir(source)).CombinedOutput()
	}
	cmd := r.command(t, filepath.Join(r.bin, "quickreference"), strings.TrimSuffix(path.Base(source), ".go"))
	cmd.Env = append(cmd.Env, "KAFKA_CONSUMER_GROUP=quick-reference")
	return cmd.CombinedOutput()
}

// publish puts a whole event on its topic. One that does not say its type is a validate request.
func (r reader) publish(t *testing.T, b block) ([]byte, error) {
	var e struct {
		Type string `json:"event_type"`
	}
	if err := jsonx.Unmarshal([]byte(b.text), &e); err != nil {
		return nil, err
	}
	if e.Type == "" {
		e.Type = "omninode.codegen.request.validate.v1"
	}
	cmd := r.command(t, filepath.Join(r.bin, "omnibus"), "publish", e.Type, "--raw", "-")
	cmd.Stdin = strings.NewReader(b.text)
	return cmd.CombinedOutput()
}

// compose checks that a compose file is YAML, that it has services, and that it declares the networks that they join.
func compose(text []byte) error {
	var file struct {
		Services map[string]struct{ Networks []string }
		Networks map[string]any
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	for name, service := range file.Services {
		for _, network := range service.Networks {
			if _, ok := file.Networks[network]; !ok {
				return errors.New("service " + name + " joins a network that is not declared: " + network)
			}
		}
	}
	if len(file.Services) == 0 {
		return errors.New("no services")
	}
	return nil
}
