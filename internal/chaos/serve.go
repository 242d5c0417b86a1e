package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/omninode-ai/omnibus/broker"
)

// minSessionTimeout lets a group notice after a second that a member was killed.
const minSessionTimeout = 500 * time.Millisecond

// serve is the embedded broker as an actor.
func serve(ctx context.Context, o orders, say *voice) error {
	b, err := broker.Start(ctx, broker.Config{
		Addr: o.Listens, Dir: o.Dir, MinSessionTimeout: minSessionTimeout,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	say.line(sayReady, "")
	select {
	case <-ctx.Done():
		return b.Close()
	case err := <-b.Failed():
		return errors.Join(err, b.Close())
	}
}
