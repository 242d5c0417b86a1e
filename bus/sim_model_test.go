package bus

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The naive model beside the simulator: it knows every event of every log and says what the lanes may do with it. It is
// maps and counting, so that it has no bug in common with what it judges.

// simLog is one partition as the broker has it.
type simLog struct {
	id     partitionID
	batch  Batch
	start  int64 // where reading begins without a commit; -1: at the first record
	end    int64
	events []*simEvent            // in log order, also those that are deleted
	lanes  map[string][]*simEvent // the same by lane
	at     map[int64]*simEvent

	committed int64 // -1: nothing
	metadata  string
	known     map[int64]bool // what the committer knew as settled
	damaged   bool           // the metadata was tampered with
	older     []simCommit
	owner     *assignment
}

type simCommit struct {
	offset   int64
	metadata string
	known    map[int64]bool
}

type simEvent struct {
	offset  int64
	key     string // "": the null key
	poison  bool   // no handler ever takes it
	gone    bool   // retention or compaction deleted it
	settled bool   // handled or dead-lettered, by anyone
}

// lane is the order that e belongs to.
func (g *simLog) lane(e *simEvent) string {
	if g.batch.Max > 0 {
		return "all"
	}
	return "key " + e.key
}

// assignment is one partition in the hands of one process.
type assignment struct {
	proc    *process
	log     *simLog
	part    *partition
	fetch   int64 // where the next fetch begins
	leaving bool  // revoked: what runs may finish until grace is over
	grace   time.Time
	dropped bool

	known     map[int64]bool // settled, as far as this process can know
	prefix    map[string]int // of each lane: so many leading events are known or gone
	running   map[string]*run
	fails     map[int64]int // by event: runs that failed and used up an attempt
	notBefore map[string]time.Time
	outage    *simOutage
}

type simOutage struct {
	probe     *run
	failed    int             // probes that failed
	last      string          // the lane of the last failed probe, where another waited then: now that one's turn has come
	notBefore time.Time       // of the next probe
	waiting   map[string]bool // lanes that met the outage
}

// run is one handler running.
type run struct {
	a       *assignment
	lane    *lane
	records []delivered
	name    string // of the lane
	ends    time.Time
}

func (r *run) offsets() []int64 {
	var out []int64
	for _, d := range r.records {
		out = append(out, d.offset)
	}
	return out
}

// took begins the assignment: it may know what the committer knew, or where the metadata is damaged, only the offset.
func (g *simLog) took(proc *process) *assignment {
	a := &assignment{
		proc: proc, log: g, known: map[int64]bool{}, prefix: map[string]int{}, running: map[string]*run{},
		fails: map[int64]int{}, notBefore: map[string]time.Time{},
	}
	for _, e := range g.events {
		switch {
		case g.committed < 0 && e.offset < g.start:
			e.settled, a.known[e.offset] = true, true // what was there before is passed over
		case g.committed >= 0 && g.damaged && e.offset < g.committed:
			a.known[e.offset] = true
		}
	}
	if g.committed >= 0 && !g.damaged {
		a.known = maps.Clone(g.known)
	}
	a.fetch = max(g.committed, 0)
	if g.committed < 0 {
		a.fetch = max(g.start, 0)
	}
	g.owner = a
	return a
}

// started judges the start of a run.
func (w *world) started(r *run) {
	a, g := r.a, r.a.log
	if n, most := len(r.a.proc.running), w.shape.max; n > most {
		w.breach("%d handlers run at once, at most %d may", n, most)
	}
	if a.leaving || a.dropped {
		w.breach("%v started after the partition was taken away", r.offsets())
	}
	if len(r.records) == 0 {
		w.breach("a run of nothing")
		return
	}
	if most := max(g.batch.Max, 1); len(r.records) > most {
		w.breach("a run of %d, at most %d may be", len(r.records), most)
	}
	r.name = g.lane(g.at[r.records[0].offset])
	if other := a.running[r.name]; other != nil {
		w.breach("%s: %v started while %v runs", r.name, r.offsets(), other.offsets())
	}
	a.running[r.name] = r
	events := g.lanes[r.name]
	inRun := map[int64]bool{}
	for _, d := range r.records {
		e := g.at[d.offset]
		if a.known[e.offset] {
			w.breach("%s: %d was delivered again", r.name, e.offset)
		}
		i := a.prefix[r.name]
		for i < len(events) && (events[i].gone || a.known[events[i].offset]) {
			i++
		}
		a.prefix[r.name] = i
		for _, before := range events[i:] {
			if before.offset >= e.offset {
				break
			}
			if !before.gone && !a.known[before.offset] && !inRun[before.offset] {
				w.breach("%s: %d started before %d was settled", r.name, e.offset, before.offset)
			}
		}
		inRun[e.offset] = true
		if want := a.fails[e.offset] + 1; r.lane.attempt != want {
			w.breach("%s: %d is in its attempt %d, the lane says %d", r.name, e.offset, want, r.lane.attempt)
		}
	}
	if early := a.notBefore[r.name].Sub(w.now); early > 0 {
		w.breach("%s: %v started %v early", r.name, r.offsets(), early)
	}
	if o := a.outage; o != nil {
		if o.probe != nil {
			w.breach("%s: %v started in an outage beside the probe %v", r.name, r.offsets(), o.probe.offsets())
		}
		if early := o.notBefore.Sub(w.now); early > 0 {
			w.breach("%s: the probe %v started %v early", r.name, r.offsets(), early)
		}
		if o.last == r.name {
			w.breach("%s: probed again while others wait: %v", r.name, slices.Sorted(maps.Keys(o.waiting)))
		}
		o.probe = r
	}
}

