package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// desiredOptions say what topics should be.
type desiredOptions struct {
	file     string
	patterns []string
	shrink   bool
}

func (o *desiredOptions) flags(f *pflag.FlagSet) {
	f.StringVarP(&o.file, "file", "f", "", "`file` of what topics should be; default: the catalogue")
	f.BoolVar(&o.shrink, "shrink", false, "also what takes something away: shorter retention, smaller records")
}

const desiredHelp = "Without -f, topics should be what the catalogue says. A file lists them:\n\n" +
	"  topics:\n" +
	"    - name: omninode.codegen.request.validate.v1\n" +
	"      partitions: 6          # left out: as it is, or as the catalogue says\n" +
	"      replication: 3\n" +
	"      dlq: true              # false: no dead-letter topic beside it\n" +
	"      configs: {retention.ms: 14d, max.message.bytes: 2MiB}\n\n" +
	"Nothing is ever deleted. What takes something away is shown and left, unless --shrink says otherwise."

type topicsPlanDoc struct {
	Schema   string            `json:"schema"`
	Executed bool              `json:"executed"`
	Plan     *planItem         `json:"plan"` // null: nothing to do, or only asked
	Changes  []bus.TopicChange `json:"changes"`
	Left     int               `json:"left"` // of them, that are not done
	Next     string            `json:"next,omitzero"`
}

const topicsApply = "topics apply"

