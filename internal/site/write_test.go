package site_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/internal/site"
)

func files(names ...string) map[string][]byte {
	all := map[string][]byte{}
	for _, name := range names {
		all[name] = []byte(name)
	}
	return all
}

func mustWrite(t *testing.T, dir string, all map[string][]byte, want ...string) {
	t.Helper()
	changed, err := site.Write(dir, all)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func TestWriteReplacesAndRemovesItsOwnOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "site")
	mustWrite(t, dir, files("a.html", "events/b.html", "old/c.html"), "a.html", "events/b.html", "old/c.html")
	mustWrite(t, dir, files("a.html", "events/b.html", "old/c.html"))
	theirs := filepath.Join(dir, "events", "theirs.txt")
	if err := os.WriteFile(theirs, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.html"), []byte("changed by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := files("a.html", "d.html")
	stale, err := site.Stale(dir, next)
	if diff := cmp.Diff([]string{"a.html", "d.html", "events/b.html", "old/c.html"}, stale); err != nil || diff != "" {
		t.Fatalf("%v, stale (-want +got):\n%s", err, diff)
	}
	mustWrite(t, dir, next, "a.html", "d.html", "events/b.html", "old/c.html")
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty directory is left: %v", err)
	}
	mustWrite(t, dir, next)
}

func TestWriteRefusesADirectoryOfOthers(t *testing.T) {
	for name, begin := range map[string]func(dir string) error{
		"files of others": func(dir string) error { return os.WriteFile(filepath.Join(dir, "index.html"), nil, 0o600) },
		"a marker of others": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ".omnibus-site"), []byte("index.html\n"), 0o600)
		},
	} {
		dir := t.TempDir()
		if err := begin(dir); err != nil {
			t.Fatal(err)
		}
		var notOurs *site.NotOursError
		if _, err := site.Write(dir, files("a.html")); !errors.As(err, &notOurs) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "a.html")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was written: %v", name, err)
		}
	}
}

// A marker that names files outside must not make a build remove them.
func TestWriteRemovesNothingOutside(t *testing.T) {
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "site"), filepath.Join(dir, "precious")
	mustWrite(t, inside, files("a.html"), "a.html")
	marker := filepath.Join(inside, ".omnibus-site")
	b, err := os.ReadFile(marker)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{outside: []byte("x"), marker: append(b, "../precious\n"...)} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := site.Write(inside, files("b.html")); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}
