package bus

import (
	"encoding/base64"
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
	said      note           // in the metadata
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
	lethal  bool   // whoever handles it dies
	gone    bool   // retention or compaction deleted it
	settled bool   // handled or dead-lettered, by anyone

	starts int  // with the start on record
	doubts int  // assignments that ended with a start on record that did not happen, or had ended
	reset  bool // the record was damaged
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

	unrecorded map[int64]time.Time // when what no commit says was settled

	probation int            // events that are still to begin alone
	before    map[int64]int  // starts on record when the assignment began
	here      map[int64]bool // began alone in this assignment
	alone     *run           // of those
	done      map[int64]bool // of those, that ended and of which no commit says so
}

type simOutage struct {
	probe     *run
	failed    int             // probes that failed
	kind      string          // fingerprint
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
	suspect bool   // not run, but buried
	cleared bool   // its start is on record
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
		unrecorded: map[int64]time.Time{}, done: map[int64]bool{}, fails: map[int64]int{}, notBefore: map[string]time.Time{}, before: map[int64]int{}, here: map[int64]bool{},
	}
	said := g.note()
	for _, st := range said.starts {
		a.before[st.offset] = max(0, st.times-proc.outlived[g.id][st.offset])
	}
	if g.committed >= 0 && !said.clean {
		a.probation = 100
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

// told notes that the broker has what a knows.
func (a *assignment) told() {
	clear(a.unrecorded)
	clear(a.done)
	delete(a.proc.outlived, a.log.id)
}

// outlive notes that a counted run ended and that its start stays on record.
func (p *process) outlive(a *assignment, offset int64) {
	if p.outlived[a.log.id] == nil {
		p.outlived[a.log.id] = map[int64]int{}
	}
	p.outlived[a.log.id][offset]++
}

// forget notes that the record of starts was taken back.
func (g *simLog) forget() {
	for _, e := range g.events {
		e.reset = true
	}
}

// note is what the broker's metadata says beside the completed set.
func (g *simLog) note() note {
	if g.committed < 0 || g.damaged {
		return note{}
	}
	return g.said
}

// readNote reads the note of a commit.
func readNote(offset int64, metadata string) note {
	if head, err := base64.RawStdEncoding.DecodeString(metadata[:min(4, len(metadata))]); err != nil || len(head) < 2 || head[1] == 0 {
		return note{} // no flag says that there is one: most are so, and the set need not be read
	}
	n, _ := new(offsets).restore(offset, metadata)
	return n
}

// startedGuarded judges the start of a run by the crash-loop guard.
func (w *world) startedGuarded(r *run) {
	a, g := r.a, r.a.log
	off := r.records[0].offset
	e := g.at[off]
	said := g.note()
	if g.committed < 0 || said.clean {
		w.breach("%v: %d started while the word of a clean stop stands", g.id, off)
	}
	if r.suspect {
		if a.before[off] < 3 || !e.reset && e.starts+e.doubts < 3 {
			w.breach("%v: %d is a suspect after %d starts on record, %d started", g.id, off, a.before[off], e.starts)
		}
		return
	}
	for i, d := range r.records {
		counts := a.before[d.offset] > 0 || a.here[d.offset]
		if counts && i > 0 {
			w.breach("%v: %d counts and was started behind another", g.id, d.offset)
		}
		if i == 0 && !counts && a.probation == 0 {
			return
		}
	}
	if len(r.records) > 1 {
		w.breach("%v: a run of %d under probation", g.id, len(r.records))
	}
	if a.alone != nil {
		w.breach("%v: %d started while %v runs under probation", g.id, off, a.alone.offsets())
	}
	if a.before[off] >= 3 || e.lethal && !e.reset && e.starts >= 3 {
		w.breach("%v: %d started again after %d starts on record, %d that happened", g.id, off, a.before[off], e.starts)
	}
	i, ok := slices.BinarySearchFunc(said.starts, off, func(s startCount, off int64) int { return int(s.offset - off) })
	if !ok || said.starts[i].times != a.before[off]+1 {
		w.breach("%v: %d started, the record is %v, before %d", g.id, off, said.starts, a.before[off])
	}
	if !a.here[off] {
		e.starts++
	}
	a.alone = r
}

// ending notes the end of an assignment: what is on record and does not run is in doubt.
func (w *world) ending(a *assignment) {
	for _, st := range a.log.note().starts {
		runs := a.alone != nil && a.alone.records[0].offset == st.offset
		if st.times > a.before[st.offset] && !runs {
			a.log.at[st.offset].doubts++
		}
	}
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
	for _, other := range a.proc.parts {
		if other.leaving || r.cleared {
			continue // its commit is on its way, or the run counts as one that has begun
		}
		for offset, at := range other.unrecorded {
			if late := w.now.Sub(at); late >= recordWithin {
				w.breach("%v started %v after %d of %v was settled, which no commit says", r.offsets(), late, offset, other.log.id)
			}
		}
	}
	if len(r.records) == 0 {
		w.breach("a run of nothing")
		return
	}
	if most := max(g.batch.Max, 1); len(r.records) > most {
		w.breach("a run of %d, at most %d may be", len(r.records), most)
	}
	w.startedGuarded(r)
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
		if a.alone == r {
			a.proc.outlive(a, r.records[0].offset)
		}
		return
	}
	if a.alone == r {
		a.alone = nil
		a.here[r.records[0].offset], a.done[r.records[0].offset] = true, true
		if len(res.retry) == 0 {
			a.probation = max(0, a.probation-1)
		}
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
		a.unrecorded[d.offset] = w.now
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
		a.outage = &simOutage{kind: res.fingerprint, notBefore: w.now.Add(100 * time.Millisecond), waiting: map[string]bool{r.name: true}}
	case res.pause && probe:
		o := a.outage
		o.probe, o.last, o.waiting[r.name] = nil, "", true
		if len(o.waiting) > 1 {
			o.last = r.name
		}
		if o.failed++; o.kind != res.fingerprint { // another outage
			o.failed, o.kind = 0, res.fingerprint
		}
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
	if n := readNote(offset, metadata); n.clean != (a.leaving && a.part.running == 0) {
		w.breach("%v: the mark of a clean stop is %v, leaving %v, %d run", g.id, n.clean, a.leaving, a.part.running)
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
				if l.state == laneReady || l.state == laneRunning || l.state == laneBarred {
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
		claims, reserved := 0, 0
		for _, a := range p.parts {
			claims += a.part.guard.claims.len()
			if l := a.part.guard.alone; l != nil && l.state != laneRunning {
				reserved++
			}
		}
		if claims != p.lanes.claims || reserved != p.lanes.reserved {
			w.breach("%s: the lanes say that %d wait for a commit and %d have a slot, it is %d and %d", p.name, p.lanes.claims, p.lanes.reserved, claims, reserved)
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
		pos, _ := a.part.position(false)
		if last := g.events[len(g.events)-1].offset; pos.offset != last+1 || pos.metadata != "" {
			w.breach("%v: at rest the position is %d with metadata %q, the last event %d", g.id, pos.offset, pos.metadata, last)
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
