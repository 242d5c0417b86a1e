package cli

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
	"github.com/omninode-ai/omnibus/stack"
)

// service is the name of the command line in the source of what it publishes.
const service = "omnibus-cli"

// catalog is the catalogue that the settings choose.
func (a *app) catalog() (*event.Catalog, error) {
	from := a.settings.get("OMNIBUS_CATALOG")
	if from.value == "" {
		return contracts.Catalog(), nil
	}
	if st, err := os.Stat(a.path(from.value)); err != nil || !st.IsDir() {
		f := fail(codeCatalog, "no catalogue directory %s", from.value).at("where", "%s", from.origin)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			f.because("%s", plainPathError(err))
		} else {
			f.because("it is not a directory")
		}
		return nil, f.fix("name a directory of schema files (*.json)")
	}
	c, err := event.ReadCatalog(os.DirFS(a.path(from.value)))
	if err != nil {
		return nil, fail(codeCatalog, "the catalogue in %s cannot be used", from.value).at("where", "%s", from.origin).
			because("%s", err.Error()).fix("omnibus schema lint %s", from.value)
	}
	return c, nil
}

// busConfig is the configuration of the bus by the settings.
func (a *app) busConfig(service string) (bus.Config, error) {
	c, err := a.catalog()
	if err != nil {
		return bus.Config{}, err
	}
	cfg, err := bus.ConfigFrom(a.settings.lookup, a.settings.names(), service, c)
	if err != nil {
		return bus.Config{}, a.badSettings(err)
	}
	if cfg.Undeclared, err = a.undeclared(); err != nil {
		return bus.Config{}, err
	}
	registry, err := a.registry()
	if err != nil {
		return bus.Config{}, err
	}
	if registry != nil {
		cfg.Schemas = stack.Schemas{Registry: registry}
	}
	cfg.Logger, cfg.PublishTimeout, cfg.CloseTimeout = a.log, a.flags.timeout, a.flags.timeout
	return cfg, nil
}

func (a *app) undeclared() (bus.Undeclared, error) {
	switch u := a.settings.get("OMNIBUS_UNDECLARED"); u.value {
	case "":
		return bus.ByDefault, nil
	case "refuse":
		return bus.Refuse, nil
	case "warn":
		return bus.Warn, nil
	case "allow":
		return bus.Allow, nil
	default:
		return 0, fail(codeSettings, "%q does not say what to do with undeclared topics", u.value).at("where", "%s", u.origin).fix("refuse, warn or allow")
	}
}

// badSettings lists what the bus found wrong with its variables; each of its errors names one.
func (a *app) badSettings(err error) *failure {
	f := fail(codeSettings, "the settings of the bus cannot be used")
	for {
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range several.Unwrap() {
				f.at("setting", "%s", a.withOrigin(oneline.Text(e.Error())))
			}
			break
		}
		next := errors.Unwrap(err)
		if next == nil {
			f.at("setting", "%s", a.withOrigin(oneline.Text(err.Error())))
			break
		}
		err = next
	}
	return f.fix("omnibus config show --origin says where each is from")
}

// withOrigin adds where a setting is from to what is wrong with it, which begins with its name.
func (a *app) withOrigin(text string) string {
	name, _, _ := strings.Cut(text, ":")
	if r := a.settings.get(name); r.origin != "" && r.origin != "default" {
		return text + " (from " + r.origin + ")"
	}
	return text
}

// withBus opens the bus, runs fn and closes the bus. What fn returns comes first.
func (a *app) withBus(ctx context.Context, fn func(ctx context.Context, b *bus.Bus) error) error {
	cfg, err := a.busConfig(service)
	if err != nil {
		return err
	}
	b, err := a.open(ctx, cfg)
	if err != nil {
		return err
	}
	err = fn(ctx, b)
	if closed := b.Close(); err == nil {
		err = closed
	}
	return err
}

// open opens the bus within the timeout. The Kafka client waits for the first answer on a connection whatever its context
// says, so that connections that are still silent when the time is over are closed under it.
func (a *app) open(ctx context.Context, cfg bus.Config) (*bus.Bus, error) {
	opening, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	dialer := net.Dialer{Timeout: a.flags.timeout}
	var opened atomic.Bool
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil || opened.Load() {
			return conn, err
		}
		context.AfterFunc(opening, func() {
			if !opened.Load() {
				_ = conn.Close() // the client sees it
			}
		})
		return conn, nil
	}
	b, err := bus.Open(opening, cfg)
	opened.Store(true)
	return b, err
}

// within runs fn under the timeout of the command.
func (a *app) within(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	return fn(ctx)
}

// withinEach is within for n things that are done one after the other.
func (a *app) withinEach(ctx context.Context, n int, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(n)*a.flags.timeout)
	defer cancel()
	return fn(ctx)
}
