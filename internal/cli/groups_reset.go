package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type groupsResetOptions struct {
	planFlags
	group      string
	to         string
	shift      int64
	topics     []string
	partitions []int32
}

type groupsResetDoc struct {
	Schema     string     `json:"schema"`
	Executed   bool       `json:"executed"`
	Plan       *planItem  `json:"plan"` // null: nothing to do
	Group      string     `json:"group"`
	New        bool       `json:"new"`
	Partitions []moveItem `json:"partitions"`
	Again      int64      `json:"again"`
	PassedOver int64      `json:"passed_over"`
	Warnings   []string   `json:"warnings"`
	Next       string     `json:"next,omitzero"` // the command that does it
}

type moveItem struct {
	Topic      event.Topic `json:"topic"`
	Partition  int32       `json:"partition"`
	From       *int64      `json:"from"` // null: nothing committed
	To         *int64      `json:"to"`   // null: does not move
	Start      int64       `json:"start"`
	End        int64       `json:"end"`
	Again      int64       `json:"again"`
	PassedOver int64       `json:"passed_over"`
	Why        string      `json:"why,omitzero"`
}

const groupsReset = "groups reset"

func newGroupsResetCmd(a *app) *cobra.Command {
	var o groupsResetOptions
	cmd := prints(&cobra.Command{
		Use:   "reset GROUP",
		Short: "Move a group: read events again, or pass over them",
		Long: keptHelp + "\n\nThe group must have no members: they would go on from where they are. What its consumers had settled beyond its position is\n" +
			"forgotten, so that everything from the new one on is handled. Counts are of offsets; there may be fewer events.\n\n" +
			"--to: earliest, latest, a time (10m, 2h30m, 14:05, 2026-01-31, RFC 3339), 1234 or offset:1234, 3:1234 (partition:offset),\n" +
			"+10 and -10 (from the beginning and the end), group:NAME (where that one is), file:NAME (what \"groups show -o json\" printed, or\n" +
			"lines of topic,partition,offset).",
		Example: `omnibus groups reset bridge --to earliest
omnibus groups reset bridge --to 2h --topic omninode.bridge.request.stamp.v1
omnibus groups reset bridge --shift -100 --partition 0
omnibus groups reset bridge --to file:bridge.json --execute`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.wantArgs(1, 1, "a GROUP")(cmd, args); err != nil {
				return err
			}
			o.group = args[0]
			return runGroupsReset(cmd.Context(), a, o, cmd.Flags())
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "`where` to go, see above")
	f.Int64Var(&o.shift, "shift", 0, "so many offsets, `n`, beyond --to, or from where it is; negative is back")
	f.StringSliceVar(&o.topics, "topic", nil, "only this `topic`; may be repeated. Default: all that the group has committed to")
	f.Int32SliceVarP(&o.partitions, "partition", "p", nil, "only this partition, `n`; may be repeated")
	f.Lookup("partition").DefValue = ""
	o.flags(f)
	return cmd
}

func runGroupsReset(ctx context.Context, a *app, o groupsResetOptions, given *pflag.FlagSet) error {
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		var plan bus.ResetPlan
		var kept bus.KeptPlan
		err := a.within(ctx, func(ctx context.Context) (err error) {
			plan, kept, err = o.plan(ctx, a, b, given)
			return unknownGroup(ctx, b, []string{o.group}, err)
		})
		if err != nil {
			return err
		}
		doc := resetDocOf(plan, kept)
		if plan.Changes() == 0 {
			return a.print(doc, func() error {
				return a.printf("No changes: group %s is there already\n", plan.Group)
			})
		}
		doc.Next = a.commandLine("groups", "reset", plan.Group, "--execute", "--plan", kept.ID)
		if !o.execute {
			if err := a.printReset(doc); err != nil {
				return err
			}
		}
		if yes, err := a.goAhead(ctx, o.planFlags, kept.ID, "", doc.Next); err != nil || !yes {
			return err
		}
		err = a.within(ctx, func(ctx context.Context) error { return b.RunReset(ctx, plan) })
		if err != nil {
			return err
		}
		a.done(ctx, b, kept)
		doc.Executed, doc.Next = true, ""
		if !o.execute {
			return a.printf("done: the positions were read again, and are those\n")
		}
		return a.printReset(doc)
	})
}

