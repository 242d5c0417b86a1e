// Package client talks to a schema registry with Confluent's API, whoever made it, and remembers what cannot change.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/singleflight"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Config says where the registry is and who we are. URL is needed; the rest has defaults.
type Config struct {
	URL            string        // http or https, with a path where the API lies below one; several with commas; no login in it
	User, Password string        // basic authentication; default: none
	Timeout        time.Duration // of one request; default 5 s
	Remember       int           // how many schemas are kept; default 1,000
	TLS            *tls.Config
	Transport      http.RoundTripper // default: one of its own, with TLS
}

// String hides the password.
func (c Config) String() string { return c.URL }

// DefaultTimeout is that of one request.
const DefaultTimeout = 5 * time.Second

// What an answer may be, and what is remembered.
const (
	defaultRemember = 1000
	maxAnswer       = 32 << 20
)

// Client talks to one registry. It is safe for concurrent use. Close it once.
type Client struct {
	urls    []string
	timeout time.Duration
	api     *sr.Client
	http    *http.Client
	life    context.Context //nolint:containedctx // shared requests live under it, never under one caller's context
	end     context.CancelFunc
	running sync.WaitGroup

	flights singleflight.Group
	known   memory
	counts  counts

	mu     sync.Mutex
	server *Server // nil: not asked yet
}

// New returns a client. It asks nothing yet: a registry that is away is told by the calls.
func New(cfg Config) (*Client, error) {
	urls, err := addresses(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("registry client: %w", err)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Remember <= 0 {
		cfg.Remember = defaultRemember
	}
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
		}
	}
	c := &Client{urls: urls, timeout: cfg.Timeout, known: newMemory(cfg.Remember)}
	c.http = &http.Client{Transport: bounded{transport}, CheckRedirect: sameHost, Timeout: cfg.Timeout}
	opts := []sr.ClientOpt{sr.HTTPClient(c.http), sr.URLs(urls...), sr.UserAgent("omnibus")}
	if cfg.User != "" || cfg.Password != "" {
		opts = append(opts, sr.BasicAuth(cfg.User, cfg.Password))
	}
	if c.api, err = sr.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("registry client: %w", err)
	}
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close ends what runs and gives the connections back.
func (c *Client) Close() {
	c.end()
	c.running.Wait()
	c.http.CloseIdleConnections()
}

// URL is where the registry is.
func (c *Client) URL() string { return strings.Join(c.urls, ",") }

// addresses checks a list of addresses with commas.
func addresses(list string) ([]string, error) {
	var out []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		u, err := url.Parse(item)
		switch {
		case err != nil:
			return nil, errors.New("URL is malformed: want http://host:port") // its text may hold a login
		case u.User != nil:
			return nil, errors.New("URL holds a login: set SCHEMA_REGISTRY_BASIC_AUTH_FILE in place of it")
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			return nil, fmt.Errorf("URL %q: want http://host:port or https://host:port", item)
		case u.RawQuery != "" || u.Fragment != "":
			return nil, fmt.Errorf("URL of %s: want it without a query", u.Host)
		}
		out = append(out, strings.TrimRight(item, "/"))
	}
	if len(out) == 0 {
		return nil, errors.New("URL is empty; set SCHEMA_REGISTRY_URL")
	}
	return out, nil
}

// bounded cuts answers that no registry would give.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

func (b bounded) CloseIdleConnections() {
	if t, ok := b.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// sameHost follows a redirect only where the login may go too.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) > 3 || req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// call sends one request and decodes the answer into out, unless that is nil. op says in an error what was being done.
func (c *Client) call(ctx context.Context, op, method, path string, query url.Values, body, out any) error {
	c.counts.requests.Add(1)
	var raw []byte
	err := c.api.Do(sr.WithParams(ctx, sr.RawParams(query)), method, path, body, &raw)
	if err == nil && out != nil {
		if jsonx.Unmarshal(raw, out) != nil {
			err = &Error{Op: op, URL: c.URL(), Status: http.StatusOK, Message: "the answer is not a registry's", kind: ErrUnreachable}
		}
	}
	if err == nil {
		return nil
	}
	err = c.explain(op, err)
	if errors.Is(err, ErrUnreachable) {
		c.counts.failed.Add(1)
	}
	return err
}

// segment is a name as a part of a path. A client that cleans paths would take dots away.
func segment(name string) (string, error) {
	if name == "" || name == "." || name == ".." {
		return "", fmt.Errorf("subject %q: %w: not a name that can be asked for", name, ErrRefused)
	}
	return url.PathEscape(name), nil
}
