package cli

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// globals are the flags of every command.
type globals struct {
	bootstrap, catalog string
	output             string
	quiet              bool
	verbose            int
	timeout            time.Duration
	tz, color          string
	noInput            bool
	columns            []string
	noHeaders          bool
}

// formatsKey is the annotation that lists what a command can print; the first is its default.
const formatsKey = "formats"

func newRootCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "omnibus",
		Short: "The ONEX event bus: publish, consume and look into what flows",
		Example: `omnibus up
omnibus publish omninode.intelligence.event.quality_assessed.v1 '{"entity_id":"doc-123","quality_score":0.92}'
omnibus consume omninode.intelligence.event.quality_assessed.v1 --last 1`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              a.noSuchCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	f := cmd.PersistentFlags()
	f.StringVarP(&a.flags.bootstrap, "bootstrap", "b", "", "`brokers`, host:port[,host:port...] (KAFKA_BOOTSTRAP_SERVERS)")
	f.String("profile", "", "`name` of the settings to use, from the user's file (OMNIBUS_PROFILE)")
	f.String("config", "", "the user's settings `file` (OMNIBUS_CONFIG)")
	f.StringVar(&a.flags.catalog, "catalog", "", "`dir` of schema files in place of the built-in catalogue (OMNIBUS_CATALOG)")
	f.String("registry", "", "schema registry, `URL` (SCHEMA_REGISTRY_URL)")
	f.StringVarP(&a.flags.output, "output", "o", "", "how to print, `format` (OMNIBUS_OUTPUT)")
	f.BoolVarP(&a.flags.quiet, "quiet", "q", false, "no notes on standard error")
	f.CountVarP(&a.flags.verbose, "verbose", "v", "log what the bus does; twice for more")
	f.String("log-format", "text", "how to log, `format`: text or json (OMNIBUS_LOG_FORMAT)")
	f.DurationVar(&a.flags.timeout, "timeout", 10*time.Second, "how long to wait for the bus, `duration` (OMNIBUS_TIMEOUT)")
	f.StringVar(&a.flags.tz, "tz", "local", "`zone` of printed times: local, utc, Europe/Berlin (OMNIBUS_TZ)")
	f.StringVar(&a.flags.color, "color", "auto", "`when` to colour: auto, always, never (OMNIBUS_COLOR)")
	f.StringSliceVar(&a.flags.columns, "columns", nil, "only these `columns` of a table, in this order")
	f.BoolVar(&a.flags.noHeaders, "no-headers", false, "tables without their heading")
	f.BoolVar(&a.flags.noInput, "no-input", false, "never ask and never wait for typed input")
	cmd.SetFlagErrorFunc(a.flagError)
	cmd.SetHelpFunc(a.help)
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"}) // --help is the one way
	for _, part := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"The stack", []*cobra.Command{newUpCmd(a), newRunCmd(a), newDownCmd(a), newStatusCmd(a), newDoctorCmd(a), newFaultCmd(a), newRepairCmd(a)}},
		{"Events", []*cobra.Command{newPublishCmd(a), newConsumeCmd(a), newTailCmd(a), newTraceCmd(a)}},
		{"What flows", []*cobra.Command{newTopicsCmd(a), newGroupsCmd(a), newLagCmd(a), newDLQCmd(a), newJobsCmd(a)}},
		{"Contracts", []*cobra.Command{newCatalogCmd(a), newSchemaCmd(a)}},
		{"Omnibus itself", []*cobra.Command{newDemoCmd(a), newSelftestCmd(a), newBenchCmd(a), newConfigCmd(a), newVersionCmd(a)}},
		{"To look things up", []*cobra.Command{newExplainCmd(a), newCheatCmd(a), newCompletionCmd(a)}},
	} {
		cmd.AddGroup(&cobra.Group{ID: part.title, Title: part.title})
		for _, c := range part.commands {
			c.GroupID = part.title
			cmd.AddCommand(c)
		}
	}
	a.addCompletions(cmd)
	return cmd
}

// group makes a command that only holds others.
func (a *app) group(use, short, example string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: a.noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// prints declares the formats of cmd; the first is the default.
func prints(cmd *cobra.Command, formats ...format) *cobra.Command {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = string(f)
	}
	cmd.Annotations = map[string]string{formatsKey: strings.Join(names, " ")}
	return cmd
}

func formatsOf(cmd *cobra.Command) []string { return strings.Fields(cmd.Annotations[formatsKey]) }

// prepare resolves the settings before a command runs.
func (a *app) prepare(cmd *cobra.Command) error {
	a.format = format(a.flags.output) // so that the errors below come out as asked
	given := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
	var err error
	if a.settings, err = resolve(a.dir, a.env, given); err != nil {
		if cmd.Annotations[makesProfileKey] == "" || a.settings.profile.value == "" {
			return err
		}
		given["profile"] = defaultProfile // the command makes the one that is named
		named := a.settings.profile
		if a.settings, err = resolve(a.dir, a.env, given); err != nil {
			return err
		}
		a.settings.profile = named
	}
	output := a.settings.get("OMNIBUS_OUTPUT")
	a.format = format(output.value)
	known := formatsOf(cmd)
	if output.value == "" && len(known) > 0 {
		a.format = format(known[0])
	}
	if a.format != "" && len(known) > 0 && !slices.Contains(known, string(a.format)) {
		if strings.HasPrefix(output.origin, "flag") {
			return fail(codeFormat, "%s cannot print as %q", cmd.CommandPath(), string(a.format)).
				meant(string(a.format), known).fix("-o %s", strings.Join(known, "|"))
		}
		a.format = format(known[0]) // a general wish that this command does not know
	}
	if err := a.applySettings(); err != nil {
		return err
	}
	a.noteOtherNames()
	a.sayPlural(cmd)
	return nil
}

