package deadletter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
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
	change   Transform                      // nil: events are sent as they are
	schemas  map[event.Topic]*schema.Schema // of what was transformed
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
	change, err := d.transform(j.Options)
	if err != nil {
		return nil, fmt.Errorf("run job %s: %w", jobID, err)
	}
	items, err := jobs.items(j)
	if err != nil {
		return nil, err
	}
	r := &run{desk: d, job: j, id: newRunID(), takes: j.Selector.States, book: newLedger(), blocked: map[string]bool{}, stuck: map[string]bool{}, orders: jobs.next, began: now, looked: now, change: change, schemas: map[event.Topic]*schema.Schema{}}
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
