package cli

import (
	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/internal/gen"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

type schemaGenOptions struct {
	out   string
	check bool
}

type schemaGenDoc struct {
	Schema  string   `json:"schema"`
	Out     string   `json:"out"`
	Files   int      `json:"files"`
	Changed []string `json:"changed"`
	Written bool     `json:"written"`
}

func newSchemaGenCmd(a *app) *cobra.Command {
	var o schemaGenOptions
	cmd := prints(&cobra.Command{
		Use:   "gen",
		Short: "Generate the Go types of every event",
		Long:  "The same catalogue gives the same bytes. Files that were generated once and are not any more are removed.",
		Example: `omnibus schema gen
omnibus schema gen --check
omnibus schema gen --catalog ./schemas --out ./contracts`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return runSchemaGen(a, o) },
	}, formatTable, formatJSON)
	cmd.Flags().StringVar(&o.out, "out", "contracts", "where the packages go, `dir`")
	cmd.Flags().BoolVar(&o.check, "check", false, "write nothing; exit 7 where files differ from what would be written")
	return cmd
}

func runSchemaGen(a *app, o schemaGenOptions) error {
	c, err := a.catalog()
	if err != nil {
		return err
	}
	files, err := gen.Contracts(c)
	if err != nil {
		return fail(codeLint, "the catalogue cannot be turned into Go").because("%s", oneline.Text(err.Error())).fix("omnibus schema lint")
	}
	if a.settings.get("OMNIBUS_CATALOG").value == "" { // the built-in catalogue has a test that knows every type
		if files["payloads.gen_test.go"], err = gen.Registry(c); err != nil {
			return fail(codeLint, "the catalogue cannot be turned into Go").because("%s", oneline.Text(err.Error())).fix("omnibus schema lint")
		}
	}
	doc := schemaGenDoc{Schema: schemaOf("schema.gen"), Out: o.out, Files: len(files), Changed: []string{}, Written: !o.check}
	work := gen.Write
	if o.check {
		work = gen.Stale
	}
	changed, err := work(a.path(o.out), files)
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
		return fail(codeDrift, "%s from the schemas", count(len(changed), "generated file differs", "generated files differ")).
			at("below", "%s", o.out).because("a schema or the generator changed since they were written").fix("omnibus schema gen")
	}
	a.hint("%s, %d changed", count(len(files), "file", "files"), len(changed))
	return nil
}
