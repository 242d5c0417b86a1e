package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// planFlags are those of the commands that change the cluster: a plan first, then exactly that.
type planFlags struct {
	execute bool
	id      string
	confirm string // of those that want a name to be said
}

// keptHelp is what their help says about it.
const keptHelp = "It shows a plan first. On a terminal it asks; elsewhere it exits 9, and the last line on standard error is the command that does it.\n" +
	"A plan is refused where the cluster is not any more what it was when it was made."

func (p *planFlags) flags(f *pflag.FlagSet) {
	f.BoolVar(&p.execute, "execute", false, "do it, without asking")
	f.StringVar(&p.id, "plan", "", "exactly this `plan`")
}

// confirmFlag is for what cannot be undone.
func (p *planFlags) confirmFlag(f *pflag.FlagSet, what string) {
	f.StringVar(&p.confirm, "confirm", "", "with --execute: the `name` of the "+what+", once more")
}

// planItem is a kept plan in JSON.
type planItem struct {
	ID        string `json:"id"`
	By        string `json:"by"`
	CreatedAt string `json:"created_at"`
}

// planItemOf is nil where nothing was kept, because there is nothing to do.
func planItemOf(k bus.KeptPlan) *planItem {
	if k.ID == "" {
		return nil
	}
	return &planItem{k.ID, k.By, jsonTime(k.At)}
}

// keptPlan reads the plan that --plan names into plan. Nothing that would change it may be said beside.
func (a *app) keptPlan(ctx context.Context, b *bus.Bus, p planFlags, kind string, given *pflag.FlagSet, plan any) (bus.KeptPlan, error) {
	var extra []string
	given.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "plan", "execute", "confirm":
		default:
			if !isGlobal(f.Name) {
				extra = append(extra, "--"+f.Name)
			}
		}
	})
	if len(extra) > 0 {
		return bus.KeptPlan{}, fail(codeConflict, "--plan and %s cannot be used together", strings.Join(extra, ", ")).
			because("a plan does not change").fix("leave %s out", strings.Join(extra, ", ")).fix("leave --plan out, which makes a new plan")
	}
	k, err := b.KeptPlan(ctx, p.id)
	again := "make a new plan: omnibus " + kind + ", without --plan"
	switch {
	case errors.Is(err, bus.ErrUnknownPlan):
		return k, fail(codePlan, "no plan %s", clip(p.id, 60)).because("this cluster has none of this name").fix("%s", again)
	case err != nil:
		return k, err
	case k.Kind != kind:
		return k, fail(codeConflict, "plan %s is not of %s, but of %s", k.ID, kind, k.Kind).fix("omnibus %s --plan %s", k.Kind, k.ID)
	case k.DoneBy != "":
		return k, fail(codeStale, "plan %s was carried out already", k.ID).at("when", "%s", a.timeText(k.DoneAt)).at("by", "%s", k.DoneBy).
			because("a plan is for one time").fix("%s", again)
	}
	return k, jsonx.Unmarshal(k.Plan, plan)
}

// keep keeps a plan under an id.
func (a *app) keep(ctx context.Context, b *bus.Bus, kind string, plan any) (bus.KeptPlan, error) {
	return b.KeepPlan(ctx, kind, deadletter.Operator(), plan)
}

// goAhead reports whether what was shown is to be carried out: plan id, if it was kept. name, where there is one, has to be said or
// typed. Where nobody can be asked it refuses, and next is the last line.
func (a *app) goAhead(ctx context.Context, p planFlags, id, name, next string) (bool, error) {
	if p.execute {
		if name == "" || p.confirm == name {
			return true, nil
		}
		return false, fail(codePlanOnly, "nothing was done: this cannot be undone, so say its name once more").
			because("--confirm is %q, and the name is %s", clip(p.confirm, 60), clip(name, 120)).fix("look at the plan, and run the last line").then(next)
	}
	if !a.canAsk() {
		what := "nothing was done"
		if id != "" {
			what += ": this is plan " + id
		}
		return false, fail(codePlanOnly, "%s", what).because("nobody can be asked here").fix("look at it, and run the last line").then(next)
	}
	question, want := "do it? [y/N] ", "y"
	if name != "" {
		question, want = "this cannot be undone; type "+name+" to do it: ", name
	}
	answer, err := a.ask(ctx, question)
	if err != nil {
		return false, err
	}
	if answer != want && (name != "" || !strings.EqualFold(answer, "yes")) {
		a.hint("nothing was done; later: %s", next)
		return false, nil
	}
	return true, nil
}

// done notes that a plan was carried out. The work is done whatever becomes of the note.
func (a *app) done(ctx context.Context, b *bus.Bus, k bus.KeptPlan) {
	if err := b.PlanDone(ctx, k, deadletter.Operator()); err != nil {
		a.hint("note: it is done, but that could not be noted with plan %s", k.ID)
	}
}
