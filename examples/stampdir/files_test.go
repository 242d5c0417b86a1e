package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListFindsRegularFilesOnly(t *testing.T) {
	root := t.TempDir()
	write(t, root, "b/two.txt", "2")
	write(t, root, "a.txt", "")
	if err := os.Symlink("a.txt", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	got, err := list(root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.txt", filepath.Join("b", "two.txt")}, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := list(filepath.Join(root, "none")); err == nil {
		t.Error("a directory that is not there was listed")
	}
}

func TestReadRefusesWhatCannotFit(t *testing.T) {
	root := t.TempDir()
	write(t, root, "large", strings.Repeat("x", sizeLimit+1))
	if _, refused := read(filepath.Join(root, "large")); !strings.Contains(refused, "1000001 bytes") {
		t.Errorf("refused with %q, want the size", refused)
	}
	if _, refused := read(filepath.Join(root, "none")); refused == "" {
		t.Error("a file that is not there was read")
	}
}

func TestHashIsOfTheFileWithoutItsStamp(t *testing.T) {
	const (
		abc   = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85" // b3sum of "abc"
		stamp = "# ONEX:uid=2a8ad3c9-6b49-5397-89eb-a132332c43eb,hash=" + abc + ",ts=2026-11-24T12:00:00Z\n"
	)
	for content, want := range map[string]string{
		"abc":         abc,
		stamp + "abc": abc,
		"":            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
	} {
		if got := hashOf([]byte(content)); got != want {
			t.Errorf("hash of %q is %s, want %s", content, got, want)
		}
	}
}

func write(tb testing.TB, root, path, content string) {
	tb.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}
