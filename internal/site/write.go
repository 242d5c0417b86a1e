package site

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// marker is the file that makes a directory a site of ours. It lists what was written, so that nothing else is ever removed.
const (
	marker     = ".omnibus-site"
	markerHead = "omnibus catalog build: files of this site, which the next build replaces or removes\n"
)

// NotOursError says that a directory has files and is no site that we have written.
type NotOursError struct{ Dir string }

func (e *NotOursError) Error() string { return e.Dir + " has files, and is not a site of ours" }

// Stale lists the paths below dir that differ from files: other content, missing, or left from an earlier build. A directory that is
// not there or empty lacks everything; one with other files is a [NotOursError].
func Stale(dir string, files map[string][]byte) ([]string, error) {
	old, err := written(dir)
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil || !bytes.Equal(got, files[name]) {
			stale = append(stale, name)
		}
	}
	for _, name := range old {
		if _, still := files[name]; still {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
			stale = append(stale, name)
		}
	}
	return stale, nil
}

// Write makes dir hold the files, and removes what an earlier build has left. It returns the paths that it changed. Files that no
// build has written stay.
func Write(dir string, files map[string][]byte) (changed []string, err error) {
	stale, err := Stale(dir, files)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	old, err := written(dir)
	if err != nil {
		return nil, err
	}
	// Old and new names before anything else is touched: a build that is broken off is finished by the next one.
	if err := mark(dir, slices.Concat(old, slices.Collect(maps.Keys(files)))); err != nil {
		return nil, err
	}
	for _, name := range stale {
		file := filepath.Join(dir, filepath.FromSlash(name))
		text, ok := files[name]
		if !ok {
			err = os.Remove(file)
			_ = os.Remove(filepath.Dir(file)) // only where it is empty now
		} else if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
			err = os.WriteFile(file, text, 0o644) //nolint:gosec // pages are for everyone to read
		}
		if err != nil {
			return changed, err
		}
		changed = append(changed, name)
	}
	return changed, mark(dir, slices.Collect(maps.Keys(files)))
}

func mark(dir string, names []string) error {
	slices.Sort(names)
	text := markerHead + strings.Join(slices.Compact(names), "\n") + "\n"
	return os.WriteFile(filepath.Join(dir, marker), []byte(text), 0o644) //nolint:gosec // as above
}

// written are the names that the marker of dir lists.
func written(dir string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(dir, marker))
	if errors.Is(err, fs.ErrNotExist) {
		there, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(there) > 0 {
			return nil, &NotOursError{dir}
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, ok := strings.CutPrefix(string(b), markerHead)
	if !ok {
		return nil, &NotOursError{dir}
	}
	names := strings.Fields(list)
	for _, name := range names {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return nil, fmt.Errorf("%s lists %q, which is outside of the directory", marker, name)
		}
	}
	return names, nil
}
