package cli

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What people type who come from rpk is understood: it is said how that is written here, and then that is run. None of it is
// in the help.

// rpkTopicCmds are what "rpk topic" has and "omnibus topics" has not.
func rpkTopicCmds(a *app) []*cobra.Command {
	return []*cobra.Command{newRpkConsumeCmd(a), newRpkProduceCmd(a), newRpkShowCmd(a, "topics", "a TOPIC"), newRpkAlterCmd(a)}
}

// rpkGroupCmds are what "rpk group" has and "omnibus groups" has not.
func rpkGroupCmds(a *app) []*cobra.Command {
	return []*cobra.Command{newRpkShowCmd(a, "groups", "a GROUP"), newRpkSeekCmd(a)}
}

// newRpkShowCmd is topic describe and group describe.
func newRpkShowCmd(a *app, noun, what string) *cobra.Command {
	return &cobra.Command{
		Use: "describe", Hidden: true, Args: a.wantArgs(1, 1, what), Example: "omnibus " + noun + " show NAME",
		RunE: func(cmd *cobra.Command, args []string) error { return a.instead(cmd, noun, "show", args[0]) },
	}
}

// newRpkConsumeCmd is topic consume. It ends at what is there, where rpk waits for more.
func newRpkConsumeCmd(a *app) *cobra.Command {
	var offset, group, form string
	var num int
	var partitions []int32
	var regex bool
	cmd := &cobra.Command{
		Use: "consume", Hidden: true, Args: a.wantArgs(1, -1, "a TOPIC or a PATTERN"), Example: "omnibus consume TOPIC --limit 10",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o := a.flags.output; offset == "" && o != "" { // rpk's -o, where ours says how to print
				if _, err := parseOffset(cmp.Or(rpkPosition(o), "earliest"), a.now(), a.zone); err == nil {
					offset, a.flags.output = o, ""
				}
			}
			words := []string{"consume"}
			for _, topic := range args {
				if regex {
					var err error
					if topic, err = rpkPattern(topic); err != nil {
						return err
					}
				}
				words = append(words, topic)
			}
			if num != 0 {
				words = append(words, "--limit", strconv.Itoa(num))
			}
			if begin := rpkPosition(offset); begin == "latest" {
				words = append(words, "--offset", begin, "--follow")
			} else if begin != "" {
				words = append(words, "--offset", begin)
			}
			for _, p := range partitions {
				words = append(words, "--partition", strconv.Itoa(int(p)))
			}
			if group != "" {
				words = append(words, "--group", group)
			}
			if form != "" {
				words = append(words, "--format", form)
			}
			return a.instead(cmd, words...)
		},
	}
	f := cmd.Flags()
	f.IntVarP(&num, "num", "n", 0, "`n` events")
	f.StringVar(&offset, "offset", "", "where to `begin`: start, end, ...")
	f.Int32SliceVarP(&partitions, "partitions", "p", nil, "only this partition, `n`")
	f.StringVarP(&group, "group", "g", "", "consumer `group`")
	f.BoolVarP(&regex, "regex", "r", false, "topics are regular expressions")
	f.StringVarP(&form, "format", "f", "", "how to print, `text`")
	return cmd
}

// newRpkProduceCmd is topic produce: one event from standard input.
func newRpkProduceCmd(a *app) *cobra.Command {
	var key string
	var headers []string
	cmd := &cobra.Command{
		Use: "produce", Hidden: true, Args: a.wantArgs(1, 1, "a TOPIC"), Example: "omnibus publish TOPIC PAYLOAD",
		RunE: func(cmd *cobra.Command, args []string) error {
			words := []string{"publish", args[0], "-"}
			if cmd.Flags().Changed("key") {
				words = append(words, "--key", key)
			}
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ":")
				words = append(words, "--header", name+"="+value)
			}
			return a.instead(cmd, words...)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&key, "key", "k", "", "record `key`")
	f.StringArrayVarP(&headers, "header", "H", nil, "`name:value`")
	return cmd
}

