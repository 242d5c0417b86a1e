package gen

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Stale lists the paths below dir that differ from files: other content, missing, or a generated file that files lacks.
func Stale(dir string, files map[string][]byte) ([]string, error) {
	var stale []string
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			stale = append(stale, name)
		case err != nil:
			return nil, fmt.Errorf("compare generated files: %w", err)
		case !bytes.Equal(got, want):
			stale = append(stale, name)
		}
	}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && file == dir {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".gen.go") {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if _, ok := files[name]; ok {
			return nil
		}
		b, err := os.ReadFile(file)
		if err == nil && bytes.HasPrefix(b, []byte(header)) {
			stale = append(stale, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("compare generated files: %w", err)
	}
	slices.Sort(stale)
	return stale, nil
}

// Write makes dir hold exactly the generated files and returns the paths that it changed. Of other files it removes only
// those that the generator once wrote.
func Write(dir string, files map[string][]byte) (changed []string, err error) {
	stale, err := Stale(dir, files)
	if err != nil {
		return nil, err
	}
	for _, name := range stale {
		file := filepath.Join(dir, filepath.FromSlash(name))
		src, ok := files[name]
		if !ok {
			err = os.Remove(file)
		} else if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
			err = os.WriteFile(file, src, 0o644) //nolint:gosec // source code is for everyone to read
		}
		if err != nil {
			return changed, fmt.Errorf("write generated file: %w", err)
		}
		changed = append(changed, name)
	}
	return changed, nil
}
