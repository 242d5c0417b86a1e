package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

const (
	claimTTL     = 30 * time.Second // how long a run may hold a dead letter without having settled it
	sendWithin   = 10 * time.Second // how long one wave may take; twice as long after a claim is still within its time
	finishWithin = 20 * time.Second // how long it may take to put the books in order after the end
	watchEvery   = time.Second      // how often to look for orders to stop, and for what failed again
	maxBatch     = 500              // dead letters in one claim
	maxWave      = 100              // dead letters on their way at once
	maxBytes     = 32 << 20         // bytes of one batch in memory
)

var (
	// ErrCanceled means that somebody canceled the job. It can be resumed.
	ErrCanceled = errors.New("canceled")
	// ErrStopped means that too much of what the job sent failed again. It can be resumed.
	ErrStopped = errors.New("stopped: too many failed again")
)

// Run does what a job holds, or goes on with it where another run ended, and yields how far it is, about once a second and at the
// end; the last one comes with the error if there is one. It ends early, after what is in flight, when ctx ends, when the loop
// over it ends, when [Desk.Cancel] says so, or when too much fails again: then it can be run again.
//
// A dead letter is sent, acknowledged and only then marked as sent. Where the process is killed in between, the next run sends
// what was in flight again, at most 100 dead letters; nothing else is sent twice, also where several runs work at once.
func (d *Desk) Run(ctx context.Context, jobID string) iter.Seq2[Progress, error] {
	return func(yield func(Progress, error) bool) {
		r, err := d.openRun(ctx, jobID)
		if err != nil {
			yield(Progress{}, err)
			return
		}
		err = r.work(ctx, func(p Progress) bool { return yield(p, nil) })
		left := errors.Is(err, errLeft)
		err = r.end(ctx, err)
		if !left {
			yield(r.shown(), err)
		}
	}
}

var errLeft = errors.New("nobody looks any more")

// run is one run of a job.
type run struct {
	desk     *Desk
	job      Job
	id       string
	takes    []State
	book     *ledger
	orders   int64 // where to read on in the jobs topic
	todo     []item
	later    []item          // held by others, or behind one that is
	blocked  map[string]bool // in order: lanes of which one is in later
	stuck    map[string]bool // in order: lanes of which one could not be sent
	idle     bool            // nothing was settled since later was last taken up
	again    watch
	pace     pace
	claims   int
	began    time.Time
	looked   time.Time
	settled  int // by this run
	progress Progress
}

// newRunID tells runs apart.
func newRunID() string { return newJobID() + newJobID() }