func newTopicsDiffCmd(a *app) *cobra.Command {
	var o desiredOptions
	cmd := prints(&cobra.Command{
		Use:   "diff [PATTERN…]",
		Short: "Say how topics differ from what they should be; exit 10 where they do",
		Long:  desiredHelp,
		Example: `omnibus topics diff
omnibus topics diff 'omninode.codegen.*'
omnibus topics diff -f topics.yaml -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.patterns = args
			return runTopicsDiff(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON)
	o.flags(cmd.Flags())
	return cmd
}

func runTopicsDiff(ctx context.Context, a *app, o desiredOptions) error {
	var plan bus.TopicPlan
	err := a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.within(ctx, func(ctx context.Context) (err error) {
			plan, err = o.plan(ctx, a, b)
			return err
		})
	})
	if err != nil {
		return err
	}
	doc := topicsPlanDocOf("topics.diff", plan)
	if len(plan.Changes) == 0 {
		return a.print(doc, func() error { return a.printf("No changes\n") })
	}
	if err := a.printTopicChanges(doc); err != nil {
		return err
	}
	words := []string{"topics", "apply"}
	if o.file != "" {
		words = append(words, "-f", o.file)
	}
	return fail(codeThreshold, "%s between what topics are and what they should be", count(len(plan.Changes), "difference", "differences")).
		because("the cluster is not what %s says", o.source()).fix("%s", a.commandLine(append(words, o.patterns...)...))
}

func (o desiredOptions) source() string {
	if o.file != "" {
		return o.file
	}
	return "the catalogue"
}

// plan compares the cluster with what is desired.
func (o desiredOptions) plan(ctx context.Context, a *app, b *bus.Bus) (bus.TopicPlan, error) {
	var desired []bus.DesiredTopic
	if o.file != "" {
		file, err := a.readDesired(o.file)
		if err != nil {
			return bus.TopicPlan{}, err
		}
		desired = file.topics
	} else {
		for s := range b.Catalog().All() {
			desired = append(desired, bus.DesiredTopic{Name: s.Topic})
		}
	}
	if len(o.patterns) > 0 {
		chosen := []bus.DesiredTopic{}
		for _, d := range desired {
			if matches(globs(o.patterns), d.Name) {
				chosen = append(chosen, d)
			}
		}
		desired = chosen
	}
	if len(desired) == 0 {
		return bus.TopicPlan{}, fail(codeEmpty, "%s says nothing about such topics", o.source()).
			because("no topic in it matches %s", quoted(o.patterns)).fix("omnibus catalog list").fix("leave the pattern out")
	}
	return b.PlanTopics(ctx, o.shrink, desired...)
}

func matches(patterns []event.Glob, t event.Topic) bool {
	for _, g := range patterns {
		if g.Match(t) {
			return true
		}
	}
	return false
}

func newTopicsApplyCmd(a *app) *cobra.Command {
	var o desiredOptions
	var p planFlags
	cmd := prints(&cobra.Command{
		Use:   "apply [PATTERN…]",
		Short: "Make topics what they should be: create, add partitions, set",
		Long:  keptHelp + "\n\n" + desiredHelp,
		Example: `omnibus topics apply
omnibus topics apply -f topics.yaml
omnibus topics apply --execute --plan 7f3a2b9c`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.patterns = args
			return runTopicsApply(cmd.Context(), a, o, p, cmd.Flags())
		},
	}, formatTable, formatJSON)
	o.flags(cmd.Flags())
	p.flags(cmd.Flags())
	return cmd
}

func runTopicsApply(ctx context.Context, a *app, o desiredOptions, p planFlags, given *pflag.FlagSet) error {
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		plan := func(ctx context.Context) (bus.TopicPlan, error) { return o.plan(ctx, a, b) }
		return a.changeTopics(ctx, b, p, given, topicsApply, plan, a.printTopicChanges)
	})
}

// changeTopics plans, shows, asks and does it. kind is the command: its two words, and the topic where it is about one.
func (a *app) changeTopics(ctx context.Context, b *bus.Bus, p planFlags, given *pflag.FlagSet, kind string,
	plan func(context.Context) (bus.TopicPlan, error), show func(topicsPlanDoc) error,
) error {
	var changes bus.TopicPlan
	var kept bus.KeptPlan
	err := a.within(ctx, func(ctx context.Context) (err error) {
		if p.id != "" {
			kept, err = a.keptPlan(ctx, b, p, kind, given, &changes)
			return err
		}
		if changes, err = plan(ctx); err != nil || changes.Doable() == 0 {
			return err
		}
		kept, err = a.keep(ctx, b, kind, changes)
		return err
	})
	if err != nil {
		return err
	}
	words := strings.Fields(kind)
	doc := topicsPlanDocOf(words[0]+"."+words[1], changes)
	doc.Plan = planItemOf(kept)
	if changes.Doable() == 0 {
		if len(changes.Changes) == 0 && a.format != formatJSON {
			return a.printf("No changes\n")
		}
		if err := show(doc); err != nil {
			return err
		}
		if doc.Left > 0 {
			a.hint("note: no changes that can be made; %s left", count(doc.Left, "difference is", "differences are"))
		}
		return nil
	}
	doc.Next = a.commandLine(append(words, "--execute", "--plan", kept.ID)...)
	if !p.execute {
		if err := show(doc); err != nil {
			return err
		}
	}
	if yes, err := a.goAhead(ctx, p, kept.ID, "", doc.Next); err != nil || !yes {
		return err
	}
	if err := a.withinEach(ctx, changes.Doable(), func(ctx context.Context) error { return b.ApplyTopics(ctx, changes) }); err != nil {
		return err
	}
	a.done(ctx, b, kept)
	doc.Executed, doc.Next = true, ""
	if !p.execute {
		return a.printf("done: %s\n", count(changes.Doable(), "change", "changes"))
	}
	return show(doc)
}

func topicsPlanDocOf(schema string, p bus.TopicPlan) topicsPlanDoc {
	return topicsPlanDoc{Schema: schemaOf(schema), Changes: append([]bus.TopicChange{}, p.Changes...), Left: len(p.Changes) - p.Doable()}
}

func (a *app) printTopicChanges(doc topicsPlanDoc) error {
	return a.print(doc, func() error {
		fields := []field{{"changes", fmt.Sprintf("%d, and %d left as they are", len(doc.Changes)-doc.Left, doc.Left)}}
		if doc.Plan != nil {
			state := "planned"
			if doc.Executed {
				state = "done: the cluster shows them all"
			}
			fields = append(fields, field{"plan", doc.Plan.ID}, field{"state", state})
		}
		if err := a.printFields(fields...); err != nil {
			return err
		}
		t := newTable("TOPIC", "CHANGE", "HAVE", "WANT", "NOTE")
		for _, c := range doc.Changes {
			what, want := topicChangeText(c)
			t.add(string(c.Topic), what, cmp.Or(c.Have, "-"), want, noteOf(c.Left, c.Warning))
		}
		if err := a.printf("\n"); err != nil {
			return err
		}
		return a.printTable(t)
	})
}

// topicChangeText says what a change does, and what it leads to.
func topicChangeText(c bus.TopicChange) (what, want string) {
	what = map[string]string{"grow": "partitions", "replicate": "replicas"}[c.Do]
	if what == "" {
		what = strings.TrimSpace(c.Do + " " + c.Setting)
	}
	if c.Do == "unset" {
		return what, "the default"
	}
	return what, c.Want
}

// settingRefused explains a setting that cannot be.
func settingRefused(e *bus.SettingError) *failure {
	f := fail(codeFlagValue, "the settings of %s cannot be so", e.Topic)
	if e.Setting != "" {
		f.at("setting", "%s", e.Setting).meant(e.Setting, bus.TopicSettingNames())
	}
	return f.because("%s", clip(e.Why, 300)).fix("omnibus topics config %s shows them", e.Topic)
}
