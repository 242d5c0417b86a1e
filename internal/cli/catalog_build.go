package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/internal/site"
)

type catalogBuildDoc struct {
	Schema     string   `json:"schema"`
	Dir        string   `json:"dir"`
	EventTypes int      `json:"event_types"`
	Files      int      `json:"files"`
	Changed    []string `json:"changed"`
	Written    bool     `json:"written"`
}

type catalogBuildOptions struct {
	title, history string
	check          bool
}

func newCatalogBuildCmd(a *app) *cobra.Command {
	var o catalogBuildOptions
	cmd := prints(&cobra.Command{
		Use:   "build DIR",
		Short: "Write the catalogue as pages for a browser, one for each event type",
		Long: "The pages need no server and no network: open DIR/index.html. The same catalogue gives the same bytes. What an earlier build has left is\n" +
			"removed; other files stay, and a directory that has only those is refused.",
		Example: `omnibus catalog build ./site
omnibus catalog build ./site --catalog ./schemas --history git
omnibus catalog build ./site --check`,
		Args: a.wantArgs(1, 1, "a DIR"),
		RunE: func(cmd *cobra.Command, args []string) error { return runCatalogBuild(cmd.Context(), a, args[0], o) },
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVar(&o.title, "title", "Event catalogue", "`title` of the pages")
	f.StringVar(&o.history, "history", "", "`where` the earlier versions of schema files are: git")
	f.BoolVar(&o.check, "check", false, "write nothing; exit 7 where pages differ from what would be written")
	return cmd
}

func runCatalogBuild(ctx context.Context, a *app, dir string, o catalogBuildOptions) error {
	if o.history != "" && o.history != "git" {
		return fail(codeFlagValue, "there is no history in %q", clip(o.history, 60)).meant(o.history, []string{"git"}).fix("--history git")
	}
	entries, err := a.entries()
	if err != nil {
		return err
	}
	about, err := a.aboutCatalogue(o.title)
	if err != nil {
		return err
	}
	c := site.Config{Entries: entries, About: about, Now: time.Now(), Lines: diffLines}
	if o.history != "" {
		if c.History, err = a.schemaHistory(ctx, entries); err != nil {
			return err
		}
	}
	files, err := site.Pages(c)
	if err != nil {
		return err
	}
	work := site.Write
	if o.check {
		work = site.Stale
	}
	changed, err := work(a.path(dir), files)
	if notOurs := (*site.NotOursError)(nil); errors.As(err, &notOurs) {
		return fail(codeSite, "%s has files, and is not a site of ours", dir).because("pages are only written where nothing else could be lost").
			fix("omnibus catalog build with a directory that is new or empty")
	}
	if err != nil {
		return fail(codeFile, "cannot work on %s", dir).because("%s", plainPathError(err)).fix("name a directory that can be written")
	}
	doc := catalogBuildDoc{
		Schema: schemaOf("catalog.build"), Dir: dir, EventTypes: len(entries), Files: len(files), Changed: append([]string{}, changed...), Written: !o.check,
	}
	err = a.print(doc, func() error {
		for _, name := range doc.Changed {
			if err := a.printf("%s\n", name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if o.check && len(changed) > 0 {
		return fail(codeDrift, "%s from the catalogue", count(len(changed), "page differs", "pages differ")).
			at("below", "%s", dir).because("a schema changed since they were written").fix("omnibus catalog build %s", shellWord(dir))
	}
	a.hint("%s in %s, %d changed; open %s/index.html", count(len(files), "file", "files"), dir, len(changed), dir)
	return nil
}