func (d *Desk) openRun(ctx context.Context, jobID string) (*run, error) {
	if err := d.ensure(ctx); err != nil {
		return nil, err
	}
	jobs, err := d.jobBook(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	j, ok := jobs.job(jobID, now)
	if !ok {
		return nil, fmt.Errorf("job %s: %w", jobID, ErrNotFound)
	}
	if j.State.Ended() {
		return nil, fmt.Errorf("run job %s: %w", jobID, ErrEnded)
	}
	items, err := jobs.items(j)
	if err != nil {
		return nil, err
	}
	r := &run{desk: d, job: j, id: newRunID(), takes: j.Selector.States, book: newLedger(), blocked: map[string]bool{}, stuck: map[string]bool{}, orders: jobs.next, began: now, looked: now}
	if len(r.takes) == 0 {
		r.takes = j.Action.takes()
	}
	if j.Action == Retry {
		r.pace.perSecond = j.Options.PerSecond
	}
	name := string(j.Action)
	if j.State != Planned {
		name = "resume"
	}
	a, err := j.action(name)
	if err != nil {
		return nil, err
	}
	a.Outcome = outcomeStarted
	if err := d.record(ctx, a); err != nil {
		return nil, err
	}
	if err := d.put(ctx, jobsTopic, jobKey+j.ID+cancelKey, nil); err != nil {
		return nil, err
	}
	if err := d.catchUp(ctx, r.book); err != nil {
		return nil, err
	}
	r.progress = Progress{Total: j.Total}
	for _, i := range items {
		r.place(i)
	}
	if j.Action == Retry {
		if err := r.again.open(ctx, d, r.targets(items)); err != nil {
			return nil, err
		}
	}
	return r, r.say(ctx, Running, "")
}

// targets are the topics that the job sends to.
func (r *run) targets(items []item) []event.Topic {
	var topics []event.Topic
	for _, i := range items {
		if t := r.job.target(i.identity); !slices.Contains(topics, t) {
			topics = append(topics, t)
		}
	}
	return topics
}

// place counts an item by what was decided about it, and queues it where there is something to do.
func (r *run) place(i item) {
	if r.settledBefore(i) {
		return
	}
	r.todo = append(r.todo, i)
	r.progress.Left++
}

func (r *run) settledBefore(i item) bool {
	id := i.id()
	if d, ok := r.book.decisionAbout(id, i.edition); ok && d.Job == r.job.ID {
		if d.State == Quarantined && r.job.Action == Retry {
			r.progress.Quarantined++
		} else {
			r.progress.Done++
		}
		return true
	}
	if !slices.Contains(r.takes, r.book.stateOf(id, i.edition)) {
		r.progress.Skipped++
		return true
	}
	return false
}

// work goes through the queue. What another run holds is taken up again at its end, until that run has settled it or has had its
// time.
func (r *run) work(ctx context.Context, show func(Progress) bool) error {
	for len(r.todo)+len(r.later) > 0 {
		if len(r.todo) == 0 {
			if r.idle {
				if err := r.wait(ctx, watchEvery, show); err != nil {
					return err
				}
			}
			r.todo, r.later, r.blocked, r.idle, r.progress.Held = r.later, nil, map[string]bool{}, true, 0
		}
		if err := r.look(ctx, show); err != nil {
			return err
		}
		batch, err := r.next(ctx)
		if err != nil {
			return err
		}
		if err := r.batch(ctx, batch, show); err != nil {
			return err
		}
	}
	return r.again.read(ctx, r.desk)
}

// postpone puts a dead letter off until the queue is through; in order, so are those behind it.
func (r *run) postpone(s sendable) {
	r.later = append(r.later, s.item)
	if r.job.Options.KeepOrder {
		r.blocked[s.lane()] = true
	}
}

// wait passes time, and looks now and then.
func (r *run) wait(ctx context.Context, d time.Duration, show func(Progress) bool) error {
	for until := time.Now().Add(d); ; {
		if err := pause(ctx, min(time.Until(until), watchEvery)); err != nil {
			return err
		}
		if err := r.look(ctx, show); err != nil || !time.Now().Before(until) {
			return err
		}
	}
}

// look is what happens between waves, now and then.
func (r *run) look(ctx context.Context, show func(Progress) bool) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if time.Since(r.looked) < watchEvery {
		return nil
	}
	r.looked = time.Now()
	var stop *order
	err := r.desk.tail(ctx, jobsTopic, r.orders, func(rec bus.Record) {
		r.orders = rec.Offset + 1
		if string(rec.Key) == jobKey+r.job.ID+cancelKey && rec.Value != nil {
			stop = &order{}
		}
	})
	if err != nil {
		return err
	}
	if stop != nil {
		return ErrCanceled
	}
	if err := r.again.read(ctx, r.desk); err != nil {
		return err
	}
	if o := r.job.Options; r.job.Action == Retry && len(r.again.sent) >= o.StopAfter && float64(len(r.again.back)) > o.StopRate*float64(len(r.again.sent)) {
		return fmt.Errorf("%w: %d of %d", ErrStopped, len(r.again.back), len(r.again.sent))
	}
	if err := r.say(ctx, Running, ""); err != nil {
		return err
	}
	if !show(r.shown()) {
		return errLeft
	}
	return nil
}

// shown is the progress with what is computed.
func (r *run) shown() Progress {
	p := r.progress
	p.Again = len(r.again.back)
	if took := time.Since(r.began).Seconds(); took > 0 && r.settled > 0 {
		p.PerSecond = float64(r.settled) / took
	}
	p.Errors = slices.Clone(p.Errors)
	return p
}

