package cli

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/internal/selftest"
)

type selftestOptions struct {
	events, partitions, replication int
	session                         time.Duration
	keep                            bool
	member                          string // hidden: be the process that is killed, of the run of this name
}

type selftestDoc struct {
	Schema      string         `json:"schema"`
	Brokers     []string       `json:"brokers"`
	Prefix      string         `json:"topic_prefix"`
	Events      int            `json:"events"`
	Partitions  int            `json:"partitions"`
	Replication int            `json:"replication"`
	Took        float64        `json:"took_seconds"`
	Held        bool           `json:"held"` // every promise
	Promises    []selftestItem `json:"promises"`
	Warnings    []string       `json:"warnings"`
	Left        []string       `json:"left_behind"`
}

type selftestItem struct {
	Promise  string   `json:"promise"`
	Title    string   `json:"title"`
	Did      string   `json:"done"`
	Verdict  string   `json:"verdict"` // held, NOT HELD, not tested
	Evidence string   `json:"evidence"`
	Faults   []string `json:"faults"`
}

func newSelftestCmd(a *app) *cobra.Command {
	o := selftestOptions{}
	cmd := prints(&cobra.Command{
		Use:   "selftest",
		Short: "Prove the promises of delivery on your cluster",
		Long: "Publishes, consumes, fails and kills on topics and groups of its own, removes them afterwards, and ends in a table of the promises\n" +
			"held. It takes about half a minute and does not touch anything else on the cluster.\n\n" +
			"Exit 0: all are held. Exit 10: one is not. Exit 8: one could not be tested.",
		Example: `omnibus selftest
omnibus selftest -b redpanda-0:9092 --events 20000 --partitions 6
omnibus selftest -b kafka:9092 --replication 3 -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runSelftest(cmd.Context(), a, o) },
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.IntVar(&o.events, "events", 1000, "how many events each check publishes, about `n`")
	f.IntVar(&o.partitions, "partitions", 3, "partitions of each topic, `n`")
	f.IntVar(&o.replication, "replication", 0, "copies of each topic, `n`; default 3, on fewer brokers as many as there are")
	f.DurationVar(&o.session, "session-timeout", 6*time.Second, "how long the cluster waits for a killed member; brokers refuse less than 6s by default")
	f.BoolVar(&o.keep, "keep", false, "leave topics and groups behind, to look at them")
	f.StringVar(&o.member, "member", "", "")
	f.Lookup("member").Hidden = true
	return cmd
}

func (o selftestOptions) check() error {
	for _, c := range []struct {
		name           string
		got, low, high int
	}{{"events", o.events, 100, 1_000_000}, {"partitions", o.partitions, 1, 1000}, {"replication", o.replication, 0, 100}} {
		if c.got < c.low || c.got > c.high {
			return fail(codeFlagValue, "--%s must be %d to %d", c.name, c.low, c.high).fix("--%s %d", c.name, max(c.low, 3))
		}
	}
	if o.session < time.Second {
		return fail(codeFlagValue, "--session-timeout must be 1s or more").fix("--session-timeout 6s")
	}
	return nil
}

func runSelftest(ctx context.Context, a *app, o selftestOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.member != "" {
		run := selftest.Run{Name: o.member, Partitions: o.partitions, SessionTimeout: o.session}
		return selftest.Member(ctx, a.openWith, run, a.in, a.out)
	}
	if _, err := os.Executable(); err != nil {
		return err
	}
	rep, err := selftest.Start(ctx, selftest.Config{
		Open: a.openWith,
		Member: func(ctx context.Context, run selftest.Run) *exec.Cmd {
			cmd, err := a.self(ctx, append(slices.Clone(a.args), "--member", run.Name))
			if err != nil {
				cmd = &exec.Cmd{Err: err}
			}
			return cmd
		},
		Events: o.events, Partitions: o.partitions, Replication: o.replication, SessionTimeout: o.session, Keep: o.keep,
		Progress: func(text string) { a.hint("%s", text) },
	})
	if err != nil {
		for _, left := range rep.Left {
			a.note("left behind: %s", left)
		}
		return err
	}
	doc := selftestDocOf(rep, o, strings.Split(a.settings.get("KAFKA_BOOTSTRAP_SERVERS").value, ","))
	if err := a.print(doc, func() error { return a.printSelftest(doc) }); err != nil {
		return err
	}
	return doc.judge()
}

// openWith opens a bus with a catalogue of its own.
func (a *app) openWith(ctx context.Context, c *event.Catalog, change func(*bus.Config)) (*bus.Bus, error) {
	cfg, err := a.busConfig(service)
	if err != nil {
		return nil, err
	}
	cfg.Catalog, cfg.Topics = c, nil
	change(&cfg)
	return a.open(ctx, cfg)
}

func selftestDocOf(rep selftest.Report, o selftestOptions, brokers []string) selftestDoc {
	doc := selftestDoc{
		Schema: schemaOf("selftest"), Brokers: brokers, Prefix: rep.Run.Prefix(), Events: o.events, Partitions: rep.Run.Partitions,
		Replication: rep.Replication, Took: rep.Took.Seconds(), Held: true, Promises: []selftestItem{},
		Warnings: append([]string{}, rep.Warnings...), Left: append([]string{}, rep.Left...),
	}
	for _, f := range rep.Findings {
		doc.Held = doc.Held && f.Verdict == selftest.Held
		doc.Promises = append(doc.Promises, selftestItem{
			Promise: f.Promise, Title: f.Title, Did: f.Did, Verdict: string(f.Verdict), Evidence: oneline.Text(f.Evidence), Faults: append([]string{}, f.Faults...),
		})
	}
	return doc
}

func (a *app) printSelftest(doc selftestDoc) error {
	t := newTable("PROMISE", "", "VERDICT", "WHAT WAS DONE", "EVIDENCE")
	for _, p := range doc.Promises {
		t.add(p.Promise, p.Title, p.Verdict, p.Did, clip(p.Evidence, 160))
	}
	if err := a.printTable(t); err != nil {
		return err
	}
	if err := a.printf("\n"); err != nil {
		return err
	}
	fields := []field{
		{"brokers", strings.Join(doc.Brokers, ",")},
		{"topics", doc.Prefix + "*, partitions " + strconv.Itoa(doc.Partitions) + ", replication " + strconv.Itoa(doc.Replication)},
		{"took", durationText(time.Duration(doc.Took * float64(time.Second)))},
	}
	for _, w := range doc.Warnings {
		fields = append(fields, field{"warning", w})
	}
	for _, l := range doc.Left {
		fields = append(fields, field{"left behind", l})
	}
	return a.printFields(fields...)
}

// judge is the exit code of a run: a promise that is not held says more than one that could not be tested.
func (d selftestDoc) judge() error {
	count := map[string]int{}
	first := map[string]selftestItem{}
	for _, p := range d.Promises {
		if count[p.Verdict]++; count[p.Verdict] == 1 {
			first[p.Verdict] = p
		}
	}
	if p, n := first[string(selftest.NotHeld)], count[string(selftest.NotHeld)]; n > 0 {
		return fail(codePromise, "%d of %d checks failed: this cluster does not hold %s (%s)", n, len(d.Promises), p.Promise, p.Title).
			because("%s", p.Evidence).fix("omnibus selftest --keep -o json, and look at the topics that it leaves").
			fix("look for a proxy, a plugin or a setting of the cluster that changes records or commits")
	}
	if p, n := first[string(selftest.NotTested)], count[string(selftest.NotTested)]; n > 0 {
		return fail(codePartial, "%d of %d checks could not be carried out: %s (%s)", n, len(d.Promises), p.Promise, p.Title).
			because("%s", p.Evidence).fix("omnibus selftest -vv says more")
	}
	return nil
}
