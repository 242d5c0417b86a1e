package main

import (
	"context"
	"errors"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/codegen"
)

func fail(ctx context.Context, b *bus.Bus) error {
	if _, err := b.Publish(ctx, codegen.ValidateRequest{CodeContent: "class Test: pass"}); err != nil {
		return err
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	refuse := func(context.Context, bus.Event[codegen.ValidateRequest]) error {
		enough()
		return bus.Permanent(errors.New("class Test has no base class"))
	}
	return b.Consume(ctx, bus.Consumer{Group: "archon-intelligence"}, bus.Handle(refuse))
}
