package cli_test

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/omninode-ai/omnibus/registry"
)

// startRegistry runs a registry over a broker until the test ends.
func startRegistry(t *testing.T, broker string) (url string) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url = "http://" + ln.Addr().String()
	s := registry.New(openBus(t, broker), url, registry.Options{Logger: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, ln, func() { close(ready) }) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("registry: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	if err := s.Writable(t.Context(), becomesWriter); err != nil {
		t.Fatal(err)
	}
	return url
}
