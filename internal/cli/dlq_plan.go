package cli

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

// planOptions are those of the commands that act on many: a plan first, then exactly that.
type planOptions struct {
	selectOptions
	action  deadletter.Action
	execute bool
	plan    string
	yes     bool
	confirm int
	note    string

	to         string
	groupOnly  bool
	allGroups  bool
	rate       string
	maxRetries int
	stopRate   float64
	keepOrder  bool
	transform  string

	dlqTopic string // hidden, of the quick reference, as limit
	limit    int
}

type planDoc struct {
	Schema   string             `json:"schema"`
	Executed bool               `json:"executed"`
	Job      jobItem            `json:"job"`
	Causes   []deadletter.Cause `json:"causes"`
	Samples  []sampleItem       `json:"samples,omitzero"` // of what --transform does
	Warnings []string           `json:"warnings"`
	Next     string             `json:"next,omitzero"` // the command that does it, or goes on
}

const planHelp = "It shows a plan first: a frozen set of dead letters. On a terminal it asks; elsewhere it exits 9, and the last line on standard\n" +
	"error is the command that does it. What fails after the plan was made is not in it."

func newDLQRetryCmd(a *app) *cobra.Command {
	o := planOptions{action: deadletter.Retry}
	cmd := a.planCmd(&o)
	cmd.Short = "Send dead letters again, to the group that could not handle them"
	cmd.Long = planHelp + "\n\nA dead letter is sent with its original bytes, or its draft if it was edited, and marked as sent once that is acknowledged. Only\n" +
		"the group that failed handles it, unless --all-groups says otherwise. A job ends by itself when too much fails again, and what\n" +
		"has come back three times is quarantined."
	cmd.Example = `omnibus dlq retry 3f9a1c2b77d0
omnibus dlq retry omninode.codegen.request.validate.v1 --group codegen --rate 50/s
omnibus dlq retry --since 2h --class retries_exhausted --execute
omnibus dlq retry 3f9a1c2b77d0 --transform '.payload.content = .payload.contnt | del(.payload.contnt)'
omnibus dlq retry --execute --plan 7f3a2b9c`
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "send to this `topic`, in place of where each came from")
	f.BoolVar(&o.groupOnly, "group-only", false, "only the group that failed handles them (the default)")
	f.BoolVar(&o.allGroups, "all-groups", false, "every group that reads the topic handles them again")
	f.StringVar(&o.rate, "rate", "50/s", "how many at most: `n/s`, n/m or max")
	f.IntVar(&o.maxRetries, "max-retries", 3, "quarantine what has come back `n` times")
	f.Float64Var(&o.stopRate, "stop-rate", 0.5, "end when more than this `part` of what was sent failed again; 1 never does")
	f.StringVar(&o.transform, "transform", "", "change each event by a jq `expression` before it is sent; the original stays")
	f.BoolVar(&o.keepOrder, "keep-order", false, "events of one key in their order, one after the other")
	f.StringVar(&o.dlqTopic, "dlq-topic", "", "")
	f.IntVar(&o.limit, "limit", 0, "")
	f.Lookup("dlq-topic").Hidden = true
	f.Lookup("limit").Hidden = true
	return cmd
}

func newDLQResolveCmd(a *app) *cobra.Command {
	o := planOptions{action: deadletter.Resolve}
	cmd := a.planCmd(&o)
	cmd.Short = "Mark dead letters as dealt with, with a note"
	cmd.Long = planHelp + "\n\nThey stay where they are; a new failure of the same event is pending again."
	cmd.Example = `omnibus dlq resolve 7k2m9qx4t0 --note "corrected by hand, ticket 4711"
omnibus dlq resolve 3f9a1c2b77d0 --until 1h --note "the schema was wrong" --execute`
	return cmd
}

