package cli

import (
	"io/fs"
	"path"
	"strings"

	"github.com/spf13/cobra"
)

type cheatDoc struct {
	Schema string      `json:"schema"`
	Pages  []cheatPage `json:"pages"`
}

type cheatPage struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Text     string   `json:"text"` // Markdown
	Commands []string `json:"commands"`
}

func newCheatCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "cheat [TOPIC]",
		Short: "Show commands to copy, by what you want to do",
		Long:  "Needs no broker. Every command on these pages is run by the tests of Omnibus.",
		Example: `omnibus cheat
omnibus cheat dead-letters
omnibus cheat publish -o json`,
		Args: a.wantArgs(0, 1, "one TOPIC"),
		RunE: func(_ *cobra.Command, args []string) error { return runCheat(a, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			all, err := cheatPages()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return cheatNames(all), cobra.ShellCompDirectiveNoFileComp
		},
	}, formatPretty, formatJSON)
}

func runCheat(a *app, args []string) error {
	all, err := cheatPages()
	if err != nil {
		return err
	}
	doc := cheatDoc{Schema: schemaOf("cheat"), Pages: all}
	if len(args) > 0 {
		doc.Pages = nil
		for _, p := range all {
			if p.Name == strings.ToLower(args[0]) {
				doc.Pages = []cheatPage{p}
			}
		}
		if doc.Pages == nil {
			names := cheatNames(all)
			return fail(codeSubject, "there is no page %q", clip(args[0], 60)).because("there are: %s", strings.Join(names, ", ")).
				meant(args[0], names).fix("omnibus cheat shows them all")
		}
	}
	return a.print(doc, func() error {
		for i, p := range doc.Pages {
			if i > 0 {
				if err := a.printf("\n"); err != nil {
					return err
				}
			}
			title := p.Title
			if len(args) == 0 {
				title += " (omnibus cheat " + p.Name + ")"
			}
			if err := a.printPage(page{title, p.Text}); err != nil {
				return err
			}
		}
		return nil
	})
}

// cheatPages are in the order of their names.
func cheatPages() ([]cheatPage, error) {
	files, err := fs.Glob(pages, "pages/cheat/*.md")
	if err != nil {
		return nil, err
	}
	var out []cheatPage
	for _, f := range files {
		p, err := readPage(f)
		if err != nil {
			return nil, err
		}
		c := cheatPage{Name: strings.TrimSuffix(path.Base(f), ".md"), Title: p.title, Text: p.text}
		for line := range strings.SplitSeq(p.text, "\n") {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				c.Commands = append(c.Commands, command)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func cheatNames(all []cheatPage) (names []string) {
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names
}
