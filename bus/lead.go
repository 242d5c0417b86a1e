package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
)

// ErrFenced means that another process has begun to lead: nothing that this one writes goes into the log any more.
var ErrFenced = errors.New("another process leads now")

// seatTopic has one partition and never a record: who of a group has the partition leads. In the topic that is written, the group
// would seem to lag behind.
const seatTopic event.Topic = "_omnibus.seat"

// Leadership is work that one process at a time may do: to write a topic of one partition.
type Leadership struct {
	Group string      // the consumer group of those who would do it
	Topic event.Topic // must exist
	Name  string      // what others see of the one who does it, see [Bus.Leader]; no secret
}

const (
	leadSession   = 10 * time.Second // how long a leader that says nothing keeps its place
	leadHeartbeat = 2 * time.Second
	leadAgain     = time.Second
	leadWatch     = 5 * time.Second  // how often each one looks whether somebody leads
	leadVacant    = 30 * time.Second // nobody led for so long: no change of the group takes that long
	placePoll     = time.Millisecond
	leadLeave     = 5 * time.Second // for telling the group that one goes; it finds out by itself after leadSession
)

// Lead stands for election until ctx ends, and runs lead whenever this process is chosen. The context of lead ends when another
// one may be chosen, or with ctx; lead should return then. Where it returns earlier it is run again, with another Writer.
//
// Being chosen is a lease, which a process that was stopped for a while may think it still has. That it writes nothing then is the
// [Writer]'s doing.
func (b *Bus) Lead(ctx context.Context, l Leadership, lead func(ctx context.Context, w *Writer) error) error {
	if b.closed.Load() {
		return ErrClosed
	}
	if err := b.EnsureState(ctx, seatTopic); err != nil {
		return fmt.Errorf("lead %s: %w", l.Topic, err)
	}
	b.neverBehind(ctx, l.Group)
	for {
		err := b.candidate(ctx, l, lead)
		if err != nil || ctx.Err() != nil {
			return err
		}
		b.log.WarnContext(ctx, "nobody leads: standing anew", slog.String("group", l.Group), slog.String("topic", string(l.Topic)))
		if err := b.EnsureState(ctx, seatTopic); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "standing anew", slog.String("group", l.Group), slog.Any("error", err)) // the next round tries again
		}
	}
}

// neverBehind commits the beginning, so that nobody takes the group for behind. A group with members refuses that: one of them has
// done it. What else can go wrong costs no more than a line of the lag that says so.
func (b *Bus) neverBehind(ctx context.Context, group string) {
	ctx, cancel := context.WithTimeout(ctx, leadSession)
	defer cancel()
	var begin kadm.Offsets
	begin.AddOffset(string(seatTopic), 0, 0, -1)
	if err := b.admin.CommitAllOffsets(ctx, group, begin); err != nil {
		b.log.DebugContext(ctx, "no position for the seat", slog.String("group", group), slog.Any("error", err))
	}
}

// candidate is one membership in the group. It ends with ctx, or where it has come to nothing.
func (b *Bus) candidate(ctx context.Context, l Leadership, lead func(ctx context.Context, w *Writer) error) error {
	opts, err := b.options()
	if err != nil {
		return err
	}
	life, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	ctx, end := context.WithCancel(ctx)
	defer end()
	r := reign{bus: b, of: l, lead: lead, life: ctx}
	client, err := kgo.NewClient(append(
		opts,
		kgo.WithContext(life),
		kgo.ClientID(l.Name),
		kgo.ConsumerGroup(l.Group),
		kgo.ConsumeTopics(string(seatTopic)),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), // who leads stays, also where another one comes
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.SessionTimeout(leadSession),
		kgo.HeartbeatInterval(leadHeartbeat),
		kgo.OnPartitionsAssigned(r.assigned),
		kgo.OnPartitionsRevoked(r.revoked),
		kgo.OnPartitionsLost(r.revoked),
	)...)
	if err != nil {
		return fmt.Errorf("lead %s: %w", l.Topic, err)
	}
	client.PauseFetchTopics(string(seatTopic)) // nothing will ever come
	b.watchSeat(ctx, l, client, &r.chosen)
	end()
	defer time.AfterFunc(leadLeave, kill).Stop() // a group that is being chosen anew, or a broker that is away, keeps nobody
	client.Close()
	r.end()
	return nil
}

// watchSeat returns when ctx ends, or when nobody has led for a long time while the broker answers: whatever the reason, who stands
// anew is told anew. Nobody leads, too, where the group says that it is us and the client did not.
func (b *Bus) watchSeat(ctx context.Context, l Leadership, client *kgo.Client, chosen *atomic.Bool) {
	for vacant := time.Duration(0); vacant < leadVacant && ctx.Err() == nil; {
		waitFor(ctx, leadWatch)
		m, err := b.leader(ctx, l)
		me, _ := client.GroupMetadata()
		switch {
		case err != nil: // nobody knows
		case !chosen.Load() && (m.ID == "" || m.ID == me):
			vacant += leadWatch
		default:
			vacant = 0
		}
	}
}

// reign is what the one who may lead does with it. The client calls its methods one at a time.
type reign struct {
	bus  *Bus
	of   Leadership
	lead func(ctx context.Context, w *Writer) error
	life context.Context //nolint:containedctx // of Lead: the client's own ends too late

	cancel context.CancelFunc // nil: not chosen
	done   chan struct{}
	chosen atomic.Bool // there is a cancel
}

func (r *reign) assigned(_ context.Context, client *kgo.Client, parts map[string][]int32) {
	if !slices.Contains(parts[string(seatTopic)], 0) {
		return
	}
	r.end() // it may have been lost without a word
	ctx, cancel := context.WithCancel(r.life)
	r.cancel, r.done = cancel, make(chan struct{})
	r.chosen.Store(true)
	go func() {
		defer close(r.done)
		r.run(ctx, client)
	}()
}

