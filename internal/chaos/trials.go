package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	actors "github.com/omninode-ai/omnibus/internal/histcheck/actor"
)

// trial does to a topic under a slow group what no product would, and tells whether the group passed over anything in silence. It
// must either go through every event or stop with an error.
type trial struct {
	name string
	run  func(ctx context.Context, t *topicTrial) error
}

func trials() []trial {
	return []trial{
		{"truncated", truncated},
		{"recreated", recreated},
		{"deleted", deleted},
		{"widened", widened},
	}
}

// try runs the trials, each on a topic of its own.
func (r *run) try(ctx context.Context) error {
	began := time.Now()
	if err := r.prepare(); err != nil {
		return err
	}
	defer r.strike()
	if err := r.startBroker(ctx); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(r.addrs...))
	if err != nil {
		return err
	}
	defer client.Close()
	for _, tr := range trials() {
		t := &topicTrial{run: r, name: tr.name, admin: kadm.NewClient(client)}
		r.tried("topic "+tr.name+" under a slow group", errors.Join(t.prepare(ctx, tr), t.end()))
	}
	r.tried("disk full", r.diskFull(ctx))
	r.say("took %v", time.Since(began).Round(time.Second))
	return r.ledger.Close()
}

// tried notes how a trial ended.
func (r *run) tried(what string, err error) {
	switch {
	case err == nil:
		r.outcomes = append(r.outcomes, [2]string{what, "as it must be"})
	case errors.Is(err, errNotTried):
		r.outcomes = append(r.outcomes, [2]string{what, err.Error()})
	default:
		r.found("%s: %v", what, err)
		r.outcomes = append(r.outcomes, [2]string{what, "WRONG"})
	}
	r.say("  %s: %s", what, r.outcomes[len(r.outcomes)-1][1])
}

// topicTrial is a trial under way.
type topicTrial struct {
	*run
	name   string
	work   work
	bus    *bus.Bus
	admin  *kadm.Client
	ledger *histcheck.Ledger
	member *player
	made   int64 // events
}

func (t *topicTrial) group() string { return "slow-" + t.name }

func (t *topicTrial) prepare(ctx context.Context, tr trial) error {
	t.work = work{Run: t.run.work.Run, Topic: event.Topic("omninode.chaos.event." + t.name + ".v1"), Partitions: 1}
	var err error
	if t.ledger, err = histcheck.Open(filepath.Join(t.dir, ledgersDir, t.publisher()+".jsonl"), t.publisher()); err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	if _, err := t.bus.EnsureTopics(ctx); err != nil {
		return err
	}
	t.member = newPlayer("consumer/"+t.group()+"/1", t.dir, func(err error) { t.note("%v", err) }, func(int) (orders, bool) {
		return orders{Role: roleConsumer, Brokers: t.addrs, Work: t.work, Group: t.group(), Session: inMillis(time.Second)}, true
	})
	return tr.run(ctx, t)
}

func (t *topicTrial) publisher() string { return "runner-" + t.name }

// open connects, and connects anew where it was connected.
func (t *topicTrial) open(ctx context.Context) (err error) {
	if t.bus != nil {
		if err := t.bus.Close(); err != nil {
			return err
		}
	}
	t.bus, err = openBus(ctx, orders{Name: t.publisher(), Brokers: t.addrs, Work: t.work}, nil, t.notes)
	return err
}

func (t *topicTrial) end() error {
	var errs []error
	if t.member != nil {
		errs = append(errs, t.member.end())
	}
	if t.ledger != nil {
		errs = append(errs, t.ledger.Close())
	}
	if t.bus != nil {
		errs = append(errs, t.bus.Close())
	}
	return errors.Join(errs...)
}

// publish publishes n events of one key, each of which takes its handler a moment.
func (t *topicTrial) publish(ctx context.Context, n int, takes time.Duration) error {
	who := actors.Actor{Ledger: t.ledger}
	for range n {
		t.made++
		e := histcheck.Event{
			Run: t.work.Run, Producer: t.publisher(), Seq: t.made, Key: "only", KeySeq: t.made, ID: event.NewID().String(),
			Body: ask(askSlow, takes.Milliseconds()) + "|",
		}
		for _, res := range who.Publish(ctx, t.bus, t.work.Topic, e) {
			if res.Err != nil {
				return res.Err
			}
		}
	}
	return nil
}

// await waits until ok holds of what the group has done so far.
func (t *topicTrial) await(ctx context.Context, what string, ok func(done map[int64]bool) bool) error {
	const within = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		done, err := t.done()
		if err != nil {
			return err
		}
		if ok(done) {
			return nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("%s: not within %v; %d events are done", what, within, len(done))
		}
	}
}

// done is which events, by their number, some life of the member is through with.
func (t *topicTrial) done() (map[int64]bool, error) {
	done := map[int64]bool{}
	files, err := filepath.Glob(strings.TrimSuffix(t.member.ledger(0), ".0.jsonl") + ".*.jsonl")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		running := map[int64]int64{}
		for line, err := range histcheck.File(f).Lines() {
			if errors.Is(err, histcheck.ErrTorn) {
				break // it is being written
			}
			if err != nil {
				return nil, err
			}
			switch line.Kind {
			case histcheck.Start:
				running[line.Run] = line.Event.Seq
			case histcheck.Done:
				done[running[line.Run]] = true
			default:
			}
		}
	}
	return done, nil
}