// next takes the next batch off the queue, with the bytes where they are needed.
func (r *run) next(ctx context.Context) ([]sendable, error) {
	size := maxBatch
	if r.pace.perSecond > 0 {
		size = min(size, max(1, int(r.pace.perSecond*5)))
	}
	items := r.todo[:fitting(r.todo, size)]
	r.todo = r.todo[len(items):]
	batch := make([]sendable, 0, len(items))
	if r.job.Action != Retry {
		for _, i := range items {
			batch = append(batch, sendable{item: i})
		}
		return batch, nil
	}
	found, err := r.desk.bodies(ctx, items)
	if err != nil {
		return nil, err
	}
	for _, i := range items {
		dead, ok := found[i.edition.coordinates()]
		if !ok || IdentityOf(dead) != i.identity {
			r.progress.fail(i.identity.ID(), fmt.Errorf("%s: %w: retention has taken it", i.edition.coordinates(), ErrNotFound))
			continue
		}
		s := sendable{item: i, dead: dead}
		if r.blocked[s.lane()] {
			r.later = append(r.later, i)
			continue
		}
		batch = append(batch, s)
	}
	return batch, nil
}

// bodies reads the copies that items mean, where they are still there.
func (d *Desk) bodies(ctx context.Context, items []item) (map[bus.Coordinates]bus.DeadLetter, error) {
	type partition struct {
		topic event.Topic
		n     int32
	}
	offsets := map[partition][]int64{}
	wanted := map[bus.Coordinates]bool{}
	for _, i := range items {
		at := partition{i.edition.Topic, i.edition.Partition}
		offsets[at] = append(offsets[at], i.edition.Offset)
		wanted[i.edition.coordinates()] = true
	}
	found := make(map[bus.Coordinates]bus.DeadLetter, len(items))
	for at, of := range offsets {
		slices.Sort(of)
		for len(of) > 0 {
			n := 1
			for n < len(of) && of[n]-of[n-1] < 1000 { // reading over a gap is cheaper than another read, up to a point
				n++
			}
			if err := d.between(ctx, at.topic, at.n, of[0], of[n-1]+1, func(dead bus.DeadLetter) {
				if wanted[dead.Coordinates()] {
					found[dead.Coordinates()] = dead
				}
			}); err != nil {
				return nil, err
			}
			of = of[n:]
		}
	}
	return found, nil
}

// between reads dead letters of one partition, those that retention has not taken.
func (d *Desk) between(ctx context.Context, t event.Topic, partition int32, from, to int64, each func(bus.DeadLetter)) error {
	r := bus.Range{Topics: []event.Glob{event.Glob(t)}, Partitions: []int32{partition}, From: bus.AtOffset(from), To: bus.AtOffset(to)}
	for dead, err := range d.bus.DeadLetters(ctx, r) {
		if errors.Is(err, bus.ErrTruncated) { // the log begins later than from: then from its beginning
			if r.From == (bus.Bound{}) {
				return fmt.Errorf("read %s: %w", t, err)
			}
			return d.remaining(ctx, r, each)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", t, err)
		}
		each(dead)
	}
	return nil
}

func (d *Desk) remaining(ctx context.Context, r bus.Range, each func(bus.DeadLetter)) error {
	r.From = bus.Bound{}
	for dead, err := range d.bus.DeadLetters(ctx, r) {
		if err != nil {
			return fmt.Errorf("read %s: %w", r.Topics[0], err)
		}
		each(dead)
	}
	return nil
}

