package cli

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/stack"
)

// completionTime is how long a TAB waits for the brokers; without them there is what the catalogue and the settings know.
const completionTime = 800 * time.Millisecond

var completionShells = []string{"bash", "zsh", "fish", "powershell"}

type completionDoc struct {
	Schema string `json:"schema"`
	Shell  string `json:"shell"`
	Script string `json:"script"`
}

func newCompletionCmd(a *app) *cobra.Command {
	return prints(&cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the script that completes omnibus in your shell",
		Long: "Completes commands and flags, and topics, groups, event types, profiles, jobs, dead letters and error codes by what is there. It asks the brokers for less than\n" +
			"a second, and does without them where they are away.",
		Example: `omnibus completion bash > ~/.local/share/bash-completion/completions/omnibus
omnibus completion zsh > "${fpath[1]}/_omnibus"
omnibus completion fish > ~/.config/fish/completions/omnibus.fish
omnibus completion powershell >> $PROFILE`,
		ValidArgs: completionShells,
		Args:      a.wantArgs(1, 1, "one of bash, zsh, fish and powershell"),
		RunE:      func(cmd *cobra.Command, args []string) error { return runCompletion(a, cmd.Root(), args[0]) },
	}, formatRaw, formatJSON)
}

func runCompletion(a *app, root *cobra.Command, shell string) error {
	var script bytes.Buffer
	var err error
	switch shell {
	case "bash":
		err = root.GenBashCompletionV2(&script, true)
	case "zsh":
		err = root.GenZshCompletion(&script)
	case "fish":
		err = root.GenFishCompletion(&script, true)
	case "powershell":
		err = root.GenPowerShellCompletionWithDesc(&script)
	default:
		return fail(codeArgs, "there is no completion for %q", clip(shell, 60)).meant(shell, completionShells).fix("omnibus completion bash, zsh, fish or powershell")
	}
	if err != nil {
		return err
	}
	return a.print(completionDoc{schemaOf("completion"), shell, script.String()}, func() error { return a.printf("%s", script.String()) })
}

// completer finds what may stand somewhere. It says what it knows, and errors are nothing to know.
type completer func(ctx context.Context, cmd *cobra.Command) []string

