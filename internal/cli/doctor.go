package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/doctor"
)

type doctorOptions struct {
	fix   bool
	since time.Duration
}

type doctorDoc struct {
	Schema  string        `json:"schema"`
	Brokers []string      `json:"brokers"`
	Well    bool          `json:"well"` // no check failed
	Took    float64       `json:"took_seconds"`
	Counts  doctorCounts  `json:"counts"`
	Checks  []doctorCheck `json:"checks"`
}

type doctorCounts struct {
	OK   int `json:"ok"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`
}

type doctorCheck struct {
	Check    string          `json:"check"`
	About    string          `json:"about"`
	Status   doctor.Status   `json:"status"` // ok, warn, fail, skip: the worst of its findings
	Took     float64         `json:"took_seconds"`
	Findings []doctorFinding `json:"findings"`
}

type doctorFinding struct {
	Status doctor.Status `json:"status"`
	What   string        `json:"what"`
	Fix    string        `json:"fix,omitzero"`
}

func newDoctorCmd(a *app) *cobra.Command {
	var o doctorOptions
	var names strings.Builder
	for _, c := range doctor.Checks() {
		fmt.Fprintf(&names, "\n  %-13s %s", c.Name, c.About)
	}
	cmd := prints(&cobra.Command{
		Use:   "doctor [CHECK…]",
		Short: "Find out what keeps events from flowing, and how to mend it",
		Long: "Goes the whole way as a client does: name, connection, TLS, protocol, login, the addresses that the brokers send clients to, a round\n" +
			"trip; then topics, groups and dead letters, and this machine. Names of checks run those, with what they need.\n\n" +
			"Exit 0: nothing failed; there may be warnings. Exit 10: a check failed. Each check has half of --timeout.\n\nChecks:" + names.String(),
		Example: `omnibus doctor
omnibus doctor advertised roundtrip -b kafka:9092
omnibus doctor topics internal --fix
omnibus doctor -o json`,
		RunE: func(cmd *cobra.Command, args []string) error { return runDoctor(cmd.Context(), a, o, args) },
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.BoolVar(&o.fix, "fix", false, "create what is missing: topics of the catalogue with their dead letters, topics of Omnibus itself")
	f.DurationVar(&o.since, "since", time.Hour, "how far back a dead letter counts as new, `duration`")
	dataFlag(f)
	return cmd
}

func runDoctor(ctx context.Context, a *app, o doctorOptions, names []string) error {
	if o.since <= 0 {
		return fail(codeFlagValue, "--since must be more than 0").fix("--since 1h")
	}
	cfg, err := a.doctorConfig(o, names)
	if err != nil {
		return err
	}
	began := time.Now()
	done, p := int64(0), a.startProgress("checked", int64(len(doctor.Checks())))
	cfg.Saw = func(doctor.Result) { done++; p.at(done) }
	results, err := doctor.Examine(ctx, cfg)
	p.hide()
	if unknown, ok := errors.AsType[*doctor.UnknownCheckError](err); ok {
		f := fail(codeArgs, "there is no check %q", clip(unknown.Name, 60))
		if len(unknown.Near) > 0 {
			f.fix("did you mean %s?", strings.Join(unknown.Near, " or "))
		}
		return f.fix("omnibus doctor --help lists them")
	}
	if err != nil {
		return err
	}
	doc := doctorDocOf(results, cfg.Bus.Brokers, time.Since(began))
	if err := a.print(doc, func() error { return a.printDoctor(doc) }); err != nil {
		return err
	}
	return doc.judge()
}

// doctorConfig gathers what the checks look at. What is wrong with the settings is something to report, and no reason to stop.
func (a *app) doctorConfig(o doctorOptions, names []string) (doctor.Config, error) {
	cfg := doctor.Config{
		Checks: names, Open: a.open, Fix: o.fix, Since: o.since, Each: a.flags.timeout / 2, Now: a.now,
		Origin: a.settings.get("KAFKA_BOOTSTRAP_SERVERS").origin, Env: maps.Clone(a.env),
	}
	for _, s := range a.settings.all {
		cfg.Known = append(cfg.Known, doctor.Setting{Name: s.env, Also: s.also})
	}
	cfg.Known = append(cfg.Known, doctor.Setting{Name: "OMNIBUS_INSTANCE"})
	wrong := func(err error) {
		if f, ok := asFailure(err); ok {
			for _, d := range f.details {
				cfg.Wrong = append(cfg.Wrong, d.value)
			}
			if len(f.details) == 0 {
				cfg.Wrong = append(cfg.Wrong, f.message)
			}
		}
	}
	c, err := a.catalog()
	if err != nil {
		f, ok := asFailure(err)
		if !ok {
			return cfg, err
		}
		cfg.Wrong = append(cfg.Wrong, f.message+": "+f.cause)
	} else if cfg.Bus, err = bus.ConfigFrom(a.settings.lookup, a.settings.names(), service, c); err != nil {
		wrong(a.badSettings(err))
		// Without the variables that nobody knows there may still be a bus to look at.
		cfg.Bus, _ = bus.ConfigFrom(a.settings.lookup, nil, service, c) // what is wrong has been said
	}
	if _, err := a.undeclared(); err != nil {
		wrong(err)
	}
	if cfg.Registry, err = a.registry(); err != nil {
		wrong(err)
	}
	cfg.Bus.Logger, cfg.Bus.PublishTimeout = a.log, cfg.Each
	cfg.Up = a.doctorUp(wrong)
	return cfg, nil
}

// doctorUp is what "omnibus up" runs here, or would.
func (a *app) doctorUp(wrong func(error)) doctor.Up {
	var up doctor.Up
	local := listenOptions{host: "127.0.0.1"}
	at, err := local.addresses(a, "OMNIBUS_PORT_KAFKA", "OMNIBUS_PORT_CONSOLE", "OMNIBUS_PORT_REGISTRY")
	if err != nil {
		wrong(err)
	} else {
		up.Kafka, up.Console, up.Registry = at[0], at[1], at[2]
	}
	for _, at := range []*string{&up.Kafka, &up.Console, &up.Registry} {
		if _, port, _ := net.SplitHostPort(*at); port == "0" { // it was joined just now, or is empty
			*at = "" // any that is free
		}
	}
	if up.Data, err = a.dataDir(); err != nil {
		return up // there is none, and the check says so
	}
	s, running, err := readState(up.Data)
	if err != nil {
		wrong(cannotRead(lockPath(up.Data), err))
	}
	up.Running, up.PID, up.URL, up.Brokers = running, s.PID, s.URL, s.Brokers
	return up
}

func doctorDocOf(results []doctor.Result, brokers []string, took time.Duration) doctorDoc {
	doc := doctorDoc{Schema: schemaOf("doctor"), Brokers: append([]string{}, brokers...), Took: took.Seconds(), Checks: []doctorCheck{}}
	for _, r := range results {
		c := doctorCheck{Check: r.Check, About: r.About, Status: r.Status, Took: r.Took.Seconds(), Findings: []doctorFinding{}}
		for _, f := range r.Findings {
			c.Findings = append(c.Findings, doctorFinding(f))
		}
		doc.Checks = append(doc.Checks, c)
		switch r.Status {
		case doctor.OK:
			doc.Counts.OK++
		case doctor.Warn:
			doc.Counts.Warn++
		case doctor.Fail:
			doc.Counts.Fail++
		case doctor.Skip:
			doc.Counts.Skip++
		}
	}
	doc.Well = doc.Counts.Fail == 0
	return doc
}

func (a *app) printDoctor(doc doctorDoc) error {
	glyphs := map[doctor.Status]string{doctor.OK: "✓", doctor.Warn: "!", doctor.Fail: "✗", doctor.Skip: "-"}
	t := newTable("STATUS", "CHECK", "FOUND")
	for _, c := range doc.Checks {
		name := c.Check
		for _, f := range c.Findings {
			t.add(glyphs[f.Status]+" "+string(f.Status), name, f.What)
			if f.Fix != "" {
				t.add("", "", "  fix: "+f.Fix)
			}
			name = ""
		}
	}
	if err := a.printTable(t); err != nil {
		return err
	}
	return a.printf("\n%s: %d ok, %d warn, %d fail, %d skip, after %.1f s\n", count(len(doc.Checks), "check", "checks"),
		doc.Counts.OK, doc.Counts.Warn, doc.Counts.Fail, doc.Counts.Skip, doc.Took)
}

// judge is the exit code: warnings are for people, and no reason for a script to stop.
func (d doctorDoc) judge() error {
	if d.Well {
		return nil
	}
	i := slices.IndexFunc(d.Checks, func(c doctorCheck) bool { return c.Status == doctor.Fail })
	first := d.Checks[i]
	f := first.Findings[slices.IndexFunc(first.Findings, func(f doctorFinding) bool { return f.Status == doctor.Fail })]
	out := fail(codeUnwell, "%d of %s failed, first: %s", d.Counts.Fail, count(len(d.Checks), "check", "checks"), first.Check).because("%s", f.What)
	if f.Fix != "" {
		out.fix("%s", f.Fix)
	}
	return out.fix("omnibus doctor %s, when it is mended", first.Check)
}
