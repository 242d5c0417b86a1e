package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// kind is what a fault does.
type kind string

// The kinds of faults.
const (
	kill    kind = "kill"    // SIGKILL, and started again after a while
	freeze  kind = "freeze"  // SIGSTOP, and SIGCONT after a while
	restart kind = "restart" // SIGTERM, and started again after a while
	rolling kind = "rolling" // SIGTERM and started again: every member of a group, one after another
	storm   kind = "storm"   // members join a group and leave it again, one upon another
	network kind = "network" // what stands between a process and the broker misbehaves
	refuse  kind = "refuse"  // the broker answers with an error, or does what it is asked and the answer gets lost
	outage  kind = "outage"  // what the handlers need is down
	corrupt kind = "corrupt" // a byte of the stopped broker's directory is changed: it must refuse, and go on once it is changed back
)

// fault is one line of a schedule: what happens to whom, when, and for how long.
type fault struct {
	At     millis `json:"at_ms"` // after the load began
	Kind   kind   `json:"fault"`
	Target string `json:"target"` // the name of an actor, or of a group
	For    millis `json:"for_ms"`
	With   string `json:"with,omitempty"`
}

func (f fault) String() string {
	s := string(f.Kind) + " " + f.Target
	if f.With != "" {
		s += " with " + f.With
	}
	return s
}

// millis is a duration in whole milliseconds: what a schedule says is what is done.
type millis int64

func (m millis) duration() time.Duration { return time.Duration(m) * time.Millisecond }

func inMillis(d time.Duration) millis { return millis(d.Milliseconds()) }

// dish is a kind of fault on the menu of a profile.
type dish struct {
	kind        kind
	who         string // "consumer", "producer", "broker", "group", "dependency", or "client": any consumer or producer
	count       int
	least, most time.Duration // how long it lasts, drawn evenly on a logarithmic scale
	with        []string      // one of these
}

// The load has the time to itself at both ends: groups must have something to lose, and the last fault leaves something to do.
const (
	firstFault = 0.03
	lastFault  = 0.98
)

// draw plans the faults of a run. Equal seeds plan equal faults. Each dish is spread evenly over the time, and nobody gets a
// second fault while the first one lasts.
func draw(seed uint64, menu []dish, cast cast, lasts time.Duration) []fault {
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a schedule is to be repeatable
	type plan struct {
		fault
		among []string
	}
	var plans []plan
	for _, d := range menu {
		among := cast.named(d.who)
		if len(among) == 0 {
			continue
		}
		slot := ((lastFault-firstFault)*float64(lasts) - float64(max(d.least, d.most))) / float64(d.count)
		for n := range d.count {
			at := firstFault*float64(lasts) + (float64(n)+rng.Float64())*slot
			p := plan{fault{At: inMillis(time.Duration(at)), Kind: d.kind, For: logScale(rng, d.least, d.most)}, among}
			if len(d.with) > 0 {
				p.With = d.with[rng.IntN(len(d.with))]
			}
			plans = append(plans, p)
		}
	}
	slices.SortStableFunc(plans, func(x, y plan) int { return cmp.Compare(x.At, y.At) })
	free := map[string]millis{} // until when somebody is busy
	faults := make([]fault, len(plans))
	for i, p := range plans {
		p.Target = p.among[rng.IntN(len(p.among))]
		for range p.among {
			if free[p.Target] <= p.At {
				break
			}
			p.Target = p.among[(slices.Index(p.among, p.Target)+1)%len(p.among)]
		}
		p.At = max(p.At, free[p.Target])
		free[p.Target] = p.At + p.For + inMillis(recovery)
		faults[i] = p.fault
	}
	slices.SortStableFunc(faults, func(x, y fault) int { return cmp.Compare(x.At, y.At) })
	return faults
}

// recovery is how long one is left alone after a fault, so that the next one meets it at work.
const recovery = 250 * time.Millisecond

func logScale(rng *rand.Rand, least, most time.Duration) millis {
	if least >= most {
		return inMillis(least)
	}
	low, high := math.Log(float64(least)), math.Log(float64(most))
	return inMillis(time.Duration(math.Exp(low + rng.Float64()*(high-low))))
}

// plan is what a run does: the file schedule.jsonl has its head on the first line and a fault on each further one.
type plan struct {
	head
	faults []fault
}

type head struct {
	Profile string `json:"profile"`
	Seed    uint64 `json:"seed"`
	Events  int    `json:"events"`
	Lasts   millis `json:"lasts_ms"`
}

func (p plan) write(w io.Writer) error {
	lines := []any{p.head}
	for _, f := range p.faults {
		lines = append(lines, f)
	}
	var all bytes.Buffer
	for _, l := range lines {
		b, err := jsonx.Marshal(l)
		if err != nil {
			return fmt.Errorf("write schedule: %w", err)
		}
		all.Write(append(b, '\n'))
	}
	if _, err := w.Write(all.Bytes()); err != nil {
		return fmt.Errorf("write schedule: %w", err)
	}
	return nil
}

// readPlan reads what write wrote.
func readPlan(r io.Reader) (plan, error) {
	var p plan
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		var err error
		if n == 1 {
			err = jsonx.UnmarshalStrict(lines.Bytes(), &p.head)
		} else {
			var f fault
			err = jsonx.UnmarshalStrict(lines.Bytes(), &f)
			p.faults = append(p.faults, f)
		}
		if err != nil {
			return plan{}, fmt.Errorf("read schedule: line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return plan{}, fmt.Errorf("read schedule: %w", err)
	}
	if p.Profile == "" {
		return plan{}, errors.New("read schedule: line 1 names no profile")
	}
	return p, nil
}

// cast is who takes part in a run.
type cast struct {
	producers int
	groups    []groupSize
	brokers   int
}

type groupSize struct {
	name    string
	members int
	says    bool // its handlers say what is an outage; else the bus has to find out
}

// named lists the actors, or the groups, that a dish may be served to.
func (c cast) named(who string) []string {
	var names []string
	switch who {
	case "consumer":
		for _, g := range c.groups {
			for n := range g.members {
				names = append(names, "consumer/"+g.name+"/"+strconv.Itoa(n+1))
			}
		}
	case "producer":
		for n := range c.producers {
			names = append(names, "producer/"+strconv.Itoa(n+1))
		}
	case "broker":
		for n := range c.brokers {
			names = append(names, "broker/"+strconv.Itoa(n+1))
		}
	case "group":
		for _, g := range c.groups {
			names = append(names, "group/"+g.name)
		}
	case "dependency":
		return []string{"dependency"}
	case "client":
		return append(c.named("consumer"), c.named("producer")...)
	}
	return names
}

// groupOf is the group of a target "consumer/GROUP/N" or "group/GROUP".
func groupOf(target string) string {
	parts := strings.Split(target, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}