// plan is the plan that was named, or a new one.
func (o groupsResetOptions) plan(ctx context.Context, a *app, b *bus.Bus, given *pflag.FlagSet) (plan bus.ResetPlan, kept bus.KeptPlan, err error) {
	if o.id != "" {
		if kept, err = a.keptPlan(ctx, b, o.planFlags, groupsReset, given, &plan); err == nil && plan.Group != o.group {
			err = fail(codeConflict, "plan %s is not of group %s, but of %s", kept.ID, clip(o.group, 120), plan.Group).
				fix("%s", a.commandLine("groups", "reset", plan.Group, "--plan", kept.ID))
		}
		return plan, kept, err
	}
	r, err := o.reset(ctx, a, b)
	if err != nil {
		return plan, kept, err
	}
	if plan, err = b.PlanReset(ctx, r); err != nil || plan.Changes() == 0 {
		return plan, kept, err
	}
	kept, err = a.keep(ctx, b, groupsReset, plan)
	return plan, kept, err
}

var plainNumber = regexp.MustCompile(`^\d+$`)

// reset reads --to.
func (o groupsResetOptions) reset(ctx context.Context, a *app, b *bus.Bus) (bus.Reset, error) {
	r := bus.Reset{Group: o.group, Partitions: o.partitions, Shift: o.shift}
	for _, t := range o.topics {
		r.Topics = append(r.Topics, event.Topic(t))
	}
	kind, name, named := strings.Cut(o.to, ":")
	switch {
	case o.to == "" && o.shift == 0:
		return r, fail(codeArgs, "groups reset needs --to or --shift").because("nothing says where to go").
			fix("%s", a.commandLine("groups", "reset", o.group, "--to", "earliest")).fix("omnibus groups reset --help")
	case o.to == "":
		return r, nil
	case named && kind == "group":
		var err error
		r.Positions, err = groupPositions(ctx, b, name)
		return r, err
	case named && kind == "file":
		var err error
		r.Positions, err = a.filePositions(name)
		return r, err
	}
	where := strings.TrimPrefix(o.to, "offset:")
	if p, err := parsePosition(where, a.now(), a.zone); err == nil && where == o.to {
		if plainNumber.MatchString(where) {
			return r, fail(codeTime, "%s may be an offset or a time", clip(o.to, 60)).because("a number this large can be seconds since 1970").
				fix("--to offset:%s", where).fix("--to %s", jsonTime(p.time))
		}
		if r.To = p.bound(); p.kind == earliest { // the zero Bound is where the group is
			r.To = bus.FromStart(0)
		}
		return r, nil
	}
	at, err := parseOffset(where, a.now(), a.zone)
	if err != nil || strings.HasPrefix(where, "@") || len(at.starts) > 1 {
		return r, fail(codeTime, "%q is not a value of --to", clip(o.to, 60)).
			because("it is none of: %s, offset:1234, 3:1234 (partition:offset), group:NAME, file:NAME", positionGrammar).fix("--to earliest").fix("--to 2h")
	}
	r.To = at.from.bound()
	for partition, offset := range at.starts {
		if len(r.Partitions) > 0 {
			return r, fail(codeConflict, "--partition and --to %s both say which partition", o.to).fix("use one of them")
		}
		r.Partitions, r.To = []int32{partition}, bus.AtOffset(offset)
	}
	return r, nil
}

// groupPositions are where another group is.
func groupPositions(ctx context.Context, b *bus.Bus, name string) ([]bus.Coordinates, error) {
	lags, err := b.Lag(ctx, name)
	if err != nil {
		return nil, unknownGroup(ctx, b, []string{name}, err)
	}
	var at []bus.Coordinates
	for _, l := range lags {
		if l.Committed >= 0 {
			at = append(at, bus.Coordinates{Topic: l.Topic, Partition: l.Partition, Offset: l.Committed})
		}
	}
	if at == nil {
		return nil, fail(codeEmpty, "group %s has no positions", clip(name, 120)).because("it has committed nothing").fix("omnibus groups show %s", shellQuote(name))
	}
	return at, nil
}

// filePositions reads positions from a file: the JSON of "groups show" and "lag", or lines of topic,partition,offset.
func (a *app) filePositions(name string) ([]bus.Coordinates, error) {
	text, err := os.ReadFile(a.path(name))
	if err != nil {
		return nil, cannotRead(name, err)
	}
	at, err := parsePositions(text)
	if err == nil && len(at) == 0 {
		err = errors.New("it holds no position")
	}
	if err != nil {
		return nil, fail(codeFile, "%s holds no positions that can be read", name).because("%s", err).
			fix("omnibus groups show GROUP -o json > %s", name).fix("write one topic,partition,offset a line")
	}
	return at, nil
}

