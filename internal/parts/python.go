package parts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// InstallPython makes an environment for Python programs in cacheDir that holds the packages of a requirements file, each with its
// version and hashes, unless it is there. An installation that was broken off leaves nothing that a later one takes for whole; one
// whose Python has gone from the machine is made anew.
func InstallPython(ctx context.Context, cacheDir, requirements string) error {
	home, err := pythonHome(cacheDir, requirements)
	if err != nil {
		return fmt.Errorf("install Python packages: %w", err)
	}
	if exec.CommandContext(ctx, pythonOf(home), "-c", "").Run() == nil {
		return nil
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return fmt.Errorf("install Python packages: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(home), "python-*.part")
	if err != nil {
		return fmt.Errorf("install Python packages: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // gone after the rename; else only space is lost
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{
			pythonOf(dir), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
			"--only-binary=:all:", "--require-hashes", "--requirement", requirements,
		},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install Python packages: %s: %w\n%s", cmd, err, out)
		}
	}
	if err := os.RemoveAll(home); err != nil {
		return fmt.Errorf("install Python packages: %w", err)
	}
	if err := os.Rename(dir, home); err != nil {
		if _, there := os.Stat(home); there == nil {
			return nil // another process was faster
		}
		return fmt.Errorf("install Python packages: %w", err)
	}
	return nil
}

// Python returns the interpreter that has the packages of a requirements file, which [InstallPython] put into cacheDir.
func Python(cacheDir, requirements string) (string, error) {
	home, err := pythonHome(cacheDir, requirements)
	if err != nil {
		return "", fmt.Errorf("find Python: %w", err)
	}
	if _, err := os.Stat(pythonOf(home)); err != nil {
		return "", fmt.Errorf("find Python: the packages of %s are not installed; run in the root of the module: go run ./internal/check test parts: %w",
			requirements, err)
	}
	return pythonOf(home), nil
}

// pythonHome is named after what is in it: other requirements are another environment.
func pythonHome(cacheDir, requirements string) (string, error) {
	b, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return filepath.Abs(filepath.Join(cacheDir, "python-"+hex.EncodeToString(sum[:6])))
}

func pythonOf(home string) string { return filepath.Join(home, "bin", "python") }
