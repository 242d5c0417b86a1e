//go:build parts

package parts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/parts"
)

const requirements = "../../interop/python/requirements.txt"

func TestPythonHasItsPackages(t *testing.T) {
	if err := parts.InstallPython(t.Context(), cache, requirements); err != nil {
		t.Fatal(err)
	}
	python, err := parts.Python(cache, requirements)
	if err != nil {
		t.Fatal(err)
	}
	const program = "from importlib.metadata import version as v\nprint(v('aiokafka'), v('confluent-kafka'), v('faststream'))"
	out, err := exec.CommandContext(t.Context(), python, "-c", program).Output()
	if got, want := strings.TrimSpace(string(out)), "0.14.0 2.16.1 0.7.8"; err != nil || got != want {
		t.Errorf("versions %s, %v; want %s", got, err, want)
	}
}

func TestAnInstallationThatFailsSaysWhatItRanAndLeavesNothing(t *testing.T) {
	wrong := filepath.Join(t.TempDir(), "requirements.txt")
	if err := os.WriteFile(wrong, []byte("no requirement at all\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	err := parts.InstallPython(t.Context(), empty, wrong)
	if err == nil || !strings.Contains(err.Error(), "pip install") || !strings.Contains(err.Error(), "no requirement at all") {
		t.Errorf("err = %v", err)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := parts.Python(empty, wrong); err == nil || !strings.Contains(err.Error(), "go run ./internal/check test parts") {
		t.Errorf("err = %v", err)
	}
}
