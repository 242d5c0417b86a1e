package registry_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func catalog(t testing.TB) *event.Catalog {
	t.Helper()
	c, err := event.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// client talks to one registry.
type client struct {
	t    testing.TB
	url  string
	http *http.Client
	stop func() error // ends the registry
	as   string       // who asks; empty: nobody in particular
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// serve runs a registry over b until the test ends.
func serve(t testing.TB, b *bus.Bus, change ...func(*registry.Options)) *client {
	t.Helper()
	ln := listen(t)
	url := "http://" + ln.Addr().String()
	opts := registry.Options{Version: "0.0.1", Commit: "abc", Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	for _, c := range change {
		c(&opts)
	}
	s := registry.New(b, url, opts)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, ln, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	transport := new(http.Transport)
	stopped := false
	c := &client{t: t, url: url, http: &http.Client{Transport: transport}}
	c.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		transport.CloseIdleConnections()
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// start is serve with a broker of its own, once it may write.
func start(t testing.TB, change ...func(*registry.Options)) *client {
	t.Helper()
	c := serve(t, bustest.Start(t, catalog(t)).Bus, change...)
	c.writable()
	return c
}

// writable waits until the registry is the one that writes.
func (c *client) writable() {
	c.t.Helper()
	for {
		if _, body := c.do("GET", "/v1/metadata/deployment", ""); strings.Contains(body, "writer") {
			return
		}
	}
}

// do sends a request and gives the status and the body of the answer.
func (c *client) do(method, path, body string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	}
	if c.as != "" {
		req.SetBasicAuth(c.as, c.as+"-secret")
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(bytes.TrimSpace(b))
}

func statusLine(status int) string { return strconv.Itoa(status) + " " }

// jsonSchema is the body of a registration.
func jsonSchema(t testing.TB, text string) string {
	t.Helper()
	b, err := jsonx.Marshal(map[string]any{"schemaType": "JSON", "schema": text})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
