package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// JobState is how far a job is.
type JobState string

// The states of a job.
const (
	Planned     JobState = "planned"
	Running     JobState = "running"
	Done        JobState = "done"
	Canceled    JobState = "canceled"
	Stopped     JobState = "stopped"     // by itself: too much failed again
	Failed      JobState = "failed"      // by an error
	Interrupted JobState = "interrupted" // says that it runs, but has not been heard of for a while
)

// Ended reports whether the job has nothing left to do.
func (s JobState) Ended() bool { return s == Done }

// Job is a plan and how far it is. It holds exactly the dead letters that were chosen when it was made.
type Job struct {
	ID        string    `json:"id"`
	Action    Action    `json:"action"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
	Selector  Selector  `json:"selector"`
	Options   Options   `json:"options"`
	Total     int       `json:"total"`
	Causes    []Cause   `json:"causes"`
	Warnings  []string  `json:"warnings,omitzero"`
	Parts     int       `json:"parts"` // records that hold the set

	State     JobState  `json:"-"`
	Progress  Progress  `json:"-"` // as last written by the run
	Why       string    `json:"-"` // it stopped or failed
	RunBy     string    `json:"-"`
	UpdatedAt time.Time `json:"-"`
	Problems  []Problem `json:"-"` // see [Snapshot]
	Samples   []Sample  `json:"-"` // of what [Options.Transform] does; only a plan that was just made has them
}

// What the keys of the jobs topic begin with, and end with.
const (
	jobKey    = "job/"
	partKey   = "/part/"
	statusKey = "/status"
	cancelKey = "/cancel"
)

// partSize bounds the record that holds a part of a set: about 60 bytes for each dead letter.
const partSize = 2000

// part is some items of a job, those of one origin and group together.
type part struct {
	Sets []itemSet `json:"sets"`
}

type itemSet struct {
	Group   string      `json:"group"`
	Topic   event.Topic `json:"topic"`
	TopicID string      `json:"topic_id,omitzero"`
	DLQ     event.Topic `json:"dlq"`
	Items   [][7]int64  `json:"items"` // origin partition, offset; partition, offset of the copy; its redrive count; when it failed, in ms; bytes
}

func partOf(items []item) part {
	var p part
	for _, i := range items {
		set := itemSet{Group: i.identity.Group, Topic: i.identity.Topic, TopicID: i.identity.TopicID, DLQ: i.edition.Topic}
		last := len(p.Sets) - 1
		if last < 0 || p.Sets[last].Group != set.Group || p.Sets[last].Topic != set.Topic || p.Sets[last].TopicID != set.TopicID || p.Sets[last].DLQ != set.DLQ {
			p.Sets = append(p.Sets, set)
			last++
		}
		p.Sets[last].Items = append(p.Sets[last].Items, [7]int64{
			int64(i.identity.Partition), i.identity.Offset, int64(i.edition.Partition), i.edition.Offset, int64(i.edition.Redrives), i.edition.FailedAt.UnixMilli(), int64(i.bytes),
		})
	}
	return p
}

func (p part) items() []item {
	var items []item
	for _, s := range p.Sets {
		for _, n := range s.Items {
			items = append(items, item{
				Identity{Group: s.Group, Topic: s.Topic, TopicID: s.TopicID, Partition: int32(n[0]), Offset: n[1]},
				edition{Topic: s.DLQ, Partition: int32(n[2]), Offset: n[3], Redrives: int(n[4]), FailedAt: time.UnixMilli(n[5]).UTC()},
				int(n[6]),
			})
		}
	}
	return items
}

// store writes a plan: its parts first, so that a job that is there is whole.
func (d *Desk) store(ctx context.Context, j *Job, items []item) error {
	var records []bus.Record
	add := func(key string, v any) error {
		value, err := jsonx.Marshal(v)
		if err != nil {
			return fmt.Errorf("store job %s: %w", j.ID, err)
		}
		records = append(records, bus.Record{Topic: jobsTopic, Key: []byte(jobKey + j.ID + key), Value: value})
		return nil
	}
	for chunk := range slices.Chunk(items, partSize) {
		if err := add(partKey+strconv.Itoa(j.Parts), partOf(chunk)); err != nil {
			return err
		}
		j.Parts++
	}
	if err := add("", j); err != nil {
		return err
	}
	if _, err := d.bus.Append(ctx, records...); err != nil {
		return fmt.Errorf("store job %s: %w", j.ID, err)
	}
	return nil
}

// status is what a run says about itself.
type status struct {
	State    JobState  `json:"state"`
	Run      string    `json:"run"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Why      string    `json:"why,omitzero"`
	Progress Progress  `json:"progress"`
}

// order to stop, from whoever asked for it.
type order struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// jobBook is what the records of the jobs topic add up to.
type jobBook struct {
	next     int64
	jobs     map[string]Job
	parts    map[string]part // by key
	statuses map[string]status
	heard    map[string]time.Time // when the status was appended
	orders   map[string]order
	problems map[string]Problem
}

func newJobBook() *jobBook {
	return &jobBook{
		jobs: map[string]Job{}, parts: map[string]part{}, statuses: map[string]status{}, heard: map[string]time.Time{}, orders: map[string]order{}, problems: map[string]Problem{},
	}
}

