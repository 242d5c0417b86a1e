package main

import (
	"context"
	"errors"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

const (
	hotKeys    = 100
	hotHandler = 5 * time.Millisecond
)

// Hot is one partition whose handler is slow.
type Hot struct {
	Events int     `json:"events"`
	Keys   int     `json:"keys"`
	Times  float64 `json:"times_serial"` // against 5 ms for each event, one after another
}

func hotPartition(ctx context.Context, on *target, n int) (*Hot, error) {
	ss, err := makeSamples(n, hotKeys)
	if err != nil {
		return nil, err
	}
	topic, err := on.topic(ctx, "hot", 1)
	if err != nil {
		return nil, err
	}
	defer on.remove(ctx, topic) //nolint:errcheck // its name is not used again
	b, err := on.open(ctx, topic, bus.Validate)
	if err != nil {
		return nil, err
	}
	defer b.Close() //nolint:errcheck // nothing is in flight any more
	out := make([]bus.Outgoing, n)
	for i := range out {
		out[i] = bus.Outgoing{Envelope: &ss[i].envelope}
	}
	if _, err := b.PublishAll(ctx, out...); err != nil {
		return nil, err
	}
	var m meter
	c := newCounter(&m, n)
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(running, bus.Consumer{Group: group()}, bus.HandlePattern(event.Glob(topic), func(context.Context, bus.Delivery) error {
			time.Sleep(hotHandler) //nolint:forbidigo // what is measured is a slow handler
			c.saw(1)
			return nil
		}))
	}()
	select {
	case <-c.done:
		stop()
		err = <-ended
	case err = <-ended:
		err = errors.Join(err, errors.New("the consumer ended early"))
	}
	serial := time.Duration(n-m.skipped) * hotHandler
	return &Hot{Events: n, Keys: hotKeys, Times: float64(serial) / float64(m.ended.Sub(m.began))}, err
}
