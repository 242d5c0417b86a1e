package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Latency is what single publishes at a fixed rate take, counted from when each was due: a publisher that falls behind does
// not hide it.
type Latency struct {
	Rate      int     `json:"events_per_second"`
	Seconds   float64 `json:"seconds"`
	Raw       Spread  `json:"raw"` // the plain client, just before
	Published Spread  `json:"published"`
	Handled   Spread  `json:"handled"`
}

// Spread is a distribution of times, in milliseconds.
type Spread struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

func spread(ds []time.Duration) Spread {
	slices.Sort(ds)
	ms := func(q float64) float64 { return float64(quantile(ds, q)) / 1e6 }
	return Spread{ms(0.50), ms(0.95), ms(0.99), ms(1)}
}

// pace calls publish for event i when it is due, each in a goroutine of its own, and returns when all have ended.
func pace(ctx context.Context, n, rate int, publish func(i int, due time.Time) error) error {
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		for due.After(time.Now()) && ctx.Err() == nil {
			<-tick.C
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			if err := publish(i, due); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
	}
	wg.Wait()
	return errors.Join(failed, ctx.Err())
}

func openLoop(ctx context.Context, on *target, rate int, long time.Duration) (*Latency, error) {
	topic, err := on.topic(ctx, "latency", 6)
	if err != nil {
		return nil, err
	}
	defer on.remove(ctx, topic) //nolint:errcheck // its name is not used again
	raw, err := openLoopRaw(ctx, on, rate, long)
	if err != nil {
		return nil, fmt.Errorf("raw: %w", err)
	}
	b, err := on.open(ctx, topic, bus.Validate)
	if err != nil {
		return nil, err
	}
	defer b.Close() //nolint:errcheck // nothing is in flight any more
	ss, err := makeSamples(samples, keys)
	if err != nil {
		return nil, err
	}
	warm := rate // events of the first second, which do not count
	n := warm + int(long.Seconds()*float64(rate))
	published, handled, dues := make([]time.Duration, n), make([]time.Duration, n), make([]time.Time, n)
	c := newCounter(&meter{}, n)
	ready := make(chan struct{})
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(running, bus.Consumer{Group: group()}, bus.HandlePattern(event.Glob(topic), func(_ context.Context, d bus.Delivery) error {
			if d.Envelope.CorrelationID == probe {
				close(ready)
				return nil
			}
			i, err := strconv.Atoi(string(d.Envelope.CorrelationID))
			if err != nil {
				return bus.Permanent(err)
			}
			handled[i] = time.Since(dues[i])
			c.saw(1)
			return nil
		}))
	}()
	if err := sendProbe(ctx, b, ss[0].payload, ready, ended); err != nil {
		return nil, err
	}
	err = pace(ctx, n, rate, func(i int, due time.Time) error {
		dues[i] = due
		_, err := b.Publish(ctx, ss[i%samples].payload, bus.WithCorrelation(event.CorrelationID(strconv.Itoa(i))))
		published[i] = time.Since(due)
		return err
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		return nil, fmt.Errorf("%d of %d events handled", c.seen.Load(), n)
	}
	stop()
	return &Latency{Rate: rate, Seconds: long.Seconds(), Raw: raw, Published: spread(published[warm:]), Handled: spread(handled[warm:])}, <-ended
}

// probe is the correlation id of an event that finds out whether the consumer is at work.
const probe = event.CorrelationID("probe")

// sendProbe returns when the consumer has handled a probe, which closes ready, or has ended.
func sendProbe(ctx context.Context, b *bus.Bus, p event.Payload, ready <-chan struct{}, ended <-chan error) error {
	if _, err := b.Publish(ctx, p, bus.WithCorrelation(probe)); err != nil {
		return err
	}
	select {
	case <-ready:
		return nil
	case err := <-ended:
		return errors.Join(err, errors.New("the consumer ended early"))
	}
}

// openLoopRaw is the same for the plain client, without a consumer: what the machine and the broker give.
func openLoopRaw(ctx context.Context, on *target, rate int, long time.Duration) (Spread, error) {
	var took []time.Duration
	err := on.onTopic(ctx, "latency", func(topic string) error {
		cl, err := rawClient(on)
		if err != nil {
			return err
		}
		defer cl.Close()
		ss, err := makeSamples(samples, keys)
		if err != nil {
			return err
		}
		took = make([]time.Duration, rate+int(long.Seconds()*float64(rate)))
		return pace(ctx, len(took), rate, func(i int, due time.Time) error {
			s := &ss[i%samples]
			err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: s.key, Value: s.raw}).FirstErr()
			took[i] = time.Since(due)
			return err
		})
	})
	if err != nil {
		return Spread{}, err
	}
	return spread(took[rate:]), nil
}
