package deadletter

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/contracts/audit"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// Action is what a job does to its dead letters.
type Action string

// The actions.
const (
	Retry   Action = "retry"   // send again
	Resolve Action = "resolve" // mark as dealt with
	Purge   Action = "purge"   // mark as to be forgotten
	Restore Action = "restore" // undo: pending again, a draft dropped
)

// ErrEmpty means that a plan would hold nothing.
var ErrEmpty = errors.New("no dead letter fits")

// takes are the states that an action takes where the selector names none.
func (a Action) takes() []State {
	switch a {
	case Retry:
		return []State{Pending, Drafted}
	case Resolve:
		return []State{Pending, Drafted, Quarantined}
	case Purge:
		return []State{Pending, Drafted, Quarantined, Sent, Resolved}
	case Restore:
		return []State{Resolved, Purged, Quarantined}
	}
	return nil
}

// leaves is the state of a dead letter that the action is through with.
func (a Action) leaves() State {
	switch a {
	case Retry:
		return Sent
	case Resolve:
		return Resolved
	case Purge:
		return Purged
	case Restore:
	}
	return Pending
}

// Options says how a job works. Those but Note are of a retry.
type Options struct {
	To          event.Topic `json:"to,omitzero"`           // where to send; default: where each event came from. Never a dead-letter topic
	AllGroups   bool        `json:"all_groups,omitzero"`   // every group handles it; default: only the one that failed
	PerSecond   float64     `json:"per_second,omitzero"`   // default 50; below zero: as fast as it goes
	MaxRedrives int         `json:"max_redrives,omitzero"` // default 3: what has come back as often is quarantined
	KeepOrder   bool        `json:"keep_order,omitzero"`   // events of one key in the order of their origin, one after the other
	StopRate    float64     `json:"stop_rate,omitzero"`    // default 0.5: stop when more than this part of what was sent failed again; 1 never stops
	StopAfter   int         `json:"stop_after,omitzero"`   // default 20: but only once so many were sent
	Transform   string      `json:"transform,omitzero"`    // what is done to each event before it is sent, see [Desk.Transforming]
	Note        string      `json:"note,omitzero"`         // kept with each decision
}

const (
	defaultPerSecond   = 50
	defaultMaxRedrives = 3
	defaultStopRate    = 0.5
	defaultStopAfter   = 20
)

func (o Options) withDefaults() Options {
	o.PerSecond = cmp.Or(o.PerSecond, defaultPerSecond)
	o.MaxRedrives = cmp.Or(o.MaxRedrives, defaultMaxRedrives)
	o.StopRate = cmp.Or(o.StopRate, defaultStopRate)
	o.StopAfter = cmp.Or(o.StopAfter, defaultStopAfter)
	return o
}

func (o Options) check(a Action) error {
	switch {
	case a.takes() == nil:
		return fmt.Errorf("action %q: want retry, resolve, purge or restore", a)
	case a != Retry && o.Transform != "":
		return fmt.Errorf("%s: only what is sent again can be transformed", a)
	case a == Retry && o.To.IsDLQ():
		return fmt.Errorf("retry to %s: a dead-letter topic has no dead letters of its own", o.To)
	case a == Retry && strings.HasPrefix(string(o.To), "_"):
		return fmt.Errorf("retry to %s: an internal topic", o.To)
	case utf8.RuneCountInString(o.Note) > maxNote:
		return fmt.Errorf("%s: the note has more than %d characters", a, maxNote)
	case o.MaxRedrives < 1 || o.StopAfter < 1 || o.StopRate <= 0 || o.StopRate > 1:
		return errors.New("retry: MaxRedrives and StopAfter must be 1 or more, StopRate above 0 and at most 1")
	}
	return nil
}

