// Migrate takes an event from version 1 to version 2 while it is in use: first the readers that can move, then the writer, then the
// others. Run its steps, in this order, against "omnibus up": before, readers, writer, rest.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, strings.Join(os.Args[1:], " ")); err != nil {
		fmt.Fprintln(os.Stderr, "migrate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, step string) (err error) {
	catalog, err := event.ReadCatalog(files)
	if err != nil {
		return err
	}
	cfg, err := bus.ConfigFromEnv("shop", catalog)
	if err != nil {
		return err
	}
	return take(ctx, out, step, cfg)
}

// take takes one step of the migration.
func take(ctx context.Context, out io.Writer, step string, cfg bus.Config) (err error) {
	if step != "before" {
		cfg.Upcasts = append(cfg.Upcasts, upcast())
	}
	cfg.Duals = append(cfg.Duals, downcast())
	b, err := bus.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if _, err := b.EnsureTopics(ctx); err != nil {
		return err
	}
	s := shop{bus: b, out: out}
	steps := map[string][]func(context.Context) error{
		"before":  {s.publish(PricedV1{"pen", 3}), s.handle("billing", s.v1), s.handle("stock", s.v1)},   // everybody uses version 1
		"readers": {s.publish(PricedV1{"pen", 4}), s.handle("billing", s.v1), s.handle("stock", s.v2)},   // stock takes both, and goes on where it was
		"writer":  {s.publish(PricedV2{"pen", 450}), s.handle("billing", s.v1), s.handle("stock", s.v2)}, // stock gets the event, billing its dual
		"rest":    {s.publish(PricedV2{"pen", 520}), s.handle("billing", s.v2), s.handle("stock", s.v2)}, // nobody needs version 1
	}
	if steps[step] == nil {
		return errors.New("which step? before, readers, writer or rest")
	}
	for _, do := range steps[step] {
		if err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

type shop struct {
	bus *bus.Bus
	out io.Writer
}

func (s shop) publish(p event.Payload) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.bus.Publish(ctx, p)
		return err
	}
}

// handle consumes until one event was handled.
func (s shop) handle(group string, handler func(group string, done func()) bus.Handler) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, done := context.WithCancel(ctx)
		defer done()
		return s.bus.Consume(ctx, bus.Consumer{Group: group}, handler(group, done))
	}
}

func (s shop) v1(group string, done func()) bus.Handler {
	return bus.Handle(func(_ context.Context, e bus.Event[PricedV1]) error {
		fmt.Fprintf(s.out, "%s: %s costs %d euros\n", group, e.Payload.Article, e.Payload.Euros)
		done()
		return nil
	})
}

func (s shop) v2(group string, done func()) bus.Handler {
	return bus.Handle(func(_ context.Context, e bus.Event[PricedV2]) error {
		fmt.Fprintf(s.out, "%s: %s costs %d cents\n", group, e.Payload.Article, e.Payload.Cents)
		done()
		return nil
	})
}
