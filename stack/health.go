package stack

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/telemetry"
)

// health answers whether the process lives and whether it can work.
type health struct {
	mu      sync.Mutex
	reasons []string // it does not work, whatever others say
	parts   []part
	metrics *telemetry.Metrics
}

// part is somebody to ask; a nil func has nothing to say.
type part struct {
	faults   func() []string // what does not work
	degraded func() []string // what works and not fully
}

// add says whom else to ask.
func (h *health) add(p part) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts = append(h.parts, p)
}

// addBus adds a bus, which is measured too.
func (h *health) addBus(b *bus.Bus) {
	h.add(part{b.Faults, b.Degraded})
	h.metrics.Watch(b)
}

// is says why nothing works; without a reason the parts are asked.
func (h *health) is(reasons ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reasons = reasons
}

func (h *health) now() Readiness {
	h.mu.Lock()
	parts := slices.Clone(h.parts)
	r := Readiness{Schema: "omnibus.readyz/v1", Reasons: append([]string{}, h.reasons...), Degraded: []string{}}
	h.mu.Unlock()
	working := len(r.Reasons) == 0
	for _, p := range parts {
		if working && p.faults != nil {
			r.Reasons = append(r.Reasons, p.faults()...)
		}
		if p.degraded != nil {
			r.Degraded = append(r.Degraded, p.degraded()...)
		}
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

// Readiness is the answer of /readyz: its status is 200 where Ready is true, and 503 with the reasons where it is not. What
// works and not fully is Degraded; it has no part in Ready.
type Readiness struct {
	Schema   string   `json:"schema"`
	Ready    bool     `json:"ready"`
	Reasons  []string `json:"reasons"`
	Degraded []string `json:"degraded"`
}

type liveness struct {
	Schema string `json:"schema"`
	Alive  bool   `json:"alive"`
}

func (h *health) handler(faults http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h.metrics.Handler())
	mux.Handle("/faults", faults)
	mux.Handle("/faults/{id}", faults)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, liveness{Schema: "omnibus.livez/v1", Alive: true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := h.now()
		status := http.StatusOK
		if !r.Ready {
			status = http.StatusServiceUnavailable
		}
		answer(w, status, r)
	})
	return mux
}

func answer(w http.ResponseWriter, status int, doc any) {
	b, err := jsonx.Marshal(doc)
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // who asked has gone
}

// serve answers at ln until the func that it returns is called.
func (h *health) serve(ln net.Listener, faults http.Handler, log *slog.Logger) (stop func() error) {
	srv := &http.Server{
		Handler:           h.handler(faults),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1) // one value, so that the server never waits for stop
	go func() { served <- srv.Serve(ln) }()
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil { // somebody holds a connection open
			_ = srv.Close() // the second is over, and connections end with the process anyway
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}
