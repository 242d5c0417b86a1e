package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Topic is where the state is kept.
const Topic event.Topic = "_schemas"

// group is the consumer group in which registries choose who of them writes.
const group = "omnibus-registry"

// UnfitTopicError says that the topic cannot keep the state.
type UnfitTopicError struct{ What, Fix string }

func (e *UnfitTopicError) Error() string {
	return fmt.Sprintf("topic %s cannot keep schemas: %s; %s", Topic, e.What, e.Fix)
}

// ensureTopic creates the topic, or checks that the one that is there keeps what is written to it, in one order.
func ensureTopic(ctx context.Context, b *bus.Bus) error {
	if err := b.EnsureState(ctx, Topic); err != nil {
		return err
	}
	infos, err := b.Topics(ctx, event.Glob(Topic))
	if err != nil {
		return err
	}
	for _, t := range infos {
		if n := len(t.Partitions); n != 1 {
			return &UnfitTopicError{
				fmt.Sprintf("it has %d partitions, and only records of one partition have one order", n),
				"copy its records to a topic of one partition, delete it, and copy them back",
			}
		}
		policy, known := t.Configs["cleanup.policy"]
		if known && policy != "compact" {
			return &UnfitTopicError{
				"its cleanup.policy is " + policy + ", which deletes schemas after a time",
				"set it with: omnibus topics config " + string(Topic) + " --set cleanup.policy=compact --execute",
			}
		}
	}
	return nil
}

// log keeps a state up with the topic, and adds to the topic where this process is the one that may.
type log struct {
	bus  *bus.Bus
	out  *slog.Logger
	name string // of this process, for others

	mu      sync.RWMutex // guards state, next, moved and loaded
	state   *state
	next    int64 // the offset after the last record that was applied
	moved   chan struct{}
	loaded  bool
	trouble string // why the topic cannot be read now

	write    sync.Mutex // one command at a time; guards writer
	writer   *bus.Writer
	lead     context.CancelCauseFunc // ends the leadership that writer belongs to
	reigns   chan struct{}           // closed when there is the first writer
	leaderMu sync.Mutex              // guards the three below
	leader   string                  // who writes, as far as known
	asked    time.Time
}

func newLog(b *bus.Bus, name string, out *slog.Logger) *log {
	return &log{bus: b, out: out, name: name, state: newState(), moved: make(chan struct{}), reigns: make(chan struct{})}
}

func (l *log) leadership() bus.Leadership {
	return bus.Leadership{Group: group, Topic: Topic, Name: l.name}
}

// view calls read with the state as it is now.
func (l *log) view(read func(*state) error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return read(l.state)
}

// apply takes a record of the topic.
func (l *log) apply(ctx context.Context, r bus.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Offset < l.next { // the topic was made anew
		l.state = newState()
	}
	note := l.state.apply(r.Offset, r.Timestamp.UnixMilli(), record{r.Key, r.Value})
	if note != "" {
		l.out.WarnContext(ctx, "record left out", slog.String("at", r.Coordinates().String()), slog.String("why", note))
	}
	l.next = r.Offset + 1
	close(l.moved)
	l.moved = make(chan struct{})
}

// load reads what the topic holds now.
func (l *log) load(ctx context.Context) error {
	for rec, err := range l.bus.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(Topic)}}) {
		if err != nil {
			return fmt.Errorf("read schemas: %w", err)
		}
		l.apply(ctx, rec)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loaded = true
	return nil
}

