package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/defect"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Result says what became of one event. Partition and Offset hold where Err is nil.
type Result struct {
	Envelope  event.Envelope
	Topic     event.Topic
	Partition int32
	Offset    int64
	Took      time.Duration // how long the call waited that published it
	Dual      *Result       // what became of its dual, see [DualPublish]; nil: it has none
	Err       error         // nil: acknowledged by all in-sync replicas; else an ErrNotSent or an ErrUnknown
}

// Outgoing is an event to publish. Either Payload or Envelope is set, or Topic and Raw, or Record.
type Outgoing struct {
	Payload  event.Payload   // wrapped in an envelope of its own
	Envelope *event.Envelope // as it is: its id, type and time are the caller's
	ID       event.ID        // with Payload: in place of a new id
	Key      []byte          // nil: by the catalogue
	NullKey  bool            // no key at all, whatever the catalogue says
	Headers  []Header

	Topic event.Topic // where it goes; default: where events of its type go
	Raw   []byte      // these bytes in place of an envelope, neither read nor validated

	Record        *Record // in place of all the above: byte for byte, as [Bus.Append] adds it
	KeepTime      bool    // with Record: its Timestamp too, where it has one; a topic may have a clock of its own
	KeepPartition bool    // with Record: its Partition too, whatever its key says
}

// maxJoined bounds how many errors of one call are joined; the results have all.
const maxJoined = 10

// PublishOption changes one Publish.
type PublishOption func(*Outgoing, *event.Envelope)

// WithKey sets the record key, in place of the catalogue's.
func WithKey(key string) PublishOption {
	return func(o *Outgoing, _ *event.Envelope) { o.Key = []byte(key) }
}

// WithCorrelation sets the correlation id, in place of the context's.
func WithCorrelation(id event.CorrelationID) PublishOption {
	return func(_ *Outgoing, e *event.Envelope) { e.CorrelationID = id }
}

// WithCausation names the event that caused this one, in place of the context's.
func WithCausation(id event.ID) PublishOption {
	return func(_ *Outgoing, e *event.Envelope) { e.CausationID = id }
}

// WithID sets the event id, so that publishing again repeats it.
func WithID(id event.ID) PublishOption {
	return func(_ *Outgoing, e *event.Envelope) { e.ID = id }
}

// WithMetadata sets the metadata, in place of the cause's.
func WithMetadata(m event.Metadata) PublishOption {
	return func(_ *Outgoing, e *event.Envelope) { e.Metadata = m }
}

// WithHeader adds a Kafka header. Names that begin with "omnibus-" are reserved and dropped.
func WithHeader(name string, value []byte) PublishOption {
	return func(o *Outgoing, _ *event.Envelope) { o.Headers = append(o.Headers, Header{name, value}) }
}

// Publish returns once the broker has acknowledged the event with acks=all. Its errors are ErrNotSent or ErrUnknown; the wait
// ends with ctx and after PublishTimeout, whichever is first, and then the outcome is unknown. The envelope's id is made before
// the first attempt: publish with [WithID] to try again under the same one.
func (b *Bus) Publish(ctx context.Context, p event.Payload, opts ...PublishOption) (event.Envelope, error) {
	e, err := b.wrap(ctx, p)
	if err != nil {
		return event.Envelope{}, &Error{Op: "publish", Topic: p.EventTopic(), Partition: -1, Offset: -1, Err: fmt.Errorf("%w: %w", ErrNotSent, err)}
	}
	out := Outgoing{Envelope: &e}
	for _, o := range opts {
		o(&out, &e)
	}
	var one [1]Result
	b.publish(ctx, []Outgoing{out}, one[:])
	return one[0].Envelope, one[0].Err
}

// PublishAll publishes events of any types and returns one Result per event, in order; the error joins those of the failed
// ones. Events of one key stay in order.
func (b *Bus) PublishAll(ctx context.Context, events ...Outgoing) ([]Result, error) {
	results := make([]Result, len(events))
	b.publish(ctx, events, results)
	var errs []error
	for i := range results {
		if err := results[i].Err; err != nil && len(errs) < maxJoined {
			errs = append(errs, err)
		}
	}
	return results, errors.Join(errs...)
}