// batch claims the dead letters and settles those that it got, wave by wave.
func (r *run) batch(ctx context.Context, batch []sendable, show func(Progress) bool) error {
	if len(batch) == 0 {
		return nil
	}
	size := maxWave
	if r.pace.perSecond > 0 {
		size = min(size, max(1, int(r.pace.perSecond/10)))
	}
	// The wait for the first wave comes before the claim, so that a claim is never held over a long one.
	if err := r.wait(ctx, r.pace.delay(time.Now(), min(size, len(batch))), show); err != nil {
		return err
	}
	claimed := time.Now()
	mine, key, err := r.claim(ctx, batch)
	if err != nil {
		return err
	}
	sure, err := r.waves(ctx, claimed, waves(mine, size, r.job.Options.KeepOrder), show)
	if !sure {
		return err // what may have been sent stays claimed, so that the next run looks for it
	}
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	return errors.Join(err, r.desk.put(free, stateTopic, key, nil))
}

// claim returns what of the batch is this run's own: what no other run claimed before. The rest is counted, or put off.
func (r *run) claim(ctx context.Context, batch []sendable) ([]sendable, string, error) {
	r.claims++
	c := claim{Run: r.id, Job: r.job.ID}
	for _, s := range batch {
		c.Items = append(c.Items, s.id())
	}
	key, err := r.desk.stake(ctx, r.book, c, r.claims)
	if err != nil {
		return nil, "", fmt.Errorf("claim: %w", err)
	}
	var mine []sendable
	var doubted []item
	var when window
	for _, s := range batch {
		g := r.book.grants[s.id()]
		switch {
		case r.settledBefore(s.item):
			r.progress.Left--
			r.idle = false
		case g.run != r.id:
			r.progress.Held++
			r.postpone(s)
		case r.job.Options.KeepOrder && r.blocked[s.lane()]:
			r.postpone(s)
		default:
			if d, ok := r.book.draftOf(s.id(), s.edition); ok {
				s.draft = &d
			}
			if g.doubt != nil {
				doubted = append(doubted, s.item)
				when = when.and(*g.doubt)
			}
			mine = append(mine, s)
		}
	}
	if len(doubted) == 0 || r.job.Action != Retry {
		return mine, key, nil
	}
	arrived, err := r.desk.arrived(ctx, r.targets(doubted), when)
	if err != nil {
		return nil, "", err
	}
	for i, s := range mine {
		if at, ok := arrived[s.resent()]; ok {
			mine[i].arrived = &at
		}
	}
	return mine, key, nil
}

// waves settles one wave after the other, as long as the claim is good for; the rest is put off. It is not sure where it does
// not know what was sent, or could not write it down.
func (r *run) waves(ctx context.Context, claimed time.Time, waves [][]sendable, show func(Progress) bool) (sure bool, err error) {
	for n, wave := range waves {
		if n > 0 {
			if err := r.wait(ctx, r.pace.delay(time.Now(), len(wave)), show); err != nil {
				return true, err
			}
		}
		if time.Since(claimed) > claimTTL-2*sendWithin {
			for _, s := range slices.Concat(waves[n:]...) {
				r.postpone(s)
			}
			return true, nil
		}
		if err := r.wave(ctx, wave); err != nil {
			return false, err
		}
	}
	return true, nil
}

// wave settles some dead letters at once: those that are to be sent are sent, and then what became of them is written down.
func (r *run) wave(ctx context.Context, wave []sendable) error {
	var send []bus.Record
	var sent, marked []sendable
	var decisions []decided
	for _, s := range wave {
		switch refused := r.refuse(s); {
		case r.job.Action != Retry:
			marked = append(marked, s)
			decisions = append(decisions, r.decide(s, r.job.Action.leaves(), nil))
		case refused != nil:
			r.progress.fail(s.identity.ID(), refused)
		case s.arrived != nil:
			marked = append(marked, s)
			decisions = append(decisions, r.decide(s, Sent, s.arrived))
			r.again.expect(s.item)
		case r.job.Options.KeepOrder && r.stuck[s.lane()]:
			r.progress.fail(s.identity.ID(), errors.New("an earlier event of its key was not sent"))
		case s.dead.Redrives >= r.job.Options.MaxRedrives:
			marked = append(marked, s)
			decisions = append(decisions, r.decide(s, Quarantined, nil))
		default:
			send = append(send, again(s.dead, s.draft, r.job.target(s.identity), r.job.Options.AllGroups))
			sent = append(sent, s)
		}
	}
	// What has begun is brought to its end, whoever has lost interest.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendWithin)
	defer cancel()
	results, _ := r.desk.bus.Append(within, send...) // each result has its error
	var broken error
	for i, res := range results {
		switch s := sent[i]; {
		case res.Err == nil:
			marked = append(marked, s)
			decisions = append(decisions, r.decide(s, Sent, &place{res.Topic, res.Partition, res.Offset}))
			r.again.expect(s.item)
		case isItsOwn(res.Err):
			r.progress.fail(s.identity.ID(), res.Err)
			r.stuck[s.lane()] = true
		default:
			broken = cmp.Or(broken, res.Err)
		}
	}
	if err := r.write(within, decisions); err != nil {
		return errors.Join(fmt.Errorf("%d were sent, and this could not be written down: %w", len(sent), err), broken)
	}
	r.idle = false
	for i := range marked {
		r.progress.Left--
		r.settled++
		if decisions[i].State == Quarantined {
			r.progress.Quarantined++
		} else {
			r.progress.Done++
		}
	}
	return broken
}

