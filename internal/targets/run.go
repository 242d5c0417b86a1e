package targets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

const loadSchema = `{"type":"object","properties":{"key":{"type":"string"},"n":{"type":"integer","minimum":0},"pad":{"type":"string"}},"required":["key","n","pad"]}`

// load is the payload of the events of a run.
type load struct {
	topic event.Topic
	Key   string `json:"key"`
	N     int    `json:"n"` // which event of the paced phase it is, from 1; 0 for the others
	Pad   string `json:"pad"`
}

// EventTopic is the topic that the load is for.
func (l load) EventTopic() event.Topic { return l.topic }

const (
	keys        = 1000
	chunk       = 250    // events of one call at full speed
	publishers  = 4      // calls at once at full speed
	outstanding = 50_000 // events that may lie there unhandled at full speed, so that the end of a phase is near
	callers     = 512    // publishes that may wait at once in the paced phase
	drain       = time.Minute
)

var errSlow = errors.New("what was published is not handled in time")

// run is one measurement.
type run struct {
	cfg     Config
	name    string
	topic   event.Topic
	b       *bus.Bus
	pad     string
	grouped bool // a group was used

	published, handled atomic.Int64
	arrived            chan struct{}   // has room for one: something was handled
	base               time.Time       // from which the times below count
	start              time.Duration   // when the paced phase began
	due                []time.Duration // since start
	acked, done        []atomic.Int64  // nanoseconds since base; 0 is never
	paced              int             // how many were published in that phase

	full     int           // events of the phase at full speed
	fullTook time.Duration // until the last of them was handled, or acknowledged where nobody handles
	lags     []time.Duration
	dead     int
}

func (r *run) group() string { return r.name + "-load" }

func (r *run) measure(ctx context.Context) (err error) {
	r.pad, r.base = padding(r.cfg.Size), time.Now()
	r.arrived = make(chan struct{}, 1)
	r.sizePaced()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	switch r.cfg.Mode {
	case Publish:
		if err := r.fullSpeed(ctx, r.cfg.Duration/3, false); err != nil {
			return err
		}
		return r.atRate(ctx)
	case Consume:
		if err := r.fullSpeed(ctx, r.cfg.Duration/2, false); err != nil {
			return err
		}
		began := time.Now()
		stop := r.consume(ctx, fail)
		err = r.drained(ctx)
		r.fullTook = time.Since(began)
		if stopped := stop(); err == nil {
			err = stopped
		}
	default:
		stop := r.consume(ctx, fail)
		err = r.warmUp(ctx)
		if err == nil && r.cfg.Mode == All {
			err = r.fullSpeed(ctx, r.cfg.Duration/3, true)
		}
		if err == nil {
			err = r.atRate(ctx)
		}
		if err == nil {
			err = r.drained(ctx)
		}
		if stopped := stop(); err == nil {
			err = stopped
		}
	}
	if err != nil {
		return err
	}
	infos, err := r.b.Topics(ctx, event.Glob(r.topic.DLQ()))
	if err != nil {
		return err
	}
	for _, p := range infos[0].Partitions {
		r.dead += int(p.End - p.Start)
	}
	return nil
}

// sizePaced makes room for the times of the paced phase.
func (r *run) sizePaced() {
	d := r.cfg.Duration
	switch r.cfg.Mode {
	case Consume:
		d = 0
	case All, Publish:
		d -= r.cfg.Duration / 3
	case RoundTrip:
	}
	r.paced = int(r.cfg.Rate * d.Seconds())
	r.due = make([]time.Duration, r.paced)
	for i := range r.due {
		r.due[i] = time.Duration(float64(i) / r.cfg.Rate * float64(time.Second))
	}
	r.acked, r.done = make([]atomic.Int64, r.paced), make([]atomic.Int64, r.paced)
}

// padding is text that does not compress to nothing.
func padding(size int) string {
	const fixed = len(`{"key":"k000","n":1000000,"pad":""}`)
	var s strings.Builder
	for s.Len() < size-fixed {
		fmt.Fprintf(&s, "%016x", rand.Uint64())
	}
	return s.String()[:max(0, size-fixed)]
}

func (r *run) event(key, n int) bus.Outgoing {
	return bus.Outgoing{Payload: load{topic: r.topic, Key: fmt.Sprintf("k%03d", key%keys), N: n, Pad: r.pad}}
}

// warmUp returns once the group has its partitions: forming a group is not what is measured.
func (r *run) warmUp(ctx context.Context) error {
	r.cfg.Progress("waiting for the group", 0, -1)
	if _, err := r.b.Publish(ctx, r.event(0, 0).Payload); err != nil {
		return err
	}
	r.published.Add(1)
	return r.drained(ctx)
}

