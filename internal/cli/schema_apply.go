package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/registry/client"
)

func newSchemaApplyCmd(a *app) *cobra.Command {
	var o desiredOptions
	var p planFlags
	cmd := prints(&cobra.Command{
		Use:   "apply [PLANFILE|PATTERN…]",
		Short: "Make topics and subjects what they should be: create, add partitions, set, register",
		Long:  keptHelp + "\n\n" + wholeHelp,
		Example: `omnibus schema apply
omnibus schema apply -f onex.yaml --execute
omnibus schema apply --execute plan.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags()
			if len(args) == 1 && strings.HasSuffix(args[0], ".json") {
				if p.id != "" {
					return fail(codeConflict, "--plan and a plan file cannot be used together").fix("use one of them")
				}
				id, err := a.planInFile(args[0])
				if err != nil {
					return err
				}
				p.id, args = id, nil
			}
			o.patterns = args
			return runSchemaApply(cmd.Context(), a, o, p, given)
		},
	}, formatTable, formatJSON)
	o.flags(cmd.Flags())
	p.flags(cmd.Flags())
	return cmd
}

// planInFile is the id of the plan that a file holds. What is carried out is what the cluster keeps: a file can be changed by anyone.
func (a *app) planInFile(name string) (string, error) {
	text, err := os.ReadFile(a.path(name))
	if err != nil {
		return "", cannotRead(name, err)
	}
	var kept bus.KeptPlan
	if err := jsonx.Unmarshal(text, &kept); err != nil || kept.ID == "" {
		return "", fail(codeFile, "%s holds no plan", name).because("it is not what \"schema plan --out\" writes").fix("omnibus schema plan --out %s", shellWord(name))
	}
	return kept.ID, nil
}

func runSchemaApply(ctx context.Context, a *app, o desiredOptions, p planFlags, given *pflag.FlagSet) error {
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		var plan wholePlan
		var kept bus.KeptPlan
		err := a.within(ctx, func(ctx context.Context) (err error) {
			if p.id != "" {
				kept, err = a.keptPlan(ctx, b, p, schemaApply, given, &plan)
				return err
			}
			if plan, err = o.whole(ctx, a, b); err != nil || plan.doable() == 0 || plan.breaking() != nil {
				return err
			}
			kept, err = a.keep(ctx, b, schemaApply, plan)
			return err
		})
		if err != nil {
			return err
		}
		doc := wholePlanDocOf("schema.apply", plan)
		doc.Plan = planItemOf(kept)
		if kept.ID == "" {
			if err := a.printWholePlan(doc); err != nil {
				return err
			}
			return breaks(plan)
		}
		doc.Next = a.commandLine("schema", "apply", "--execute", "--plan", kept.ID)
		if !p.execute {
			if err := a.printWholePlan(doc); err != nil {
				return err
			}
		}
		if yes, err := a.goAhead(ctx, p, kept.ID, "", doc.Next); err != nil || !yes {
			return err
		}
		if err := a.applyWhole(ctx, b, kept, plan); err != nil {
			return err
		}
		a.done(ctx, b, kept)
		doc.Executed, doc.Next = true, ""
		if !p.execute {
			return a.printf("done: %s\n", count(plan.doable(), "change", "changes"))
		}
		return a.printWholePlan(doc)
	})
}

// applyWhole makes topics, then subjects, between two audit records.
func (a *app) applyWhole(ctx context.Context, b *bus.Bus, kept bus.KeptPlan, plan wholePlan) error {
	return a.withinEach(ctx, plan.doable(), func(ctx context.Context) error {
		c, err := a.needRegistry()
		if err != nil {
			return err
		}
		return deadletter.Open(b, "").Audited(ctx, "apply", "plan "+kept.ID, func() (map[string]int64, error) {
			counts := map[string]int64{"topics": 0, "subjects": 0}
			if plan.Topics.Doable() > 0 {
				if err := b.ApplyTopics(ctx, plan.Topics); err != nil {
					return counts, err
				}
				counts["topics"] = int64(plan.Topics.Doable())
			}
			made, err := c.ApplySubjects(ctx, plan.Subjects)
			counts["subjects"] = int64(made)
			if stale, is := errors.AsType[*client.StalePlanError](err); is && counts["topics"] > 0 {
				return counts, stalePlan(&bus.StalePlanError{Changed: append(stale.Changed, "the topics of the plan are made already, its subjects are not")})
			}
			return counts, err
		})
	})
}
