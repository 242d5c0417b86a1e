// Package selftest knows how to ask anyone's cluster whether the promises of delivery hold on it. It uses the public API of bus
// only, so that what it tests is what services use.
package selftest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Config says how to run the suite. Open is needed; the rest has defaults.
type Config struct {
	// Open opens a bus on the cluster with the catalogue and with what change sets.
	Open Opener
	// Member is the command that calls [Member] for the run in another process, to be killed. Without it the promises about
	// kills are reported as not tested.
	Member func(ctx context.Context, run Run) *exec.Cmd
	// Events is how many events each check publishes, about. Default 1000, at least 100.
	Events int
	// Partitions of the topics. Default 3.
	Partitions int
	// Replication of the topics. Default 3, on fewer brokers as many as there are.
	Replication int
	// SessionTimeout is how long the cluster waits for a killed member. Default 6 s, the shortest that brokers take by default.
	SessionTimeout time.Duration
	// Keep leaves topics and groups behind.
	Keep bool
	// Progress is told what happens now. Default: nobody is.
	Progress func(text string)
}

// Opener opens a bus with the catalogue and with what change sets.
type Opener func(ctx context.Context, c *event.Catalog, change func(*bus.Config)) (*bus.Bus, error)

// Run names one run of the suite: what another process has to know to take part.
type Run struct {
	Name           string // also the domain of its topics: selftest_1a2b3c4d
	Partitions     int
	SessionTimeout time.Duration
}

// Prefix is what the names of the run's topics begin with; its groups begin with Name.
func (r Run) Prefix() string { return "omninode." + r.Name + "." }

// A Verdict is what a check found.
type Verdict string

// The verdicts.
const (
	Held      Verdict = "held"
	NotHeld   Verdict = "NOT HELD"
	NotTested Verdict = "not tested"
)

// Finding is one line of the report.
type Finding struct {
	Promise  string // P1 to P7, as docs/promises.md numbers them
	Title    string
	Did      string // what was done, with counts
	Verdict  Verdict
	Evidence string   // what was seen, or why it was not tested
	Faults   []string // what breaks the promise, the first few
}

// Report is what a run found.
type Report struct {
	Run         Run
	Replication int
	Findings    []Finding
	Warnings    []string // settings of the cluster that weaken promises
	Left        []string // topics and groups that could not be removed, or were to be kept
	Took        time.Duration
}

// limit is how long one check may take: longer than a rebalance after a kill, with what 1000 events take on a slow cluster.
func (c Config) limit() time.Duration {
	return time.Minute + c.SessionTimeout + time.Duration(c.Events)*20*time.Millisecond
}

func (c Config) withDefaults() Config {
	c.Events = max(100, orDefault(c.Events, 1000))
	c.Partitions = orDefault(c.Partitions, 3)
	c.SessionTimeout = orDefault(c.SessionTimeout, 6*time.Second)
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

func orDefault[T comparable](v, to T) T {
	var zero T
	if v == zero {
		return to
	}
	return v
}

var errTooSlow = errors.New("the time for this check is over")

// Start runs the suite and removes what it made, also when ctx ends early. It returns an error where it could not begin, or
// was interrupted; then the report tells at least what is left behind.
func Start(ctx context.Context, cfg Config) (rep Report, err error) {
	began := time.Now()
	cfg = cfg.withDefaults()
	run := Run{Name: fmt.Sprintf("selftest_%08x", rand.Uint32()), Partitions: cfg.Partitions, SessionTimeout: cfg.SessionTimeout}
	rep = Report{Run: run}
	catalog, err := run.catalog()
	if err != nil {
		return rep, err
	}
	b, err := cfg.Open(ctx, catalog, func(c *bus.Config) { c.Replication = cfg.Replication })
	if err != nil {
		return rep, err
	}
	defer func() {
		rep.Took = time.Since(began)
		if closed := b.Close(); err == nil {
			err = closed
		}
	}()
	s := &suite{cfg: cfg, run: run, b: b}
	defer func() { rep.Left = s.cleanUp(context.WithoutCancel(ctx)) }()
	cfg.Progress("creating topics " + run.Prefix() + "*")
	if _, err := b.EnsureTopics(ctx); err != nil {
		return rep, err
	}
	if rep.Replication, rep.Warnings, err = s.settings(ctx); err != nil {
		return rep, err
	}
	for _, c := range checks() {
		cfg.Progress(c.promise + ": " + c.title)
		rep.Findings = append(rep.Findings, s.check(ctx, c))
		if ctx.Err() != nil {
			return rep, context.Cause(ctx)
		}
	}
	return rep, nil
}

// check runs one check in its time.
func (s *suite) check(ctx context.Context, c check) Finding {
	f := Finding{Promise: c.promise, Title: c.title}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.limit(), errTooSlow)
	defer cancel()
	o, err := c.run(s, ctx)
	f.Did, f.Faults = o.did, o.faults
	var untested *untestedError
	switch {
	case len(o.faults) > 0:
		f.Verdict, f.Evidence = NotHeld, o.faults[0]
		if more := len(o.faults) - 1; more > 0 {
			f.Evidence += fmt.Sprintf(" (and %d more)", more)
		}
	case errors.Is(err, errTooSlow): // events that never come break the promise too
		f.Verdict, f.Evidence = NotHeld, err.Error()
		f.Faults = []string{err.Error()}
	case errors.As(err, &untested):
		f.Verdict, f.Evidence = NotTested, untested.why
	case err != nil:
		f.Verdict, f.Evidence = NotTested, "it could not be carried out: "+err.Error()
	default:
		f.Verdict, f.Evidence = Held, o.evidence
	}
	const most = 10
	f.Faults = f.Faults[:min(most, len(f.Faults))]
	return f
}

// check is one line of the table.
type check struct {
	promise, title string
	run            func(s *suite, ctx context.Context) (outcome, error)
}

// outcome is what a check saw.
type outcome struct {
	did      string
	evidence string   // where nothing is wrong
	faults   []string // each breaks the promise
}

func (o *outcome) fault(format string, args ...any) {
	o.faults = append(o.faults, fmt.Sprintf(format, args...))
}

// untestedError says why a promise could not be tested.
type untestedError struct{ why string }

func (e *untestedError) Error() string { return e.why }

// checks are the lines of the table, in the order in which they run: later ones look at what earlier ones left.
func checks() []check {
	return []check{
		{"P1", "acknowledged means kept", (*suite).published},
		{"P1", "a result for each item", (*suite).mixedBatch},
		{"P1", "too large is refused", (*suite).tooLarge},
		{"P2", "keys go where murmur2 says", (*suite).partitioned},
		{"P2", "order per key, through retries", (*suite).ordered},
		{"P3", "a clean stop redelivers nothing", (*suite).restarted},
		{"P4", "a kill repeats only what is not committed", (*suite).killed},
		{"P4", "commit metadata is kept", (*suite).completedSet},
		{"P5", "dead letter before commit", (*suite).poisoned},
		{"P6", "bytes stay as they are", (*suite).copied},
		{"P7", "members join and leave", (*suite).shared},
	}
}
