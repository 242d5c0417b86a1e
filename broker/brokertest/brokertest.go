// Package brokertest runs the embedded broker in a test and makes it answer with errors.
package brokertest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/internal/inside"
)

// Cluster is an embedded broker with its inside open.
type Cluster struct {
	*broker.Broker
	inner *kfake.Cluster
}

// Start runs a broker that is closed when the test ends.
func Start(tb testing.TB, cfg broker.Config) *Cluster {
	tb.Helper()
	c := new(Cluster)
	ctx := inside.With(tb.Context(), func(inner *kfake.Cluster) { c.inner = inner })
	var err error
	if c.Broker, err = broker.Start(ctx, cfg); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Fault makes the broker answer matching requests with an error; see [kfake.Fault].
func (c *Cluster) Fault(faults ...kfake.Fault) *kfake.FaultHandle { return c.inner.Fault(faults...) }

// Control shows fn each request with the key before the broker handles it; see [kfake.Cluster.ControlKey]. Unlike there, it
// stays after it has answered one.
func (c *Cluster) Control(key kmsg.Key, fn func(kmsg.Request) (kmsg.Response, error, bool)) {
	c.inner.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.inner.KeepControl()
		return fn(req)
	})
}
