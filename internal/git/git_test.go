package git_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/internal/git"
)

// tree is a repository made for a test.
type tree struct {
	*testing.T
	dir string
}

func newTree(t *testing.T) tree {
	t.Helper()
	r := tree{t, t.TempDir()}
	r.git("init", "-q", "-b", "main")
	return r
}

func (r tree) environ() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
}

func (r tree) git(args ...string) {
	r.Helper()
	cmd := exec.CommandContext(r.Context(), "git", args...)
	cmd.Dir, cmd.Env = r.dir, r.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// commit writes files, "" removes one, and commits.
func (r tree) commit(files map[string]string) {
	r.Helper()
	for name, text := range files {
		name = filepath.Join(r.dir, name)
		if text == "" {
			if err := os.Remove(name); err != nil {
				r.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			r.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			r.Fatal(err)
		}
	}
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "change")
}

func (r tree) open(sub string) *git.Repo {
	r.Helper()
	repo, err := git.Open(r.Context(), filepath.Join(r.dir, sub), r.environ())
	if err != nil {
		r.Fatal(err)
	}
	return repo
}

// contents are the paths and texts of blobs; "-" is a removal.
func (r tree) contents(repo *git.Repo, blobs []git.Blob, err error) (found []string) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
	var ids []string
	for _, b := range blobs {
		if b.ID != "" {
			ids = append(ids, b.ID)
		}
	}
	texts, err := repo.Read(r.Context(), ids, 100)
	if err != nil {
		r.Fatal(err)
	}
	for _, b := range blobs {
		text, ok := texts[b.ID]
		if !ok {
			text = []byte("-")
		}
		found = append(found, b.Path+" "+string(text))
	}
	return found
}

func TestFilesAndHistory(t *testing.T) {
	r := newTree(t)
	r.commit(map[string]string{"s/a b.json": "one\n", "s/deep/ü.json": "1", "other": "x"})
	r.commit(map[string]string{"s/a b.json": "two"})
	r.git("checkout", "-q", "-b", "side")
	r.commit(map[string]string{"s/a b.json": "only on the branch"})
	r.commit(map[string]string{"s/a b.json": "three"})
	r.git("checkout", "-q", "main")
	r.commit(map[string]string{"other": "y"})
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	r.commit(map[string]string{"s/deep/ü.json": ""})

	for _, at := range []struct{ dir, below string }{{"", "s"}, {"s", ""}, {"s/deep", ".."}} {
		if err := os.MkdirAll(filepath.Join(r.dir, at.dir), 0o755); err != nil {
			t.Fatal(err)
		}
		repo := r.open(at.dir)
		head, err := repo.Commit(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		blobs, err := repo.Files(t.Context(), head, at.below)
		if diff := cmp.Diff([]string{"a b.json three"}, r.contents(repo, blobs, err)); diff != "" {
			t.Errorf("files below %q of %q (-want +got):\n%s", at.below, at.dir, diff)
		}
		blobs, err = repo.History(t.Context(), head, at.below)
		want := []string{"deep/ü.json -", "a b.json three", "a b.json two", "a b.json one\n", "deep/ü.json 1"}
		if diff := cmp.Diff(want, r.contents(repo, blobs, err)); diff != "" {
			t.Errorf("history below %q of %q (-want +got):\n%s", at.below, at.dir, diff)
		}
	}
	repo := r.open("")
	head, err := repo.Commit(t.Context(), "HEAD~1")
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := repo.Files(t.Context(), head, "s/a b.json")
	if diff := cmp.Diff([]string{"a b.json three"}, r.contents(repo, blobs, err)); diff != "" {
		t.Errorf("one file (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	r := newTree(t)
	r.commit(map[string]string{"a": "1"})
	r.git("tag", "release-1")
	r.git("update-ref", "refs/remotes/origin/develop", "HEAD")
	repo := r.open("")
	for ref, near := range map[string][]string{"mian": {"main"}, "develop": {"origin/develop"}, "relase-1": {"release-1"}, "--all": nil, "": nil, "HEAD~7": nil} {
		_, err := repo.Commit(t.Context(), ref)
		unknown, ok := errors.AsType[*git.UnknownRefError](err)
		if !ok {
			t.Errorf("%q: %v, want an UnknownRefError", ref, err)
			continue
		}
		if diff := cmp.Diff(near, unknown.Near); diff != "" {
			t.Errorf("%q may mean (-want +got):\n%s", ref, diff)
		}
	}
	if _, err := git.Open(t.Context(), t.TempDir(), append(r.environ(), "GIT_CEILING_DIRECTORIES=/", "GIT_DIR="+filepath.Join(r.dir, ".git"))); !errors.Is(err, git.ErrNotRepository) {
		t.Errorf("a directory without a repository: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := git.Open(t.Context(), r.dir, r.environ()); !errors.Is(err, git.ErrNoProgram) {
		t.Errorf("without git: %v", err)
	}
}

func TestShallowCloneIsTold(t *testing.T) {
	r := newTree(t)
	r.commit(map[string]string{"a": "1"})
	r.commit(map[string]string{"a": "2"})
	r.git("clone", "-q", "--depth", "1", "file://"+r.dir, "clone")
	if r.open("").Shallow || !r.open("clone").Shallow {
		t.Error("shallow is the clone, and not what it was cloned from")
	}
}
