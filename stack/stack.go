// Package stack runs a whole platform in one process: the embedded broker or the way to an outside one, the topics of the
// catalogue, the services, and the health endpoints. It alone knows the order in which they start and stop.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/telemetry"
)

// Config says what to run. Bus needs a Service and a Catalog.
type Config struct {
	Bus      bus.Config     // with an embedded broker its Brokers are that one
	Broker   *broker.Config // the embedded broker; nil: the brokers of Bus
	Services []string       // which of [Services] to run; none is allowed
	HTTP     string         // where /livez, /readyz, /metrics and /faults are served; empty is nowhere
	Registry *Registry      // the schema registry; nil: none
	Logger   *slog.Logger   // default: discarded
}

// Info says what runs.
type Info struct {
	Brokers      []string // addresses for clients
	URL          string   // of the health endpoints
	Dir          string   // of the embedded broker
	Services     []string
	Registry     string                // URL of the schema registry; empty: none runs
	Unregistered []string              // schemas of the catalogue that it did not take, and why
	Took         time.Duration         // from the start to ready
	Recovery     broker.Report         // what the embedded broker did after an unclean stop
	Differences  []bus.TopicDifference // topics that are not as the catalogue declares them
}

// ListenError says that the health endpoints cannot be served at an address.
type ListenError struct {
	Addr string
	Err  error
}

func (e *ListenError) Error() string { return "listen on " + e.Addr + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// ErrBroker is in the chain of the error of a broker that had to stop: it could no longer write to its disk.
var ErrBroker = errors.New("embedded broker stopped")

// Run starts everything, calls ready after a real round trip through the broker, and runs until ctx ends or a part fails. Then
// it stops in order: the services take nothing more, finish what they have, commit and leave; the bus flushes; the broker
// closes last. Nothing that it started is alive once it returns.
func Run(ctx context.Context, cfg Config, ready func(Info)) (err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	started := time.Now()
	services, err := choose(cfg.Services)
	if err != nil {
		return err
	}
	info := Info{Services: cfg.Services}
	state, wrong := &health{reasons: []string{"starting"}, metrics: telemetry.New(cfg.Logger)}, new(faults)
	if cfg.HTTP != "" {
		cfg.Bus.Trace = state.metrics.Trace(cfg.Bus.Trace)
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.HTTP)
		if err != nil {
			return cannotListen(ctx, cfg.HTTP, err)
		}
		info.URL = "http://" + ln.Addr().String()
		if at, ok := ln.Addr().(*net.TCPAddr); ok {
			wrong.loopback = at.IP.IsLoopback()
		}
		stop := state.serve(ln, wrong, cfg.Logger)
		defer func() { err = errors.Join(err, stop()) }()
	}
	if cfg.Registry != nil {
		if cfg.Registry.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Registry.Addr); err != nil {
			return cannotListen(ctx, cfg.Registry.Addr, err)
		}
		defer cfg.Registry.listener.Close() //nolint:errcheck // who serves at it has closed it
		info.Registry = registryURL(cfg.Registry.listener.Addr())
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if cfg.Broker != nil {
		br, err := broker.Start(ctx, *cfg.Broker)
		if err != nil {
			return err
		}
		state.add(part{degraded: br.Degraded})
		wrong.broker.Store(br)
		watched := watch(running, br, cancel)
		defer func() { <-watched }()
		defer cancel(nil)
		defer func() { err = errors.Join(err, br.Close()) }()
		defer wrong.broker.Store(nil)
		cfg.Bus.Brokers, info.Dir, info.Recovery = br.Addrs(), cfg.Broker.Dir, br.Recovery()
		cfg.Bus.Dial = dialEmbedded(*cfg.Broker, cfg.Bus.Dial)
	}
	info.Brokers = cfg.Bus.Brokers
	return run(running, cfg, services, state, info, started, ready)
}

// cannotListen says who has the port, where that is the reason.
func cannotListen(ctx context.Context, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		if taken := broker.CheckPort(ctx, addr); taken != nil { // otherwise it was free again a moment later
			return taken
		}
	}
	return &ListenError{Addr: addr, Err: err}
}

// run is Run once there is a broker.
func run(ctx context.Context, cfg Config, services []service, state *health, info Info, started time.Time, ready func(Info)) (err error) {
	b, err := bus.Open(ctx, cfg.Bus)
	if err != nil {
		return err
	}
	defer func() {
		if closed := b.Close(); err == nil {
			err = closed
		}
	}()
	topics := []event.Topic{readyTopic}
	for spec := range cfg.Bus.Catalog.All() {
		topics = append(topics, spec.Topic)
	}
	if info.Differences, err = b.EnsureTopics(ctx, topics...); err != nil {
		return err
	}
	for _, s := range services {
		if err := s.alone(ctx, b); err != nil {
			return err
		}
	}
	if err := roundTrip(ctx, b); err != nil {
		return err
	}
	parts, ctx := errgroup.WithContext(ctx)
	for _, s := range services {
		parts.Go(func() error {
			if err := s.work(ctx, cfg.Bus, state.addBus); err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
				return fmt.Errorf("service %s: %w", s.name, err)
			}
			return nil
		})
	}
	if cfg.Registry != nil {
		if info.Unregistered, err = cfg.Registry.start(ctx, parts, b, info.Registry, state, cfg.Logger); err != nil {
			return err
		}
	}
	state.addBus(b)
	state.is()
	info.Took = time.Since(started)
	ready(info)
	<-ctx.Done()
	state.is("stopping")
	if err := parts.Wait(); err != nil {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrBroker) {
		return cause
	}
	return nil
}

// watch cancels with the broker's failure. The channel that it returns is closed once it has stopped.
func watch(ctx context.Context, br *broker.Broker, cancel context.CancelCauseFunc) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case err := <-br.Failed():
			cancel(fmt.Errorf("%w: %w", ErrBroker, err))
		case <-ctx.Done():
		}
	}()
	return done
}

// dialEmbedded reaches the broker of this process where it tells its clients an address that only they can reach.
func dialEmbedded(cfg broker.Config, dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if cfg.Advertise == "" {
		return dial
	}
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	host, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil || port == "0" {
		return dial
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, net.JoinHostPort(host, port))
	}
}
