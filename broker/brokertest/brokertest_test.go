package brokertest_test

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
)

func TestFaultsAndControls(t *testing.T) {
	c := brokertest.Start(t, broker.Config{})
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(t.Context(), 1, 1, nil, "app.a"); err != nil {
		t.Fatal(err)
	}

	seen := 0
	c.Control(kmsg.Produce, func(kmsg.Request) (kmsg.Response, error, bool) {
		seen++
		return nil, nil, false
	})
	fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "app.a", Err: kerr.MessageTooLarge})
	err = cl.ProduceSync(t.Context(), &kgo.Record{Topic: "app.a"}).FirstErr()
	if !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("produce with a fault: %v", err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "app.a"}).FirstErr(); err != nil {
		t.Errorf("produce after the fault: %v", err)
	}
	if fault.Hits() != 1 || seen != 2 {
		t.Errorf("%d hits and %d requests seen, want 1 and 2", fault.Hits(), seen)
	}
}