func newDLQPurgeCmd(a *app) *cobra.Command {
	o := planOptions{action: deadletter.Purge}
	cmd := a.planCmd(&o)
	cmd.Short = "Mark dead letters as to be forgotten"
	cmd.Long = planHelp + "\n\nTheir number has to be typed, or said with --confirm. Kafka cannot delete single records: they go with retention, and until then\n" +
		"\"dlq restore\" brings them back."
	cmd.Example = `omnibus dlq purge 3f9a1c2b77d0 --note "test data"
omnibus dlq purge --execute --plan 7f3a2b9c --confirm 12`
	cmd.Flags().IntVar(&o.confirm, "confirm", -1, "the `number` of dead letters in the plan")
	cmd.Flags().Lookup("confirm").DefValue = "0" // none
	return cmd
}

func newDLQRestoreCmd(a *app) *cobra.Command {
	o := planOptions{action: deadletter.Restore}
	cmd := a.planCmd(&o)
	cmd.Short = "Make dead letters pending again that were resolved, purged or quarantined, and drop drafts"
	cmd.Long = planHelp
	cmd.Example = `omnibus dlq restore 7k2m9qx4t0
omnibus dlq restore --state purged --since 1d --execute`
	return cmd
}

// planCmd is what these commands have in common.
func (a *app) planCmd(o *planOptions) *cobra.Command {
	cmd := prints(&cobra.Command{
		Use: string(o.action) + " [" + selectorUse + "…]",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return runPlan(cmd.Context(), a, *o, cmd.Flags())
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	o.flags(f)
	f.BoolVar(&o.execute, "execute", false, "do it, without asking")
	f.StringVar(&o.plan, "plan", "", "exactly the set of this `plan`")
	f.BoolVar(&o.yes, "yes", false, "with --execute: although nothing says which, so all of them")
	f.StringVar(&o.note, "note", "", "why, `text`; kept with each decision")
	return cmd
}

func runPlan(ctx context.Context, a *app, o planOptions, given *pflag.FlagSet) error {
	if o.dlqTopic != "" || o.limit != 0 {
		o.canonical(a)
	}
	options, err := o.options()
	if err != nil {
		return err
	}
	if o.plan != "" {
		if err := o.onlyThePlan(given); err != nil {
			return err
		}
	}
	return a.withDesk(ctx, func(ctx context.Context, d *deadletter.Desk) error {
		job, err := o.job(ctx, a, d, options)
		if err != nil {
			return err
		}
		if !o.execute {
			return a.askThenRun(ctx, d, o, job)
		}
		if err := o.mayRun(a, job); err != nil {
			return err
		}
		return a.runJob(ctx, d, job.ID, "dlq."+string(o.action))
	})
}

// canonical turns the command line of the quick reference into ours, and says which that is.
func (o *planOptions) canonical(a *app) {
	words := []string{"dlq", "retry"}
	if o.dlqTopic != "" {
		o.topics = append(o.topics, o.dlqTopic)
		words = append(words, o.dlqTopic)
	}
	if o.limit != 0 {
		o.max = o.limit
		words = append(words, "--max", strconv.Itoa(o.limit))
	}
	a.hint("note: this is now written %s", a.commandLine(words...))
}

// options are those of the job.
func (o planOptions) options() (deadletter.Options, error) {
	out := deadletter.Options{Note: o.note}
	if err := checkNote(o.note); err != nil || o.action != deadletter.Retry {
		return out, err
	}
	switch {
	case o.groupOnly && o.allGroups:
		return out, fail(codeConflict, "--group-only and --all-groups both say who handles them").fix("use one of them")
	case o.maxRetries < 1:
		return out, fail(codeFlagValue, "--max-retries must be 1 or more").fix("--max-retries 3")
	case o.stopRate <= 0 || o.stopRate > 1:
		return out, fail(codeFlagValue, "--stop-rate must be above 0 and at most 1").fix("--stop-rate 0.5")
	}
	if to := event.Topic(o.to); to.IsDLQ() || strings.HasPrefix(o.to, "_") {
		return out, fail(codeFlagValue, "%s takes no events of yours", to).because("it is a dead-letter or an internal topic").fix("--to %s", to.Source())
	}
	if o.transform != "" {
		if _, err := compileJQ("--transform", o.transform); err != nil {
			return out, err
		}
	}
	rate, err := parseRate(o.rate)
	if err != nil {
		return out, err
	}
	out.To, out.AllGroups, out.PerSecond = event.Topic(o.to), o.allGroups, rate
	out.MaxRedrives, out.StopRate, out.KeepOrder, out.Transform = o.maxRetries, o.stopRate, o.keepOrder, o.transform
	return out, nil
}

// checkNote keeps a note to what the audit record of it takes.
func checkNote(note string) error {
	const most = 2000
	if n := utf8.RuneCountInString(note); n > most {
		return fail(codeFlagValue, "--note has %d characters, at most %d are kept", n, most).fix("--note with a reference to the long text")
	}
	return nil
}

// parseRate reads "50/s", "3000/m", "50" or "max"; the last is -1.
func parseRate(s string) (perSecond float64, err error) {
	if s == "max" {
		return -1, nil
	}
	number, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(number, 64)
	per, known := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || !known || !(n > 0) || n > 1e6 {
		return 0, fail(codeFlagValue, "%q is not a rate", clip(s, 60)).fix("--rate 50/s, --rate 600/m or --rate max")
	}
	return n / per, nil
}

// onlyThePlan refuses what would change a set that is frozen.
func (o planOptions) onlyThePlan(given *pflag.FlagSet) error {
	var extra []string
	if len(o.args) > 0 {
		extra = append(extra, quoted(o.args))
	}
	given.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "plan", "execute", "yes", "confirm":
		default:
			if given.Lookup(f.Name) != nil && !isGlobal(f.Name) {
				extra = append(extra, "--"+f.Name)
			}
		}
	})
	if len(extra) == 0 {
		return nil
	}
	return fail(codeConflict, "--plan and %s cannot be used together", strings.Join(extra, ", ")).
		because("a plan holds its set and its options, and does not change").fix("leave %s out", strings.Join(extra, ", ")).
		fix("leave --plan out, which makes a new plan")
}

