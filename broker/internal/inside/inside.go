// Package inside lets tests reach into a broker.Broker, through the context of its start.
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

type flushKey struct{}

// WithFlush returns a context with which a started broker writes to the disk through what wrap returns.
func WithFlush(ctx context.Context, wrap func(flush func() error) func() error) context.Context {
	return context.WithValue(ctx, flushKey{}, wrap)
}

// Flush is flush as [WithFlush] wants it.
func Flush(ctx context.Context, flush func() error) func() error {
	if wrap, ok := ctx.Value(flushKey{}).(func(func() error) func() error); ok {
		return wrap(flush)
	}
	return flush
}
