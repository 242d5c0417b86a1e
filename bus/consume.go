package bus

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/defect"
)

// delivered is one record in the lanes. The lanes look at offset and key only.
type delivered struct {
	offset int64
	key    uint64
	marker bool // the end of a transaction: there is nothing to handle
	record *kgo.Record
}

// consumer is one running Consume. One goroutine polls, up to MaxInFlight workers run handlers, one keeps the time of parked
// lanes, one commits. All of them decide through lanes, under mu, which is never held while anything waits.
type consumer struct {
	bus      *Bus
	cfg      Consumer
	dispatch dispatch
	client   *kgo.Client
	seed     maphash.Seed
	wrapped  map[*Handler]HandlerFunc

	mu       sync.Mutex
	lanes    *lanes
	contexts map[*partition]partitionContext
	workers  int
	staff    []*worker  // all that ever ran
	idle     []*worker  // those that do not run now
	name     string     // tells workers of this consumer from those of others
	changed  *sync.Cond // a run finished, or the backlog fell
	paused   map[*partition]bool

	began       time.Time
	rebalances  Rebalances // guarded by mu
	commitFails *Trouble   // guarded by mu
	topics      topicIDs

	parked *parkedKeys // nil: none ever are

	kick     chan struct{} // capacity 1: the timekeeper should look again
	doubt    chan struct{} // capacity 1: the topics should be looked at
	urgent   chan struct{} // capacity 1: something waits for a commit
	commits  sync.Mutex    // one commit at a time
	wg       sync.WaitGroup
	member   string                         // as what the group knew us when it last gave us partitions; guarded by mu
	fetched  map[partitionID]fetchedOffset  // by OnOffsetsFetched for the assignment that follows; guarded by mu
	existing map[event.Topic]map[int32]bool // partitions that were there at the start; not changed after
	fatal    context.CancelCauseFunc
	cut      context.CancelFunc // ends the client without waiting; nil: it needs none
}

type partitionContext struct {
	ctx    context.Context //nolint:containedctx // the life of an assignment, which callbacks of the client begin and end
	cancel context.CancelCauseFunc
}

type fetchedOffset struct {
	offset   int64 // -1: no commit
	metadata string
	start    int64 // where reading begins without a commit; -1: at the first record
}

var (
	errRevoked = errors.New("partition was taken away")
	errLost    = errors.New("partition was lost")
	errDrained = errors.New("drain time is over")
)

// Consume runs handlers until ctx ends and what is running has finished: then nil, or an [AbandonedError] where the drain time
// was not enough. It returns earlier with an error where it cannot go on: handlers that overlap (ErrHandlers), a topic that
// does not exist or was deleted meanwhile (ErrUnknownTopic), a log that was cut before it was read or a topic that was made anew
// under its name (ErrTruncated), a refused login (ErrUnauthorized).
func (b *Bus) Consume(ctx context.Context, cfg Consumer, handlers ...Handler) error {
	var existing map[event.Topic]map[int32]bool // since the first time
	for {
		c, err := b.newConsumer(ctx, cfg.withDefaults(), handlers)
		switch {
		case err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			return nil // it ended before it began
		case err != nil && existing != nil && errors.Is(err, ErrUnreachable): // an outage ends no consumer that has begun
			waitFor(ctx, time.Second)
			continue
		case err != nil:
			return &Error{Op: "consume", Partition: -1, Offset: -1, Err: err}
		case existing != nil:
			c.existing = existing
		}
		existing = c.existing
		err = b.consume(ctx, c)
		if abandoned := (*AbandonedError)(nil); ctx.Err() != nil || !errors.Is(err, errOvertaken) || errors.As(err, &abandoned) {
			return err
		}
		b.log.WarnContext(ctx, "beginning anew", slog.String("group", cfg.Group), slog.String("why", err.Error()))
	}
}

func (b *Bus) consume(ctx context.Context, c *consumer) error {
	b.running.add(c)
	defer b.running.remove(c)
	if c.cfg.Broadcast {
		return c.run(ctx, c.openBroadcast)
	}
	return c.run(ctx, c.openGroup)
}