// refuse says why a dead letter cannot be sent at all.
func (r *run) refuse(s sendable) error {
	switch {
	case r.job.Action != Retry:
		return nil
	case s.dead.Group == "" && !r.job.Options.AllGroups:
		return errors.New("it does not say which group failed; it can only be sent to all groups")
	case r.job.target(s.identity).IsDLQ():
		return fmt.Errorf("%s is a dead-letter topic", r.job.target(s.identity))
	}
	return nil
}

// isItsOwn reports whether an error is about this one event, so that others may do better.
func isItsOwn(err error) bool {
	return errors.Is(err, bus.ErrTooLarge) || errors.Is(err, bus.ErrUnknownTopic)
}

func (r *run) decide(s sendable, state State, to *place) decided {
	return decided{
		Decision: Decision{State: state, Job: r.job.ID, By: r.desk.by, At: time.Now(), Note: r.job.Options.Note},
		Identity: s.identity, Edition: s.edition, SentTo: to,
	}
}

func (r *run) write(ctx context.Context, decisions []decided) error {
	records := make([]bus.Record, 0, len(decisions))
	for _, d := range decisions {
		rec, err := d.record()
		if err != nil {
			return err
		}
		records = append(records, rec)
		if r.job.Action == Restore {
			if _, drafted := r.book.draftOf(d.Identity.key(), d.Edition); drafted {
				records = append(records, bus.Record{Topic: stateTopic, Key: []byte(draftKey + d.Identity.key())})
			}
		}
	}
	if len(records) == 0 {
		return nil
	}
	_, err := r.desk.bus.Append(ctx, records...)
	return err
}

// say writes down how far the run is.
func (r *run) say(ctx context.Context, state JobState, why string) error {
	s := status{State: state, Run: r.id, By: r.desk.by, At: time.Now(), Why: why, Progress: r.shown()}
	return r.desk.put(ctx, jobsTopic, jobKey+r.job.ID+statusKey, s)
}

// end writes down how the run ended, also where ctx has.
func (r *run) end(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	state, why := Done, ""
	switch {
	case err == nil:
	case errors.Is(err, errLeft), errors.Is(err, ErrCanceled), errors.Is(err, context.Canceled):
		state = Canceled
	case errors.Is(err, ErrStopped):
		state, why = Stopped, err.Error()
	default:
		state, why = Failed, err.Error()
	}
	r.progress.Held = 0
	r.progress.State = state
	if err != nil && !errors.Is(err, errLeft) {
		err = fmt.Errorf("job %s: %w", r.job.ID, err)
	}
	a, facts := r.job.action(string(r.job.Action))
	a.Outcome, a.Counts = string(state), r.shown().counts()
	if why != "" {
		a.Note = cut(why)
	}
	if facts == nil {
		facts = r.desk.record(ctx, a)
	}
	return errors.Join(err, r.say(ctx, state, why), facts)
}