// Plan freezes what s chooses now, for one action, and stores it as a job. Nothing is done before [Desk.Run], which then works
// on exactly this set: what fails later is not in it. Without States in s, it takes those that make sense for the action.
func (d *Desk) Plan(ctx context.Context, a Action, s Selector, o Options) (*Job, error) {
	o = o.withDefaults()
	if err := o.check(a); err != nil {
		return nil, err
	}
	named := s
	if len(s.States) == 0 {
		s.States = a.takes()
	}
	snap, err := d.List(ctx, s)
	if err != nil {
		return nil, err
	}
	if len(snap.Letters) == 0 {
		return nil, fmt.Errorf("%s: %w", a, ErrEmpty)
	}
	if err := d.ensure(ctx); err != nil {
		return nil, err
	}
	j := &Job{ID: newJobID(), Action: a, By: d.by, CreatedAt: time.Now(), Selector: named, Options: o, State: Planned}
	j.count(snap.Letters)
	if j.Warnings, err = d.warnings(ctx, j, snap.Letters); err != nil {
		return nil, err
	}
	fn, err := d.transform(o)
	if err != nil {
		return nil, err
	}
	if fn != nil {
		samples, failed, err := d.rehearse(ctx, fn, snap.Letters)
		if err != nil {
			return nil, err
		}
		j.Samples = samples
		if failed > 0 {
			j.Warnings = append(j.Warnings, fmt.Sprintf("%d of %d cannot be transformed, or not into what their schema allows: they will not be sent", failed, len(snap.Letters)))
		}
	}
	if err := d.store(ctx, j, itemsOf(snap.Letters)); err != nil {
		return nil, err
	}
	j.Problems = snap.Problems
	return j, nil
}

// newJobID is 8 letters and digits at random: with a thousand jobs, the next one meets another with a probability of 1 in a billion.
func newJobID() string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return idAlphabet.EncodeToString(random[:])[:8]
}

// Cause is one line of a plan: how many dead letters share a cause, a topic and a group.
type Cause struct {
	Fingerprint   string      `json:"fingerprint"`
	Class         string      `json:"class"`
	Message       string      `json:"message"` // of one of them
	Topic         event.Topic `json:"topic"`
	ConsumerGroup string      `json:"consumer_group"`
	Count         int         `json:"count"`
}

func (j *Job) count(letters []Letter) {
	j.Total = len(letters)
	for _, l := range letters {
		i := slices.IndexFunc(j.Causes, func(c Cause) bool {
			return c.Fingerprint == l.Fingerprint && c.Topic == l.Origin.Topic && c.ConsumerGroup == l.Group
		})
		if i < 0 {
			i = len(j.Causes)
			j.Causes = append(j.Causes, Cause{Fingerprint: l.Fingerprint, Class: l.Class, Message: l.Message, Topic: l.Origin.Topic, ConsumerGroup: l.Group})
		}
		j.Causes[i].Count++
	}
	slices.SortStableFunc(j.Causes, func(a, b Cause) int { return -cmp.Compare(a.Count, b.Count) })
}

// warnings say what the operator should know before running the job.
func (d *Desk) warnings(ctx context.Context, j *Job, letters []Letter) ([]string, error) {
	if j.Action != Retry {
		return nil, nil
	}
	var out []string
	warn := func(n int, format string, args ...any) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d of %d ", n, len(letters))+fmt.Sprintf(format, args...))
		}
	}
	limit := j.Options.MaxRedrives
	there, err := d.topicIDs(ctx)
	if err != nil {
		return nil, err
	}
	var over, last, groupless int
	gone, renewed := map[event.Topic]int{}, map[event.Topic]int{}
	for _, l := range letters {
		switch {
		case l.Redrives >= limit:
			over++
		case l.Redrives == limit-1:
			last++
		}
		if l.Group == "" && !j.Options.AllGroups {
			groupless++
		}
		topic := j.target(l.Identity)
		id, ok := there[topic]
		switch {
		case !ok:
			gone[topic]++
		case topic == l.Identity.Topic && l.Identity.TopicID != "" && id != "" && id != l.Identity.TopicID:
			renewed[topic]++
		}
	}
	warn(over, "have come back %d times or more: they will be quarantined, not sent", limit)
	warn(last, "have come back %d times: the next failure quarantines them", limit-1)
	unfit := 0
	if j.Options.Transform == "" { // else that is held to the schema
		if unfit, err = d.unfit(ctx, letters); err != nil {
			return nil, err
		}
	}
	warn(unfit, "are not what their schema allows, or no event: they will fail again unless they are edited or the schema has changed")
	warn(groupless, "do not say which group failed: they are sent only with all groups")
	parked, err := d.ofParked(ctx, letters)
	if err != nil {
		return nil, err
	}
	warn(parked, "are of a group that has parked keys in their topic: send them in order (--keep-order), and release the keys after, or later events go on to follow them")
	for _, t := range sortedKeys(gone) {
		warn(gone[t], "go to %s, which is not there", t)
	}
	for _, t := range sortedKeys(renewed) {
		warn(renewed[t], "came from %s before it was deleted and made anew", t)
	}
	return out, nil
}