func isGlobal(name string) bool {
	switch name {
	case "bootstrap", "catalog", "output", "quiet", "verbose", "timeout", "tz", "color", "no-input", "columns", "no-headers":
		return true
	}
	return false
}

// job is the plan that was named, or a new one.
func (o planOptions) job(ctx context.Context, a *app, d *deadletter.Desk, options deadletter.Options) (*deadletter.Job, error) {
	if o.plan != "" {
		job, err := a.namedJob(ctx, d, o.plan)
		if err != nil {
			return nil, err
		}
		if job.Action != o.action {
			return nil, fail(codeConflict, "plan %s is not to %s, but to %s", job.ID, o.action, job.Action).fix("%s", a.commandLine("dlq", string(job.Action), "--plan", job.ID))
		}
		return job, stale(a, job)
	}
	s, err := o.selector(ctx, a, d)
	if err != nil {
		return nil, err
	}
	job, err := d.Plan(ctx, o.action, s, options)
	switch {
	case errors.Is(err, deadletter.ErrEmpty):
		return nil, a.nothingFits(ctx, d, o.selectOptions)
	case err != nil:
		return nil, a.notFound(ctx, d, o.selectOptions, err)
	}
	a.tellProblems(job.Problems)
	return job, nil
}

// stale refuses a plan that was carried out, so that nobody takes it for another run.
func stale(a *app, job *deadletter.Job) error {
	if job.State != deadletter.Done {
		return nil
	}
	return fail(codeStale, "plan %s was carried out already", job.ID).at("when", "%s", a.timeText(job.UpdatedAt)).at("by", "%s", job.RunBy).
		because("a plan is one set, for one time").fix("%s", a.commandLine("jobs", "show", job.ID)).fix("make a new plan: leave --plan out")
}

// needs is what has to be said, beyond --execute, before a job may run.
func needs(job *deadletter.Job) (words []string) {
	if job.Action == deadletter.Purge {
		words = append(words, "--confirm", strconv.Itoa(job.Total))
	}
	if job.Selector.Empty() {
		words = append(words, "--yes")
	}
	return words
}

// doIt is the command that carries the plan out.
func (a *app) doIt(job *deadletter.Job) string {
	return a.commandLine(append([]string{"dlq", string(job.Action), "--execute", "--plan", job.ID}, needs(job)...)...)
}