func (b *Bus) newConsumer(ctx context.Context, cfg Consumer, handlers []Handler) (*consumer, error) {
	if (cfg.Group == "") != cfg.Broadcast {
		return nil, errors.New("say either Group or Broadcast: members of a group share the events, broadcast gives all of them to everyone")
	}
	if cfg.Broadcast && cfg.OnExhausted != ToDeadLetter {
		return nil, fmt.Errorf("OnExhausted is %s, which a broadcast cannot do: it logs what it could not handle and goes on", cfg.OnExhausted)
	}
	c := &consumer{
		bus: b, cfg: cfg, dispatch: dispatch{b, handlers}, seed: maphash.MakeSeed(), wrapped: map[*Handler]HandlerFunc{},
		lanes: newLanes(cfg.MaxInFlight), contexts: map[*partition]partitionContext{}, paused: map[*partition]bool{},
		began: time.Now(), kick: make(chan struct{}, 1), urgent: make(chan struct{}, 1), doubt: make(chan struct{}, 1), fetched: map[partitionID]fetchedOffset{}, existing: map[event.Topic]map[int32]bool{},
	}
	if !cfg.Broadcast {
		c.lanes.unrecorded.within = recordWithin
	}
	c.changed = sync.NewCond(&c.mu)
	if err := c.dispatch.check(); err != nil {
		return nil, err
	}
	for i := range handlers {
		h := &handlers[i]
		fn := h.fn
		for _, mw := range slices.Backward(h.use) {
			fn = mw(fn)
		}
		for _, mw := range slices.Backward(cfg.Use) {
			fn = mw(fn)
		}
		c.wrapped[h] = fn
	}
	if cfg.OnExhausted == ParkKey {
		if slices.ContainsFunc(handlers, func(h Handler) bool { return h.batch != nil }) {
			return nil, fmt.Errorf("%w: OnExhausted is %s, which keeps a key in order, and a batch has many keys", ErrHandlers, ParkKey)
		}
		if err := b.EnsureState(ctx, parkedTopic); err != nil {
			return nil, err
		}
		c.parked = &parkedKeys{keys: map[partitionID]map[string]ParkedKey{}}
	}
	return c, c.lookAround(ctx)
}

// lookAround learns which topics there are, and refuses a subscription that could not keep its dead letters.
func (c *consumer) lookAround(ctx context.Context) error {
	return newTopic(ctx, func() error { return c.lookOnce(ctx) })
}

func (c *consumer) lookOnce(ctx context.Context) error {
	found, _, err := clusterMetadata(ctx, c.bus.client)
	if err != nil {
		return c.bus.reach(err)
	}
	for name, t := range found {
		parts := map[int32]bool{}
		for p := range t.Partitions {
			parts[p] = true
		}
		c.existing[event.Topic(name)] = parts
	}
	names, patterns := c.dispatch.topics()
	for t := range c.existing {
		if slices.ContainsFunc(patterns, func(g event.Glob) bool { return g.Match(t) }) && !slices.Contains(names, t) {
			names = append(names, t)
		}
	}
	for _, t := range names {
		if _, ok := c.existing[t]; !ok {
			return fmt.Errorf("%w: the broker has no topic %s; create it with EnsureTopics", ErrUnknownTopic, t)
		}
		c.topics.learn(string(t), found[string(t)].ID)
		typ := c.bus.typeOf(t)
		if _, declared := c.bus.cfg.Catalog.Lookup(typ); !declared && !t.IsDLQ() {
			switch c.bus.cfg.Undeclared {
			case Refuse:
				return fmt.Errorf("%w: the catalogue has no event type %s", ErrUnknownTopic, typ)
			case ByDefault, Warn:
				c.bus.log.WarnContext(ctx, "consuming a topic that the catalogue lacks: its events are not validated", slog.String("topic", string(t)))
			case Allow:
			}
		}
		if _, ok := c.existing[t.DLQ()]; !ok && !t.IsDLQ() && !c.cfg.Broadcast {
			if err := c.bus.ensureDLQ(ctx, t); err != nil {
				return fmt.Errorf("dead-letter topic of %s: %w", t, err)
			}
		}
	}
	return nil
}

func (c *consumer) topicID(topic string) string {
	id, ok := c.topics.of(topic)
	if !ok || id == (kadm.TopicID{}) {
		return ""
	}
	return uuidText(id) // as [TopicInfo.ID] has it
}

