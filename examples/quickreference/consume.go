package main

import (
	"context"
	"fmt"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

func consume(ctx context.Context, b *bus.Bus) error {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	assessed := func(_ context.Context, e bus.Event[intelligence.QualityAssessed]) error {
		// a service does not do this, and goes on until its context ends
		enough()
		fmt.Println("quality score:", e.Payload.QualityScore) // → quality score: 0.92
		return nil
	}
	return b.Consume(ctx, bus.Consumer{Group: "my-consumer-group"}, bus.Handle(assessed))
}
