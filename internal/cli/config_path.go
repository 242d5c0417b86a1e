package cli

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

type configPathDoc struct {
	Schema  string     `json:"schema"`
	Project configFile `json:"project"`
	User    configFile `json:"user"`
}

type configFile struct {
	File  string `json:"file"`
	From  string `json:"from"`
	There bool   `json:"there"`
}

func newConfigPathCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "path",
		Short: "Say which settings files are read",
		Example: `omnibus config path
omnibus config path -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return runConfigPath(a) },
	}, formatTable, formatJSON)
}

func runConfigPath(a *app) error {
	user := a.settings.user
	doc := configPathDoc{
		Schema:  schemaOf("config.path"),
		Project: configFile{File: filepath.Join(a.dir, settingsFile), From: "working directory"},
		User:    configFile{user.path, user.from, user.there},
	}
	_, err := os.Stat(doc.Project.File)
	doc.Project.There = err == nil
	return a.print(doc, func() error {
		t := newTable("WHOSE", "FILE", "THERE", "BY")
		for _, f := range []struct {
			whose string
			configFile
		}{{"project", doc.Project}, {"user", doc.User}} {
			there := "no"
			if f.There {
				there = "yes"
			}
			t.add(f.whose, f.File, there, f.From)
		}
		return a.printTable(t)
	})
}