// stops waits until the member has ended by itself, and fails if it did so without an error.
func (t *topicTrial) stops(ctx context.Context) error {
	const within = 30 * time.Second
	now := t.member.process()
	select {
	case <-now.gone:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(within):
		return fmt.Errorf("the group did not stop within %v", within)
	}
	if now.how() == nil {
		return errors.New("the group stopped without an error")
	}
	return nil
}

// truncated cuts the log beyond the group's position while it is away: it must stop, and its position must stay.
func truncated(ctx context.Context, t *topicTrial) error {
	if err := t.publish(ctx, 100, 10*time.Millisecond); err != nil {
		return err
	}
	if err := t.some(ctx, 20); err != nil {
		return err
	}
	if err := t.member.kill(); err != nil {
		return err
	}
	before, err := t.position(ctx)
	if err != nil {
		return err
	}
	var to kadm.Offsets
	to.AddOffset(string(t.work.Topic), 0, before+50, -1)
	if _, err := t.admin.DeleteRecords(ctx, to); err != nil {
		return err
	}
	if err := t.member.start(ctx); err != nil {
		return err
	}
	if err := t.stops(ctx); err != nil {
		return err
	}
	after, err := t.position(ctx)
	if err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("the group moved from %d to %d over events that are gone", before, after)
	}
	return nil
}

// some starts the member and waits until it is through with n events and has committed.
func (t *topicTrial) some(ctx context.Context, n int) error {
	if err := t.member.start(ctx); err != nil {
		return err
	}
	return t.await(ctx, fmt.Sprintf("the first %d events", n), func(done map[int64]bool) bool {
		at, err := t.position(ctx)
		return len(done) >= n && err == nil && at > 0
	})
}

func (t *topicTrial) position(ctx context.Context) (int64, error) {
	committed, err := t.admin.FetchOffsets(ctx, t.group())
	if err != nil {
		return 0, err
	}
	o, ok := committed.Lookup(string(t.work.Topic), 0)
	if !ok {
		return 0, errors.New("the group has no position")
	}
	return o.At, o.Err
}

// recreated deletes the topic and makes it again while the group is away, with more events than the group had seen: it must not
// begin in the midst of them.
func recreated(ctx context.Context, t *topicTrial) error {
	if err := t.publish(ctx, 60, 5*time.Millisecond); err != nil {
		return err
	}
	if err := t.some(ctx, 30); err != nil {
		return err
	}
	if err := t.member.stop(ctx, stopWithin); err != nil {
		return err
	}
	if err := t.bus.DeleteTopics(ctx, t.work.Topic); err != nil {
		return err
	}
	if _, err := t.bus.EnsureTopics(ctx, t.work.Topic); err != nil {
		return err
	}
	if err := t.open(ctx); err != nil { // who knew the topic as it was refuses to publish to another of its name
		return err
	}
	first := t.made + 1
	if err := t.publish(ctx, 120, time.Millisecond); err != nil {
		return err
	}
	if err := t.member.start(ctx); err != nil {
		return err
	}
	return t.allOrStop(ctx, first)
}

// allOrStop waits until the group is through with every event from first on, or has stopped with an error.
func (t *topicTrial) allOrStop(ctx context.Context, first int64) error {
	err := t.await(ctx, "all events", func(done map[int64]bool) bool {
		for n := first; n <= t.made; n++ {
			if !done[n] {
				return false
			}
		}
		return true
	})
	if !t.member.running() && t.member.process().how() != nil {
		return nil //nolint:nilerr // it stopped, and said so
	}
	return err
}

// deleted deletes the topic under the group at work: it must stop, or go through what it has in hand and say what is wrong.
func deleted(ctx context.Context, t *topicTrial) error {
	if err := t.publish(ctx, 100, 10*time.Millisecond); err != nil {
		return err
	}
	if err := t.some(ctx, 20); err != nil {
		return err
	}
	if err := t.bus.DeleteTopics(ctx, t.work.Topic); err != nil {
		return err
	}
	return t.stops(ctx)
}

// widened gives the topic more partitions under the group at work: it must go through the events in all of them.
func widened(ctx context.Context, t *topicTrial) error {
	if err := t.publish(ctx, 50, 5*time.Millisecond); err != nil {
		return err
	}
	if err := t.some(ctx, 10); err != nil {
		return err
	}
	if _, err := t.admin.CreatePartitions(ctx, 3, string(t.work.Topic)); err != nil {
		return err
	}
	for n := range 30 {
		if err := t.publishAs(ctx, fmt.Sprintf("key-%d", n), 3); err != nil {
			return err
		}
	}
	return t.allOrStop(ctx, 1)
}

// publishAs publishes n events of a key.
func (t *topicTrial) publishAs(ctx context.Context, key string, n int64) error {
	who := actors.Actor{Ledger: t.ledger}
	for seq := range n {
		t.made++
		e := histcheck.Event{Run: t.work.Run, Producer: t.publisher(), Seq: t.made, Key: key, KeySeq: seq + 1, ID: event.NewID().String(), Body: "|"}
		for _, res := range who.Publish(ctx, t.bus, t.work.Topic, e) {
			if res.Err != nil {
				return res.Err
			}
		}
	}
	return nil
}
