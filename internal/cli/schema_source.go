package cli

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/git"
	"github.com/omninode-ai/omnibus/internal/govern"
	"github.com/omninode-ai/omnibus/internal/near"
	"github.com/omninode-ai/omnibus/schema"
)

// Limits of what is read: of one file, and how many versions of one schema are compared with.
const (
	maxSchemaFile = 1 << 20
	maxVersions   = 100
)

// schemaRoot is a directory of schema files, or one file, as the user named it.
type schemaRoot struct {
	name string // with slashes; "" is the working directory
	dir  string // where the directory is, or the one that the file is in
	file string // the name of the file, if it is one
}

// schemaRoots are what the user named, or the directory of the catalogue.
func (a *app) schemaRoots(names []string) ([]schemaRoot, error) {
	if len(names) == 0 {
		name := cmp.Or(a.settings.get("OMNIBUS_CATALOG").value, "schemas")
		if st, err := os.Stat(a.path(name)); err != nil || !st.IsDir() {
			return nil, fail(codeArgs, "nothing says which schema files are meant").because("there is no directory %s here", name).
				fix("omnibus schema check DIR --against git:main").fix("--catalog DIR")
		}
		names = []string{name}
	}
	var roots []schemaRoot
	for _, name := range names {
		st, err := os.Stat(a.path(name))
		if err != nil {
			return nil, cannotRead(name, err)
		}
		r := schemaRoot{name: filepath.ToSlash(filepath.Clean(name)), dir: a.path(name)}
		if !st.IsDir() {
			r.dir, r.file = filepath.Split(r.dir)
		}
		roots = append(roots, r)
	}
	return roots, nil
}

// printed is the name for people of a file below the root.
func (r schemaRoot) printed(name string) string {
	if r.file != "" {
		return r.name
	}
	return path.Join(r.name, name)
}

// files reads the schema files below the root. None of them may lead out of it.
func (r schemaRoot) files() ([]govern.File, error) {
	root, err := os.OpenRoot(cmp.Or(r.dir, "."))
	if err != nil {
		return nil, cannotRead(r.name, err)
	}
	defer root.Close() //nolint:errcheck // it was only read
	var files []govern.File
	add := func(name string) error {
		st, err := root.Stat(name)
		if err != nil {
			return cannotRead(r.printed(name), err)
		}
		if !st.Mode().IsRegular() || st.Size() > maxSchemaFile {
			return fail(codeFile, "%s is not a schema file", r.printed(name)).because("it is no regular file, or larger than %s", sizeText(maxSchemaFile)).
				fix("keep only schema files below %s", r.name)
		}
		text, err := root.ReadFile(name)
		if err != nil {
			return cannotRead(r.printed(name), err)
		}
		files = append(files, govern.File{Name: r.printed(name), Text: text})
		return nil
	}
	if r.file != "" {
		err := add(r.file)
		return files, err
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return cannotRead(r.printed(name), err)
		case !d.IsDir() && strings.HasSuffix(name, ".json"):
			return add(name)
		}
		return nil
	})
	return files, err
}

// lint holds the files below the root against each other.
func (r schemaRoot) lint() []schema.Finding {
	found := schema.Lint(os.DirFS(cmp.Or(r.dir, ".")))
	if r.file != "" {
		found = slices.DeleteFunc(found, func(f schema.Finding) bool { return f.File != r.file })
	}
	for i := range found {
		found[i].File = r.printed(found[i].File)
	}
	return found
}

// past is what the source of a comparison holds.
type past struct {
	all    []govern.Past
	commit string // of the last root, where the source is a repository
	left   int    // how many versions were not looked at
}

// schemaSource is where the files are read from that a check compares with.
type schemaSource interface {
	past(ctx context.Context, roots []schemaRoot, files []govern.File, transitive bool) (past, error)
}

// against reads the value of --against.
func (a *app) against(text string) (schemaSource, error) {
	kind, rest, _ := strings.Cut(text, ":")
	kinds := []string{"git", "tag", "dir", "registry"}
	bad := func(why string, args ...any) *failure {
		return fail(codeAgainst, "--against %s is nothing to compare with", cmp.Or(clip(text, 100), `""`)).because(why, args...)
	}
	switch kind {
	case "git", "tag":
		if rest == "" || strings.HasPrefix(rest, "-") {
			return nil, bad("%q is not the name of a branch, tag or commit", rest).fix("--against git:main")
		}
		ref := rest
		if kind == "tag" {
			ref = "refs/tags/" + rest
		}
		return gitSource{a: a, flag: "--against ", text: text, ref: ref}, nil
	case "dir":
		st, err := os.Stat(a.path(rest))
		switch {
		case rest == "":
			return nil, bad("it names no directory").fix("--against dir:PATH")
		case err != nil:
			return nil, bad("%s", plainPathError(err)).fix("name a directory of schema files (*.json)")
		case !st.IsDir():
			return nil, bad("it is not a directory").fix("name a directory of schema files (*.json)")
		}
		return dirSource{a: a, name: rest}, nil
	case "registry":
		return registrySource{a: a, url: rest}, nil
	case "":
		return nil, bad("it says what the files were").fix("--against git:main").fix("--against dir:PATH")
	}
	f := bad("it begins with none of git:, tag:, dir: and registry")
	if found := near.Names(kind, kinds); len(found) > 0 && rest != "" {
		return nil, f.fix("did you mean %s:%s?", found[0], rest)
	}
	return nil, f.fix("--against git:%s", clip(text, 60))
}

// dirSource is another directory.
type dirSource struct {
	a    *app
	name string
}

