package cli

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/schemas"
)

type schemaLintDoc struct {
	Schema   string        `json:"schema"`
	Path     string        `json:"path"`
	Errors   int           `json:"errors"`
	Warnings int           `json:"warnings"`
	Findings []lintFinding `json:"findings"`
}

type lintFinding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Level   string `json:"level"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
	Fix     string `json:"fix"`
}

func newSchemaLintCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "lint [DIR|FILE]",
		Short: "Check schema files against the house rules",
		Long:  "Without a path the catalogue is checked: that of --catalog, or the built-in one.",
		Example: `omnibus schema lint
omnibus schema lint schemas/events
omnibus schema lint --catalog ./schemas -o json`,
		Args: a.wantArgs(0, 1, "one DIR or FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			path := a.settings.get("OMNIBUS_CATALOG").value
			if len(args) > 0 {
				path = args[0]
			}
			return runSchemaLint(a, path)
		},
	}, formatText, formatJSON, formatJUnit, formatGitHub)
}

func runSchemaLint(a *app, path string) error {
	files, prefix, only, err := a.schemaFiles(path)
	if err != nil {
		return err
	}
	doc := schemaLintDoc{Schema: schemaOf("schema.lint"), Path: path, Findings: []lintFinding{}}
	for _, f := range schema.Lint(files) {
		if only != "" && f.File != only {
			continue
		}
		level := "error"
		if f.Warning {
			level = "warning"
			doc.Warnings++
		} else {
			doc.Errors++
		}
		doc.Findings = append(doc.Findings, lintFinding{prefix + f.File, f.Line, f.Column, level, f.Rule, f.Message, f.Fix})
	}
	all := make([]printedFinding, len(doc.Findings))
	for i, f := range doc.Findings {
		all[i] = printedFinding{lintFinding: f}
	}
	if err := a.printFindings(doc, "schema lint", all); err != nil {
		return err
	}
	if doc.Errors > 0 {
		return fail(codeLint, "the schema files have %s", count(doc.Errors, "error", "errors")).
			because("they break rules that every schema of the catalogue keeps").fix("correct them as listed, from the top")
	}
	a.hint("%s, %s", count(doc.Errors, "error", "errors"), count(doc.Warnings, "warning", "warnings"))
	return nil
}

// schemaFiles are the files below path, or the built-in ones, what stands before their names, and the one that is meant where
// path is a file: its neighbours say whether its topic is there twice.
func (a *app) schemaFiles(path string) (files fs.FS, prefix, only string, err error) {
	if path == "" {
		return schemas.FS, "schemas/", "", nil
	}
	st, err := os.Stat(a.path(path))
	if err != nil {
		return nil, "", "", cannotRead(path, err)
	}
	if !st.IsDir() {
		path, only = filepath.Dir(path), st.Name()
	}
	return os.DirFS(a.path(path)), filepath.ToSlash(filepath.Clean(path)) + "/", only, nil
}
