package main

import (
	"testing"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

// No broker: the handler gets one event.
func TestQualityHandler(t *testing.T) {
	handled := 0
	q := qualityEvents{done: func() { handled++ }}
	err := bustest.Deliver(t, bus.Handle(q.assessed), intelligence.QualityAssessed{QualityScore: 0.92})
	if err != nil || handled != 1 {
		t.Errorf("handled %d times, %v", handled, err)
	}
}