// mayRun holds what was said against what is needed.
func (o planOptions) mayRun(a *app, job *deadletter.Job) error {
	if job.Action == deadletter.Purge && o.confirm != job.Total {
		f := fail(codePlanOnly, "nothing was done: to purge, say how many").because("plan %s holds %s", job.ID, count(job.Total, "dead letter", "dead letters"))
		if o.confirm >= 0 {
			f.because("plan %s holds %d, and --confirm is %d", job.ID, job.Total, o.confirm)
		}
		return f.fix("look at it, and run the last line").then(a.doIt(job))
	}
	if job.Selector.Empty() && !o.yes {
		return fail(codePlanOnly, "nothing was done: nothing says which dead letters, so it would be all %d", job.Total).
			because("without a choice --execute needs --yes too").fix("name a fingerprint, a topic or a group").fix("run the last line").then(a.doIt(job))
	}
	return nil
}

// askThenRun shows the plan and asks; where nobody can be asked it refuses, and says how to do it.
func (a *app) askThenRun(ctx context.Context, d *deadletter.Desk, o planOptions, job *deadletter.Job) error {
	doc := planDocOf(job, "dlq."+string(o.action))
	doc.Next = a.doIt(job)
	if err := a.print(doc, func() error { return a.printPlan(job) }); err != nil {
		return err
	}
	if !a.canAsk() {
		return fail(codePlanOnly, "nothing was done: this is plan %s", job.ID).because("nobody can be asked here").
			fix("look at it, and run the last line").then(doc.Next)
	}
	question, want := "do it? [y/N] ", "y"
	if len(needs(job)) > 0 {
		want = strconv.Itoa(job.Total)
		question = "type " + want + ", the number of dead letters, to " + string(job.Action) + " them: "
	}
	answer, err := a.ask(ctx, question)
	if err != nil {
		return err
	}
	if answer != want && (want != "y" || !strings.EqualFold(answer, "yes")) {
		a.hint("nothing was done; later: %s", doc.Next)
		return nil
	}
	return a.runJob(ctx, d, job.ID, "dlq."+string(o.action))
}

func planDocOf(job *deadletter.Job, schema string) planDoc {
	doc := planDoc{Schema: schemaOf(schema), Job: jobItemOf(*job), Causes: job.Causes, Warnings: append([]string{}, job.Warnings...)}
	for _, s := range job.Samples {
		doc.Samples = append(doc.Samples, sampleItem{s.ID, diffLines(indented(s.Before), indented(s.After))})
	}
	if doc.Causes == nil {
		doc.Causes = []deadletter.Cause{}
	}
	return doc
}

// printPlan shows what a job would do.
func (a *app) printPlan(job *deadletter.Job) error {
	fields := []field{{"plan", job.ID}, {"to", string(job.Action) + " " + count(job.Total, "dead letter", "dead letters")}}
	if job.Action == deadletter.Retry {
		fields = append(fields, field{"handled by", handledBy(job.Options)}, field{"sent to", cmp.Or(string(job.Options.To), "where each came from")},
			field{"rate", rateText(job.Options.PerSecond)}, field{"transform", job.Options.Transform})
	}
	fields = append(fields, field{"note", job.Options.Note})
	for _, w := range job.Warnings {
		fields = append(fields, field{"warning", w})
	}
	if err := a.printFields(fields...); err != nil {
		return err
	}
	if err := a.printf("\n"); err != nil {
		return err
	}
	t := newTable("NUMBER#", "FINGERPRINT", "GROUP", "TOPIC", "CLASS", "ERROR")
	for _, c := range job.Causes {
		t.add(strconv.Itoa(c.Count), c.Fingerprint, c.ConsumerGroup, string(c.Topic), c.Class, clip(oneline.Text(c.Message), 60))
	}
	if err := a.printTable(t); err != nil {
		return err
	}
	return a.printSamples(job.Samples)
}

func handledBy(o deadletter.Options) string {
	if o.AllGroups {
		return "every group that reads the topic"
	}
	return "the group that failed, and no other"
}

func rateText(perSecond float64) string {
	if perSecond < 0 {
		return "as fast as it goes"
	}
	return strconv.FormatFloat(perSecond, 'g', 4, 64) + "/s"
}
