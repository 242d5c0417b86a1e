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

// InstallNode brings the packages of the package.json and the package-lock.json in dir, each with its version and hash, into
// cacheDir, unless they are there. An installation that was broken off leaves nothing that a later one takes for whole. No
// package's own scripts are run.
func InstallNode(ctx context.Context, cacheDir, dir string) error {
	home, err := nodeHome(cacheDir, dir)
	if err != nil {
		return fmt.Errorf("install Node packages: %w", err)
	}
	if _, err := os.Stat(home); err == nil {
		return nil
	}
	if why := missingNode(ctx); why != "" {
		return fmt.Errorf("install Node packages: %s: install Node %d or later with npm", why, oldestNode)
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return fmt.Errorf("install Node packages: %w", err)
	}
	part, err := os.MkdirTemp(filepath.Dir(home), "node-*.part")
	if err != nil {
		return fmt.Errorf("install Node packages: %w", err)
	}
	defer func() { _ = os.RemoveAll(part) }() // gone after the rename; else only space is lost
	for _, name := range manifests {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("install Node packages: %w", err)
		}
		if err := os.WriteFile(filepath.Join(part, name), b, 0o644); err != nil {
			return fmt.Errorf("install Node packages: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = part
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install Node packages: %s in %s: %w\n%s", cmd, dir, err, out)
	}
	if err := os.Rename(part, home); err != nil {
		if _, there := os.Stat(home); there == nil {
			return nil // another process was faster
		}
		return fmt.Errorf("install Node packages: %w", err)
	}
	return nil
}

// NodeModules returns the directory with the packages of dir that [InstallNode] put into cacheDir: what NODE_PATH says to a script.
func NodeModules(cacheDir, dir string) (string, error) {
	home, err := nodeHome(cacheDir, dir)
	if err != nil {
		return "", fmt.Errorf("find Node packages: %w", err)
	}
	modules := filepath.Join(home, "node_modules")
	if _, err := os.Stat(modules); err != nil {
		return "", fmt.Errorf("find Node packages: those of %s are not installed; run in the root of the module: go run ./internal/check test parts: %w",
			dir, err)
	}
	return modules, nil
}

var manifests = []string{"package.json", "package-lock.json"}

// nodeHome is named after what is in it: other packages are another directory.
func nodeHome(cacheDir, dir string) (string, error) {
	sum := sha256.New()
	for _, name := range manifests {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		_, _ = sum.Write(b) // a hash takes everything
	}
	return filepath.Abs(filepath.Join(cacheDir, "node-"+hex.EncodeToString(sum.Sum(nil)[:6])))
}
