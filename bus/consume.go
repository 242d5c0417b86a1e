package bus

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/defect"
)

// How far polling may be ahead of the handlers: above the first it stops, below the second it goes on.
const (
	backlogHigh = 20_000
	backlogLow  = 10_000
	pollRecords = 4_000
)

// delivered is one record in the lanes. The lanes look at offset and key only.
type delivered struct {
	offset int64
	key    uint64
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
	c, err := b.newConsumer(ctx, cfg.withDefaults(), handlers)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil // it ended before it began
	}
	if err != nil {
		return &Error{Op: "consume", Partition: -1, Offset: -1, Err: err}
	}
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

// poll hands records over until ctx ends. Hand-over never waits; what waits is the next poll, while too much is in hand.
func (c *consumer) poll(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	for ctx.Err() == nil {
		c.mu.Lock()
		if c.lanes.waiting > backlogHigh {
			for c.lanes.waiting > backlogLow && ctx.Err() == nil {
				c.changed.Wait()
			}
		}
		c.mu.Unlock()
		fetches := c.client.PollRecords(ctx, pollRecords)
		failed := false
		fetches.EachError(func(topic string, partition int32, err error) {
			failed = true
			c.fetchFailed(ctx, topic, partition, err)
		})
		if fetches.NumRecords() > 0 {
			c.handOver(fetches)
		}
		c.client.AllowRebalance()
		if failed && fetches.NumRecords() == 0 {
			waitFor(ctx, fetchAgain)
		}
	}
}

// fetchAgain is how long polling waits after nothing but errors: brokers answer those at once.
const fetchAgain = 100 * time.Millisecond

func waitFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// fetchFailed decides what an error of a fetch means: the client retries what can heal.
func (c *consumer) fetchFailed(ctx context.Context, topic string, partition int32, err error) {
	if ctx.Err() != nil || errors.Is(err, kgo.ErrClientClosed) || errors.Is(err, context.Canceled) {
		return
	}
	at := &Error{Op: "fetch", Topic: event.Topic(topic), Partition: partition, Offset: -1, Err: err}
	switch {
	case isOutOfRange(err):
		at.Err = fmt.Errorf("%w: %s: %w", ErrTruncated, c.outside(ctx, partitionID{topic, partition}), err)
		c.fatal(at)
	case isTopicDoubt(err):
		c.doubtTopics()
	case kerr.IsRetriable(err): // leaders move
		c.bus.log.DebugContext(ctx, "fetch failed, trying again",
			slog.String("topic", topic), slog.Int("partition", int(partition)), slog.String("error", err.Error()))
	case isRefusal(err):
		at.Err = fmt.Errorf("%w: %w", ErrUnauthorized, err)
		c.fatal(at)
	default:
		c.bus.log.WarnContext(ctx, "fetch failed, trying again",
			slog.String("topic", topic), slog.Int("partition", int(partition)), slog.String("error", err.Error()))
	}
}

func (c *consumer) handOver(fetches kgo.Fetches) {
	now := time.Now()
	var pause []*partition
	c.mu.Lock()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if len(f.Records) == 0 {
			return
		}
		id := partitionID{f.Topic, f.Partition}
		p := c.lanes.parts[id]
		if p == nil { // cannot be: partitions begin before they are fetched. To go on would be to lose these records silently.
			c.fatal(&Error{Op: "consume", Topic: event.Topic(id.topic), Partition: id.partition, Offset: f.Records[0].Offset, Err: errors.New("records of a partition that was not assigned")})
			return
		}
		for _, r := range f.Records {
			c.lanes.add(p, delivered{offset: r.Offset, key: c.laneKey(p, r), record: r}, now)
		}
		if p.stalled() && !c.paused[p] {
			c.paused[p] = true
			pause = append(pause, p)
		}
	})
	c.spawn()
	c.mu.Unlock()
	for _, p := range pause {
		c.pauseFetch(p)
	}
	poke(c.kick)
}

// pauseFetch pauses a partition that was marked as paused. A worker may have made room, taken the mark away and resumed
// between the mark and the pause; then nobody else would resume it.
func (c *consumer) pauseFetch(p *partition) {
	one := map[string][]int32{p.id.topic: {p.id.partition}}
	c.client.PauseFetchPartitions(one)
	c.mu.Lock()
	still := c.paused[p]
	c.mu.Unlock()
	if !still {
		c.client.ResumeFetchPartitions(one)
	}
}

