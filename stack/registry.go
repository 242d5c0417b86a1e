package stack

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/registry"
	"github.com/omninode-ai/omnibus/schema"
)

// Registry says how to run the schema registry.
type Registry struct {
	Addr      string // where it is served
	Catalogue bool   // at the start register the schemas of the catalogue that it does not have
	Version   string // of the program, for those who ask
	Authorize func(r *http.Request, a registry.Action, subject string) error

	listener net.Listener
}

// registryURL is where clients reach what listens at addr.
func registryURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return "http://" + net.JoinHostPort(host, port)
}

// start runs the registry as one of parts, and returns once it serves, and has the catalogue where it should.
func (r *Registry) start(ctx context.Context, parts *errgroup.Group, b *bus.Bus, url string, state *health, log *slog.Logger) (unregistered []string, err error) {
	s := registry.New(b, url, registry.Options{Version: r.Version, Logger: log, Authorize: r.Authorize})
	ready := make(chan struct{})
	parts.Go(func() error {
		if err := s.Run(ctx, r.listener, func() { close(ready) }); err != nil && ctx.Err() == nil {
			return fmt.Errorf("schema registry: %w", err)
		}
		return nil
	})
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, parts.Wait()
	}
	state.add(part{s.Faults, s.Degraded})
	if r.Catalogue {
		unregistered = registerCatalogue(ctx, s, b.Catalog())
	}
	for _, why := range unregistered {
		log.ErrorContext(ctx, "schema not registered", slog.String("why", why))
	}
	return unregistered, nil
}

// becomesWriter is how long a registry that just started may take to be the one that writes: one that was killed keeps its place
// for a while.
const becomesWriter = 20 * time.Second

// registerCatalogue registers what the readers of every event of c rely on, and says what was not taken.
func registerCatalogue(ctx context.Context, s *registry.Server, c *event.Catalog) (unregistered []string) {
	if err := s.Writable(ctx, becomesWriter); err != nil {
		return []string{"no schema of the catalogue: " + err.Error()}
	}
	schemas := map[string][]byte{}
	for spec := range c.All() {
		if len(spec.Schema) == 0 {
			continue
		}
		subject := spec.Topic.Subject()
		text, err := schema.Registrable(spec.Schema)
		if err != nil {
			unregistered = append(unregistered, subject+": "+err.Error())
			continue
		}
		schemas[subject] = text
	}
	refused, err := s.RegisterAll(ctx, schemas)
	if err != nil {
		return append(unregistered, "no schema of the catalogue: "+err.Error())
	}
	for _, subject := range slices.Sorted(maps.Keys(refused)) {
		unregistered = append(unregistered, subject+": "+refused[subject].Error())
	}
	return unregistered
}
