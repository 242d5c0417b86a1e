package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type topicsConfigOptions struct {
	planFlags
	topic event.Topic
	set   []string
	unset []string
}

type topicsConfigDoc struct {
	topicsPlanDoc
	Topic    event.Topic   `json:"topic"`
	Settings []settingItem `json:"settings"` // as they are before any change
}

type settingItem struct {
	Name   string  `json:"name"`
	Value  *string `json:"value"`  // null: secret
	Origin string  `json:"origin"` // topic, broker or default
}

const topicsConfig = "topics config"

func newTopicsConfigCmd(a *app) *cobra.Command {
	var o topicsConfigOptions
	cmd := prints(&cobra.Command{
		Use:   "config TOPIC",
		Short: "Show the settings of a topic and where each is from, or change them",
		Long: "Without --set and --unset it shows them. A change is shown first: " + keptHelp + "\n\n" +
			"Settings in milliseconds take 90s, 12h or 14d too, those in bytes 512KiB or 2MiB.",
		Example: `omnibus topics config omninode.codegen.request.validate.v1
omnibus topics config omninode.codegen.request.validate.v1 --set max.message.bytes=2MiB
omnibus topics config omninode.codegen.request.validate.v1 --unset retention.ms --execute`,
		Args: a.wantArgs(1, 1, "a TOPIC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = event.Topic(args[0])
			return runTopicsConfig(cmd.Context(), a, o, cmd.Flags())
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringArrayVar(&o.set, "set", nil, "set a `setting`, name=value; may be repeated")
	f.StringArrayVar(&o.unset, "unset", nil, "go back to the default of a `setting`; may be repeated")
	o.flags(f)
	return cmd
}

func runTopicsConfig(ctx context.Context, a *app, o topicsConfigOptions, given *pflag.FlagSet) error {
	set, err := parseSettings("--set", o.set)
	if err != nil {
		return err
	}
	for _, name := range o.unset {
		if _, both := set[name]; both {
			return fail(codeConflict, "%s is both set and unset", name).fix("keep one of them")
		}
	}
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		doc := topicsConfigDoc{topicsPlanDoc: topicsPlanDocOf("topics.config", bus.TopicPlan{}), Topic: o.topic, Settings: []settingItem{}}
		err := a.within(ctx, func(ctx context.Context) error {
			all, err := b.TopicSettings(ctx, o.topic)
			for _, s := range all {
				item := settingItem{Name: s.Name, Origin: s.Origin}
				if !s.Secret {
					item.Value = &s.Value
				}
				doc.Settings = append(doc.Settings, item)
			}
			return err
		})
		if err != nil {
			return err
		}
		if len(set)+len(o.unset) == 0 && o.id == "" {
			return a.printSettings(doc)
		}
		plan := func(ctx context.Context) (bus.TopicPlan, error) {
			return b.PlanTopicSettings(ctx, o.topic, set, o.unset...)
		}
		return a.changeTopics(ctx, b, o.planFlags, given, topicsConfig+" "+string(o.topic), plan, func(d topicsPlanDoc) error {
			if doc.topicsPlanDoc = d; a.format == formatJSON {
				return a.printSettings(doc)
			}
			return a.printTopicChanges(d)
		})
	})
}

func (a *app) printSettings(doc topicsConfigDoc) error {
	return a.print(doc, func() error {
		t := newTable("SETTING", "VALUE", "FROM")
		for _, s := range doc.Settings {
			value := "(secret)"
			if s.Value != nil {
				value = settingText(s.Name, *s.Value)
			}
			t.add(s.Name, value, s.Origin)
		}
		return a.printTable(t)
	})
}
