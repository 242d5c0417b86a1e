// Hello publishes one event and handles it. Run it against "omnibus up".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cfg, err := bus.ConfigFromEnv("hello", contracts.Catalog())
	if err != nil {
		return err
	}
	b, err := bus.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if _, err := b.Publish(ctx, intelligence.QualityAssessed{EntityID: "doc-123", QualityScore: 0.92}); err != nil {
		return err
	}
	return b.Consume(ctx, bus.Consumer{Group: "hello"}, bus.Handle(assessed))
}

func assessed(_ context.Context, e bus.Event[intelligence.QualityAssessed]) error {
	fmt.Println(e.Payload.EntityID, e.Payload.QualityScore)
	return nil
}
