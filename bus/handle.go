package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/defect"
	"github.com/omninode-ai/omnibus/schema"
)

// deadAgain is how long an event waits whose dead letter cannot be had: a dead letter has none of its own.
const deadAgain = time.Minute

// handle runs the handler of a run and says what is settled. ctx is the assignment's.
func (c *consumer) handle(ctx context.Context, l *lane) result {
	rec := l.run[0].record
	if l.suspect > 0 {
		err := fmt.Errorf("the process ended %d times while this event was being handled, and never came to the end of it", l.suspect)
		return c.failed(ctx, l, 0, rec, nil, &contentError{ClassCrashSuspect, err})
	}
	if l.part.batch.Max > 0 {
		return c.handleBatch(ctx, l)
	}
	if c.isForOthers(rec) {
		c.passOver(ctx, rec, l.attempt)
		return result{skipped: 1}
	}
	if c.isDualOfOurs(rec) {
		c.passOver(ctx, rec, l.attempt)
		c.bus.tellOutdated(ctx, Outdated{Type: c.bus.typeOf(event.Topic(rec.Topic)), Group: c.cfg.Group, Use: DualPassed})
		return result{skipped: 1}
	}
	if known, ok := releaseWish(rec); ok && targetGroup(rec) == c.cfg.Group {
		return c.release(ctx, rec, known)
	}
	if k, ok := c.isParked(rec); ok {
		return c.follow(ctx, l, rec, k)
	}
	d, h, err := c.open(ctx, rec, l.attempt)
	if err == nil {
		c.tellHandled(ctx, d)
		began := time.Now()
		err = c.call(event.WithCause(ctx, d.Envelope, c.cfg.Group), h, d)
		if t := c.bus.cfg.Trace.Handled; t != nil {
			t(ctx, d, Judge(err), time.Since(began), err)
		}
	}
	if err == nil {
		return result{success: true}
	}
	r := c.failed(ctx, l, 0, rec, h, err)
	c.logOutage(ctx, rec, r)
	return r
}

// isForOthers reports whether rec was sent again to one group, and we are another, or a broadcast. What lies in a dead-letter
// topic is for whoever reads that.
func (c *consumer) isForOthers(rec *kgo.Record) bool {
	group := targetGroup(rec)
	return group != "" && (c.cfg.Broadcast || group != c.cfg.Group) && !event.Topic(rec.Topic).IsDLQ()
}

func targetGroup(rec *kgo.Record) string {
	for _, h := range rec.Headers {
		if h.Key == headerTargetGroup {
			return string(h.Value)
		}
	}
	return ""
}

// passOver tells of an event that is settled without its handler, by rule.
func (c *consumer) passOver(ctx context.Context, rec *kgo.Record, attempt int) {
	t := c.bus.cfg.Trace.Handled
	if t == nil {
		return
	}
	d := Delivery{Record: fromKafka(rec), Group: c.cfg.Group, Attempt: attempt}
	if e, err := event.Decode(rec.Value); err == nil { // what cannot be read is not for us to judge
		e.Complete(event.At{Topic: c.bus.typeOf(event.Topic(rec.Topic)), Partition: rec.Partition, Offset: rec.Offset, Time: rec.Timestamp})
		d.Envelope = e
	}
	t(ctx, d, Skipped, 0, nil)
}

// logOutage says once for a run that it met an outage.
func (c *consumer) logOutage(ctx context.Context, rec *kgo.Record, r result) {
	if r.pause {
		c.bus.log.LogAttrs(ctx, slog.LevelWarn, "outage: the partition waits and probes",
			append(where(rec), slog.Int("events", len(r.retry)), slog.String("error", r.message))...)
	}
}

// call runs the handler; its panic is a failure.
func (c *consumer) call(ctx context.Context, h *Handler, d Delivery) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return c.wrapped[h](ctx, d)
}

