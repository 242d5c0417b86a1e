package registry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Options say how a registry serves.
type Options struct {
	Name    string // of this process for others; default: that of its host
	Version string // of the program, for those who ask
	Commit  string
	Logger  *slog.Logger // default: discarded

	// Authorize decides whether a request may do what it does, to a subject or, where that is "", to all. Its error is answered with
	// 403, or with 401 where it is an [ErrLogin]. Nil: everybody who reaches the address may do everything.
	Authorize func(r *http.Request, a Action, subject string) error
}

// ErrLogin is what Authorize returns where a login is missing or wrong.
var ErrLogin = errors.New("login needed")

const (
	maxBody       = 1 << 20
	maxHeader     = 32 << 10
	maxConcurrent = 256
	readWithin    = 30 * time.Second
	writeWithin   = time.Minute
	idleWithin    = 2 * time.Minute
	endWithin     = 5 * time.Second
)

// Server is one registry. Run it once.
type Server struct {
	opts  Options
	log   *log
	table []route
	slots chan struct{}
	began atomic.Bool // the state was read
}

// New makes a registry whose state is kept by the cluster of b. url is where others reach it.
func New(b *bus.Bus, url string, opts Options) *Server {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	name := opts.Name
	if name == "" {
		name = b.Service()
	}
	return &Server{
		opts: opts, log: newLog(b, name+"@"+url, opts.Logger), table: routes(), slots: make(chan struct{}, maxConcurrent),
	}
}

// Run creates the topic where it is missing, reads it, stands for election as its writer, and serves at ln until ctx ends. It calls
// ready once it can be read from. An [UnfitTopicError] says that the topic is there and must not be used.
func (s *Server) Run(ctx context.Context, ln net.Listener, ready func()) error {
	if err := errors.Join(ensureTopic(ctx, s.log.bus), ctx.Err()); err != nil {
		_ = ln.Close() // nobody was served
		return err
	}
	if err := s.log.load(ctx); err != nil {
		_ = ln.Close() // as above
		return err
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	parts.Go(func() { s.log.follow(working) })
	parts.Go(func() {
		if err := s.log.stand(working); err != nil {
			failed <- err
		}
	})
	served := make(chan error, 1)
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: readWithin, WriteTimeout: writeWithin, IdleTimeout: idleWithin,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelWarn),
	}
	go func() { served <- srv.Serve(ln) }()
	s.began.Store(true)
	ready()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	case err = <-served:
		served <- err
	}
	ending, done := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer done()
	if srv.Shutdown(ending) != nil {
		_ = srv.Close() // its time is over
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// Faults says what keeps the registry from serving.
func (s *Server) Faults() []string {
	if !s.began.Load() {
		return []string{"registry: starting"}
	}
	return nil
}

// Degraded says what works and not fully.
func (s *Server) Degraded() []string {
	s.log.mu.RLock()
	trouble := s.log.trouble
	s.log.mu.RUnlock()
	if trouble != "" {
		return []string{"registry: schemas are served as they were last read: " + trouble}
	}
	return nil
}

const contentType = "application/vnd.schemaregistry.v1+json"

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			s.opts.Logger.ErrorContext(r.Context(), "registry panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			s.refuse(w, failed(500, "Internal error"))
		}
	}()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		s.refuse(w, failed(503, "too many requests at a time: at most %d", maxConcurrent))
		return
	}
	answer, err := s.answer(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	if t, ok := answer.(text); ok {
		s.write(w, http.StatusOK, []byte(t))
		return
	}
	b, err := jsonx.Marshal(answer)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.write(w, http.StatusOK, b)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	rt, names, allow := match(s.table, r)
	switch {
	case rt == nil && len(allow) > 0:
		w.Header().Set("Allow", strings.Join(allow, ", "))
		return nil, failed(405, "HTTP 405 Method Not Allowed")
	case rt == nil:
		return nil, failed(404, "HTTP 404 Not Found")
	}
	if !s.ours(r) {
		return nil, failed(40301, "requests of pages of other sites are refused")
	}
	req := &request{Request: r, s: s, names: names, query: r.URL.Query()}
	action := rt.action
	if action == Delete && req.flag("permanent") {
		action = Destroy
	}
	if s.opts.Authorize != nil {
		switch err := s.opts.Authorize(r, action, names["s"]); {
		case errors.Is(err, ErrLogin):
			w.Header().Set("WWW-Authenticate", `Basic realm="schema registry", charset="UTF-8"`)
			return nil, failed(40101, "Unauthorized")
		case err != nil:
			return nil, failed(40301, "User is denied operation %s: %v", action, err)
		}
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		if err := req.read(w); err != nil {
			return nil, err
		}
	}
	return rt.handle(req)
}

// ours refuses what a browser sends on behalf of a page of another site: it names that site, or reaches a loopback address by another
// name than its own.
func (s *Server) ours(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host {
		return false
	}
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !at.IP.IsLoopback() || s.opts.Authorize != nil {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// read reads the body. What says that it is not JSON is refused: the page of another site can send that from a browser, and JSON not.
func (r *request) read(w http.ResponseWriter) (err error) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "", contentType, "application/vnd.schemaregistry+json", "application/json", "application/octet-stream":
	default:
		return failed(415, "HTTP 415 Unsupported Media Type; say Content-Type: %s", contentType)
	}
	r.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return failed(413, "the body is larger than %d bytes", maxBody)
	}
	if err != nil {
		return failed(400, "the body cannot be read")
	}
	return nil
}

// refuse answers with an error. What is not for clients goes to the log.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		s.opts.Logger.Error("registry", slog.Any("error", err))
		e = failed(500, "Internal error")
	}
	b, err := jsonx.Marshal(e)
	if err != nil {
		b = []byte(`{"error_code":500,"message":"Internal error"}`)
	}
	s.write(w, e.status(), b)
}

func (s *Server) write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who asked has gone
}
