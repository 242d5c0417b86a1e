package main

import (
	"context"
	"fmt"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
	"github.com/omninode-ai/omnibus/contracts/search"
)

// qualityEvents handles two types; what it takes is in the types of its methods.
type qualityEvents struct{ done func() }

func (q qualityEvents) assessed(_ context.Context, e bus.Event[intelligence.QualityAssessed]) error {
	fmt.Println(e.Payload.EntityID, "scores", e.Payload.QualityScore) // → doc-123 scores 0.92
	q.done()
	return nil
}

func (q qualityEvents) indexed(_ context.Context, e bus.Event[search.DocumentIndexed]) error {
	fmt.Println(e.Payload.DocumentID, "can be found")
	return nil
}

func register(ctx context.Context, b *bus.Bus) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	q := qualityEvents{done: stop}
	return b.Consume(ctx, bus.Consumer{Group: "quality"}, bus.Handle(q.assessed), bus.Handle(q.indexed))
}