// revoked is called at every change of the group, with nothing in parts where we keep what we have.
func (r *reign) revoked(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	if slices.Contains(parts[string(seatTopic)], 0) {
		r.end()
	}
}

func (r *reign) end() {
	if r.cancel != nil {
		r.cancel()
		<-r.done
		r.cancel = nil
		r.chosen.Store(false)
	}
}

// run leads again and again. Whoever begins stops the one before, so that it begins again only where the group says that it is its
// turn: a process that was asleep would otherwise stop its successor.
func (r *reign) run(ctx context.Context, client *kgo.Client) {
	for first := true; ctx.Err() == nil; first = false {
		if !first {
			waitFor(ctx, leadAgain)
			if me, _ := client.GroupMetadata(); ctx.Err() != nil || !r.bus.leads(ctx, r.of, me) {
				continue
			}
		}
		if err := r.once(ctx); err != nil && ctx.Err() == nil {
			r.bus.log.WarnContext(ctx, "leading anew", slog.String("topic", string(r.of.Topic)), slog.String("why", err.Error()))
		}
	}
}

func (r *reign) once(ctx context.Context) error {
	w, err := r.bus.openWriter(ctx, r.of.Topic)
	if err != nil {
		return err
	}
	defer w.client.Close()
	return r.lead(ctx, w)
}

// leads tells whether the group gave the topic to the member me.
func (b *Bus) leads(ctx context.Context, l Leadership, me string) bool {
	m, err := b.leader(ctx, l)
	return err == nil && m.ID == me
}

// Leader is the Name of the process that leads now; empty where none does.
func (b *Bus) Leader(ctx context.Context, l Leadership) (string, error) {
	m, err := b.leader(ctx, l)
	return m.ClientID, err
}

// leader asks the coordinator of the group alone: a list of all groups would need all brokers.
func (b *Bus) leader(ctx context.Context, l Leadership) (Member, error) {
	ctx, cancel := context.WithTimeout(ctx, leadSession)
	defer cancel()
	groups := map[string]GroupInfo{}
	if err := b.describeClassic(ctx, []string{l.Group}, groups); err != nil {
		return Member{}, err
	}
	for _, m := range groups[l.Group].Members {
		if len(m.Assigned[seatTopic]) > 0 {
			return m, nil
		}
	}
	return Member{}, nil
}

// Writer adds records to a topic of one partition. Since the next one was opened, by whatever process, it adds nothing more: the
// broker refuses what comes from an older one, whether it was sent before or after.
type Writer struct {
	bus    *Bus
	topic  event.Topic
	client *kgo.Client
	broken error
}

// openWriter stops the writer before it, and ends what that one had begun.
func (b *Bus) openWriter(ctx context.Context, topic event.Topic) (*Writer, error) {
	opts, err := b.options()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(
		opts,
		kgo.TransactionalID("omnibus-writer-"+string(topic)),
		kgo.TransactionTimeout(b.cfg.PublishTimeout),
		kgo.RecordDeliveryTimeout(b.cfg.PublishTimeout),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytes(int32(b.cfg.MaxEventBytes+batchOverhead)),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)...)
	if err != nil {
		return nil, fmt.Errorf("open writer of %s: %w", topic, err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.PublishTimeout)
	defer cancel()
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("open writer of %s: %w", topic, b.reach(err))
	}
	return &Writer{bus: b, topic: topic, client: client}, nil
}

// Write adds all of records or none, and returns the offset of the last one. It must not be called twice at a time. Its errors are
// ErrNotSent, or ErrUnknown where the broker was asked to commit and did not answer; ErrFenced is in the chain where another
// process leads. After an error the writer is of no use any more.
func (w *Writer) Write(records ...Record) (last int64, err error) {
	fail := func(outcome, err error) error {
		if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) {
			err = fmt.Errorf("%w: %w", ErrFenced, err)
		}
		w.broken = &Error{Op: "write", Topic: w.topic, Partition: 0, Offset: -1, Err: fmt.Errorf("%w: %w", outcome, err)}
		return w.broken
	}
	switch {
	case w.broken != nil:
		return -1, fmt.Errorf("%w: the writer failed before: %w", ErrNotSent, w.broken)
	case w.bus.closed.Load():
		return -1, fail(ErrNotSent, ErrClosed)
	}
	ctx, cancel := context.WithTimeout(w.bus.life, 2*w.bus.cfg.PublishTimeout)
	defer cancel()
	if err := w.client.BeginTransaction(); err != nil {
		return -1, fail(ErrNotSent, err)
	}
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		out[i] = &kgo.Record{Topic: string(w.topic), Key: r.Key, Value: r.Value, Headers: toKafkaHeaders(r.Headers)}
	}
	if err := w.client.ProduceSync(ctx, out...).FirstErr(); err != nil {
		_ = w.client.EndTransaction(ctx, kgo.TryAbort) // who opens the next writer ends it too
		return -1, fail(ErrNotSent, w.bus.reach(err))
	}
	if err := w.placed(ctx); err != nil {
		return -1, fail(ErrUnknown, err)
	}
	if err := w.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return -1, fail(ErrUnknown, w.bus.reach(err))
	}
	return out[len(out)-1].Offset, nil
}

// placed returns once the client has noted where the topic lies. It does so after it has sent the first record, and until then
// EndTransaction takes the transaction for an empty one: it takes it back, and says nothing (franz-go v1.22.2, storePartitionsUpdate).
func (w *Writer) placed(ctx context.Context) error {
	for {
		if leader, _, _ := w.client.PartitionLeader(string(w.topic), 0); leader >= 0 {
			return nil
		}
		if waitFor(ctx, placePoll); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}