// laneKey is the lane of a record. A batch handler and records without a key have one lane per partition. Two keys of equal
// hash share a lane, which only orders them more strictly.
func (c *consumer) laneKey(p *partition, r *kgo.Record) uint64 {
	if p.batch.Max > 0 || r.Key == nil {
		return 0
	}
	if defect.On(defect.TwoLanes) {
		return uint64(r.Offset % 2)
	}
	return maphash.Bytes(c.seed, r.Key)
}

// spawn starts workers for what is ready. Under mu.
func (c *consumer) spawn() {
	for n := c.lanes.ready.len(); n > 0 && c.workers < c.cfg.MaxInFlight; n-- {
		c.hire()
	}
}

// work handles runs until nothing is ready.
func (c *consumer) work(w *worker) {
	pprof.SetGoroutineLabels(w.labels)
	var l *lane
	var r result
	for {
		now := time.Now()
		c.mu.Lock()
		var resume []partitionID
		var halted *partition
		if l != nil {
			c.lanes.finish(l, r, now)
			resume = c.unstall(l.part)
			if l.part.halted != nil && !l.part.gone && !c.paused[l.part] {
				c.paused[l.part] = true
				halted = l.part
			}
			if c.lanes.waiting <= backlogLow || l.part.revoked || c.lanes.stopped {
				c.changed.Broadcast()
			}
		}
		parked := l != nil && len(r.retry) > 0
		l = c.lanes.next(now)
		w.lane = l
		urgent := c.lanes.claims > 0
		var ctx context.Context
		if l == nil {
			c.workers--
			c.idle = append(c.idle, w)
		} else {
			ctx = c.contexts[l.part].ctx
			if c.lanes.ready.len() > 0 && c.workers < c.cfg.MaxInFlight {
				c.hire()
			}
		}
		c.mu.Unlock()
		if parked || l == nil {
			poke(c.kick)
		}
		if urgent {
			poke(c.urgent)
		}
		if halted != nil {
			c.pauseFetch(halted)
		}
		for _, id := range resume {
			c.client.ResumeFetchPartitions(map[string][]int32{id.topic: {id.partition}})
		}
		if l == nil {
			return
		}
		r = c.handle(ctx, l)
	}
}

// unstall says which partition may be fetched again. Under mu.
func (c *consumer) unstall(p *partition) []partitionID {
	if !c.paused[p] || p.stalled() {
		return nil
	}
	delete(c.paused, p)
	return []partitionID{p.id}
}

// poke wakes who waits for ch, the timekeeper or the committer.
func poke(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// keepTime makes parked lanes ready when their time has come.
func (c *consumer) keepTime(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		c.mu.Lock()
		c.lanes.due(now)
		c.spawn()
		wake := c.lanes.wake()
		c.mu.Unlock()
		if wake.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(wake))
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.kick:
		}
	}
}

// drain stops what has not begun and waits for what runs, at most DrainWithin. It returns what is still running then.
func (c *consumer) drain() []Coordinates {
	c.mu.Lock()
	c.lanes.stopped = true
	for _, p := range c.lanes.parts {
		c.lanes.revoke(p)
	}
	c.mu.Unlock()
	if c.await(c.cfg.DrainWithin, func() bool { return c.lanes.running == 0 }) {
		return nil
	}
	c.mu.Lock()
	for _, pc := range c.contexts {
		pc.cancel(errDrained)
	}
	c.mu.Unlock()
	if c.await(time.Second, func() bool { return c.lanes.running == 0 }) {
		// They gave up when they were told to: their events are not settled and come again.
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []Coordinates
	for _, p := range c.lanes.parts {
		for _, l := range p.lanes {
			for _, d := range l.run {
				left = append(left, Coordinates{event.Topic(p.id.topic), p.id.partition, d.offset})
			}
		}
	}
	return left
}

// await waits until ok holds, at most d, and reports whether it does. ok is asked under mu.
func (c *consumer) await(d time.Duration, ok func() bool) bool {
	over := false
	timer := time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		over = true
		c.changed.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() && !over {
		c.changed.Wait()
	}
	return ok()
}

// forget drops partitions (nil: all) and cancels what still runs for them.
func (c *consumer) forget(ids []partitionID, cause error) {
	resume := map[string][]int32{}
	c.mu.Lock()
	if ids == nil {
		ids = slices.Collect(maps.Keys(c.lanes.parts))
	}
	for _, id := range ids {
		if p := c.lanes.parts[id]; p != nil {
			if c.paused[p] {
				resume[id.topic] = append(resume[id.topic], id.partition)
			}
			c.end(p, cause)
		}
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	if len(resume) > 0 { // the client keeps a pause over assignments
		c.client.ResumeFetchPartitions(resume)
	}
}

func (c *consumer) random() float64 {
	return rand.Float64() //nolint:gosec // jitter
}
