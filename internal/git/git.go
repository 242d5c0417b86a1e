// Package git reads files out of a git repository: what a branch, a tag or a commit holds below a directory, and what it held
// before. It asks the program git, changes nothing, and makes no connection.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/near"
)

// Errors that callers tell apart.
var (
	ErrNoProgram     = errors.New("the program git is not installed")
	ErrNotRepository = errors.New("not a git repository")
)

// UnknownRefError is the error about a name that stands for no commit.
type UnknownRefError struct {
	Ref  string
	Near []string // refs that may have been meant
}

func (e *UnknownRefError) Error() string { return fmt.Sprintf("no commit is called %q", e.Ref) }

// Repo is a repository, seen from a directory in its working tree.
type Repo struct {
	Shallow bool // whether it holds only the end of its history

	dir     string
	environ []string
	prefix  string // of dir, from the top of the tree; ends in a slash where it is not empty
}

// Open finds the repository that dir is in. The program git is run with environ, without what says where the repository is: it
// is the one of dir, in a hook too.
func Open(ctx context.Context, dir string, environ []string) (*Repo, error) {
	r := &Repo{dir: dir}
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"}, name) {
			r.environ = append(r.environ, kv)
		}
	}
	r.environ = append(r.environ, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_PAGER=cat")
	out, err := r.run(ctx, nil, "rev-parse", "--is-shallow-repository", "--show-prefix")
	if err != nil {
		if failed, ok := errors.AsType[*failedError](err); ok && strings.Contains(failed.says, "not a git repository") {
			return nil, ErrNotRepository
		}
		return nil, err
	}
	shallow, prefix, _ := strings.Cut(string(out), "\n")
	r.Shallow, r.prefix = shallow == "true", strings.TrimSuffix(prefix, "\n")
	return r, nil
}

// Commit is the id of the commit that ref stands for. A name that is not there is an *UnknownRefError.
func (r *Repo) Commit(ctx context.Context, ref string) (string, error) {
	if ref == "" || strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, "\x00\n") {
		return "", &UnknownRefError{Ref: ref}
	}
	out, err := r.run(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err == nil {
		return strings.TrimSpace(string(out)), nil
	}
	if failed, ok := errors.AsType[*failedError](err); !ok || failed.says != "" {
		return "", err
	}
	unknown := &UnknownRefError{Ref: ref}
	names, err := r.run(ctx, nil, "for-each-ref", "--format=%(refname:short)")
	if err != nil {
		return "", err
	}
	all := strings.Fields(string(names))
	for _, name := range all {
		if strings.HasSuffix(name, "/"+ref) { // what a clone calls a branch that it has not checked out
			unknown.Near = append(unknown.Near, name)
		}
	}
	if len(unknown.Near) == 0 {
		unknown.Near = near.Names(strings.TrimPrefix(ref, "refs/tags/"), all)
	}
	return "", unknown
}

// Blob is the content that a file had in a commit.
type Blob struct {
	Path   string // relative to the directory that was asked for
	ID     string // "" where the commit removed the file
	Commit string // where History saw it come, shortened; otherwise ""
}

// Files are the files that commit has below dir, which is relative to the directory of the repository.
func (r *Repo) Files(ctx context.Context, commit, dir string) ([]Blob, error) {
	below := path.Join(r.prefix, dir)
	args := []string{"ls-tree", "-r", "-z", "--full-tree", commit}
	if below != "" && below != "." {
		args = append(args, "--", below)
	}
	out, err := r.run(ctx, nil, args...)
	if err != nil {
		return nil, err
	}
	var blobs []Blob
	for entry := range strings.SplitSeq(string(out), "\x00") {
		meta, name, ok := strings.Cut(entry, "\t") // "100644 blob ID"
		if f := strings.Fields(meta); ok && len(f) == 3 && strings.HasPrefix(f[0], "100") {
			blobs = append(blobs, Blob{Path: relative(below, name), ID: f[2]})
		}
	}
	return blobs, nil
}

// History is every content that the files below dir had on the way to commit, the newest first. Of a branch that was merged it
// sees what the merge made of the files, not what the branch said before.
func (r *Repo) History(ctx context.Context, commit, dir string) ([]Blob, error) {
	below := path.Join(r.prefix, dir)
	args := []string{
		"-c", "log.showSignature=false", "-c", "log.showRoot=true", "-c", "log.follow=false", "log", "-z", "--format=%h", "--raw", "--no-abbrev", "--no-renames",
		"--no-ext-diff", "--no-textconv", "--first-parent", "--diff-merges=first-parent", "--full-history", commit,
	}
	if below != "" && below != "." {
		args = append(args, "--", ":(top,literal)"+below)
	}
	out, err := r.run(ctx, nil, args...)
	if err != nil {
		return nil, err
	}
	var blobs []Blob
	at, meta := "", ""
	for token := range strings.SplitSeq(string(out), "\x00") {
		token = strings.TrimPrefix(token, "\n")
		switch {
		case meta != "":
			f := strings.Fields(meta) // ":100644 100644 OLD NEW M"
			b := Blob{Path: relative(below, token), Commit: at}
			if len(f) == 5 && strings.HasPrefix(f[1], "100") {
				b.ID = f[3]
			}
			blobs, meta = append(blobs, b), ""
		case strings.HasPrefix(token, ":"):
			meta = token
		case token != "":
			at = token[:min(8, len(token))]
		}
	}
	return blobs, nil
}

func relative(below, name string) string {
	if below == "" || below == "." {
		return name
	}
	if rest, ok := strings.CutPrefix(name, below+"/"); ok {
		return rest
	}
	return path.Base(name) // what was asked for is a file
}

// Read returns the contents by their ids. One that is larger than limit bytes is left out.
func (r *Repo) Read(ctx context.Context, ids []string, limit int) (map[string][]byte, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	out, err := r.run(ctx, []byte(strings.Join(ids, "\n")+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	texts := make(map[string][]byte, len(ids))
	for len(out) > 0 {
		head, rest, _ := bytes.Cut(out, []byte("\n"))
		f := strings.Fields(string(head)) // "ID blob SIZE"
		if len(f) != 3 {
			return nil, fmt.Errorf("git cat-file: %s", head)
		}
		size, err := strconv.Atoi(f[2])
		if err != nil || size < 0 || size+1 > len(rest) {
			return nil, fmt.Errorf("git cat-file: %s", head)
		}
		if size <= limit {
			texts[f[0]] = rest[:size]
		}
		out = rest[size+1:]
	}
	return texts, nil
}

// failedError is git ending otherwise than well.
type failedError struct{ verb, says string }

func (e *failedError) Error() string { return "git " + e.verb + ": " + e.says }

func (r *Repo) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	// Nothing of a repository's configuration may start a program.
	all := append([]string{"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false"}, args...)
	cmd := exec.CommandContext(ctx, "git", all...)
	var out, says bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = r.dir, r.environ, bytes.NewReader(stdin), &out, &says
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, ErrNoProgram
	}
	verb := args[0]
	for i := 0; i+2 < len(args) && args[i] == "-c"; i += 2 {
		verb = args[i+2]
	}
	first, _, _ := strings.Cut(strings.TrimSpace(says.String()), "\n")
	return nil, &failedError{verb, strings.TrimPrefix(first, "fatal: ")}
}
