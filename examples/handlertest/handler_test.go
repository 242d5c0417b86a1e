package handlertest_test

import (
	"testing"
	"testing/synctest"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
	"github.com/omninode-ai/omnibus/examples/handlertest"
)

// No broker: the handler gets one event.
func TestPerfectScoreIsPermanent(t *testing.T) {
	err := bustest.Deliver(t, bus.Handle(handlertest.Assessed), intelligence.QualityAssessed{EntityID: "a", QualityScore: 1})
	if bus.Judge(err) != bus.Dead {
		t.Errorf("verdict %v, want %v", bus.Judge(err), bus.Dead)
	}
}

// A broker of the test's own, in a bubble: retries that take seconds take no time.
func TestPerfectScoreBecomesADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bustest.Start(t, contracts.Catalog())
		b.Go(bus.Consumer{Group: "test"}, bus.Handle(handlertest.Assessed))
		if _, err := b.Publish(t.Context(), intelligence.QualityAssessed{EntityID: "a", QualityScore: 1}); err != nil {
			t.Fatal(err)
		}
		b.Settle()
		if dead := b.Dead(intelligence.QualityAssessed{}.EventTopic()); len(dead) != 1 {
			t.Errorf("%d dead letters, want 1", len(dead))
		}
	})
}
