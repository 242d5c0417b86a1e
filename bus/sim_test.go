package bus

import (
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A simulator of consumer processes over the pure rules. It is single-threaded and everything it does is drawn from the seed,
// so a seed that fails replays exactly:
//
//	go test ./bus -run TestSim -sim.seed=N
//
// prints every step.
var (
	simSeed  = flag.Uint64("sim.seed", 0, "replay this seed of the simulator and print every step")
	simSeeds = flag.Int("sim.seeds", simDefault, "how many seeds of the simulator to run")
)

func TestSim(t *testing.T) {
	t.Parallel()
	if *simSeed != 0 {
		if err := simulate(*simSeed, mistake{}, t.Logf); err != nil {
			t.Fatalf("seed %d: %v", *simSeed, err)
		}
		return
	}
	failed := 0
	for seed := range uint64(*simSeeds) {
		if err := simulate(seed+1, mistake{}, nil); err != nil {
			t.Errorf("seed %d: %v", seed+1, err)
			if failed++; failed == 5 {
				break
			}
		}
	}
}

// TestSimReplays holds the simulator to its promise: the same seed, the same steps.
func TestSimReplays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		var sums [2]uint64
		for i := range sums {
			h := fnv.New64a()
			log := func(format string, args ...any) { _, _ = fmt.Fprintf(h, format+"\n", args...) } // a hash takes everything
			if err := simulate(seed+1, mistake{}, log); err != nil {
				t.Fatalf("seed %d: %v", seed+1, err)
			}
			sums[i] = h.Sum64()
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d took two ways", seed+1)
		}
	}
}

// world is everything there is: logs at a broker, processes that read them, the clock, and what handlers depend on.
type world struct {
	rng    *rand.Rand
	now    time.Time
	log    func(format string, args ...any)
	bug    mistake
	shape  shape
	logs   []*simLog
	procs  []*process
	born   int
	down   bool // what the handlers need is down, and they say so
	silent bool // it is down and they do not say so: all fail alike
	calm   bool // the end: nothing fails any more
	steps  int
	broken error
}

// shape is what differs from seed to seed but not within one.
type shape struct {
	max      int // handlers at once
	keys     int
	gap      int // between offsets
	burst    int // records that are appended at once
	chunk    int // records of a poll
	backlog  int
	slow     time.Duration // of handlers
	schedule []time.Duration
	steps    int
	alone    int  // events of a probation
	lethal   bool // some events kill the process that handles them
}

type process struct {
	name    string
	lanes   *lanes
	parts   []*assignment
	running []*run          // also of partitions that were lost
	alike   map[string]bool // fingerprints of recognised outages, until something succeeds
	dead    bool

	outlived map[partitionID]map[int64]int // counted runs that ended after their partition was gone, or before a commit said so
}

func simulate(seed uint64, bug mistake, log func(format string, args ...any)) error {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), log: log, bug: bug}
	w.draw()
	for w.broken == nil && w.steps < w.shape.steps {
		w.step()
		w.check()
	}
	if w.broken == nil {
		w.settleDown()
	}
	return w.broken
}