// fullSpeed publishes as fast as the cluster takes it.
func (r *run) fullSpeed(ctx context.Context, d time.Duration, handles bool) error {
	began, before := time.Now(), r.published.Load()
	until, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, publishers)
	for i := range publishers {
		wg.Go(func() { errs[i] = r.flood(ctx, until, i, handles) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.full = int(r.published.Load() - before)
	if handles {
		if err := r.drained(ctx); err != nil {
			return err
		}
	}
	r.fullTook = time.Since(began)
	return nil
}

func (r *run) flood(ctx, until context.Context, from int, handles bool) error {
	out := make([]bus.Outgoing, chunk)
	for n := from; until.Err() == nil; n += publishers {
		if handles && r.published.Load()-r.handled.Load() > outstanding {
			select {
			case <-r.arrived:
			case <-until.Done():
			}
			continue
		}
		for i := range out {
			out[i] = r.event(n*chunk+i, 0)
		}
		if _, err := r.b.PublishAll(ctx, out...); err != nil {
			return err
		}
		r.cfg.Progress("published", int(r.published.Add(chunk)), -1)
	}
	return nil
}

// atRate publishes each event when it is due. Its latency counts from then on: a cluster that holds up its publishers does not
// get away with fewer of them.
func (r *run) atRate(ctx context.Context) error {
	r.start = time.Since(r.base)
	var next atomic.Int64
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range min(callers, r.paced) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= r.paced || !pause(ctx, r.start+r.due[i]-time.Since(r.base)) {
					return
				}
				if _, err := r.b.Publish(ctx, r.event(i, i+1).Payload); err != nil {
					once.Do(func() { failed = err })
					cancel()
					return
				}
				r.acked[i].Store(int64(time.Since(r.base)))
				r.published.Add(1)
				r.cfg.Progress("published at the rate", i+1, r.paced)
			}
		})
	}
	if r.grouped {
		wg.Go(func() { r.watchLag(ctx, func() bool { return int(next.Load()) >= r.paced }) })
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// watchLag asks the cluster how far the group is behind, as "omnibus lag" does, until the phase is over.
func (r *run) watchLag(ctx context.Context, over func() bool) {
	for !over() && pause(ctx, 200*time.Millisecond) {
		lags, err := r.b.Lag(ctx, r.group())
		if err != nil {
			continue // what nobody knows is no value
		}
		most := time.Duration(-1)
		for _, l := range lags {
			if l.Known {
				most = max(most, l.Age)
			}
		}
		if most >= 0 {
			r.lags = append(r.lags, most)
		}
	}
}

// consume runs a consumer until stop is called, which waits for its end; fail is told where it ends by itself.
func (r *run) consume(ctx context.Context, fail context.CancelCauseFunc) (stop func() error) {
	r.grouped = true
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		err := r.b.Consume(ctx, bus.Consumer{Group: r.group()}, bus.HandleType(r.topic, r.handle))
		if err != nil {
			fail(err)
		}
		done <- err
	}()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

func (r *run) handle(_ context.Context, d bus.Delivery) error {
	var l load
	if err := jsonx.Unmarshal(d.Envelope.Payload, &l); err != nil {
		return bus.Permanent(err)
	}
	if l.N > 0 && l.N <= r.paced {
		r.done[l.N-1].CompareAndSwap(0, int64(time.Since(r.base))) // one that comes again was handled before
	}
	r.handled.Add(1)
	select {
	case r.arrived <- struct{}{}:
	default:
	}
	return nil
}

// drained returns once all that was published has been handled.
func (r *run) drained(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, drain+r.cfg.Duration, errSlow)
	defer cancel()
	for total := r.published.Load(); r.handled.Load() < total; {
		select {
		case <-r.arrived:
			r.cfg.Progress("handled", int(r.handled.Load()), int(total))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// results are the targets that the mode measures, in the order of the quick reference.
func (r *run) results() []Result {
	var publish, process []time.Duration
	for i, due := range r.due {
		if at := time.Duration(r.acked[i].Load()); at > 0 {
			publish = append(publish, at-r.start-due)
		}
		if at := time.Duration(r.done[i].Load()); at > 0 {
			process = append(process, at-r.start-due)
		}
	}
	latencies := latency("Event Publishing Latency (p95)", publish, 0.95, publishLimit)
	switch r.cfg.Mode {
	case Publish:
		return []Result{latencies, throughput(r.full, r.fullTook)}
	case Consume:
		return []Result{throughput(r.full, r.fullTook), deadLetters(r.dead, r.full)}
	case All, RoundTrip:
	}
	out := []Result{latencies, latency("Event Processing Latency (p95)", process, 0.95, processingLimit)}
	if r.cfg.Mode == All {
		out = append(out, throughput(r.full, r.fullTook))
	}
	return append(out, latency("Consumer Lag (p99)", r.lags, 0.99, lagLimit), deadLetters(r.dead, int(r.published.Load())))
}
