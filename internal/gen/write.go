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

// marks are how the files of each language end, and how those begin that the generator wrote.
var marks = []struct{ suffix, begin string }{
	{".gen.go", header},
	{".gen_test.go", header},
	{".py", pythonMark},
	{"py.typed", ""},
	{".ts", typeScriptMark},
}

func markOf(name string) (suffix, begin string) {
	for _, m := range marks {
		if strings.HasSuffix(name, m.suffix) {
			return m.suffix, m.begin
		}
	}
	return "", ""
}

// ClashError says which files or directories are in the way: they have the names of generated files, and the generator did not write them.
type ClashError struct{ Names []string }

func (c *ClashError) Error() string {
	return strings.Join(c.Names, ", ") + ": in the way, and not written by the generator"
}

// Stale lists the paths below dir that differ from files: other content, missing, or a generated file that files lacks. A [ClashError] is what
// must not be written over.
func Stale(dir string, files map[string][]byte) ([]string, error) {
	var stale []string
	var clash ClashError
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		_, begin := markOf(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			stale = append(stale, name)
		case err != nil && isDir(filepath.Join(dir, filepath.FromSlash(name))):
			clash.Names = append(clash.Names, name)
		case err != nil:
			return nil, fmt.Errorf("compare generated files: %w", err)
		case bytes.Equal(got, want):
		case begin == "" || !bytes.HasPrefix(got, []byte(begin)):
			clash.Names = append(clash.Names, name)
		default:
			stale = append(stale, name)
		}
	}
	if len(clash.Names) > 0 {
		slices.Sort(clash.Names)
		return nil, &clash
	}
	left, err := leftOver(dir, files)
	if err != nil {
		return nil, fmt.Errorf("compare generated files: %w", err)
	}
	stale = append(stale, left...)
	slices.Sort(stale)
	return stale, nil
}

func isDir(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.IsDir()
}

// leftOver are generated files that files lacks, of its language, and no deeper than its own.
func leftOver(dir string, files map[string][]byte) ([]string, error) {
	deepest, suffixes := 0, map[string]bool{}
	for name := range files {
		deepest = max(deepest, strings.Count(name, "/"))
		suffix, _ := markOf(name)
		suffixes[suffix] = true
	}
	var left []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && file == dir {
			return fs.SkipAll
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if file != dir && strings.Count(name, "/") >= deepest {
				return fs.SkipDir
			}
			return nil
		}
		suffix, begin := markOf(name)
		if _, ok := files[name]; ok || begin == "" || !suffixes[suffix] || !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(file)
		if err == nil && bytes.HasPrefix(b, []byte(begin)) {
			left = append(left, name)
		}
		return err
	})
	return left, err
}

// Write makes dir hold exactly the generated files and returns the paths that it changed. Of other files it removes only those that
// the generator once wrote; where one is in the way it changes nothing and returns a [ClashError].
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
