// Package inside hands the broker inside a broker.Broker to package brokertest, through the context of its start.
package inside

import (
	"context"

	"github.com/twmb/franz-go/pkg/kfake"
)

type key struct{}

// With returns a context with which a started broker calls told.
func With(ctx context.Context, told func(*kfake.Cluster)) context.Context {
	return context.WithValue(ctx, key{}, told)
}

// Tell calls what [With] left in the context, if anything.
func Tell(ctx context.Context, c *kfake.Cluster) {
	if told, ok := ctx.Value(key{}).(func(*kfake.Cluster)); ok {
		told(c)
	}
}