func (b *Bus) wrap(ctx context.Context, p event.Payload) (event.Envelope, error) {
	payload, err := jsonx.Marshal(p)
	if err != nil {
		return event.Envelope{}, fmt.Errorf("encode payload: %w", err)
	}
	e := event.New(ctx, p.EventTopic(), payload, b.source, time.Now())
	if spec, ok := b.cfg.Catalog.Lookup(e.Type); ok {
		e.Version = spec.Version
	}
	return e, nil
}

// flight is one call of publish: what its records share.
type flight struct {
	b       *Bus
	mu      sync.Mutex
	left    int
	gone    bool // the caller went away: results are not its any more
	results []Result
	done    chan struct{} // closed by the last promise
	timeout *time.Timer
}

// voyage is one record of a flight.
type voyage struct {
	rec    kgo.Record
	flight *flight
	index  int
	writes int64 // produce requests written before this one was buffered
}

func (b *Bus) publish(ctx context.Context, events []Outgoing, results []Result) {
	began := time.Now()
	f := newFlight(b, results)
	defer f.timeout.Stop()
	voyages := make([]voyage, len(events))
	var duals [][]*follower
	for i := range events {
		results[i].Partition, results[i].Offset = -1, -1
		v := &voyages[i]
		v.flight, v.index = f, i
		err := b.prepare(ctx, &events[i], &results[i], &v.rec)
		if err == nil && len(b.duals) > 0 {
			duals, err = b.follow(ctx, duals, &events[i], &results[i])
		}
		if err != nil {
			f.refuse(i, err)
			continue
		}
		f.launch(ctx, v)
	}
	f.await(ctx)
	b.sendDuals(ctx, duals)
	took := time.Since(began)
	for i := range results {
		if len(b.deprecated) > 0 || len(b.duals) > 0 {
			b.tellPublished(ctx, &results[i])
		}
		for r := &results[i]; r != nil; r = r.Dual {
			r.Took = took
			if r.Err != nil {
				b.unlearn(string(r.Topic), r.Err)
			}
			if b.cfg.Trace.Published != nil {
				b.cfg.Trace.Published(ctx, r.Envelope, *r)
			}
		}
	}
}

func newFlight(b *Bus, results []Result) *flight {
	return &flight{b: b, results: results, left: 1, done: make(chan struct{}), timeout: time.NewTimer(b.cfg.PublishTimeout)}
}

// launch gives a record to the client, once there is room.
func (f *flight) launch(ctx context.Context, v *voyage) {
	if err := f.b.takeSlot(ctx, f.timeout.C); err != nil {
		f.refuse(v.index, err)
		return
	}
	f.mu.Lock()
	f.left++
	f.mu.Unlock()
	v.writes = f.b.writes.Load()
	// The record lives under the bus's context: a caller that gives up must not fail the records of others.
	life := f.b.life
	if defect.On(defect.CallersContext) {
		life = ctx
	}
	f.b.client.Produce(life, &v.rec, v.landed)
}

// await returns when everything has landed, or the wait is over.
func (f *flight) await(ctx context.Context) {
	f.land()
	select {
	case <-f.done:
	case <-ctx.Done():
		f.abandon(context.Cause(ctx))
	case <-f.timeout.C:
		f.abandon(fmt.Errorf("no acknowledgement within %v", f.b.cfg.PublishTimeout))
	}
}

// takeSlot waits for one of the MaxUnresolved slots.
func (b *Bus) takeSlot(ctx context.Context, timeout <-chan time.Time) error {
	select {
	case b.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case b.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d events in flight: %w", cap(b.slots), context.Cause(ctx))
	case <-timeout:
		return fmt.Errorf("wait for %d events in flight: %w", cap(b.slots), context.DeadlineExceeded)
	}
}

// prepare makes the record of an event, and checks what can be known before anything is sent.
func (b *Bus) prepare(ctx context.Context, o *Outgoing, r *Result, rec *kgo.Record) error {
	if b.closed.Load() {
		return ErrClosed
	}
	if err := b.encode(ctx, o, r, rec); err != nil {
		return err
	}
	if o.Record == nil { // else the size is for the broker to judge: our headers may come on top of a full event
		if err := b.small(rec); err != nil {
			return err
		}
	}
	if err := b.exists(ctx, rec.Topic); err != nil || !o.KeepPartition {
		return err
	}
	return b.hasPartition(ctx, rec.Topic, o.Record.Partition)
}

