package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/registry/client"
)

type schemaPullOptions struct {
	out      string
	versions bool
	force    bool
}

type schemaPullDoc struct {
	Schema   string       `json:"schema"`
	Registry string       `json:"registry"`
	Out      string       `json:"out"`
	Files    []pulledItem `json:"files"`
}

type pulledItem struct {
	File    string `json:"file"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	GUID    string `json:"guid,omitzero"`
	Result  string `json:"result"` // written or unchanged
}

func newSchemaPullCmd(a *app) *cobra.Command {
	o := schemaPullOptions{}
	cmd := prints(&cobra.Command{
		Use:   "pull [SUBJECT-PATTERN…]",
		Short: "Write what is registered to files",
		Long: "Each subject gives DIR/SUBJECT.json with its latest version, or with --versions DIR/SUBJECT/N.json for each. Characters that no file\n" +
			"name takes are written as in a URL. A file that holds something else is left, and an error, unless --force says otherwise.",
		Example: `omnibus schema pull
omnibus schema pull 'omninode.codegen.*' --out registered --versions`,
		RunE: func(cmd *cobra.Command, args []string) error { return runSchemaPull(cmd.Context(), a, o, args) },
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "registered", "where the files go, `dir`")
	f.BoolVar(&o.versions, "versions", false, "every version, not only the latest")
	f.BoolVar(&o.force, "force", false, "write over files that hold something else")
	return cmd
}

func runSchemaPull(ctx context.Context, a *app, o schemaPullOptions, patterns []string) error {
	c, err := a.needRegistry()
	if err != nil {
		return err
	}
	doc := schemaPullDoc{Schema: schemaOf("schema.pull"), Registry: c.URL(), Out: o.out, Files: []pulledItem{}}
	var schemas []client.Registered
	if err := a.within(ctx, func(ctx context.Context) (err error) {
		schemas, err = o.registered(ctx, c, patterns)
		return err
	}); err != nil {
		return err
	}
	if len(schemas) == 0 {
		f := fail(codeEmpty, "no such subjects in the registry").at("registry", "%s", c.URL())
		if len(patterns) > 0 {
			f.because("none of its subjects matches %s", quoted(patterns))
		} else {
			f.because("it has none")
		}
		return f.fix("omnibus schema list --registry %s", c.URL()).fix("omnibus schema register --all")
	}
	root, err := a.makeRoot(o.out)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for _, s := range schemas {
		item, err := o.write(root, s)
		if err != nil {
			return err
		}
		doc.Files = append(doc.Files, item)
	}
	return a.print(doc, func() error {
		t := newTable("FILE", "SUBJECT", "VERSION#", "ID#", "RESULT")
		for _, f := range doc.Files {
			t.add(f.File, f.Subject, strconv.Itoa(f.Version), strconv.Itoa(f.ID), f.Result)
		}
		return a.printTable(t)
	})
}

// makeRoot opens a directory for writing into it and nowhere else, and makes it where it is missing.
func (a *app) makeRoot(dir string) (*os.Root, error) {
	err := os.MkdirAll(a.path(dir), 0o750)
	if err == nil {
		var root *os.Root
		if root, err = os.OpenRoot(a.path(dir)); err == nil {
			return root, nil
		}
	}
	return nil, fail(codeWrite, "cannot write to %s", dir).because("%s", plainPathError(err)).fix("--out with a directory that can be written")
}

// registered are the versions that match.
func (o schemaPullOptions) registered(ctx context.Context, c *client.Client, patterns []string) ([]client.Registered, error) {
	subjects, err := c.Subjects(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(subjects)
	var all []client.Registered
	for _, name := range subjects {
		if len(patterns) > 0 && !matches(globs(patterns), event.Topic(name)) {
			continue
		}
		numbers := []int{client.Latest}
		if o.versions {
			if numbers, err = c.Versions(ctx, name); err != nil {
				return nil, err
			}
		}
		for _, n := range numbers {
			s, err := c.Version(ctx, name, n)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	return all, nil
}

// write writes one schema to its file, as people read it.
func (o schemaPullOptions) write(root *os.Root, s client.Registered) (pulledItem, error) {
	name := url.PathEscape(s.Subject)
	item := pulledItem{File: name + ".json", Subject: s.Subject, Version: s.Version, ID: s.ID, GUID: s.GUID, Result: "written"}
	if o.versions {
		item.File = fmt.Sprintf("%s/%d.json", name, s.Version)
	}
	failed := func(err error) (pulledItem, error) {
		return item, fail(codeWrite, "cannot write %s", item.File).because("%s", plainPathError(err)).fix("--out with a directory that can be written")
	}
	text := []byte(s.Text)
	if tree, err := jsonx.Tree(text, jsonx.Limits{}); err == nil { // what is no JSON stays as it is
		if text, err = jsonx.MarshalIndent(tree); err != nil {
			return failed(err)
		}
	}
	text = append(bytes.TrimRight(text, "\n"), '\n')
	if o.versions {
		if err := root.Mkdir(name, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
			return failed(err)
		}
	}
	have, err := root.ReadFile(item.File)
	switch {
	case err == nil && bytes.Equal(have, text):
		item.Result = "unchanged"
		return item, nil
	case err == nil && !o.force:
		return item, fail(codeExists, "%s holds something else than %s", item.File, clip(oneline.Text(s.Subject), 120)).at("version", "%d", s.Version).
			because("it was changed by hand, or is from another registry or version").fix("look at both, and use --force, or another --out")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return failed(err)
	}
	if err := root.WriteFile(item.File, text, 0o644); err != nil {
		return failed(err)
	}
	return item, nil
}
