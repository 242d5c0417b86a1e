package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/near"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

// schemaSide is a schema that somebody named, and where it is from.
type schemaSide struct {
	Name    string `json:"name"`              // as it can be named again
	Version int    `json:"version,omitzero"`  // of the registry
	ID      int    `json:"id,omitzero"`       // of the registry
	Whole   bool   `json:"composed,omitzero"` // the schema of the whole event was made of it, to compare with another one

	text    []byte
	payload bool // it is the schema of a payload, and says of which event
}

// side finds the schema that a name stands for: a file, git:REF:PATH, SUBJECT@VERSION, or an event type of the catalogue.
func (a *app) side(ctx context.Context, name string) (schemaSide, error) {
	if rest, ok := strings.CutPrefix(name, "git:"); ok {
		return a.sideOfGit(ctx, name, rest)
	}
	st, err := os.Stat(a.path(name))
	if err == nil && !st.IsDir() {
		root := schemaRoot{name: name}
		root.dir, root.file = path.Split(a.path(name))
		files, err := root.files()
		if err != nil {
			return schemaSide{}, err
		}
		return sideOf(name, files[0].Text), nil
	}
	if subject, version, ok := cutVersion(name); ok {
		number, err := versionNumber(name, version)
		if err != nil {
			return schemaSide{}, err
		}
		return a.sideOfRegistry(ctx, a.subjectOf(subject), number)
	}
	if s, err := a.declared(strings.TrimSuffix(name, "-value")); err == nil {
		return schemaSide{Name: string(s.Topic), text: s.Schema, payload: true}, nil
	}
	f := fail(codeAgainst, "%s is nothing to compare", clip(oneline.Text(name), 100))
	switch {
	case err == nil:
		f.because("it is a directory")
	case errors.Is(err, fs.ErrNotExist):
		f.because("no file and no event type has that name, and it is neither git:REF:PATH nor SUBJECT@VERSION")
	default:
		f.because("%s", plainPathError(err))
	}
	return schemaSide{}, f.fix("name a file, git:main:PATH, SUBJECT@3 or SUBJECT@latest").fix("omnibus catalog list")
}

// sideOf is a schema of a file. What it says of an event tells that it is the schema of a payload.
func sideOf(name string, text []byte) schemaSide {
	var doc struct {
		Omnibus map[string]any `json:"x-omnibus"`
	}
	err := jsonx.Unmarshal(text, &doc) // who compares it says what is wrong with it
	return schemaSide{Name: name, text: text, payload: err == nil && doc.Omnibus != nil}
}

