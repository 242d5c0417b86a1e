package main

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/contracts/codegen"
)

// Request, handler, response, over a broker that the test has for itself.
func TestEventFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, contracts.Catalog())
		b.Go(bus.Consumer{Group: "validator"}, bus.Handle(func(ctx context.Context, _ bus.Event[codegen.ValidateRequest]) error {
			_, err := b.Publish(ctx, codegen.ValidateResponse{QualityScore: 0.9, ONEXCompliance: 1})
			return err
		}))
		if _, err := b.Publish(t.Context(), codegen.ValidateRequest{CodeContent: "class Test: pass"}, bus.WithCorrelation("test-123")); err != nil {
			t.Fatal(err)
		}
		b.Await("omninode.codegen.response.validate.v1", "test-123")
		for _, answer := range bustest.Published[codegen.ValidateResponse](b) {
			if answer.Payload.QualityScore <= 0.8 {
				t.Errorf("quality score %v, want above 0.8", answer.Payload.QualityScore)
			}
		}
	})
}
