package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	actors "github.com/omninode-ai/omnibus/internal/histcheck/actor"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// consume is a member of a group.
func consume(ctx context.Context, o orders, say *voice) (err error) {
	ledger, err := histcheck.Open(o.Ledger, o.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	who := actors.Actor{Ledger: ledger}
	b, err := openBus(ctx, o, who.Trace(), os.Stderr)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to end before it began
		}
		return err
	}
	say.line(sayReady, "")
	consumer := bus.Consumer{
		Group: o.Group, SessionTimeout: o.Session.duration(), DrainWithin: 5 * time.Second,
		Retry: []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond},
	}
	err = who.Consume(ctx, b, consumer, bus.HandleType(o.Work.Topic, func(ctx context.Context, d bus.Delivery) error {
		var e histcheck.Event
		if err := jsonx.Unmarshal(d.Envelope.Payload, &e); err != nil {
			return bus.Permanent(fmt.Errorf("not an event of ours: %w", err))
		}
		asked, _, _ := strings.Cut(e.Body, "|")
		if err := perform(ctx, asked, e.Key, d.Attempt); err != nil || o.Depends == "" {
			return err
		}
		if err := call(ctx, o.Depends); err != nil && o.Says {
			return bus.Unavailable(err)
		} else if err != nil {
			return err
		}
		return nil
	}))
	if errors.Is(err, bus.ErrUnreachable) && ctx.Err() == nil {
		say.line(sayAgain, "")
	}
	return errors.Join(err, b.Close())
}