func (b *jobBook) apply(rec bus.Record) {
	b.next = rec.Offset + 1
	key := string(rec.Key)
	delete(b.problems, key)
	if err := b.add(key, rec); err != nil {
		b.problems[key] = Problem{At: rec.Coordinates(), Key: key, Err: err}
	}
}

func (b *jobBook) add(key string, rec bus.Record) error {
	id, ok := strings.CutPrefix(key, jobKey)
	if !ok {
		return fmt.Errorf("the key %q is none of ours", key)
	}
	id, kind := id, ""
	if slash := strings.IndexByte(id, '/'); slash >= 0 {
		id, kind = id[:slash], id[slash:]
	}
	switch {
	case kind == "":
		return keep(b.jobs, id, rec.Value)
	case strings.HasPrefix(kind, partKey):
		return keep(b.parts, id+kind, rec.Value)
	case kind == statusKey:
		b.heard[id] = rec.Timestamp
		return keep(b.statuses, id, rec.Value)
	case kind == cancelKey:
		return keep(b.orders, id, rec.Value)
	}
	return fmt.Errorf("the key %q is none of ours", key)
}

func keep[T any](m map[string]T, key string, value []byte) error {
	if value == nil {
		delete(m, key)
		return nil
	}
	var v T
	if err := jsonx.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	m[key] = v
	return nil
}

// silence is how long a running job may say nothing before it counts as interrupted.
const silence = 2 * claimTTL

// job is a job with its status.
func (b *jobBook) job(id string, now time.Time) (Job, bool) {
	j, ok := b.jobs[id]
	if !ok {
		return Job{}, false
	}
	j.State = Planned
	j.Progress = Progress{Total: j.Total, Left: j.Total}
	if s, ok := b.statuses[id]; ok {
		j.State, j.Progress, j.Why, j.RunBy, j.UpdatedAt = s.State, s.Progress, s.Why, s.By, s.At
		if s.State == Running && now.Sub(b.heard[id]) > silence {
			j.State = Interrupted
		}
	}
	return j, true
}

// items are all dead letters of a job.
func (b *jobBook) items(j Job) ([]item, error) {
	items := make([]item, 0, j.Total)
	for n := range j.Parts {
		p, ok := b.parts[j.ID+partKey+strconv.Itoa(n)]
		if !ok {
			return nil, fmt.Errorf("job %s: part %d of its %d is missing or cannot be read", j.ID, n+1, j.Parts)
		}
		items = append(items, p.items()...)
	}
	if len(items) != j.Total {
		return nil, fmt.Errorf("job %s: it holds %d dead letters, and its parts %d", j.ID, j.Total, len(items))
	}
	return items, nil
}

func (d *Desk) jobBook(ctx context.Context) (*jobBook, error) {
	book := newJobBook()
	return book, d.tail(ctx, jobsTopic, 0, book.apply)
}

// Jobs lists all jobs, the newest first, and the records about jobs that cannot be read.
func (d *Desk) Jobs(ctx context.Context) ([]Job, []Problem, error) {
	book, err := d.jobBook(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	var jobs []Job
	for id := range book.jobs {
		j, _ := book.job(id, now)
		jobs = append(jobs, j)
	}
	slices.SortFunc(jobs, func(a, b Job) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID)) })
	return jobs, book.sortedProblems(), nil
}

func (b *jobBook) sortedProblems() []Problem {
	return slices.SortedFunc(maps.Values(b.problems), func(a, b Problem) int { return cmp.Compare(a.At.Offset, b.At.Offset) })
}

// Job reads one job. It is an error, ErrNotFound, where there is none.
func (d *Desk) Job(ctx context.Context, id string) (*Job, error) {
	book, err := d.jobBook(ctx)
	if err != nil {
		return nil, err
	}
	j, ok := book.job(id, time.Now())
	if !ok {
		return nil, fmt.Errorf("job %s: %w", id, ErrNotFound)
	}
	j.Problems = book.sortedProblems()
	return &j, nil
}

// ErrEnded means that a job has nothing left to do.
var ErrEnded = errors.New("the job is done")

// Cancel asks the run of a job, in whichever process, to stop; it does so after what is in flight. A job that does not run is
// canceled at once, and can be resumed as well.
func (d *Desk) Cancel(ctx context.Context, id string) error {
	j, err := d.Job(ctx, id)
	if err != nil {
		return err
	}
	if j.State.Ended() {
		return fmt.Errorf("cancel job %s: %w", id, ErrEnded)
	}
	if err := d.ensure(ctx); err != nil {
		return err
	}
	a, err := j.action("cancel")
	if err != nil {
		return err
	}
	return d.audited(ctx, a, func() (map[string]int64, error) {
		if err := d.put(ctx, jobsTopic, jobKey+id+cancelKey, order{By: d.by, At: time.Now()}); err != nil || j.State == Running {
			return nil, err
		}
		s := status{State: Canceled, By: d.by, At: time.Now(), Progress: j.Progress}
		return nil, d.put(ctx, jobsTopic, jobKey+id+statusKey, s)
	})
}

// put writes one record of state. A nil v deletes it.
func (d *Desk) put(ctx context.Context, topic event.Topic, key string, v any) error {
	rec := bus.Record{Topic: topic, Key: []byte(key)}
	if v != nil {
		var err error
		if rec.Value, err = jsonx.Marshal(v); err != nil {
			return fmt.Errorf("write %s: %w", key, err)
		}
	}
	if _, err := d.bus.Append(ctx, rec); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
