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

const nodePackages = "../../interop/node"

func TestNodeHasItsPackages(t *testing.T) {
	if err := parts.InstallNode(t.Context(), cache, nodePackages); err != nil {
		t.Fatal(err)
	}
	modules, err := parts.NodeModules(cache, nodePackages)
	if err != nil {
		t.Fatal(err)
	}
	const program = `console.log(["@asyncapi/parser", "typescript"].map(p => require(p + "/package.json").version).join(" "))`
	cmd := exec.CommandContext(t.Context(), "node", "-e", program)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	out, err := cmd.CombinedOutput()
	if got, want := strings.TrimSpace(string(out)), "3.6.3 5.9.3"; err != nil || got != want {
		t.Errorf("versions %s, %v; want %s", got, err, want)
	}
}

func TestANodeInstallationThatFailsSaysWhatItRanAndLeavesNothing(t *testing.T) {
	wrong, empty := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"package.json":      `{"name": "wrong", "dependencies": {"typescript": "5.9.3"}}`,
		"package-lock.json": `{"name": "wrong", "lockfileVersion": 3, "packages": {"": {"name": "wrong"}}}`,
	} {
		if err := os.WriteFile(filepath.Join(wrong, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err := parts.InstallNode(t.Context(), empty, wrong)
	if err == nil || !strings.Contains(err.Error(), "npm ci") || !strings.Contains(err.Error(), "typescript") {
		t.Errorf("err = %v", err)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := parts.NodeModules(empty, wrong); err == nil || !strings.Contains(err.Error(), "go run ./internal/check test parts") {
		t.Errorf("err = %v", err)
	}
}
