package cli

import (
	"strconv"

	"github.com/spf13/cobra"
)

type configListDoc struct {
	Schema   string              `json:"schema"`
	File     string              `json:"file"`
	Profiles []configListProfile `json:"profiles"`
}

type configListProfile struct {
	Name      string `json:"name"`
	InUse     bool   `json:"in_use"`
	Bootstrap string `json:"bootstrap,omitzero"`
	Settings  int    `json:"settings"`
	Where     string `json:"where,omitzero"`
}

func newConfigListCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the profiles, and which is in use",
		Example: `omnibus config list
omnibus config list -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return runConfigList(a) },
	}, formatTable, formatJSON)
}

func runConfigList(a *app) error {
	user := a.settings.user
	doc := configListDoc{Schema: schemaOf("config.list"), File: user.path, Profiles: []configListProfile{}}
	if _, ok := user.profiles[defaultProfile]; !ok {
		doc.Profiles = append(doc.Profiles, configListProfile{Name: defaultProfile, InUse: a.settings.profile.value == defaultProfile})
	}
	for name, p := range sorted(user.profiles) {
		doc.Profiles = append(doc.Profiles, configListProfile{
			Name: name, InUse: name == a.settings.profile.value, Bootstrap: p.values["bootstrap"].value, Settings: len(p.values), Where: p.where,
		})
	}
	return a.print(doc, func() error {
		t := newTable("PROFILE", "IN USE", "BOOTSTRAP", "SETTINGS#", "WHERE")
		for _, p := range doc.Profiles {
			use := ""
			if p.InUse {
				use = "yes, by " + a.settings.profile.from
			}
			t.add(p.Name, use, p.Bootstrap, strconv.Itoa(p.Settings), p.Where)
		}
		return a.printTable(t)
	})
}