func resetDocOf(plan bus.ResetPlan, kept bus.KeptPlan) groupsResetDoc {
	doc := groupsResetDoc{Schema: schemaOf("groups.reset"), Plan: planItemOf(kept), Group: plan.Group, New: plan.New, Partitions: []moveItem{}, Warnings: []string{}}
	for _, m := range plan.Moves {
		item := moveItem{Topic: m.Topic, Partition: m.Partition, Start: m.Start, End: m.End, Again: m.Again, PassedOver: m.PassedOver, Why: m.Why}
		if m.From >= 0 {
			item.From = &m.From
		}
		if m.To >= 0 {
			item.To = &m.To
		}
		doc.Partitions = append(doc.Partitions, item)
		doc.Again += m.Again
		doc.PassedOver += m.PassedOver
	}
	if plan.New {
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("there is no group %s: this makes it", plan.Group))
	}
	if plan.Parked > 0 {
		doc.Warnings = append(doc.Warnings, count(plan.Parked, "key is", "keys are")+
			" parked: their events follow into the dead letters until they are released, see omnibus dlq parked")
	}
	if doc.PassedOver > 0 {
		doc.Warnings = append(doc.Warnings, fmt.Sprintf("%s will be passed over: group %s never handles them", counted(doc.PassedOver), plan.Group))
	}
	return doc
}

// counted is n events in words, where only offsets are known.
func counted(n int64) string {
	if n == 1 {
		return "1 event"
	}
	return "up to " + strconv.FormatInt(n, 10) + " events"
}

// printReset shows what a reset does. That events are passed over is said where nobody can miss it.
func (a *app) printReset(doc groupsResetDoc) error {
	err := a.print(doc, func() error {
		fields := []field{{"group", doc.Group}}
		if doc.Plan != nil {
			fields = append(fields, field{"plan", doc.Plan.ID})
		}
		state := "planned"
		if doc.Executed {
			state = "done: the positions were read again, and are those"
		}
		fields = append(fields, field{"state", state}, field{"again", counted(doc.Again)}, field{"passed over", counted(doc.PassedOver)})
		if err := a.printFields(fields...); err != nil {
			return err
		}
		t := newTable("TOPIC", "PARTITION#", "BEFORE#", "AFTER#", "LOG#", "AGAIN#", "PASSED OVER#", "WHY")
		for _, m := range doc.Partitions {
			after := known(m.To)
			if m.To == nil || m.From != nil && *m.From == *m.To {
				after = "stays"
			}
			before := "none"
			if m.From != nil {
				before = known(m.From)
			}
			t.add(string(m.Topic), strconv.Itoa(int(m.Partition)), before, after, fmt.Sprintf("%d-%d", m.Start, m.End),
				strconv.FormatInt(m.Again, 10), strconv.FormatInt(m.PassedOver, 10), m.Why)
		}
		if err := a.printf("\n"); err != nil {
			return err
		}
		return a.printTable(t)
	})
	if a.format != formatJSON && !doc.Executed {
		for _, w := range doc.Warnings {
			a.note("%s %s", a.paint(yellow, "warning:"), w)
		}
	}
	return err
}

// groupHasMembers explains why a group is left as it is.
func (a *app) groupHasMembers(e *bus.ActiveGroupError) *failure {
	f := fail(codeActive, "group %s is at work: it has %s", e.Group.Name, count(len(e.Group.Members), "member", "members"))
	for i, m := range e.Group.Members {
		if i == 8 {
			f.at("also", "%s", count(len(e.Group.Members)-i, "more member", "more members"))
			break
		}
		var holds []string
		for t, ps := range sorted(topicNames(m.Assigned)) {
			holds = append(holds, t+partitionsText(ps))
		}
		if holds == nil {
			holds = []string{"nothing yet"}
		}
		f.at("member", "%s at %s holds %s", m.ClientID, m.Host, strings.Join(holds, ", "))
	}
	return f.because("its members go on from where they are, and commit that over what you say").
		fix("stop them, then run it again").fix("omnibus groups show %s", shellWord(e.Group.Name))
}

func topicNames(m map[event.Topic][]int32) map[string][]int32 {
	out := make(map[string][]int32, len(m))
	for t, ps := range m {
		out[string(t)] = ps
	}
	return out
}

// partitionsText is "[0,1,2]".
func partitionsText(ps []int32) string {
	words := make([]string, len(ps))
	for i, p := range slices.Sorted(slices.Values(ps)) {
		words[i] = strconv.Itoa(int(p))
	}
	return "[" + strings.Join(words, ",") + "]"
}

// stalePlan explains what has changed since a plan was made.
func stalePlan(e *bus.StalePlanError) *failure {
	f := fail(codeStale, "nothing was done: the plan is out of date")
	for i, c := range e.Changed {
		if i == 8 {
			f.at("changed", "%d more", len(e.Changed)-i)
			break
		}
		f.at("changed", "%s", c)
	}
	return f.because("it would do something else than it says").fix("make a new plan: the same command without --plan")
}