// keyOf is the record key: the payload member that the catalogue names, else the correlation id.
func keyOf(spec event.Spec, e event.Envelope) []byte {
	if spec.Key != "" {
		if v, ok := jsonx.Member(e.Payload, spec.Key); ok && v != "" {
			return []byte(v)
		}
	}
	return []byte(e.CorrelationID)
}

// small holds a record against MaxEventBytes.
func (b *Bus) small(rec *kgo.Record) error {
	size := len(rec.Key) + len(rec.Value)
	for _, h := range rec.Headers {
		size += len(h.Key) + len(h.Value)
	}
	if size > b.cfg.MaxEventBytes {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, b.cfg.MaxEventBytes)
	}
	return nil
}

// hasPartition refuses a partition that the topic does not have. It may have been given more since it was asked for.
func (b *Bus) hasPartition(ctx context.Context, topic string, partition int32) error {
	for again := false; ; again = true {
		has, _ := b.known.Load(topic)
		n, _ := has.(int)
		switch {
		case partition >= 0 && int(partition) < n:
			return nil
		case again || partition < 0:
			return fmt.Errorf("%w: topic %s has no partition %d, it has %d", ErrInvalid, topic, partition, n)
		}
		b.known.Delete(topic)
		if err := b.exists(ctx, topic); err != nil {
			return err
		}
	}
}

// exists asks the broker once per topic.
func (b *Bus) exists(ctx context.Context, topic string) error {
	if _, ok := b.known.Load(topic); ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.PublishTimeout)
	defer cancel()
	return newTopic(ctx, func() error {
		found, _, err := clusterMetadata(ctx, b.client, topic)
		if err != nil {
			return b.reach(err)
		}
		if t := found[topic]; errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("%w: the broker has no topic %s", ErrUnknownTopic, topic)
		} else if t.Err != nil {
			return b.reach(t.Err)
		}
		b.known.Store(topic, len(found[topic].Partitions))
		return nil
	})
}

// unlearn forgets what is known of a topic that turns out not to be there, or to be another one: the next event of it asks again.
// The client itself stays with the first topic that it saw under a name until it is told not to.
func (b *Bus) unlearn(topic string, err error) {
	if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID) {
		b.known.Delete(topic)
	}
	if errors.Is(err, kerr.UnknownTopicID) {
		b.client.PurgeTopicsFromProducing(topic)
	}
}

// refuse reports an event that never entered the client.
func (f *flight) refuse(i int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.results[i].Err = f.failed(i, ErrNotSent, err)
}

func (f *flight) failed(i int, outcome, err error) error {
	if defect.On(defect.UnknownIsFailed) {
		outcome = ErrNotSent
	}
	r := &f.results[i]
	return &Error{Op: "publish", Topic: r.Topic, Partition: -1, Offset: -1, Err: fmt.Errorf("%w: %w", outcome, err)}
}

// landed is the promise of one record: the client has decided about it.
func (v *voyage) landed(rec *kgo.Record, err error) {
	f := v.flight
	<-f.b.slots
	f.mu.Lock()
	if !f.gone {
		r := &f.results[v.index]
		switch {
		case err == nil || defect.On(defect.FailedIsPublished):
			r.Partition, r.Offset = rec.Partition, rec.Offset
		case errors.Is(err, kerr.MessageTooLarge):
			r.Err = f.failed(v.index, ErrNotSent, fmt.Errorf("%w: %w", ErrTooLarge, err))
		case f.b.writes.Load() == v.writes:
			// No produce request was begun since the record was buffered: it cannot have reached any broker.
			r.Err = f.failed(v.index, ErrNotSent, f.b.reach(err))
		default:
			r.Err = f.failed(v.index, ErrUnknown, f.b.reach(err))
		}
	}
	f.mu.Unlock()
	f.land()
}

func (f *flight) land() {
	f.mu.Lock()
	f.left--
	last := f.left == 0
	f.mu.Unlock()
	if last {
		close(f.done)
	}
}

// abandon ends the wait. Events that have not landed are of unknown outcome and may still arrive; their promises must not
// touch the caller's results any more.
func (f *flight) abandon(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	for i := range f.results {
		if f.results[i].Err == nil && f.results[i].Offset < 0 {
			f.results[i].Err = f.failed(i, ErrUnknown, cause)
		}
	}
}
