package cli_test

import (
	"context"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

// A group that the settings name is one of a service: at work it is left alone.
func TestConsumeLeavesAGroupOfTheSettingsAtWork(t *testing.T) {
	addr := startBroker(t)
	b := openBus(t, addr)
	if _, err := b.Publish(t.Context(), intelligence.QualityAssessed{EntityID: "a", QualityScore: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	working, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- b.Consume(ctx, bus.Consumer{Group: "archon"}, bus.Handle(func(context.Context, bus.Event[intelligence.QualityAssessed]) error {
			close(working)
			return nil
		}))
	}()
	<-working
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr, "KAFKA_CONSUMER_GROUP=archon")
	r := s.run(t.Context(), "", "consume", assessed, "-q")
	check(t, wrong{exit: 9, code: "OMB-0911", says: "group archon is at work", advice: "--group '' to read without a group"}, r)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.must(t, "", "consume", assessed)
}
