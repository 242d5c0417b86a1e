// Package doctor looks for what keeps events from flowing: on the way to the brokers, on the cluster, on this machine. It alone
// knows what is worth looking at, in which order, and what to do about it. Every check asks the thing itself: that a file or a
// setting is there proves nothing.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/registry/client"
)

// Status is what a check found.
type Status string

// What a check can find, from good to bad. Skip: there was nothing to look at, or it could not be looked at.
const (
	OK   Status = "ok"
	Skip Status = "skip"
	Warn Status = "warn"
	Fail Status = "fail"
)

func (s Status) rank() int { return slices.Index([]Status{Skip, OK, Warn, Fail}, s) }

// Finding is one thing that a check saw, and what to do about it: Fix is empty where nothing is.
type Finding struct {
	Status Status
	What   string
	Fix    string
}

// Result is what became of one check. Its status is the worst of its findings.
type Result struct {
	Check    string
	About    string
	Status   Status
	Findings []Finding
	Took     time.Duration
}

// Config says what to examine.
type Config struct {
	Checks []string // their names; none: all

	Bus      bus.Config                                          // where it has no Brokers, Wrong says why, and nothing of the cluster is looked at
	Open     func(context.Context, bus.Config) (*bus.Bus, error) // default: bus.Open
	Registry *client.Client                                      // of the schema registry; nil: none is configured
	Wrong    []string                                            // settings that cannot be used, each a sentence that names one
	Origin   string                                              // where the addresses of the brokers are from
	Env      map[string]string                                   // the variables of the environment
	Known    []Setting                                           // those that mean something
	Up       Up                                                  // what "omnibus up" runs here, or would
	Fix      bool                                                // create what is missing
	Since    time.Duration                                       // how far back failures count as new; default 1 h
	Each     time.Duration                                       // the time that one check has; default 5 s
	Now      func() time.Time                                    // default: time.Now
	Saw      func(Result)                                        // called after each check; default: nobody
}

// Setting is a variable of the environment that means something.
type Setting struct {
	Name string
	Also []string // other names for it, in the order in which they count
}

// Up is what "omnibus up" runs on this machine, or would.
type Up struct {
	Data     string   // its data directory; empty: there is no place for one
	Kafka    string   // the address that it listens on
	Console  string   // likewise, of its health endpoints
	Registry string   // likewise, of its schema registry
	Running  bool     // somebody holds the data directory
	PID      int      // of who does; 0: not known yet
	URL      string   // of its health endpoints; empty: it is starting
	Brokers  []string // the addresses that it tells clients
}

func (c Config) withDefaults() Config {
	if c.Open == nil {
		c.Open = bus.Open
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Saw == nil {
		c.Saw = func(Result) {}
	}
	c.Since = cmp.Or(c.Since, time.Hour)
	c.Each = cmp.Or(c.Each, 5*time.Second)
	return c
}

// Examine runs the checks in the order of [Checks] and returns what those found that were asked for. What these need is run too,
// and is in the results where it failed. An error is a name that is no check, or the end of ctx.
func Examine(ctx context.Context, cfg Config) ([]Result, error) {
	cfg = cfg.withDefaults()
	wanted, err := choose(cfg.Checks)
	if err != nil {
		return nil, err
	}
	e := &exam{cfg: cfg, shut: map[string]string{}}
	defer e.close()
	var results []Result
	for _, c := range checks() {
		asked, needed := wanted[c.name]
		if !needed {
			continue
		}
		r := e.do(ctx, c)
		if ctx.Err() != nil {
			return results, context.Cause(ctx)
		}
		cfg.Saw(r)
		if asked || r.Status == Fail {
			results = append(results, r)
		}
	}
	return results, nil
}

// do runs one check, unless it needs one that did not pass.
func (e *exam) do(ctx context.Context, c check) Result {
	r := Result{Check: c.name, About: c.about}
	began := time.Now()
	if first := e.missing(c); first != "" {
		e.shut[c.name] = first
		r.Findings = []Finding{{Skip, fmt.Sprintf("not run: because check %q failed", first), ""}}
	} else {
		ctx, cancel := context.WithTimeoutCause(ctx, e.cfg.Each, fmt.Errorf("no answer within %v", e.cfg.Each))
		defer cancel()
		r.Findings = c.run(ctx, e)
	}
	r.Took = time.Since(began)
	r.Status = Skip
	for _, f := range r.Findings {
		if f.Status.rank() > r.Status.rank() {
			r.Status = f.Status
		}
	}
	if r.Status == Fail && !e.passable {
		e.shut[c.name] = c.name
	}
	e.passable = false
	return r
}

// missing names the check that failed first of those that c needs, and those that they need; empty: none.
func (e *exam) missing(c check) string {
	for _, name := range c.needs {
		if first := e.shut[name]; first != "" {
			return first
		}
	}
	return ""
}
