package main

import (
	"context"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

func publish(ctx context.Context, b *bus.Bus) error {
	_, err := b.Publish(
		ctx,
		intelligence.QualityAssessed{EntityID: "doc-123", QualityScore: 0.92},
		bus.WithCorrelation("optional-correlation-id"),
	)
	return err
}