// addCompletions hangs what may stand there at arguments, by command, and at flags, by name.
func (a *app) addCompletions(root *cobra.Command) {
	arguments := map[string]completer{
		"publish": a.completeTypes, "consume": a.completeTopics, "tail": a.completeTopics,
		"topics show": a.completeTopics, "topics config": a.completeTopics, "topics diff": a.completeTopics, "topics apply": a.completeTopics,
		"topics delete": a.completeTopics, "topics list": a.completeTopics,
		"groups show": a.completeGroups, "groups members": a.completeGroups, "groups reset": a.completeGroups, "groups delete": a.completeGroups, "lag": a.completeGroups,
		"dlq list": a.completeTopics, "dlq groups": a.completeLetters, "dlq show": a.completeLetters, "dlq edit": a.completeLetters, "dlq retry": a.completeLetters,
		"dlq resolve": a.completeLetters, "dlq purge": a.completeLetters, "dlq restore": a.completeLetters, "dlq export": a.completeLetters,
		"jobs show": a.completeJobs, "jobs resume": a.completeJobs, "jobs cancel": a.completeJobs,
		"catalog show": a.completeTypes, "catalog list": a.completeTypes,
		"explain": a.completeNames, "config use": a.completeProfiles, "config set": a.completeSettings,
	}
	flags := map[string]completer{
		"group": a.completeGroups, "topic": a.completeTopics, "event-type": a.completeTypes, "plan": a.completeJobs, "profile": a.completeProfiles,
		"services": always(append([]string{"all", "none"}, stack.Services()...)...), "color": always("auto", "always", "never"),
		"log-format": always("text", "json"), "output": func(_ context.Context, cmd *cobra.Command) []string { return formatsOf(cmd) },
		"tz": always("local", "utc"), "offset": always("earliest", "latest"),
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if complete, ok := arguments[strings.TrimPrefix(cmd.CommandPath(), root.Name()+" ")]; ok {
			cmd.ValidArgsFunction = a.offers(complete)
		}
		hang := func(f *pflag.Flag) {
			if complete, ok := flags[f.Name]; ok {
				_ = cmd.RegisterFlagCompletionFunc(f.Name, a.offers(complete)) // it fails where a flag has one already
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(hang)
		cmd.PersistentFlags().VisitAll(hang)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// offers makes a completer what the library asks: within its time, without a word, without what is there already.
func (a *app) offers(complete completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		files := cobra.ShellCompDirectiveNoFileComp
		if cmd.Name() == "publish" && len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault // a payload, or @FILE
		}
		given := map[string]string{}
		cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
		settings, err := resolve(a.dir, a.env, given)
		if err != nil {
			return nil, files
		}
		a.settings, a.flags.timeout, a.flags.quiet = settings, completionTime, true
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		var out []string
		for _, word := range complete(ctx, cmd) {
			if strings.HasPrefix(word, typed) && !slices.Contains(args, word) {
				out = append(out, word)
			}
		}
		slices.Sort(out)
		if strings.HasSuffix(strings.Join(out, ""), "=") {
			files |= cobra.ShellCompDirectiveNoSpace
		}
		return slices.Compact(out), files
	}
}

func always(words ...string) completer {
	return func(context.Context, *cobra.Command) []string { return words }
}

// completeTypes are the event types, by their whole names.
func (a *app) completeTypes(context.Context, *cobra.Command) (out []string) {
	c, err := a.catalog()
	if err != nil {
		return nil
	}
	for s := range c.All() {
		out = append(out, string(s.Topic))
	}
	return out
}

// completeTopics are the declared topics, and those that the brokers have.
func (a *app) completeTopics(ctx context.Context, cmd *cobra.Command) []string {
	out := a.completeTypes(ctx, cmd)
	a.quietly(ctx, func(ctx context.Context, b *bus.Bus) error {
		infos, err := b.Topics(ctx)
		for _, t := range infos {
			out = append(out, string(t.Name))
		}
		return err
	})
	return out
}

func (a *app) completeGroups(ctx context.Context, _ *cobra.Command) (out []string) {
	a.quietly(ctx, func(ctx context.Context, b *bus.Bus) error {
		groups, err := b.Groups(ctx)
		for _, g := range groups {
			out = append(out, g.Name)
		}
		return err
	})
	return out
}

// completeJobs are the plans and jobs, the newest of them.
func (a *app) completeJobs(ctx context.Context, _ *cobra.Command) (out []string) {
	a.quietly(ctx, func(ctx context.Context, b *bus.Bus) error {
		jobs, _, err := deadletter.Open(b, "").Jobs(ctx)
		for _, j := range jobs {
			out = append(out, j.ID)
		}
		return err
	})
	return out
}

// completeLetters are the fingerprints and the topics of dead letters, and the newest of their ids.
func (a *app) completeLetters(ctx context.Context, cmd *cobra.Command) (out []string) {
	const newest = 50
	a.quietly(ctx, func(ctx context.Context, b *bus.Bus) error {
		snap, err := deadletter.Open(b, "").List(ctx, deadletter.Selector{})
		if err != nil {
			return err
		}
		for i, l := range slices.Backward(snap.Letters) {
			if len(snap.Letters)-i <= newest {
				out = append(out, l.ID)
			}
		}
		if cmd.Name() == "edit" {
			return nil // of one
		}
		for _, g := range snap.Groups() {
			out = append(out, g.Fingerprint)
			for _, t := range g.Topics {
				out = append(out, string(t))
			}
		}
		return nil
	})
	return out
}

// completeNames are what "explain" knows.
func (a *app) completeNames(context.Context, *cobra.Command) []string {
	names, err := a.explainable()
	if err != nil {
		return nil
	}
	return names
}

func (a *app) completeProfiles(context.Context, *cobra.Command) []string {
	return append(a.settings.user.names(), defaultProfile)
}

func (a *app) completeSettings(context.Context, *cobra.Command) (out []string) {
	for _, key := range settingKeys() {
		out = append(out, key+"=")
	}
	return out
}

// quietly runs fn on the bus; whoever waits for a TAB is not told why there is nothing.
func (a *app) quietly(ctx context.Context, fn func(ctx context.Context, b *bus.Bus) error) {
	_ = a.withBus(ctx, fn) // as said
}
