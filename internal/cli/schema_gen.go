package cli

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/gen"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

type schemaGenOptions struct {
	lang  string
	out   string
	check bool
}

type schemaGenDoc struct {
	Schema  string   `json:"schema"`
	Lang    string   `json:"lang"`
	Out     string   `json:"out"`
	Files   int      `json:"files"`
	Changed []string `json:"changed"`
	Written bool     `json:"written"`
}

// generator is a language that types are generated in.
type generator struct {
	lang, name string
	out        string // where its files go unless told
	files      func(*event.Catalog) (map[string][]byte, error)
}

func generators() []generator {
	return []generator{
		{"go", "Go", "contracts", gen.Contracts},
		{"typescript", "TypeScript", "omnibus-events", gen.TypeScript},
		{"python", "Python", "omnibus_events", gen.Python},
	}
}

func newSchemaGenCmd(a *app) *cobra.Command {
	var o schemaGenOptions
	cmd := prints(&cobra.Command{
		Use:   "gen",
		Short: "Generate the types of every event, for Go, TypeScript or Python",
		Long: `Go: a package for each domain, into contracts. TypeScript: a module for each domain, into omnibus-events. Python: a package omnibus_events of
pydantic models.

The same catalogue gives the same bytes. Files that were generated once and are not any more are removed; a file of the same name that was not
generated is never written over.`,
		Example: `omnibus schema gen
omnibus schema gen --check
omnibus schema gen --lang python --out src/omnibus_events
omnibus schema gen --lang typescript --out src/events
omnibus schema gen --catalog ./schemas --out ./contracts`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return runSchemaGen(a, o) },
	}, formatTable, formatJSON)
	cmd.Flags().StringVar(&o.lang, "lang", "go", "language, `go|typescript|python`")
	cmd.Flags().StringVar(&o.out, "out", "", "where the files go, `dir` (default contracts, omnibus-events or omnibus_events)")
	cmd.Flags().BoolVar(&o.check, "check", false, "write nothing; exit 7 where files differ from what would be written")
	return cmd
}

func runSchemaGen(a *app, o schemaGenOptions) error {
	var langs []string
	for _, g := range generators() {
		langs = append(langs, g.lang)
	}
	at := slices.Index(langs, o.lang)
	if at < 0 {
		return fail(codeGenerate, "no types can be generated in %q", clip(o.lang, 60)).meant(o.lang, langs).fix("--lang with one of %s", strings.Join(langs, ", "))
	}
	g := generators()[at]
	o.out = cmp.Or(o.out, g.out)
	c, err := a.catalog()
	if err != nil {
		return err
	}
	files, err := g.files(c)
	if err != nil {
		return fail(codeLint, "the catalogue cannot be turned into %s", g.name).because("%s", oneline.Text(err.Error())).fix("omnibus schema lint")
	}
	if g.lang == "go" && a.settings.get("OMNIBUS_CATALOG").value == "" { // the built-in catalogue has a test that knows every type
		if files["payloads.gen_test.go"], err = gen.Registry(c); err != nil {
			return fail(codeLint, "the catalogue cannot be turned into Go").because("%s", oneline.Text(err.Error())).fix("omnibus schema lint")
		}
	}
	doc := schemaGenDoc{Schema: schemaOf("schema.gen"), Lang: o.lang, Out: o.out, Files: len(files), Changed: []string{}, Written: !o.check}
	work := gen.Write
	if o.check {
		work = gen.Stale
	}
	changed, err := work(a.path(o.out), files)
	if clash, ok := errors.AsType[*gen.ClashError](err); ok {
		return fail(codeGenerate, "%s", inTheWay(clash.Names)).at("below", "%s", o.out).
			because("it has the name of a generated file and was not generated, so that writing over it would lose what is in it").
			fix("--out with another directory").fix("move it away, where nobody needs it")
	}
	if err != nil {
		return fail(codeFile, "cannot work on %s", o.out).because("%s", plainPathError(err)).fix("--out with a directory that can be written")
	}
	doc.Changed = append(doc.Changed, changed...)
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
		again := []string{"schema", "gen", "--lang", g.lang, "--out", o.out}
		return fail(codeDrift, "%s from the schemas", count(len(changed), "generated file differs", "generated files differ")).
			at("below", "%s", o.out).because("a schema or the generator changed since they were written").fix("%s", a.commandLine(again...))
	}
	a.hint("%s, %d changed", count(len(files), "file", "files"), len(changed))
	return nil
}

func inTheWay(names []string) string {
	if len(names) == 1 {
		return names[0] + " is in the way"
	}
	return clip(strings.Join(names, ", "), 200) + " are in the way"
}
