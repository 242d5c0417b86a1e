package main

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// innerLoop is what "make check" runs.
func innerLoop(ctx context.Context) ([]step, error) {
	steps := []step{
		stepOf("vet", goCommand("vet", "-tags=parts", "./...")),
		format(),
		lint(),
		stepOf("layers", goCommand("test", "./internal/arch")),
		schemas(),
	}
	packages, err := changedPackages(ctx)
	if err != nil {
		return nil, err
	}
	if len(packages) > 0 {
		steps = append(steps, stepOf("changed", goCommand(append([]string{"test"}, packages...)...)))
	}
	return steps, nil
}

// changedPackages returns the packages with a file that git sees changed since the last commit, or does not know.
func changedPackages(ctx context.Context) ([]string, error) {
	changed, err := command{args: []string{"git", "diff", "--name-only", "HEAD"}}.output(ctx)
	if err != nil {
		return nil, err
	}
	unknown, err := command{args: []string{"git", "ls-files", "--others", "--exclude-standard"}}.output(ctx)
	if err != nil {
		return nil, err
	}
	var packages []string
	for _, file := range slices.Concat(changed, unknown) {
		if pkg, ok := packageOf(file); ok {
			packages = append(packages, "./"+pkg)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}

// packageOf finds the package that file is part of or test data of: the nearest directory above it with Go files,
// unless that is in a module of its own.
func packageOf(file string) (pkg string, ok bool) {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return "", false
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err == nil && len(files) > 0 && pkg == "" && !inTestdata(dir) {
			pkg = dir // and look on for a go.mod
		}
	}
	return pkg, pkg != ""
}

func inTestdata(dir string) bool {
	for ; dir != "."; dir = path.Dir(dir) {
		if path.Base(dir) == "testdata" {
			return true
		}
	}
	return false
}