// finished notes what came of a run.
func (w *world) finished(r *run, res result) {
	a := r.a
	delete(a.running, r.name)
	if a.dropped {
		return
	}
	for i, d := range r.records {
		if slices.Contains(res.retry, i) {
			if !res.pause {
				a.fails[d.offset]++
			}
			continue
		}
		a.log.at[d.offset].settled = true
		a.known[d.offset] = true
	}
	if a.leaving {
		return
	}
	if len(res.retry) > 0 && !res.pause {
		a.notBefore[r.name] = w.now.Add(res.after)
	}
	probe := a.outage != nil && a.outage.probe == r
	switch {
	case res.pause && a.outage == nil:
		a.outage = &simOutage{notBefore: w.now.Add(100 * time.Millisecond), waiting: map[string]bool{r.name: true}}
	case res.pause && probe:
		o := a.outage
		o.probe, o.last, o.waiting[r.name] = nil, "", true
		if len(o.waiting) > 1 {
			o.last = r.name
		}
		o.failed++
		o.notBefore = w.now.Add(min(time.Second, 100*time.Millisecond<<min(o.failed, 10)))
	case res.pause:
		a.outage.waiting[r.name] = true
	case probe:
		a.outage = nil
	}
}

// committing judges what a process is about to commit.
func (w *world) committing(a *assignment, offset int64, metadata string) {
	g := a.log
	if offset < g.committed {
		w.breach("%v: the commit goes back from %d to %d", g.id, g.committed, offset)
	}
	for _, e := range g.events {
		if e.offset >= offset {
			break
		}
		if !e.gone && !e.settled {
			w.breach("%v: commit of %d, but %d is not settled", g.id, offset, e.offset)
		}
	}
	if e := g.at[offset]; metadata != "" && e != nil && a.known[offset] {
		w.breach("%v: commit of %d, which is settled", g.id, offset)
	}
	if len(metadata) > 3_072 {
		w.breach("%v: %d bytes of metadata", g.id, len(metadata))
	}
}

// check holds after every step.
func (w *world) check() {
	for _, p := range w.procs {
		waiting, inRuns, held := 0, 0, 0
		for _, a := range p.parts {
			t := &a.part.track
			if span := t.next - t.low; t.n > 0 && span > 100_000 {
				w.breach("%v: a span of %d", a.log.id, span)
			}
			waiting += a.part.incoming.len()
			for _, l := range a.part.lanes {
				inRuns += len(l.run)
				if l.state == laneReady || l.state == laneRunning {
					waiting += l.queue.len()
				}
			}
		}
		if p.lanes.waiting != waiting {
			w.breach("%s: the lanes say that %d wait, %d do", p.name, p.lanes.waiting, waiting)
		}
		for _, r := range p.running {
			if !r.a.dropped {
				held += len(r.records)
			}
		}
		if inRuns != held {
			w.breach("%s: the lanes name %d events that run, %d do", p.name, inRuns, held)
		}
		if p.lanes.running != len(p.running) {
			w.breach("%s: the lanes say that %d run, %d do", p.name, p.lanes.running, len(p.running))
		}
	}
}

// atRest judges the end: failures stopped and everything had its time.
func (w *world) atRest() {
	for _, g := range w.logs {
		for _, e := range g.events {
			if !e.gone && !e.settled {
				w.breach("%v: %d was never settled", g.id, e.offset)
			}
		}
		a := g.owner
		if len(g.events) == 0 {
			continue
		}
		offset, metadata, _ := a.part.position()
		if last := g.events[len(g.events)-1].offset; offset != last+1 || metadata != "" {
			w.breach("%v: at rest the position is %d with metadata %q, the last event %d", g.id, offset, metadata, last)
		}
		if a.part.stalled() || len(a.part.lanes) > 0 || a.part.outage != nil {
			w.breach("%v: not at rest: stalled %v, %d lanes", g.id, a.part.stalled(), len(a.part.lanes))
		}
	}
}

// breach keeps the first breach.
func (w *world) breach(format string, args ...any) {
	if w.broken == nil {
		w.broken = fmt.Errorf("step %d: "+format, append([]any{w.steps}, args...)...)
		w.print("BREACH %v", w.broken)
	}
}