// newRpkAlterCmd is topic alter-config.
func newRpkAlterCmd(a *app) *cobra.Command {
	var set, unset []string
	cmd := &cobra.Command{
		Use: "alter-config", Hidden: true, Args: a.wantArgs(1, 1, "a TOPIC"), Example: "omnibus topics config TOPIC --set retention.ms=14d",
		RunE: func(cmd *cobra.Command, args []string) error {
			words := []string{"topics", "config", args[0]}
			for _, s := range set {
				words = append(words, "--set", s)
			}
			for _, s := range unset {
				words = append(words, "--unset", s)
			}
			return a.instead(cmd, words...)
		},
	}
	cmd.Flags().StringArrayVarP(&set, "set", "s", nil, "`name=value`")
	cmd.Flags().StringArrayVarP(&unset, "delete", "d", nil, "`name`")
	return cmd
}

// newRpkSeekCmd is group seek. It shows a plan first, where rpk moves the group at once.
func newRpkSeekCmd(a *app) *cobra.Command {
	var to, group, file string
	var topics []string
	cmd := &cobra.Command{
		Use: "seek", Hidden: true, Args: a.wantArgs(1, 1, "a GROUP"), Example: "omnibus groups reset GROUP --to earliest",
		RunE: func(cmd *cobra.Command, args []string) error {
			words := []string{"groups", "reset", args[0]}
			for _, goal := range []struct{ prefix, value string }{{"", rpkPosition(to)}, {"group:", group}, {"file:", file}} {
				if goal.value != "" {
					words = append(words, "--to", goal.prefix+goal.value)
				}
			}
			for _, t := range topics {
				words = append(words, "--topic", t)
			}
			return a.instead(cmd, words...)
		},
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "", "`where`: start, end or a time")
	f.StringVar(&group, "to-group", "", "where this `group` is")
	f.StringVar(&file, "to-file", "", "what this `file` says")
	f.StringSliceVar(&topics, "topics", nil, "only this `topic`")
	return cmd
}

// rpkPosition is a place in a topic as it is called here; empty where nothing needs to be said, as reading ends at what is there.
func rpkPosition(s string) string {
	switch s = strings.TrimSuffix(s, ":end"); s {
	case "start":
		return "earliest"
	case "end":
		return "latest"
	}
	if ago, ok := strings.CutPrefix(s, "@-"); ok {
		return "@" + ago
	}
	return s
}

var plainPattern = regexp.MustCompile(`^[A-Za-z0-9._*-]+$`)

// rpkPattern is a regular expression as a pattern, where it says no more than one can.
func rpkPattern(expr string) (string, error) {
	pattern := strings.NewReplacer(`\.`, ".", ".*", "*").Replace(strings.TrimSuffix(strings.TrimPrefix(expr, "^"), "$"))
	if !plainPattern.MatchString(pattern) {
		return "", fail(codeFlagValue, "%q is not a pattern of topics", clip(expr, 60)).because("in a pattern * is any characters, and nothing else is special").
			fix("omnibus consume 'omninode.codegen.*'")
	}
	return pattern, nil
}

// instead says how cmd is written here and runs that, with the global flags that cmd was given.
func (a *app) instead(cmd *cobra.Command, words ...string) error {
	a.hint("note: this is now written %s", a.commandLine(words...))
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if cmd.InheritedFlags().Lookup(f.Name) != nil && f.Value.String() != "" {
			words = append(words, "--"+f.Name+"="+f.Value.String())
		}
	})
	a.args = words
	root := newRootCmd(a)
	root.SetArgs(words)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	return root.ExecuteContext(cmd.Context())
}

// sayPlural answers rpk's singular nouns with ours.
func (a *app) sayPlural(cmd *cobra.Command) {
	noun := cmd.Parent()
	if cmd.Hidden || noun == nil || slices.Contains(a.args, noun.Name()) {
		return
	}
	for _, singular := range []string{"topic", "group"} {
		if i := slices.Index(a.args, singular); i >= 0 && noun.HasAlias(singular) {
			line := []string{"omnibus"}
			for _, word := range slices.Replace(slices.Clone(a.args), i, i+1, noun.Name()) {
				line = append(line, shellWord(word))
			}
			a.hint("note: this is now written %s", strings.Join(line, " "))
		}
	}
}
