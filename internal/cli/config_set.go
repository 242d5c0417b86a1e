package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

type configSetOptions struct{ project bool }

type configSetDoc struct {
	Schema  string            `json:"schema"`
	File    string            `json:"file"`
	Profile string            `json:"profile,omitzero"` // "" with --project
	Set     map[string]string `json:"set"`              // "" where it was removed
	Changed bool              `json:"changed"`
}

func newConfigSetCmd(a *app) *cobra.Command {
	var o configSetOptions
	cmd := prints(&cobra.Command{
		Use:   "set NAME=VALUE…",
		Short: "Set settings in a profile, or for the project",
		Long: "Writes to the profile in use, or to the one that --profile names, which is made where it is not there. A name is a key of the files or that of the\n" +
			"variable; an empty value removes the setting. Nothing is written where a value cannot be.",
		Example: `omnibus config set bootstrap=kafka:9092 tz=utc
omnibus config set --profile prod bootstrap=kafka.prod:9093 security_protocol=SSL
omnibus config set --project catalog=schemas
omnibus config set timeout=`,
		Args: a.wantArgs(1, -1, "a NAME=VALUE"),
		RunE: func(cmd *cobra.Command, args []string) error { return runConfigSet(a, o, args, cmd.Root()) },
	}, formatTable, formatJSON)
	cmd.Annotations[makesProfileKey] = "yes"
	cmd.Flags().BoolVar(&o.project, "project", false, "write to omnibus.yaml in the working directory")
	return cmd
}

func runConfigSet(a *app, o configSetOptions, args []string, root *cobra.Command) error {
	doc := configSetDoc{Schema: schemaOf("config.set"), Set: map[string]string{}}
	var err error
	var order []string
	for _, arg := range args {
		key, value, err := settingArg(arg)
		if err != nil {
			return err
		}
		if _, twice := doc.Set[key]; !twice {
			order = append(order, key)
		}
		doc.Set[key] = value
	}
	if err := a.tryValues(doc.Set, root); err != nil {
		return err
	}
	var whole yaml.Node
	var m *yaml.Node
	if o.project {
		doc.File = filepath.Join(a.dir, settingsFile)
		if whole, err = readYAML(doc.File); err != nil {
			return err
		}
		m = topOf(&whole)
	} else {
		user := a.settings.user
		if user.path == "" {
			return noHome()
		}
		doc.File, doc.Profile = user.path, a.settings.profile.value
		if !profileName(doc.Profile) {
			return fail(codeProfile, "%q is not a name for a profile", clip(doc.Profile, 60)).at("where", "%s", a.settings.profile.from).
				because("it has other characters than letters, digits, - and _").fix("omnibus config set --profile staging NAME=VALUE")
		}
		whole = user.doc
		m = mappingIn(mappingIn(topOf(&whole), "profiles"), doc.Profile)
	}
	for _, key := range order {
		doc.Changed = setIn(m, key, doc.Set[key]) || doc.Changed
	}
	if doc.Changed {
		b, err := yaml.Marshal(&whole)
		if err != nil {
			return err
		}
		if err := writeWhole(doc.File, b); err != nil {
			return err
		}
	}
	return a.print(doc, func() error {
		fields := []field{{"file", doc.File}, {"profile", doc.Profile}}
		for _, key := range order {
			value := doc.Set[key]
			if value == "" {
				value = "(removed)"
			}
			fields = append(fields, field{key, value})
		}
		if !doc.Changed {
			a.hint("note: it was so already")
		}
		return a.printFields(fields...)
	})
}

func readYAML(file string) (doc yaml.Node, err error) {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return doc, cannotRead(file, err)
	}
	_, err = rootMapping(file, b, &doc)
	return doc, err
}

func noHome() error {
	return fail(codeSettings, "there is no place for a settings file").because("HOME and XDG_CONFIG_HOME are not set").fix("--config FILE").fix("OMNIBUS_CONFIG")
}

// settingArg reads NAME=VALUE.
func settingArg(arg string) (key, value string, err error) {
	name, value, ok := strings.Cut(arg, "=")
	if !ok {
		return "", "", fail(codeArgs, "%q is not NAME=VALUE", clip(arg, 60)).fix("omnibus config set %s=VALUE", clip(arg, 60))
	}
	var names []string
	for _, def := range settingTable() {
		if def.secret && (name == def.env || strings.EqualFold("KAFKA_"+name, def.env)) {
			return "", "", fail(codeSecret, "%s is a secret: it does not belong into a settings file", def.env).
				because("files are copied, committed and shown").
				fix("put it into a file of its own, and run omnibus config set %s_file=FILE", strings.ToLower(strings.TrimPrefix(def.env, "KAFKA_"))).
				fix("set %s in the environment", def.env)
		}
		if def.key == "" {
			continue
		}
		if name == def.key || name == def.env {
			return def.key, value, nil
		}
		names = append(names, def.key, def.env)
	}
	return "", "", fail(codeSettings, "there is no setting %q", clip(name, 60)).meant(name, names).fix("omnibus config show lists them")
}

func profileName(s string) bool {
	return s != "" && len(s) <= 64 && !slices.ContainsFunc([]rune(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// tryValues checks values as if they were set already.
func (a *app) tryValues(set map[string]string, root *cobra.Command) error {
	saved, zone, color, log, timeout := a.settings, a.zone, a.color, a.log, a.flags.timeout
	defer func() { a.settings, a.zone, a.color, a.log, a.flags.timeout = saved, zone, color, log, timeout }()
	a.settings.all = slices.Clone(saved.all)
	var login bool // which is set step by step; "validate" looks at the whole
	for i, r := range saved.all {
		value, ok := set[r.key]
		if !ok || r.key == "" {
			continue
		}
		login = login || strings.Contains(r.key, "sasl_") || strings.Contains(r.key, "ssl_") || r.key == "security_protocol"
		r.value, r.origin = value, "argument "+r.key
		if value == "" {
			r.value, r.origin = r.fallback, "default"
		}
		a.settings.all[i] = r
	}
	if err := a.checkSettings(root); err != nil || login {
		return err
	}
	_, err := a.busConfig(service)
	return err
}

// checkSettings reports what is wrong with the settings of this program; the bus looks at its own.
func (a *app) checkSettings(root *cobra.Command) error {
	if err := a.applySettings(); err != nil {
		return err
	}
	known := formatsBelow(root)
	if o := a.settings.get("OMNIBUS_OUTPUT"); o.value != "" && !slices.Contains(known, o.value) {
		return fail(codeFormat, "no command prints as %q", clip(o.value, 60)).at("where", "%s", o.origin).
			meant(o.value, known).fix("one of: %s", strings.Join(known, ", "))
	}
	if _, err := (listenOptions{host: "127.0.0.1"}).addresses(a, "OMNIBUS_PORT_KAFKA", "OMNIBUS_PORT_CONSOLE", "OMNIBUS_PORT_REGISTRY"); err != nil {
		return err
	}
	_, err := a.undeclared()
	return err
}

// formatsBelow are the formats of all commands.
func formatsBelow(cmd *cobra.Command) []string {
	all := formatsOf(cmd)
	for _, sub := range cmd.Commands() {
		all = append(all, formatsBelow(sub)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