// run is the life of a consumer: poll until ctx ends or something is fatal, then drain, commit, leave.
func (c *consumer) run(ctx context.Context, open func(ctx context.Context) error) error {
	polling, fatal := context.WithCancelCause(ctx)
	defer fatal(nil)
	c.fatal = fatal
	if err := open(polling); err != nil {
		return &Error{Op: "consume", Partition: -1, Offset: -1, Err: err}
	}
	helpers, stopHelpers := context.WithCancel(context.WithoutCancel(ctx))
	var aside sync.WaitGroup
	aside.Go(func() { c.keepTime(helpers) })
	aside.Go(func() { c.watch(polling) })
	if !c.cfg.Broadcast {
		aside.Go(func() { c.commitOften(helpers) })
	}
	c.poll(polling)
	abandoned := c.drain()
	stopHelpers()
	aside.Wait()
	var errs []error
	if !c.cfg.Broadcast && !defect.On(defect.NoLastCommit) {
		if err := c.commitLast(context.WithoutCancel(ctx)); err != nil {
			errs = append(errs, &Error{Op: "commit", Partition: -1, Offset: -1, Err: err})
		}
	}
	c.forget(nil, errDrained)
	c.leave()
	if ctx.Err() == nil {
		errs = append(errs, context.Cause(polling))
	}
	if len(abandoned) > 0 {
		errs = append(errs, &AbandonedError{Group: c.cfg.Group, Events: abandoned})
	} else {
		c.wg.Wait()
	}
	return errors.Join(errs...)
}

// leaveWithin is how long leaving the group may take.
const leaveWithin = 3 * time.Second

// leave leaves the group and closes the client. A join is answered only when all other members have joined too, which may take a
// minute, and until then the client would not leave: the others will then miss us after the session timeout instead.
func (c *consumer) leave() {
	if c.cut != nil {
		timer := time.AfterFunc(leaveWithin, c.cut)
		defer c.cut()
		defer timer.Stop()
	}
	c.client.CloseAllowingRebalance()
}

// openGroup joins the group.
func (c *consumer) openGroup(context.Context) error {
	opts, err := c.bus.options()
	if err != nil {
		return err
	}
	names, patterns := c.dispatch.topics()
	if len(patterns) > 0 {
		var expr []string
		for _, n := range names {
			expr = append(expr, "^"+regexp.QuoteMeta(string(n))+"$")
		}
		for _, p := range patterns {
			expr = append(expr, p.Regexp())
		}
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(expr...), kgo.ConsumeExcludeTopics(excluded(names, patterns)...))
	} else {
		var all []string
		for _, n := range names {
			all = append(all, string(n))
		}
		opts = append(opts, kgo.ConsumeTopics(all...))
	}
	life, cut := context.WithCancel(context.Background())
	c.cut = cut
	opts = append(
		opts,
		kgo.WithContext(life),
		kgo.ConsumerGroup(c.cfg.Group),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(c.cfg.SessionTimeout),
		kgo.RebalanceTimeout(2*c.cfg.grace()),
		kgo.HeartbeatInterval(c.cfg.SessionTimeout/4),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // a log that was cut under us is said aloud
		kgo.FetchMaxWait(time.Second),
		kgo.KeepRetryableFetchErrors(), // else nobody would be told that a topic is gone
		kgo.OnOffsetsFetched(c.offsetsFetched),
		kgo.AdjustFetchOffsetsFn(c.adjustOffsets),
		kgo.OnPartitionsAssigned(c.assigned),
		kgo.OnPartitionsRevoked(c.revoked),
		kgo.OnPartitionsLost(c.lost),
	)
	if c.cfg.StaticID != "" {
		opts = append(opts, kgo.InstanceID(c.cfg.StaticID))
	}
	c.client, err = kgo.NewClient(opts...)
	return err
}

// excluded keeps dead-letter and internal topics away from the patterns that do not ask for them.
func excluded(names []event.Topic, patterns []event.Glob) []string {
	dlq, internal := true, true
	for _, p := range patterns {
		dlq = dlq && !p.Match("a.dlq") && !regexp.MustCompile(`\.dlq$`).MatchString(string(p))
		internal = internal && p[0] != '_'
	}
	for _, n := range names {
		dlq = dlq && !n.IsDLQ()
		internal = internal && n[0] != '_'
	}
	var out []string
	if dlq {
		out = append(out, `\.dlq$`)
	}
	if internal {
		out = append(out, `^_`)
	}
	return out
}

// fetchAgain is how long polling waits after nothing but errors: brokers answer those at once.
const fetchAgain = 100 * time.Millisecond

func (c *consumer) random() float64 {
	return rand.Float64() //nolint:gosec // jitter
}
