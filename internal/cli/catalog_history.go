package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/catalogue"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/internal/site"
)

// mostRevisions of one file are shown; older ones are history.
const mostRevisions = 50

// schemaHistory reads from git how the schema files came to be what they are: along the first parents, so that a branch that was
// merged is one step. What is not committed yet is the last step.
func (a *app) schemaHistory(ctx context.Context, entries []catalogue.Entry) (map[event.Topic][]site.Revision, error) {
	from := a.settings.get("OMNIBUS_CATALOG").value
	if from == "" {
		from = "schemas" // where this program's own are, in its repository
	}
	dir := a.path(from)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return nil, fail(codeCatalog, "the built-in catalogue has no history here").because("there is no directory %s", from).
			fix("--catalog with a directory of schema files in a git repository")
	}
	steps, err := readGitLog(ctx, dir)
	if err != nil {
		return nil, fail(codeCatalog, "%s has no history in git", from).because("%s", oneline.Text(err.Error())).
			fix("--catalog with a directory of schema files in a git repository").fix("leave --history out")
	}
	var wanted []gitStep
	byFile := map[string][]gitStep{}
	for _, s := range steps { // the latest first
		byFile[s.file] = append(byFile[s.file], s)
	}
	for _, e := range entries {
		of := byFile[e.File]
		wanted = append(wanted, of[:min(len(of), mostRevisions)]...)
	}
	texts, err := readGitFiles(ctx, dir, wanted)
	if err != nil {
		return nil, fail(codeCatalog, "the history of %s cannot be read", from).because("%s", oneline.Text(err.Error())).fix("git -C %s fsck", shellWord(from))
	}
	history := map[event.Topic][]site.Revision{}
	for _, e := range entries {
		var all []site.Revision
		for _, s := range byFile[e.File][:min(len(byFile[e.File]), mostRevisions)] {
			all = append([]site.Revision{{Commit: s.commit, Day: s.day, Note: s.note, Schema: texts[s]}}, all...)
		}
		if n := len(all); n == 0 || !bytes.Equal(all[n-1].Schema, e.Schema) {
			all = append(all, site.Revision{Schema: e.Schema})
		}
		history[e.Topic] = all
	}
	return history, nil
}

// gitStep is one commit of one file.
type gitStep struct{ commit, day, note, file string }

// readGitLog lists what happened to the files below dir, the latest first. Their names are relative to dir.
func readGitLog(ctx context.Context, dir string) ([]gitStep, error) {
	out, err := runGit(ctx, dir, nil, "-c", "core.quotePath=false", "log", "--first-parent", "--diff-merges=first-parent", "--no-renames", "--diff-filter=d",
		"--relative", "--name-only", "--format=%x01%h%x00%cs%x00%s", "--", ".")
	if err != nil {
		return nil, err
	}
	var steps []gitStep
	for commit := range strings.SplitSeq(string(out), "\x01") {
		head, files, _ := strings.Cut(commit, "\n")
		parts := strings.SplitN(head, "\x00", 3)
		if len(parts) < 3 {
			continue
		}
		for file := range strings.FieldsFuncSeq(files, func(r rune) bool { return r == '\n' }) {
			steps = append(steps, gitStep{parts[0], parts[1], parts[2], file})
		}
	}
	return steps, nil
}

// readGitFiles reads what the files were after each step, with one process for all.
func readGitFiles(ctx context.Context, dir string, steps []gitStep) (map[gitStep][]byte, error) {
	var ask bytes.Buffer
	for _, s := range steps {
		fmt.Fprintf(&ask, "%s:./%s\n", s.commit, s.file)
	}
	out, err := runGit(ctx, dir, &ask, "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	r := bufio.NewReader(bytes.NewReader(out))
	texts := map[gitStep][]byte{}
	for _, s := range steps {
		head, err := r.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.file, io.ErrUnexpectedEOF)
		}
		fields := strings.Fields(head)
		size, err := strconv.Atoi(fields[len(fields)-1])
		if err != nil || len(fields) != 3 {
			return nil, fmt.Errorf("%s is not in commit %s", s.file, s.commit)
		}
		text := make([]byte, size+1) // a line feed follows
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, fmt.Errorf("%s: %w", s.file, err)
		}
		texts[s] = text[:size]
	}
	return texts, nil
}

// runGit runs git in dir. Its error is what git says.
func runGit(ctx context.Context, dir string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = stdin, &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && stderr.Len() > 0 {
		return nil, errors.New(strings.TrimPrefix(strings.TrimSpace(stderr.String()), "fatal: "))
	}
	return out, err
}
