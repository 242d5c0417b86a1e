package cli

import (
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

type configUseDoc struct {
	Schema  string `json:"schema"`
	File    string `json:"file"`
	Profile string `json:"profile"`
	Before  string `json:"before"`
}

func newConfigUseCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "use PROFILE",
		Short: "Use a profile from now on",
		Long:  "Writes it into the user's file. A project's omnibus.yaml, OMNIBUS_PROFILE and --profile go before it.",
		Example: `omnibus config use staging
omnibus config use default`,
		Args: a.wantArgs(1, 1, "a PROFILE"),
		RunE: func(_ *cobra.Command, args []string) error { return runConfigUse(a, args[0]) },
	}, formatTable, formatJSON)
}

func runConfigUse(a *app, name string) error {
	user := a.settings.user
	if user.path == "" {
		return noHome()
	}
	if _, ok := user.profiles[name]; !ok && name != defaultProfile {
		return user.noProfile(origin{"argument", name})
	}
	doc := configUseDoc{Schema: schemaOf("config.use"), File: user.path, Profile: name, Before: user.inUse.value}
	if doc.Before == "" {
		doc.Before = defaultProfile
	}
	whole := user.doc
	if setIn(topOf(&whole), "profile", name) {
		b, err := yaml.Marshal(&whole)
		if err != nil {
			return err
		}
		if err := writeWhole(user.path, b); err != nil {
			return err
		}
	}
	if now := a.settings.profile; now.value != name && now.from != "default" && now.from != user.inUse.from {
		a.hint("note: here it is still %s (from %s)", now.value, now.from)
	}
	return a.print(doc, func() error {
		return a.printFields(field{"file", doc.File}, field{"profile", doc.Profile}, field{"before", doc.Before})
	})
}
