package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

type topicsCreateOptions struct {
	partitions, replication int
	configs                 []string
	noDLQ, undeclared       bool
}

type topicsCreateDoc struct {
	Schema string        `json:"schema"`
	Topics []createdItem `json:"topics"`
}

type createdItem struct {
	Name        event.Topic       `json:"name"`
	Partitions  int               `json:"partitions"`
	Replication int               `json:"replication"`
	Configs     map[string]string `json:"configs"`
}

func newTopicsCreateCmd(a *app) *cobra.Command {
	var o topicsCreateOptions
	cmd := prints(&cobra.Command{
		Use:   "create TOPIC",
		Short: "Make a topic, and the one of its dead letters",
		Long: "What is not said comes from the catalogue: partitions by tier, retention, the size of records. A name that the catalogue does not\n" +
			"declare needs --undeclared: what is published to it is not checked against a schema.",
		Example: `omnibus topics create omninode.codegen.request.validate.v1
omnibus topics create omninode.codegen.request.validate.v1 --partitions 12 --config retention.ms=14d
omnibus topics create house.other.thing.v1 --undeclared --no-dlq`,
		Args: a.wantArgs(1, 1, "a TOPIC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for flag, n := range map[string]int{"partitions": o.partitions, "replication": o.replication} {
				if n < 1 && cmd.Flags().Changed(flag) {
					return fail(codeFlagValue, "--%s must be 1 or more", flag).fix("leave it out: the catalogue says")
				}
			}
			return runTopicsCreate(cmd.Context(), a, o, event.Topic(args[0]))
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.IntVarP(&o.partitions, "partitions", "p", 0, "`n` partitions; default: by the tier in the catalogue, else 3")
	f.IntVarP(&o.replication, "replication", "r", 0, "`n` copies; default 3, on fewer brokers as many as there are")
	f.StringArrayVarP(&o.configs, "config", "c", nil, "a `setting`, name=value (retention.ms=14d); may be repeated")
	f.BoolVar(&o.noDLQ, "no-dlq", false, "without a topic for its dead letters")
	f.BoolVar(&o.undeclared, "undeclared", false, "although the catalogue does not declare the name")
	return cmd
}

func runTopicsCreate(ctx context.Context, a *app, o topicsCreateOptions, name event.Topic) error {
	if _, err := event.NewCatalog(event.Spec{Topic: name.Source()}); err != nil {
		return fail(codeArgs, "%s is not a name of a topic", shellQuote(clip(string(name), 120))).because("%s", oneline.Cause(err)).fix("letters, digits, dots, _ and -, as in omninode.codegen.request.validate.v1")
	}
	configs, err := parseSettings("--config", o.configs)
	if err != nil {
		return err
	}
	doc := topicsCreateDoc{Schema: schemaOf("topics.create"), Topics: []createdItem{}}
	err = a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		if err := o.mayName(a, b, name); err != nil {
			return err
		}
		return a.within(ctx, func(ctx context.Context) error {
			plan, err := b.PlanTopics(ctx, false, bus.DesiredTopic{Name: name, Partitions: o.partitions, Replication: o.replication, Configs: configs, NoDLQ: o.noDLQ})
			if err != nil {
				return err
			}
			var missing bus.TopicPlan
			for _, c := range plan.Changes {
				if c.Do == "create" {
					missing.Changes = append(missing.Changes, c)
					doc.Topics = append(doc.Topics, createdItem{c.Topic, c.Partitions, c.Replication, c.Configs})
				}
			}
			if len(doc.Topics) == 0 || doc.Topics[0].Name != name {
				return topicExists(a, name, len(plan.Changes))
			}
			return b.ApplyTopics(ctx, missing)
		})
	})
	if err != nil {
		return err
	}
	return a.print(doc, func() error {
		t := newTable("CREATED", "PARTITIONS#", "REPLICAS#", "RETENTION#")
		for _, c := range doc.Topics {
			retention := "for ever"
			if ms, err := strconv.ParseInt(c.Configs["retention.ms"], 10, 64); err == nil && ms >= 0 {
				seconds := float64(ms) / 1000
				retention = retentionText(&seconds)
			}
			t.add(string(c.Name), strconv.Itoa(c.Partitions), strconv.Itoa(c.Replication), retention)
		}
		return a.printTable(t)
	})
}

// mayName refuses a name that the catalogue does not declare, unless it was said that this is meant.
func (o topicsCreateOptions) mayName(a *app, b *bus.Bus, name event.Topic) error {
	_, declared := b.Catalog().Lookup(name)
	u, err := a.undeclared()
	if declared || o.undeclared || u == bus.Allow || err != nil {
		return err
	}
	if u == bus.Warn {
		a.hint("note: the catalogue does not declare %s, so what is in it is not checked", name)
		return nil
	}
	f := fail(codeTopic, "the catalogue does not declare %s", name).because("what is published to it could not be checked against a schema")
	var names []string
	for s := range b.Catalog().All() {
		names = append(names, string(s.Topic))
	}
	return f.meant(string(name), names).fix("--undeclared where it is meant so").fix("omnibus catalog list")
}

func topicExists(a *app, name event.Topic, differences int) error {
	f := fail(codeExists, "topic %s is there already", name).because("it is as it should be")
	if differences > 0 {
		f.because("it is there, and not quite so: %s", count(differences, "difference", "differences"))
	}
	return f.fix("%s", a.commandLine("topics", "show", string(name))).fix("%s", a.commandLine("topics", "diff", string(name)))
}