// cutVersion takes SUBJECT@VERSION apart.
func cutVersion(name string) (subject, version string, ok bool) {
	i := strings.LastIndexByte(name, '@')
	if i < 1 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

// versionNumber reads a number of a version, or latest.
func versionNumber(name, text string) (int, error) {
	if text == "latest" {
		return client.Latest, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fail(codeAgainst, "%s is nothing to compare", clip(oneline.Text(name), 100)).
			because("%q is not the number of a version: want 1 or more, or latest", clip(text, 60)).fix("SUBJECT@3, SUBJECT@latest or SUBJECT@3..5")
	}
	return n, nil
}

// subjectOf is the subject that a name means: that of an event type, or the name as it is.
func (a *app) subjectOf(name string) string {
	if strings.HasSuffix(name, "-value") {
		return name
	}
	if s, err := a.declared(name); err == nil {
		return s.Topic.Subject()
	}
	return name
}

// sideOfGit reads a file as a commit has it.
func (a *app) sideOfGit(ctx context.Context, name, rest string) (schemaSide, error) {
	ref, file, ok := strings.Cut(rest, ":")
	if !ok || ref == "" || file == "" || strings.HasPrefix(ref, "-") {
		return schemaSide{}, fail(codeAgainst, "%s is nothing to compare", clip(oneline.Text(name), 100)).
			because("it names no file of a commit").fix("git:REF:PATH, such as git:main:schemas/events/shop/ordered.v1.json")
	}
	s := gitSource{a: a, text: name, ref: ref}
	root := schemaRoot{name: ".", dir: a.path(".")}
	repo, commit, err := s.open(ctx, root, false)
	if err != nil {
		return schemaSide{}, err
	}
	blobs, err := repo.Files(ctx, commit, path.Clean(file))
	if err != nil {
		return schemaSide{}, s.failed(err)
	}
	if len(blobs) != 1 || blobs[0].Path != path.Base(file) {
		f := fail(codeVersion, "%s has no file %s", clip(ref, 60), clip(oneline.Text(file), 200)).because("a path is read from the working directory, and names one file")
		return schemaSide{}, f.fix("git ls-tree -r --name-only %s", shellWord(ref))
	}
	texts, err := repo.Read(ctx, []string{blobs[0].ID}, maxSchemaFile)
	if err != nil {
		return schemaSide{}, s.failed(err)
	}
	text, ok := texts[blobs[0].ID]
	if !ok {
		return schemaSide{}, fail(codeFile, "%s is not a schema file", clip(name, 200)).because("it is larger than %s", sizeText(maxSchemaFile)).fix("name a schema file")
	}
	return sideOf(name, text), nil
}

// sideOfRegistry asks the registry for a version, with what it refers to in it.
func (a *app) sideOfRegistry(ctx context.Context, subject string, number int) (side schemaSide, err error) {
	c, err := a.needRegistry()
	if err != nil {
		return side, err
	}
	err = a.within(ctx, func(ctx context.Context) error {
		r, err := c.Version(ctx, subject, number)
		if errors.Is(err, client.ErrNotFound) {
			return notRegistered(ctx, c, subject, number)
		}
		if err != nil {
			return err
		}
		side = schemaSide{Name: fmt.Sprintf("%s@%d", subject, r.Version), Version: r.Version, ID: r.ID}
		side.text, err = bundled(ctx, c, r)
		return err
	})
	return side, err
}

// notRegistered says what the registry has instead.
func notRegistered(ctx context.Context, c *client.Client, subject string, number int) error {
	name := clip(oneline.Text(subject), 200)
	numbers, err := c.Versions(ctx, subject)
	switch {
	case err == nil && len(numbers) > 0:
		return fail(codeVersion, "the registry has no version %d of %s", number, name).at("registry", "%s", c.URL()).
			because("it has %s", versionsText(numbers)).fix("name one of them, or %s@latest", name)
	case err != nil && !errors.Is(err, client.ErrNotFound):
		return err
	}
	f := fail(codeVersion, "the registry has no subject %s", name).at("registry", "%s", c.URL())
	all, err := c.Subjects(ctx)
	if err != nil {
		return err
	}
	f.because("it has %s, none by that name", count(len(all), "subject", "subjects"))
	for _, n := range near.Names(subject, all) {
		f.fix("did you mean %s?", clip(oneline.Text(n), 200))
	}
	return f.fix("omnibus schema register %s", shellWord(strings.TrimSuffix(subject, "-value")))
}

func versionsText(numbers []int) string {
	if len(numbers) == 1 {
		return fmt.Sprintf("version %d", numbers[0])
	}
	return fmt.Sprintf("%d versions, %d to %d", len(numbers), numbers[0], numbers[len(numbers)-1])
}

// maxReferences is how many schemas one may refer to, counting those that they refer to.
const maxReferences = 100

// bundled is a registered schema with what it refers to in it.
func bundled(ctx context.Context, c *client.Client, r client.Registered) ([]byte, error) {
	if r.Type != "" && r.Type != "JSON" {
		return nil, fail(codeAgainst, "%s is nothing to compare", clip(oneline.Text(r.Subject), 200)).
			because("it is registered as %s, and only JSON Schema is compared", clip(oneline.Text(r.Type), 60)).fix("name a subject of JSON Schema")
	}
	refs := map[string][]byte{}
	for left := r.References; len(left) > 0 && len(refs) < maxReferences; left = left[1:] {
		ref := left[0]
		if refs[ref.Name] != nil {
			continue
		}
		other, err := c.Version(ctx, ref.Subject, ref.Version)
		if err != nil {
			return nil, err
		}
		refs[ref.Name] = []byte(other.Text)
		left = append(left, other.References...)
	}
	text, err := schema.Bundle([]byte(r.Text), refs)
	if err != nil {
		return nil, notComparable(r.Subject, err)
	}
	return text, nil
}

// notComparable is the failure of a text that is not read as a schema.
func notComparable(name string, err error) *failure {
	why := err.Error()
	if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
		why = invalid.Error()
	}
	return fail(codeLint, "%s holds no schema that can be compared", clip(oneline.Text(name), 200)).because("%s", clip(oneline.Text(why), 300)).
		fix("omnibus schema lint")
}

// alike makes schemas of the same kind of two: where one is of a payload and the other is not, both are of whole events.
func alike(older, newer *schemaSide) error {
	if older.payload == newer.payload {
		return nil
	}
	side := older
	if newer.payload {
		side = newer
	}
	text, err := schema.Registrable(side.text)
	if err != nil {
		return notComparable(side.Name, err)
	}
	side.text, side.Whole = text, true
	return nil
}

// pair finds the older and the newer schema that the arguments mean.
func (a *app) pair(ctx context.Context, args []string) (older, newer schemaSide, err error) {
	from, to := args[0], args[len(args)-1]
	if len(args) == 1 {
		if subject, versions, ok := cutVersion(args[0]); ok {
			first, last, ok := strings.Cut(versions, "..")
			if !ok {
				return older, newer, fail(codeAgainst, "nothing says what to compare %s with", clip(oneline.Text(args[0]), 100)).because("it names one version").
					fix("%s@1..latest", clip(oneline.Text(subject), 100)).fix("omnibus schema diff %s, with the catalogue", clip(oneline.Text(subject), 100))
			}
			from, to = subject+"@"+first, subject+"@"+last
		} else {
			s, err := a.declared(strings.TrimSuffix(args[0], "-value"))
			if err != nil {
				return older, newer, err
			}
			from, to = s.Topic.Subject()+"@latest", string(s.Topic)
		}
	}
	if older, err = a.side(ctx, from); err == nil {
		newer, err = a.side(ctx, to)
	}
	return older, newer, err
}