// applySettings makes what the settings say about this program come true.
func (a *app) applySettings() (err error) {
	timeout := a.settings.get("OMNIBUS_TIMEOUT")
	if a.flags.timeout, err = time.ParseDuration(timeout.value); err != nil || a.flags.timeout <= 0 {
		return fail(codeFlagValue, "%q is not a duration", timeout.value).at("where", "%s", timeout.origin).fix("write it as 500ms, 10s or 2m")
	}
	if a.zone, err = zone(a.settings.get("OMNIBUS_TZ").value); err != nil {
		return fail(codeFlagValue, "%q is not a time zone", a.settings.get("OMNIBUS_TZ").value).
			at("where", "%s", a.settings.get("OMNIBUS_TZ").origin).fix("local, utc, or a name such as Europe/Berlin")
	}
	color := a.settings.get("OMNIBUS_COLOR")
	if !slices.Contains([]string{"auto", "always", "never"}, color.value) {
		return fail(codeFlagValue, "%q does not say when to colour", color.value).at("where", "%s", color.origin).fix("auto, always or never")
	}
	a.color = a.useColor(color.value)
	return a.applyLogging()
}

// applyLogging makes the log: -v and -vv say more than the setting.
func (a *app) applyLogging() error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	name := a.settings.get("OMNIBUS_LOG_LEVEL")
	level, on := levels[strings.ToLower(name.value)]
	if !on && name.value != "off" {
		return fail(codeFlagValue, "%q is not a log level", clip(name.value, 60)).at("where", "%s", name.origin).
			meant(name.value, []string{"debug", "info", "warn", "error", "off"}).fix("debug, info, warn, error or off")
	}
	switch {
	case a.flags.verbose > 1:
		level, on = slog.LevelDebug, true
	case a.flags.verbose == 1:
		level, on = min(level, slog.LevelInfo), true
	}
	shape := a.settings.get("OMNIBUS_LOG_FORMAT")
	options := &slog.HandlerOptions{Level: level}
	switch {
	case shape.value != "text" && shape.value != "json":
		return fail(codeFlagValue, "%q is not a way to log", clip(shape.value, 60)).at("where", "%s", shape.origin).fix("text or json")
	case !on:
	case shape.value == "json":
		a.log = slog.New(slog.NewJSONHandler(a.err, options))
	default:
		a.log = slog.New(slog.NewTextHandler(a.err, options))
	}
	return nil
}

// noteOtherNames says once which variables are understood though they are another's.
func (a *app) noteOtherNames() {
	for _, r := range a.settings.all {
		name, ok := strings.CutPrefix(r.origin, "environment ")
		if ok && name != r.env {
			a.hint("note: %s is read as %s; set that in its place", name, r.env)
		}
	}
}

func zone(name string) (*time.Location, error) {
	switch strings.ToLower(name) {
	case "local", "":
		return time.Local, nil
	case "utc":
		return time.UTC, nil
	}
	return time.LoadLocation(name)
}

// noSuchCommand is the Args of commands that only hold others.
func (a *app) noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	a.format = format(a.flags.output)
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return fail(codeCommand, "%q is not a command of %s", args[0], cmd.CommandPath()).
		meant(args[0], names).fix("%s --help", cmd.CommandPath())
}

// args demands between low and high arguments; high -1 is any number. what names them, as the usage line does.
func (a *app) wantArgs(low, high int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		a.format = format(a.flags.output)
		switch {
		case len(args) < low && len(args) == 0:
			return fail(codeArgs, "%s needs %s", cmd.CommandPath(), what).fix("%s", firstExample(cmd)).fix("%s --help", cmd.CommandPath())
		case len(args) < low:
			return fail(codeArgs, "%s needs %s, got %d of them", cmd.CommandPath(), what, len(args)).fix("%s", firstExample(cmd))
		case high >= 0 && len(args) > high:
			return fail(codeArgs, "%s takes %s, got %d", cmd.CommandPath(), cmp.Or(what, "no arguments"), len(args)).
				at("extra", "%s", clip(args[high], 60)).because("an argument with spaces needs quotes").fix("%s --help", cmd.CommandPath())
		}
		return nil
	}
}

func firstExample(cmd *cobra.Command) string {
	first, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
	return cmp.Or(first, cmd.UseLine())
}

// flagError turns the flag library's errors into ours.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	a.format = format(a.flags.output)
	var names []string
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	help := cmd.CommandPath() + " --help"
	var (
		unknown *pflag.NotExistError
		novalue *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
	)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return fail(codeFlag, "%s has no flag -%s", cmd.CommandPath(), name).fix("%s", help)
		}
		return fail(codeFlag, "%s has no flag --%s", cmd.CommandPath(), name).meant("--"+name, names).fix("%s", help)
	case errors.As(err, &novalue):
		return fail(codeFlagValue, "flag --%s needs a value", novalue.GetFlag().Name).fix("%s", flagUse(novalue.GetFlag()))
	case errors.As(err, &invalid):
		return fail(codeFlagValue, "%q is not a value of --%s", clip(invalid.GetValue(), 60), invalid.GetFlag().Name).fix("%s", flagUse(invalid.GetFlag()))
	case errors.As(err, &syntax):
		return fail(codeFlag, "%q is not a flag", clip(syntax.GetSpecifiedFlag(), 60)).fix("%s", help)
	}
	return fail(codeFlag, "the flags of %s cannot be read", cmd.CommandPath()).fix("%s", help)
}

// flagUse says how a flag is written.
func flagUse(f *pflag.Flag) string {
	kind, usage := pflag.UnquoteUsage(f)
	return fmt.Sprintf("--%s %s: %s", f.Name, kind, usage)
}

// clip shortens s to n characters.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
