package main

import (
	"context"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
	"github.com/omninode-ai/omnibus/contracts/search"
)

func batch(ctx context.Context, b *bus.Bus) error {
	_, err := b.PublishAll(
		ctx,
		bus.Outgoing{Payload: search.DocumentIndexed{DocumentID: "doc-123", Collection: "archon_vectors", VectorDims: 1536}},
		bus.Outgoing{Payload: intelligence.QualityAssessed{EntityID: "doc-123", QualityScore: 0.92}},
	)
	return err // of those that failed; the results say which
}