// open turns a record into what its handler sees: decoded, completed, aliases and defaults applied, validated, and made the type
// that it takes.
func (c *consumer) open(ctx context.Context, rec *kgo.Record, attempt int) (Delivery, *Handler, error) {
	d := Delivery{Record: fromKafka(rec), Group: c.cfg.Group, Attempt: attempt}
	if rec.Value == nil {
		return d, nil, &contentError{ClassUndecodable, errors.New("no value: a tombstone is not an event")}
	}
	e, err := event.Decode(rec.Value)
	if err != nil {
		return d, nil, &contentError{ClassUndecodable, err}
	}
	topic := event.Topic(rec.Topic)
	e.Complete(event.At{Topic: c.bus.typeOf(topic), Partition: rec.Partition, Offset: rec.Offset, Time: rec.Timestamp})
	d.Envelope = e
	spec, declared := c.bus.cfg.Catalog.Lookup(e.Type)
	if declared {
		if len(e.Completed) > 0 && spec.Strict {
			return d, nil, &contentError{ClassInvalid, fmt.Errorf("%w: the envelope lacks %v, and the catalogue says strict_envelope", ErrInvalid, e.Completed)}
		}
		if d.Envelope.Payload, err = spec.Normalize(e.Payload); err != nil {
			return d, nil, &contentError{ClassInvalid, err}
		}
		if c.bus.cfg.Validation == Validate {
			err := c.bus.schemas.check(spec, schema.Consumer, d.Envelope.Payload)
			if errors.Is(err, ErrInvalid) {
				return d, nil, &contentError{ClassInvalid, err}
			}
			if err != nil {
				return d, nil, Unavailable(err) // nobody can tell now
			}
		}
	} else if c.bus.foreign(topic) {
		if err := c.bus.schemas.registered.holdForeign(ctx, rec); err != nil {
			return d, nil, err
		}
	}
	if len(e.Completed) > 0 && c.bus.cfg.Trace.Completed != nil {
		c.bus.cfg.Trace.Completed(c.bus.life, d)
	}
	if e.Nested {
		c.bus.log.LogAttrs(c.bus.life, slog.LevelWarn, "an envelope inside an envelope was unwrapped", where(rec)...)
	}
	h := c.dispatch.find(topic, e.Type)
	if h == nil {
		return d, nil, &contentError{ClassNoDispatcher, fmt.Errorf("no handler of group %q takes event type %s", c.cfg.Group, e.Type)}
	}
	if h.typ != "" && h.typ != e.Type {
		if err := c.bus.raise(ctx, &d, h.typ); err != nil {
			return d, h, err
		}
	}
	return d, h, nil
}

// failed decides about one record of a run whose handler (nil: it did not come so far) answered with err.
func (c *consumer) failed(ctx context.Context, l *lane, index int, rec *kgo.Record, h *Handler, err error) result {
	now := time.Now()
	if ctx.Err() != nil {
		return result{retry: []int{index}, after: time.Second} // taken away meanwhile: it comes again elsewhere
	}
	verdict, atLeast := judge(err)
	if verdict == Skipped {
		return result{skipped: 1}
	}
	kind := fingerprint(err)
	if verdict != Dead {
		c.mu.Lock()
		out := verdict == WillPause || c.lanes.outages.failed(kind, laneID{rec.Topic, rec.Partition, l.key}, now)
		out = out && !defect.On(defect.OutageIsPoison)
		c.mu.Unlock()
		if out {
			return result{retry: []int{index}, pause: true, fingerprint: kind, message: cut(err.Error(), maxMessage)}
		}
		schedule := c.cfg.Retry
		if h != nil && h.retry != nil {
			schedule = h.retry
		}
		if wait, ok := retryDelay(schedule, l.attempt, atLeast, c.random()); ok {
			return result{retry: []int{index}, after: wait, fingerprint: kind}
		}
	}
	if c.cfg.OnExhausted == StopPartition && class(err) != ClassCrashSuspect {
		return c.stopAt(ctx, index, rec, err, kind)
	}
	if event.Topic(rec.Topic).IsDLQ() || c.cfg.Broadcast {
		return c.withoutDLQ(ctx, index, rec, err, kind)
	}
	return c.toDeadLetters(ctx, l, index, rec, err)
}

