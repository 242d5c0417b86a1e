package main

import (
	"context"
	"fmt"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

func settings(ctx context.Context, b *bus.Bus) error {
	c, err := bus.ConsumerFromEnv(bus.Consumer{}) // KAFKA_CONSUMER_GROUP, KAFKA_AUTO_OFFSET_RESET, KAFKA_MAX_IN_FLIGHT
	if err != nil {
		return err
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	return b.Consume(ctx, c, bus.Handle(func(_ context.Context, e bus.Event[intelligence.QualityAssessed]) error {
		fmt.Println(c.Group, "has handled", e.Payload.EntityID)
		enough()
		return nil
	}))
}