// follow applies what is added, until ctx ends.
func (l *log) follow(ctx context.Context) {
	for ctx.Err() == nil {
		l.mu.RLock()
		from := bus.AtOffset(l.next)
		l.mu.RUnlock()
		for rec, err := range l.bus.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(Topic)}, From: from, Follow: true}) {
			if err != nil {
				l.troubled(err.Error())
				l.out.WarnContext(ctx, "schemas cannot be followed", slog.Any("error", err))
				l.restart(err)
				break
			}
			l.apply(ctx, rec)
			l.troubled("")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// restart begins with nothing where the log no longer has what comes next.
func (l *log) restart(err error) {
	if !errors.Is(err, bus.ErrTruncated) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state, l.next = newState(), 0
}

func (l *log) troubled(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = why
}

// await returns once the record at offset is applied.
func (l *log) await(ctx context.Context, offset int64) error {
	for {
		l.mu.RLock()
		reached, moved := l.next > offset, l.moved
		l.mu.RUnlock()
		if reached {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stand takes part in the choice of the writer, until ctx ends.
func (l *log) stand(ctx context.Context) error {
	return l.bus.Lead(ctx, l.leadership(), l.reign)
}

// reign writes until ctx ends or a write fails. It begins with a record of its own and writes nothing more before it has read that
// back: from then on its state is all that was ever written, because the one before it can add nothing any more.
func (l *log) reign(ctx context.Context, w *bus.Writer) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var mark record
	err := l.view(func(s *state) (err error) {
		mark, err = noopRecord(s.maxID)
		return err
	})
	if err != nil {
		return err
	}
	at, err := w.Write(bus.Record{Key: mark.key, Value: mark.value})
	if err != nil {
		return err
	}
	if err := l.await(ctx, at); err != nil {
		return err
	}
	l.write.Lock()
	l.writer, l.lead = w, end
	select {
	case <-l.reigns:
	default:
		close(l.reigns)
	}
	l.write.Unlock()
	l.out.InfoContext(ctx, "this registry writes now", slog.String("name", l.name))
	<-ctx.Done()
	l.write.Lock()
	l.writer, l.lead = nil, nil
	l.write.Unlock()
	return context.Cause(ctx)
}

// answerWithin bounds the wait for one's own record.
const answerWithin = 20 * time.Second

// do makes records of the state as it is, adds them to the log, and returns once they are applied.
func (l *log) do(ctx context.Context, command func(*state) (change, error)) error {
	l.write.Lock()
	defer l.write.Unlock()
	var ch change
	err := l.view(func(s *state) (err error) {
		ch, err = command(s)
		return err
	})
	switch {
	case err != nil:
		return err
	case len(ch.records) == 0:
		return nil
	case l.writer == nil:
		return l.readOnly(ctx)
	}
	records := make([]bus.Record, len(ch.records))
	for i, r := range ch.records {
		records[i] = bus.Record{Key: r.key, Value: r.value}
	}
	at, err := l.writer.Write(records...)
	if err != nil {
		l.writer = nil
		l.lead(err)
		l.out.ErrorContext(ctx, "write schemas", slog.Any("error", err))
		if errors.Is(err, bus.ErrUnknown) {
			return failed(50002, "Register operation timed out: whether the change was made is not known; look, and ask again")
		}
		return failed(50001, "Error in the backend data store: nothing was changed; ask again")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	if l.await(ctx, at) != nil {
		return failed(50002, "The change is in the log, and could not be read back in time")
	}
	return nil
}

// writes tells whether this process is the writer.
func (l *log) writes() bool {
	l.write.Lock()
	defer l.write.Unlock()
	return l.writer != nil
}

// leaderAge is how long it counts who leads before it is asked again.
const leaderAge = 2 * time.Second

// readOnly says who takes changes in place of this process.
func (l *log) readOnly(ctx context.Context) error {
	l.leaderMu.Lock()
	defer l.leaderMu.Unlock()
	if now := time.Now(); l.leader == "" || now.Sub(l.asked) > leaderAge { // while they choose nobody is
		ctx, cancel := context.WithTimeout(ctx, leaderAge)
		defer cancel()
		leader, err := l.bus.Leader(ctx, l.leadership())
		if err != nil {
			leader = ""
		}
		l.leader, l.asked = leader, now
	}
	switch l.leader {
	case "":
		return failed(50004, "OMB-0914: this registry serves reads only, and no other is known to write; ask again in a few seconds")
	case l.name:
		return failed(50004, "OMB-0914: this registry is about to write and not there yet; ask again in a few seconds")
	}
	at := l.leader
	if _, url, ok := strings.Cut(at, "@"); ok {
		at = url
	}
	return failed(50003, "OMB-0914: this registry serves reads only: the writer is %s; send changes there", at)
}