// unfit counts the letters that consumers would refuse for their content.
func (d *Desk) unfit(ctx context.Context, letters []Letter) (int, error) {
	n := 0
	compiled := map[event.Topic]*schema.Schema{}
	originals := slices.DeleteFunc(slices.Clone(letters), func(l Letter) bool { return l.Draft != nil }) // a draft was checked
	for items := range batches(itemsOf(originals)) {
		found, err := d.bodies(ctx, items)
		if err != nil {
			return 0, err
		}
		for _, i := range items {
			dead, ok := found[i.edition.coordinates()]
			if !ok {
				continue // retention is faster; the run will say so
			}
			e, err := event.Decode(dead.Value)
			if err == nil {
				e.Complete(event.At{Topic: i.identity.Topic.Source(), Partition: i.identity.Partition, Offset: i.identity.Offset, Time: dead.OriginTime})
				err = d.valid(e, compiled)
			}
			if err != nil {
				n++
			}
		}
	}
	return n, nil
}

// ofParked counts the letters of a group that has parked a key in their partition.
func (d *Desk) ofParked(ctx context.Context, letters []Letter) (n int, err error) {
	type where struct {
		group     string
		topic     event.Topic
		partition int32
	}
	keys, err := d.bus.ParkedKeys(ctx, "")
	if err != nil {
		return 0, fmt.Errorf("plan: %w", err)
	}
	parked := map[where]bool{}
	for _, k := range keys {
		parked[where{k.Group, k.Topic, k.Partition}] = true
	}
	for _, l := range letters {
		if parked[where{l.Group, l.Origin.Topic, l.Origin.Partition}] {
			n++
		}
	}
	return n, nil
}

// topicIDs are the ids of all topics.
func (d *Desk) topicIDs(ctx context.Context) (map[event.Topic]string, error) {
	infos, err := d.bus.Topics(ctx, "*")
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	ids := make(map[event.Topic]string, len(infos))
	for _, t := range infos {
		ids[t.Name] = t.ID
	}
	return ids, nil
}

// target is where the job sends a dead letter.
func (j *Job) target(i Identity) event.Topic {
	if j.Options.To != "" {
		return j.Options.To
	}
	return i.Topic.Source()
}

// item is one dead letter of a plan: which, and which of its copies.
type item struct {
	identity Identity
	edition  edition
	bytes    int
}

func (i item) id() string { return i.identity.key() }

func itemOf(l Letter) item { return item{l.Identity, editionOf(l.DeadLetter), l.Bytes} }

// batches cuts items into runs that may be in memory at once.
func batches(items []item) iter.Seq[[]item] {
	return func(yield func([]item) bool) {
		for len(items) > 0 {
			n := fitting(items, maxBatch)
			if !yield(items[:n]) {
				return
			}
			items = items[n:]
		}
	}
}

// fitting is how many of items, at least one and at most limit, may be in memory at once.
func fitting(items []item, limit int) int {
	n, bytes := 0, 0
	for n < min(limit, len(items)) && (n == 0 || bytes+items[n].bytes <= maxBytes) {
		bytes += items[n].bytes
		n++
	}
	return n
}

// itemsOf puts the letters in the order in which they are sent: within a partition, that of the events.
func itemsOf(letters []Letter) []item {
	sorted := slices.SortedStableFunc(slices.Values(letters), func(a, b Letter) int {
		if a.Identity.Topic == b.Identity.Topic && a.Identity.Partition == b.Identity.Partition {
			return cmp.Or(strings.Compare(a.Identity.TopicID, b.Identity.TopicID), cmp.Compare(a.Identity.Offset, b.Identity.Offset))
		}
		return cmp.Or(cmp.Compare(a.Identity.Topic, b.Identity.Topic), cmp.Compare(a.Identity.Partition, b.Identity.Partition))
	})
	items := make([]item, len(sorted))
	for i, l := range sorted {
		items[i] = itemOf(l)
	}
	return items
}

// selectorFacts is the selector as an audit record holds it.
func selectorFacts(s Selector) (map[string]any, error) {
	b, err := jsonx.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the selector: %w", err)
	}
	var facts map[string]any
	if err := jsonx.Unmarshal(b, &facts); err != nil {
		return nil, fmt.Errorf("encode the selector: %w", err)
	}
	return facts, nil
}

// action is the audit record of a job, but for its outcome.
func (j *Job) action(name string) (audit.OperatorAction, error) {
	facts, err := selectorFacts(j.Selector)
	if err != nil {
		return audit.OperatorAction{}, err
	}
	return audit.OperatorAction{Action: name, Subject: j.ID, Selector: facts, Note: j.Options.Note}, nil
}