// draw makes the world of a seed.
func (w *world) draw() {
	pick := func(n ...int) int { return n[w.rng.IntN(len(n))] }
	w.shape = shape{
		max: pick(1, 2, 3, 8), keys: pick(1, 2, 4, 12), gap: pick(1, 1, 3, 40, 3_000, 60_000), burst: pick(2, 5, 12),
		chunk: pick(1, 5, 40), backlog: pick(5, 30, 1_000), slow: time.Duration(pick(0, 10, 200, 3_000)) * time.Millisecond,
		schedule: []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, steps: 150 + w.rng.IntN(150),
	}
	if w.chance(3) { // much in hand: the limits of the metadata
		w.shape.keys, w.shape.gap, w.shape.burst, w.shape.chunk, w.shape.backlog = 60, pick(20, 30, 60), 500, 500, 5_000
	}
	w.shape.lethal, w.shape.alone = w.chance(40), pick(2, 5, 5, 20, probationEvents)
	if w.chance(30) {
		w.shape.schedule = w.shape.schedule[:w.rng.IntN(3)]
	}
	w.print("shape %+v", w.shape)
	for range 2 {
		w.spawn()
	}
	for i := range 1 + w.rng.IntN(3) {
		g := &simLog{
			id: partitionID{"t", int32(i)}, start: -1, committed: -1, known: map[int64]bool{}, //nolint:gosec // at most 3
			lanes: map[string][]*simEvent{}, at: map[int64]*simEvent{}, end: int64(w.rng.IntN(3) * w.rng.IntN(1_000)),
		}
		if w.chance(20) {
			g.batch = Batch{Max: 1 + w.rng.IntN(8), Linger: time.Duration(w.rng.IntN(200)) * time.Millisecond}
		}
		w.logs = append(w.logs, g)
		w.append(g)
		if w.chance(20) {
			g.start = g.end
		}
		w.take(g, w.anyProcess())
	}
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func (w *world) print(format string, args ...any) {
	if w.log != nil {
		w.log("%4d %9.3f "+format, append([]any{w.steps, w.now.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds()}, args...)...)
	}
}

func (w *world) spawn() *process {
	w.born++
	p := &process{name: fmt.Sprintf("process %d", w.born), lanes: newLanes(w.shape.max + w.bug.more), alike: map[string]bool{}, outlived: map[partitionID]map[int64]int{}}
	if !w.bug.unbound {
		p.lanes.unrecorded.within = recordWithin
	}
	w.procs = append(w.procs, p)
	return p
}

func (w *world) anyProcess() *process { return w.procs[w.rng.IntN(len(w.procs))] }

func (w *world) anyLog() *simLog { return w.logs[w.rng.IntN(len(w.logs))] }

// step does one thing.
func (w *world) step() {
	w.steps++
	w.now = w.now.Add(time.Duration(1 + w.rng.IntN(1_000)))
	switch n := w.rng.IntN(1_000); {
	case n < 60:
		w.append(w.anyLog())
	case n < 220:
		w.poll(w.anyLog().owner)
	case n < 470:
		w.start(w.anyProcess())
	case n < 690:
		w.finish(w.anyProcess())
	case n < 820:
		w.pass(time.Duration(w.rng.IntN(1 + int(w.shape.slow) + int(300*time.Millisecond))))
	case n < 890:
		w.due(w.anyProcess())
	case n < 945:
		w.commitAll(w.anyProcess())
	case n < 957:
		w.revoke(w.anyLog().owner)
	case n < 964:
		w.lose(w.anyLog())
	case n < 970:
		w.kill(w.anyProcess())
	case n < 978:
		w.down = !w.down
		w.print("down %v", w.down)
	case n < 986:
		w.silent = !w.silent
		w.print("silent %v", w.silent)
	case n < 994:
		w.remove(w.anyLog())
	default:
		w.rewind(w.anyLog().owner)
	}
	w.leave()
}

// append adds records to the log, with gaps.
func (w *world) append(g *simLog) {
	n := 1 + w.rng.IntN(w.shape.burst)
	for range n {
		e := &simEvent{offset: g.end + int64(w.rng.IntN(w.shape.gap)), poison: w.chance(2), lethal: w.shape.lethal && w.chance(2) && w.chance(30)}
		if !w.chance(10) {
			e.key = strconv.Itoa(w.rng.IntN(w.shape.keys))
		}
		g.end = e.offset + 1
		g.events = append(g.events, e)
		g.lanes[g.lane(e)] = append(g.lanes[g.lane(e)], e)
		g.at[e.offset] = e
	}
	w.print("append %v: %d records, end %d", g.id, n, g.end)
}

// remove is retention or compaction.
func (w *world) remove(g *simLog) {
	head, n := w.chance(50), 0
	for i, e := range g.events {
		if head && !e.settled || i > len(g.events)/2 {
			break
		}
		if head || w.chance(20) {
			e.gone = true
			n++
		}
	}
	w.print("remove %v: %d records, head %v", g.id, n, head)
}

// take gives the partition to a process.
func (w *world) take(g *simLog, proc *process) {
	if len(g.metadata) > 2 && w.chance(15) {
		w.damage(g)
	}
	a := g.took(proc)
	committed, metadata := g.committed, g.metadata
	if w.bug.assign != nil {
		committed, metadata = w.bug.assign(committed, metadata)
	}
	a.part = proc.lanes.assign(g.id, g.batch, committed, metadata, g.start)
	proc.lanes.watch(a.part)
	a.part.guard.left = min(a.part.guard.left, w.shape.alone)
	a.probation = min(a.probation, w.shape.alone)
	proc.parts = append(proc.parts, a)
	w.print("%s takes %v at %d, %d bytes of metadata, damaged %v", proc.name, g.id, g.committed, len(g.metadata), g.damaged)
}

// damage is a foreign tool, an older version, a broken byte. It never invents a valid set.
func (w *world) damage(g *simLog) {
	b := []byte(g.metadata)
	switch w.rng.IntN(4) {
	case 0:
		b[w.rng.IntN(len(b)-1)] ^= byte(1 << w.rng.IntN(7))
	case 1:
		b = b[:w.rng.IntN(len(b)-1)]
	case 2:
		b = []byte("committed by another tool")
	case 3:
		old := g.older[w.rng.IntN(len(g.older))]
		if old.offset == g.committed { // it is valid: what was settled later comes again
			g.metadata, g.known, g.damaged = old.metadata, old.known, false
			g.said = readNote(old.offset, old.metadata)
			g.forget()
			return
		}
		b = []byte(old.metadata)
	}
	g.metadata, g.damaged = string(b), true
	g.forget()
}

// poll hands over a chunk of what follows in the log.
func (w *world) poll(a *assignment) {
	if a.part.stalled() || a.proc.lanes.waiting > w.shape.backlog {
		return
	}
	i, _ := slices.BinarySearchFunc(a.log.events, a.fetch, func(e *simEvent, at int64) int { return int(e.offset - at) })
	n, from := 1+w.rng.IntN(w.shape.chunk), a.fetch
	for _, e := range a.log.events[i:] {
		if n == 0 {
			break
		}
		a.fetch = e.offset + 1
		if e.gone {
			continue
		}
		n--
		d := delivered{offset: e.offset}
		if e.key != "" && a.log.batch.Max == 0 {
			h := fnv.New64a()
			h.Write([]byte(e.key))
			d.key = h.Sum64()
		}
		w.bug.doAdd(a.proc.lanes, a.part, d, w.now)
	}
	if from != a.fetch {
		w.print("%s polls %v from %d to %d, stalled %v", a.proc.name, a.log.id, from, a.fetch, a.part.stalled())
	}
}

// rewind makes the next fetch repeat some records: a client may do that when the leader changes.
func (w *world) rewind(a *assignment) {
	n, i := w.rng.IntN(5), len(a.log.events)-1
	for ; i >= 0 && n > 0; i-- {
		if a.log.events[i].offset < a.fetch {
			n--
		}
	}
	if i >= 0 && a.log.events[i].offset < a.fetch {
		a.fetch = max(a.log.events[i].offset, a.log.committed, 0)
		w.print("%s goes back to %d", a.proc.name, a.fetch)
	}
}

func (w *world) due(p *process) {
	w.print("%s looks at the time", p.name)
	p.lanes.due(w.now.Add(w.bug.early))
}

// start begins a run, or makes the commit that some wait for.
func (w *world) start(p *process) bool {
	if p.dead {
		return false
	}
	cleared := p.lanes.ready.len() > 0 && p.lanes.ready.peek().cleared
	l := w.bug.doNext(p.lanes, w.now)
	if l == nil {
		if p.lanes.claims == 0 || !w.calm && w.chance(30) {
			return false
		}
		for _, a := range p.parts {
			if a.part.guard.claims.len() > 0 {
				w.commit(a, false)
			}
		}
		return true
	}
	r := &run{cleared: cleared, lane: l, records: slices.Clone(l.run), ends: w.now.Add(time.Duration(w.rng.Int64N(int64(w.shape.slow) + 1)))}
	for _, a := range p.parts {
		if a.part == l.part {
			r.a = a
		}
	}
	if r.a == nil {
		w.breach("%s: a run of a partition that it does not have", p.name)
		return true
	}
	p.running = append(p.running, r)
	r.suspect = l.suspect > 0
	w.print("%s starts %v %v, attempt %d, suspect %v", p.name, r.a.log.id, r.offsets(), l.attempt, r.suspect)
	w.started(r)
	return true
}

// finish ends one of the runs whose time has come.
func (w *world) finish(p *process) bool {
	if p.dead {
		return false
	}
	var over []int
	for i, r := range p.running {
		if !r.ends.After(w.now) {
			over = append(over, i)
		}
	}
	if len(over) == 0 {
		return false
	}
	i := over[w.rng.IntN(len(over))]
	r := p.running[i]
	if !r.suspect && slices.ContainsFunc(r.records, func(d delivered) bool { return r.a.log.at[d.offset].lethal }) {
		w.kill(p)
		return true
	}
	p.running = slices.Delete(p.running, i, i+1)
	res := w.outcome(r)
	w.print("%s ends %v %v: %+v", p.name, r.a.log.id, r.offsets(), res)
	w.bug.doFinish(p.lanes, r.lane, res, w.now)
	w.finished(r, res)
	return true
}

// outcome is what the handler answers and what the consumer makes of it.
func (w *world) outcome(r *run) result {
	var all result
	clean := true
	for i, d := range r.records {
		one, ok := w.outcomeOf(r, i, d)
		clean = clean && ok
		all.retry = append(all.retry, one.retry...)
		all.after = max(all.after, one.after)
		all.pause = all.pause || one.pause
		if one.fingerprint != "" {
			all.fingerprint = one.fingerprint
		}
	}
	if clean {
		all.success = true
		clear(r.a.proc.alike)
	}
	return all
}

func (w *world) outcomeOf(r *run, i int, d delivered) (res result, ok bool) {
	e, p := r.a.log.at[d.offset], r.a.proc
	if r.suspect {
		return result{fingerprint: "suspect"}, false
	}
	var failure string
	var atLeast time.Duration
	n := w.rng.IntN(100)
	switch {
	case w.down && n < 90:
		return result{retry: []int{i}, pause: true, fingerprint: "down"}, false
	case w.silent:
		failure = "silent"
	case e.poison && n < 50:
		return result{fingerprint: "poison"}, false // permanent
	case e.poison:
		failure = "poison of " + e.key
	case w.calm || n < 75:
		return result{}, true
	case n < 78:
		return result{fingerprint: "permanent"}, false
	case n < 82:
		failure, atLeast = "later", time.Duration(1+w.rng.IntN(5_000))*time.Millisecond
	default:
		failure = "failure of " + e.key
	}
	if p.lanes.outages.failed(failure, laneID{r.a.log.id.topic, r.a.log.id.partition, r.lane.key}, w.now) {
		p.alike[failure] = true
		return result{retry: []int{i}, pause: true, fingerprint: failure}, false
	}
	if after, ok := retryDelay(w.shape.schedule, r.lane.attempt, atLeast, w.rng.Float64()); ok {
		return result{retry: []int{i}, after: after, fingerprint: failure}, false
	}
	if p.alike[failure] {
		w.breach("%s: %d was dead-lettered in an outage", r.name, d.offset)
	}
	if got, want := r.a.fails[d.offset]+1, len(w.shape.schedule)+1; got != want {
		w.breach("%s: %d was dead-lettered after %d attempts, not %d", r.name, d.offset, got, want)
	}
	return result{fingerprint: failure}, false
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.print("%v pass", d)
}

func (w *world) commitAll(p *process) {
	p.lanes.unrecorded.taken()
	all := true
	for _, a := range p.parts {
		if !a.leaving && !w.commit(a, false) {
			all = false
		}
	}
	if all {
		p.lanes.unrecorded.recorded()
	}
}

// commit may succeed, fail, or succeed with nobody learning of it. It reports what the process was told.
func (w *world) commit(a *assignment, clean bool) bool {
	if !a.part.began {
		return true
	}
	pos, moved := a.part.position(clean)
	if w.bug.position != nil {
		pos.offset, pos.metadata = w.bug.position(a.part, pos.offset, pos.metadata)
	}
	if !moved {
		a.told()
		a.proc.lanes.acknowledged(pos)
		w.startCleared(a.proc)
		return true
	}
	w.committing(a, pos.offset, pos.metadata)
	n := w.rng.IntN(100)
	if w.calm {
		n = 99
	}
	w.print("%s commits %v: %d, %d bytes of metadata: %s", a.proc.name, a.log.id, pos.offset, len(pos.metadata),
		[]string{"refused", "answer lost", "done"}[min(n/10, 2)])
	g := a.log
	if n >= 10 {
		g.committed, g.metadata, g.known, g.damaged = pos.offset, pos.metadata, maps.Clone(a.known), false
		g.said = readNote(pos.offset, pos.metadata)
		g.older = append(g.older, simCommit{pos.offset, pos.metadata, g.known})
	}
	if n < 20 {
		a.part.uncertain()
		return false
	}
	a.told()
	a.proc.lanes.acknowledged(pos)
	w.startCleared(a.proc)
	return true
}

// startCleared begins what waited for the commit: workers do not wait for anything else.
func (w *world) startCleared(p *process) {
	for p.lanes.ready.len() > 0 && p.lanes.ready.peek().cleared {
		if !w.start(p) {
			return
		}
	}
}

// revoke begins to take the partition away; leave ends it.
func (w *world) revoke(a *assignment) {
	if a.leaving {
		return
	}
	w.print("%s revoked from %s", fmt.Sprint(a.log.id), a.proc.name)
	if !w.bug.deaf {
		a.proc.lanes.revoke(a.part)
	}
	a.leaving, a.grace = true, w.now.Add(time.Duration(w.rng.IntN(3_000))*time.Millisecond)
}

func (w *world) leave() {
	for _, g := range w.logs {
		a := g.owner
		if !a.leaving || a.part.running > 0 && w.now.Before(a.grace) {
			continue
		}
		w.commit(a, true)
		w.drop(a)
		w.take(g, w.anyProcess())
	}
}

func (w *world) drop(a *assignment) {
	w.ending(a)
	for off := range a.done {
		a.proc.outlive(a, off)
	}
	a.proc.lanes.drop(a.part)
	a.dropped = true
	i := slices.Index(a.proc.parts, a)
	a.proc.parts = slices.Delete(a.proc.parts, i, i+1)
}

// lose takes the partition away without a word before.
func (w *world) lose(g *simLog) {
	w.print("%v lost by %s", g.id, g.owner.proc.name)
	w.drop(g.owner)
	w.take(g, w.anyProcess())
}

// kill ends a process with everything it had in memory.
func (w *world) kill(p *process) {
	w.print("%s killed", p.name)
	p.dead = true
	w.procs = slices.DeleteFunc(w.procs, func(q *process) bool { return q == p })
	w.spawn()
	for _, a := range p.parts {
		w.ending(a)
		a.dropped = true
		w.take(a.log, w.anyProcess())
	}
}

// settleDown lets everything come to rest: nothing fails any more, and every process does what it can.
func (w *world) settleDown() {
	w.down, w.silent, w.calm = false, false, true
	w.print("calm")
	for _, g := range w.logs {
		w.append(g)
	}
	for range 100_000 {
		w.steps++
		w.now = w.now.Add(time.Duration(1 + w.rng.IntN(1_000)))
		w.leave()
		for _, g := range w.logs {
			w.poll(g.owner)
		}
		busy := false
		var wake time.Time
		for _, p := range slices.Clone(w.procs) {
			if w.steps%16 == 0 || p.lanes.unrecorded.overdue(w.now) {
				w.commitAll(p)
			}
			p.lanes.due(w.now)
			for w.start(p) {
				busy = true
			}
			for w.finish(p) {
				busy = true
			}
			if p.dead {
				continue
			}
			for _, r := range p.running {
				if wake.IsZero() || r.ends.Before(wake) {
					wake = r.ends
				}
			}
			if at := p.lanes.wake(); !at.IsZero() && (wake.IsZero() || at.Before(wake)) {
				wake = at
			}
		}
		w.check()
		if w.broken != nil {
			return
		}
		if busy {
			continue
		}
		fetched := !slices.ContainsFunc(w.logs, func(g *simLog) bool {
			return g.owner.leaving || g.owner.fetch < g.end && !g.owner.part.stalled()
		})
		switch {
		case !wake.IsZero() && wake.After(w.now):
			w.pass(wake.Sub(w.now))
		case wake.IsZero() && fetched:
			for _, p := range w.procs {
				w.commitAll(p)
			}
			w.atRest()
			return
		}
	}
	w.breach("it does not come to rest")
}

// mistake is a small mistake between the simulator and the rules. The zero value is none.
type mistake struct {
	name     string
	more     int           // handlers at once
	early    time.Duration // of the timekeeper
	deaf     bool          // to a revoke
	unbound  bool          // goes on without commits
	assign   func(committed int64, metadata string) (int64, string)
	position func(p *partition, offset int64, metadata string) (int64, string)
	add      func(s *lanes, p *partition, d delivered, now time.Time)
	next     func(s *lanes, now time.Time) *lane
	finish   func(s *lanes, l *lane, r result, now time.Time)
}

func (b mistake) doAdd(s *lanes, p *partition, d delivered, now time.Time) {
	if b.add == nil {
		b.add = (*lanes).add
	}
	b.add(s, p, d, now)
}

func (b mistake) doNext(s *lanes, now time.Time) *lane {
	if b.next == nil {
		b.next = (*lanes).next
	}
	return b.next(s, now)
}

func (b mistake) doFinish(s *lanes, l *lane, r result, now time.Time) {
	if b.finish == nil {
		b.finish = (*lanes).finish
	}
	b.finish(s, l, r, now)
}

var defects = []mistake{
	{name: "the highest offset is committed", position: func(p *partition, _ int64, _ string) (int64, string) { return p.track.next, "" }},
	{name: "the completed set is not committed", position: func(_ *partition, offset int64, _ string) (int64, string) { return offset, "" }},
	{name: "the completed set is not restored", assign: func(committed int64, _ string) (int64, string) { return committed, "" }},
	{name: "reading begins one after the commit", assign: func(committed int64, _ string) (int64, string) { return committed + 1, "" }},
	{name: "two lanes of one key", add: func(s *lanes, p *partition, d delivered, now time.Time) {
		d.key += uint64(d.offset & 1) //nolint:gosec // a bit
		s.add(p, d, now)
	}},
	{name: "one handler too many", more: 1},
	{name: "retries come early", early: 200 * time.Millisecond},
	{name: "work begins after a revoke", deaf: true},
	{name: "events begin though no commit succeeds", unbound: true},
	{name: "a process forgets which runs it outlived", next: func(s *lanes, now time.Time) *lane {
		clear(s.outlived)
		return s.next(now)
	}},
	{name: "an outage stops nothing", next: func(s *lanes, now time.Time) *lane {
		for _, p := range s.parts {
			p.outage = nil
		}
		return s.next(now)
	}},
	{name: "probes stay with one key", finish: func(s *lanes, l *lane, r result, now time.Time) {
		held := l.part.held
		if o := l.part.outage; r.pause && o != nil && o.probing == l {
			l.part.held = queue[*lane]{}
		}
		s.finish(l, r, now)
		for l.part.outage != nil && held.len() > 0 && l.part.held.len() == 0 {
			l.part.held = held
		}
	}},
	{name: "an outage uses up attempts", finish: func(s *lanes, l *lane, r result, now time.Time) {
		if r.pause {
			l.attempt++
		}
		s.finish(l, r, now)
	}},
	{name: "a failed event counts as settled", finish: func(s *lanes, l *lane, r result, now time.Time) {
		r.retry = nil
		s.finish(l, r, now)
	}},
	{name: "a failed event goes to the end of its lane", finish: func(s *lanes, l *lane, r result, now time.Time) {
		s.finish(l, r, now)
		if len(r.retry) > 0 && l.queue.len() > 1 {
			l.queue.push(l.queue.pop())
		}
	}},
	{name: "what is settled is what was started", next: func(s *lanes, now time.Time) *lane {
		l := s.next(now)
		if l != nil {
			l.part.track.settle(l.run[0].offset)
		}
		return l
	}},
	{name: "late results count for the next owner", finish: func(s *lanes, l *lane, r result, now time.Time) {
		if heir := s.parts[l.part.id]; heir != nil && heir != l.part {
			heir.track.settle(l.run[0].offset)
		}
		s.finish(l, r, now)
	}},
	{name: "what waits for room is forgotten", next: func(s *lanes, now time.Time) *lane {
		for _, p := range s.parts {
			s.waiting -= p.incoming.len()
			p.incoming = queue[delivered]{}
		}
		return s.next(now)
	}},
	{name: "a stalled partition stays so", finish: func(s *lanes, l *lane, r result, now time.Time) {
		kept := l.part.incoming
		l.part.incoming = queue[delivered]{}
		s.finish(l, r, now)
		if !l.part.revoked {
			l.part.incoming = kept
		}
	}},
	{name: "the limits do not hold", add: func(s *lanes, p *partition, d delivered, now time.Time) {
		if !p.revoked {
			s.admit(p, d, now)
		}
	}},
	{name: "the size of the metadata has no limit", add: func(s *lanes, p *partition, d delivered, now time.Time) {
		if p.revoked || p.incoming.len() > 0 || d.offset-p.track.low >= maxSpan-1 {
			s.add(p, d, now)
		} else {
			s.admit(p, d, now)
		}
	}},
	{name: "events begin before their start is known", next: func(s *lanes, now time.Time) *lane {
		for _, p := range s.parts {
			if l := p.guard.alone; l != nil && l.state == laneBarred {
				pos, _ := p.position(false)
				s.acknowledged(pos)
			}
		}
		return s.next(now)
	}},
	{name: "the mark of a clean stop outlives the start", next: func(s *lanes, now time.Time) *lane {
		for _, p := range s.parts {
			p.guard.open = true
		}
		return s.next(now)
	}},
	{name: "there is no probation", next: func(s *lanes, now time.Time) *lane {
		for _, p := range s.parts {
			p.guard.left = 0
		}
		return s.next(now)
	}},
	{name: "a suspect is run", finish: func(s *lanes, l *lane, r result, now time.Time) {
		s.finish(l, r, now)
		for _, b := range l.part.guard.begun {
			b.before = min(b.before, mostStarts-1)
		}
	}},
	{name: "an attempt counts as a start", finish: func(s *lanes, l *lane, r result, now time.Time) {
		s.finish(l, r, now)
		for _, b := range l.part.guard.begun {
			if b.here && !b.now {
				b.before++
			}
		}
	}},
	{name: "starts are counted and not restored", assign: func(committed int64, metadata string) (int64, string) {
		var o offsets
		if n, ok := o.restore(committed, metadata); ok && committed >= 0 {
			metadata = o.metadata(note{clean: n.clean})
		}
		return committed, metadata
	}},
	{name: "every commit has the mark of a clean stop", position: func(p *partition, offset int64, _ string) (int64, string) {
		return offset, p.track.metadata(note{clean: true})
	}},
	{name: "a clean stop leaves no mark", position: func(p *partition, offset int64, _ string) (int64, string) {
		return offset, p.track.metadata(note{starts: p.guard.starts(&p.track)})
	}},
	{name: "the count of waiting events drifts", finish: func(s *lanes, l *lane, r result, now time.Time) {
		s.finish(l, r, now)
		if r.pause {
			s.waiting++
		}
	}},
}

// TestSimBites plants small defects: a checker that passes them would prove nothing.
func TestSimBites(t *testing.T) {
	t.Parallel()
	for _, bug := range defects {
		t.Run(strings.ReplaceAll(bug.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(simDefault) {
				if err := simulate(seed+1, bug, nil); err != nil {
					t.Logf("seed %d: %v", seed+1, err)
					return
				}
			}
			t.Errorf("%d seeds did not notice that %s", simDefault, bug.name)
		})
	}
}