// toDeadLetters settles one record of a run by its dead letter, once that is acknowledged.
func (c *consumer) toDeadLetters(ctx context.Context, l *lane, index int, rec *kgo.Record, err error) result {
	now := time.Now()
	first := l.firstErr
	if first.IsZero() {
		first = now
	}
	dead := c.deadLetter(rec, err, l.attempt, first, now)
	if defect.On(defect.SettleBeforeDead) {
		c.mu.Lock()
		l.part.track.settle(rec.Offset)
		c.mu.Unlock()
	}
	l.burying.Store(true)
	buried := c.parkBy(ctx, rec, err)
	if buried == nil {
		buried = c.bury(ctx, dead)
	}
	l.burying.Store(false)
	if buried != nil {
		return result{retry: []int{index}, after: time.Second}
	}
	c.bus.log.LogAttrs(ctx, slog.LevelError, "dead letter", append(where(rec),
		slog.String("class", class(err)), slog.Int("attempts", l.attempt), slog.String("error", cut(err.Error(), maxMessage)))...)
	if t := c.bus.cfg.Trace.Dead; t != nil {
		t(ctx, ParseDeadLetter(fromKafka(dead)))
	}
	return result{fingerprint: fingerprint(err), dead: 1}
}

// stopAt stops a partition at an event that no attempt is left for.
func (c *consumer) stopAt(ctx context.Context, index int, rec *kgo.Record, err error, kind string) result {
	c.bus.log.LogAttrs(ctx, slog.LevelError, "partition stopped: the event is tried again when the consumer starts anew", append(where(rec),
		slog.String("group", c.cfg.Group), slog.String("class", class(err)), slog.String("error", cut(err.Error(), maxMessage)))...)
	return result{retry: []int{index}, stop: true, fingerprint: kind, message: fmt.Sprintf("%s: %s", class(err), cut(err.Error(), 200))}
}

// withoutDLQ: a dead letter has no dead letter of its own, so it is kept and tried again; a broadcast has no group whose dead
// letters they would be, so it says what it could not handle and goes on.
func (c *consumer) withoutDLQ(ctx context.Context, index int, rec *kgo.Record, err error, kind string) result {
	c.bus.log.LogAttrs(ctx, slog.LevelError, "event not handled", append(where(rec),
		slog.String("class", class(err)), slog.String("error", cut(err.Error(), maxMessage)))...)
	if c.cfg.Broadcast {
		return result{fingerprint: kind, dropped: 1}
	}
	return result{retry: []int{index}, after: deadAgain, fingerprint: kind}
}

// handleBatch runs a batch handler. What its BatchError names is judged one by one; any other error is about all.
func (c *consumer) handleBatch(ctx context.Context, l *lane) result {
	_, h := c.dispatch.batch(event.Topic(l.part.id.topic))
	var records []Record
	var at []int // in the run
	for i, d := range l.run {
		if _, wish := releaseWish(d.record); wish || c.isForOthers(d.record) {
			c.passOver(ctx, d.record, l.attempt)
			continue
		}
		records, at = append(records, fromKafka(d.record)), append(at, i)
	}
	all := result{skipped: len(l.run) - len(records)}
	if len(records) == 0 {
		return all
	}
	began := time.Now()
	err := c.callBatch(ctx, h, records)
	if t := c.bus.cfg.Trace.Batch; t != nil {
		t(ctx, c.cfg.Group, records, time.Since(began), err)
	}
	if err == nil {
		all.success = true
		return all
	}
	var named BatchError
	if !errors.As(err, &named) {
		named = BatchError{}
		for i := range records {
			named[i] = err
		}
	}
	for i, at := range at {
		err, failed := named[i]
		if !failed || err == nil {
			continue
		}
		r := c.failed(ctx, l, at, l.run[at].record, h, err)
		all.retry = append(all.retry, r.retry...)
		all.after = max(all.after, r.after)
		all.pause, all.stop = all.pause || r.pause, all.stop || r.stop
		all.skipped, all.dead, all.dropped = all.skipped+r.skipped, all.dead+r.dead, all.dropped+r.dropped
		all.message = cmp.Or(all.message, r.message)
		if r.fingerprint != "" {
			all.fingerprint = r.fingerprint
		}
	}
	c.logOutage(ctx, l.run[0].record, all)
	return all
}

func (c *consumer) callBatch(ctx context.Context, h *Handler, rs []Record) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return h.batch(ctx, rs)
}

// where says in a log which record it is about.
func where(rec *kgo.Record) []slog.Attr {
	return []slog.Attr{slog.String("topic", rec.Topic), slog.Int("partition", int(rec.Partition)), slog.Int64("offset", rec.Offset)}
}
