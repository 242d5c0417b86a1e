package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

type versionDoc struct {
	Schema   string `json:"schema"`
	Version  string `json:"version"`
	Revision string `json:"revision,omitzero"`
	Time     string `json:"time,omitzero"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Example: `omnibus version
omnibus version -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return runVersion(a) },
	}, formatTable, formatJSON)
}

// buildVersion is the version of this program.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

func runVersion(a *app) error {
	doc := versionDoc{Schema: schemaOf("version"), Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		doc.Version = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				doc.Revision = s.Value
			case "vcs.time":
				doc.Time = s.Value
			case "vcs.modified":
				doc.Modified = s.Value == "true"
			}
		}
	}
	return a.print(doc, func() error {
		modified := ""
		if doc.Modified {
			modified = ", with changes"
		}
		revision := ""
		if doc.Revision != "" {
			revision = doc.Revision + modified
		}
		return a.printFields(
			field{"omnibus", doc.Version}, field{"revision", revision}, field{"time", doc.Time},
			field{"go", doc.Go}, field{"platform", doc.Platform},
		)
	})
}
