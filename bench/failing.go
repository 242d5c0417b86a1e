package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

const (
	failingKeys = 50
	perKey      = 20 // events a second
	attempts    = 8
)

// Failing is what a key that fails for a while does to the others.
type Failing struct {
	Seconds float64 `json:"seconds"`
	Without Spread  `json:"without"` // publish due → handled, of the other 49 keys
	With    Spread  `json:"with"`
	InOrder bool    `json:"in_order"` // the failing key's events were handled in their order, each of them
	Retries int     `json:"retries"`
}

// failingKey publishes 50 keys at 20 events a second each, first with handlers that all succeed, then with one key whose
// handler fails for the given time.
func failingKey(ctx context.Context, on *target, long time.Duration) (*Failing, error) {
	without, err := fiftyKeys(ctx, on, long, 0)
	if err != nil {
		return nil, err
	}
	with, err := fiftyKeys(ctx, on, long, long)
	if err != nil {
		return nil, err
	}
	return &Failing{
		Seconds: long.Seconds(), Without: spread(without.delays), With: spread(with.delays),
		InOrder: slices.IsSorted(with.order) && len(with.order) == with.ofKey, Retries: with.retries,
	}, nil
}

type fifty struct {
	delays  []time.Duration
	order   []int // events of the failing key as they were handled
	ofKey   int   // how many it has
	retries int
}

var errStillFailing = errors.New("this key fails")

func fiftyKeys(ctx context.Context, on *target, long, fails time.Duration) (*fifty, error) {
	topic, err := on.topic(ctx, "failing", 6)
	if err != nil {
		return nil, err
	}
	defer on.remove(ctx, topic) //nolint:errcheck // its name is not used again
	b, err := on.open(ctx, topic, bus.Validate)
	if err != nil {
		return nil, err
	}
	defer b.Close() //nolint:errcheck // nothing is in flight any more
	ss, err := makeSamples(failingKeys, failingKeys)
	if err != nil {
		return nil, err
	}
	rate := failingKeys * perKey
	warm := rate
	n := warm + int(long.Seconds()*float64(rate))
	f := &fifty{ofKey: n / failingKeys}
	dues := make([]time.Time, n)
	var from, until time.Time // when the key fails; guarded by mu
	c := newCounter(&meter{}, n)
	var mu sync.Mutex
	ready := make(chan struct{})
	handle := func(_ context.Context, d bus.Delivery) error {
		if d.Envelope.CorrelationID == probe {
			close(ready)
			return nil
		}
		i, err := strconv.Atoi(string(d.Envelope.CorrelationID))
		if err != nil {
			return bus.Permanent(err)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case i%failingKeys != 0:
			if i >= warm {
				f.delays = append(f.delays, time.Since(dues[i]))
			}
		case fails > 0 && time.Now().After(from) && time.Now().Before(until):
			f.retries++
			return errStillFailing
		default:
			f.order = append(f.order, i)
		}
		c.saw(1)
		return nil
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		wait := slices.Repeat([]time.Duration{max(long*4/30, time.Millisecond)}, attempts) // 4 s where it fails for 30 s
		ended <- b.Consume(running, bus.Consumer{Group: group(), Retry: wait}, bus.HandlePattern(event.Glob(topic), handle))
	}()
	if err := sendProbe(ctx, b, ss[0].payload, ready, ended); err != nil {
		return nil, err
	}
	mu.Lock()
	from = time.Now().Add(time.Second) // the events of the first second do not count
	until = from.Add(fails)
	mu.Unlock()
	// A caller that waits for each key in turn keeps the order of a key.
	last := make([]chan struct{}, failingKeys)
	for i := range last {
		last[i] = make(chan struct{}, 1) // one: whose turn it is
		last[i] <- struct{}{}
	}
	err = pace(ctx, n, rate, func(i int, due time.Time) error {
		turn := last[i%failingKeys]
		<-turn
		defer func() { turn <- struct{}{} }()
		dues[i] = due
		_, err := b.Publish(ctx, ss[i%failingKeys].payload, bus.WithCorrelation(event.CorrelationID(strconv.Itoa(i))))
		return err
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-c.done:
	case <-time.After(long + 30*time.Second):
		return nil, fmt.Errorf("%d of %d events handled", c.seen.Load(), n)
	}
	stop()
	return f, <-ended
}