func (s dirSource) past(_ context.Context, roots []schemaRoot, files []govern.File, _ bool) (past, error) {
	other := schemaRoot{name: filepath.ToSlash(filepath.Clean(s.name)), dir: s.a.path(s.name)}
	found, err := other.files()
	if err != nil {
		return past{}, err
	}
	var states []govern.State
	for _, f := range found {
		name := f.Name
		if len(roots) == 1 && roots[0].file == "" { // a file without a topic is the one at the same place
			rel := strings.TrimPrefix(strings.TrimPrefix(f.Name, other.name), "/")
			if other.name == "." {
				rel = f.Name
			}
			name = roots[0].printed(rel)
		}
		states = append(states, govern.State{Name: name, Where: "dir:" + s.name, Text: f.Text})
	}
	all, _ := govern.Pasts(states, nil, maxVersions)
	if len(roots) > 1 || roots[0].file != "" { // files were named: the others are not missing
		all = ofFiles(all, files)
	}
	return past{all: all}, nil
}

// ofFiles keeps the pasts of these files.
func ofFiles(all []govern.Past, files []govern.File) []govern.Past {
	return slices.DeleteFunc(all, func(p govern.Past) bool {
		return !slices.ContainsFunc(files, func(f govern.File) bool {
			return govern.Identity(f.Name, f.Text) == govern.Identity(p.Name, p.Releases[0].Text)
		})
	})
}

// gitSource is what the files were in the repository that they are in.
type gitSource struct {
	a         *app
	flag      string // that names it, with a space behind it; "": an argument does
	text, ref string
}

func (s gitSource) past(ctx context.Context, roots []schemaRoot, _ []govern.File, transitive bool) (past, error) {
	var present, history []govern.State
	var out past
	for _, root := range roots {
		repo, commit, err := s.open(ctx, root, transitive)
		if err != nil {
			return past{}, err
		}
		out.commit = commit
		blobs, err := repo.Files(ctx, commit, root.file)
		if err != nil {
			return past{}, s.failed(err)
		}
		now, err := s.states(ctx, repo, root, blobs)
		if err != nil {
			return past{}, err
		}
		present = append(present, now...)
		if !transitive {
			continue
		}
		if blobs, err = repo.History(ctx, commit, root.file); err != nil {
			return past{}, s.failed(err)
		}
		before, err := s.states(ctx, repo, root, blobs)
		if err != nil {
			return past{}, err
		}
		history = append(history, before...)
	}
	out.all, out.left = govern.Pasts(present, history, maxVersions)
	return out, nil
}

// open finds the repository and the commit.
func (s gitSource) open(ctx context.Context, root schemaRoot, transitive bool) (*git.Repo, string, error) {
	var environ []string
	for name, value := range sorted(s.a.env) {
		environ = append(environ, name+"="+value)
	}
	repo, err := git.Open(ctx, cmp.Or(root.dir, "."), environ)
	switch {
	case errors.Is(err, git.ErrNotRepository):
		return nil, "", fail(codeAgainst, "%s%s is nothing to compare with", s.flag, clip(s.text, 100)).
			because("%s is not in a git repository", root.name).fix("%s", s.instead()).fix("do it in a repository")
	case errors.Is(err, git.ErrNoProgram):
		return nil, "", fail(codeAgainst, "%s%s is nothing to compare with", s.flag, clip(s.text, 100)).
			because("the program git is not installed").fix("install git").fix("%s", s.instead())
	case err != nil:
		return nil, "", s.failed(err)
	}
	commit, err := repo.Commit(ctx, s.ref)
	if unknown, ok := errors.AsType[*git.UnknownRefError](err); ok {
		f := fail(codeVersion, "git knows no %s", clip(strings.TrimPrefix(s.ref, "refs/tags/"), 100)).because("no branch, tag or commit has that name in the repository of %s", root.name)
		if repo.Shallow {
			f.because("the clone of %s has only the end of its history, or not all branches", root.name)
		}
		for _, name := range unknown.Near {
			f.fix("did you mean git:%s?", name)
		}
		if repo.Shallow {
			f.fix("git fetch --unshallow origin %s; in a workflow: fetch-depth: 0", clip(s.ref, 60))
		}
		return nil, "", f.fix("git branch --all; git tag")
	}
	if err != nil {
		return nil, "", s.failed(err)
	}
	if repo.Shallow && transitive {
		return nil, "", fail(codeAgainst, "the history of %s is not all here", clip(s.text, 100)).
			because("the clone is shallow, and a transitive level holds a change against every earlier version").
			fix("git fetch --unshallow; in a workflow: fetch-depth: 0").fix("--level FULL, against the latest version only")
	}
	return repo, commit, nil
}

// instead is what needs no repository.
func (s gitSource) instead() string {
	if s.flag == "" {
		return "name a file"
	}
	return s.flag + "dir:PATH"
}

// states reads contents.
func (s gitSource) states(ctx context.Context, repo *git.Repo, root schemaRoot, blobs []git.Blob) ([]govern.State, error) {
	blobs = slices.DeleteFunc(blobs, func(b git.Blob) bool { return !strings.HasSuffix(b.Path, ".json") || b.ID == "" })
	ids := make([]string, len(blobs))
	for i, b := range blobs {
		ids[i] = b.ID
	}
	slices.Sort(ids)
	texts, err := repo.Read(ctx, slices.Compact(ids), maxSchemaFile)
	if err != nil {
		return nil, s.failed(err)
	}
	states := make([]govern.State, len(blobs))
	for i, b := range blobs {
		states[i] = govern.State{Name: root.printed(b.Path), Where: cmp.Or(b.Commit, s.text), Text: texts[b.ID]}
	}
	return states, nil
}

// failed is git failing for a reason of its own.
func (s gitSource) failed(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fail(codeAgainst, "%s%s cannot be read", s.flag, clip(s.text, 100)).because("%s", err).fix("git status says whether the repository is well")
}
