package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

type configShowOptions struct{ origin bool }

type configDoc struct {
	Schema   string          `json:"schema"`
	Profile  string          `json:"profile"`
	Settings []configSetting `json:"settings"`
}

type configSetting struct {
	Name   string        `json:"name"`
	Also   []string      `json:"also,omitzero"` // other names in the environment
	Key    string        `json:"key,omitzero"`
	Flag   string        `json:"flag,omitzero"`
	Doc    string        `json:"doc"`
	Secret bool          `json:"secret,omitzero"`
	Preset string        `json:"default,omitzero"`
	Value  string        `json:"value"`
	Origin string        `json:"origin,omitzero"`
	Over   []configLoser `json:"over,omitzero"`
}

type configLoser struct {
	Origin string `json:"origin"`
	Value  string `json:"value"`
}

func newConfigShowCmd(a *app) *cobra.Command {
	var o configShowOptions
	cmd := prints(&cobra.Command{
		Use:   "show",
		Short: "Show every setting that has a value",
		Long: "Settings come from flags, the environment, omnibus.yaml in the working directory, the profile in use and defaults; the first wins. Secrets are\n" +
			"not shown.",
		Example: `omnibus config show
omnibus config show --origin
omnibus config show -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return runConfigShow(a, o) },
	}, formatTable, formatJSON)
	cmd.Flags().BoolVar(&o.origin, "origin", false, "say where each value is from, and what it won over")
	return cmd
}

func runConfigShow(a *app, o configShowOptions) error {
	doc := configDoc{Schema: schemaOf("config.show"), Profile: a.settings.profile.value}
	for _, r := range a.settings.all {
		doc.Settings = append(doc.Settings, configSettingOf(r))
	}
	return a.print(doc, func() error {
		t := newTable("SETTING", "VALUE")
		if o.origin {
			t = newTable("SETTING", "VALUE", "FROM", "WINS OVER")
		}
		for _, s := range doc.Settings {
			if s.Origin == "" {
				continue
			}
			row := []string{s.Name, s.Value}
			if o.origin {
				var over []string
				for _, l := range s.Over {
					over = append(over, l.Value+" ("+l.Origin+")")
				}
				row = append(row, s.Origin, strings.Join(over, ", "))
			}
			t.add(row...)
		}
		return a.printTable(t)
	})
}

func configSettingOf(r resolved) configSetting {
	s := configSetting{Name: r.env, Also: r.also, Key: r.key, Doc: r.doc, Secret: r.secret, Preset: r.fallback, Value: r.shown(r.value), Origin: r.origin}
	if r.flag != "" {
		s.Flag = "--" + r.flag
	}
	for _, l := range r.losers {
		s.Over = append(s.Over, configLoser{l.from, r.shown(l.value)})
	}
	return s
}

// shown is value, or stars where it is a secret.
func (s setting) shown(value string) string {
	if s.secret && value != "" {
		return "********"
	}
	return value
}
