package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// listener is where the broker inside takes its connections. It tells that broker the address to advertise as its own, and
// can cut everything at once.
type listener struct {
	net.Listener
	advertised addr
	sync       *syncer                   // nil: answers wait for nothing
	recording  atomic.Bool               // of requests, for faults
	sums       atomic.Pointer[checksums] // nil: nothing is kept

	mu    sync.Mutex
	cutAt bool
	conns map[*conn]struct{}

	open sync.WaitGroup // the connections
}

// listen opens the configured address.
func listen(ctx context.Context, cfg Config) (*listener, error) {
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("broker config Addr: %w", err)
	}
	if ip := net.ParseIP(host); cfg.Advertise == "" && (host == "" || ip != nil && ip.IsUnspecified()) {
		return nil, fmt.Errorf("broker config Advertise: needed with Addr %s, which is no address to connect to", cfg.Addr)
	}
	var ln net.Listener
	if cfg.Network != nil {
		ln, err = cfg.Network.listen(cfg.Addr)
	} else {
		ln, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	}
	if err != nil {
		return nil, cannotListen(cfg.Addr, err)
	}
	advertised, err := advertise(cfg.Advertise, ln.Addr().String())
	if err != nil {
		_ = ln.Close() // nobody has connected yet
		return nil, err
	}
	if cfg.TLS != nil { // here, and not in the broker inside, so that what passes can be read
		ln = tls.NewListener(ln, cfg.TLS)
	}
	return &listener{Listener: ln, advertised: advertised, conns: make(map[*conn]struct{})}, nil
}

// cannotListen says why, and who has the port where that is the reason.
func cannotListen(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		pid, process := portOwner(addr)
		return &PortTakenError{Addr: addr, PID: pid, Process: process, Err: err}
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

// CheckPort returns nil where a broker could listen on the address now, and a *PortTakenError where somebody else does.
func CheckPort(ctx context.Context, addr string) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return cannotListen(addr, err)
	}
	return ln.Close()
}

// advertise completes the advertised address with what the listener got.
func advertise(want, got string) (addr, error) {
	if want == "" {
		return addr(got), nil
	}
	_, gotPort, err := net.SplitHostPort(got)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	host, port, err := net.SplitHostPort(want)
	if err != nil { // no port
		host, port = want, ""
	}
	if port == "" || port == "0" {
		port = gotPort
	}
	if host == "" {
		return "", fmt.Errorf("broker config Advertise: %q names no host", want)
	}
	return addr(net.JoinHostPort(host, port)), nil
}

// addr is the text of an address.
type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }

func (l *listener) Addr() net.Addr { return l.advertised }

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &conn{Conn: c, l: l, closed: make(chan struct{})}
	tracked.room = sync.NewCond(&tracked.mu)
	l.mu.Lock()
	late := l.cutAt
	if !late {
		l.conns[tracked] = struct{}{}
		l.open.Add(1)
	}
	l.mu.Unlock()
	if late {
		_ = c.Close() // it came while the broker closed
		return nil, net.ErrClosed
	}
	return tracked, nil
}

// cut closes the listener and every connection.
func (l *listener) cut() {
	l.mu.Lock()
	l.cutAt = true
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	_ = l.Close() // closed is what it is then
	for c := range conns {
		_ = c.Close() // likewise
	}
}

// record makes the connections keep the requests that come from now on, until they are answered.
func (l *listener) record() { l.recording.Store(true) }

// sent finds where a request came in; nil where it came before they were recorded.
func (l *listener) sent(kreq kmsg.Request) *sentReq {
	l.mu.Lock()
	conns := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		found := c.asked.find(kreq)
		c.mu.Unlock()
		if found != nil {
			return found
		}
	}
	return nil
}

// wait returns when every connection is closed.
func (l *listener) wait() {
	l.cut()
	l.open.Wait()
}

// conn is a connection that its listener knows.
type conn struct {
	net.Conn
	l      *listener
	once   sync.Once
	closed chan struct{}

	mu      sync.Mutex
	asked   requests
	answers []byte // that wait for the disk
	sending bool   // somebody takes care of them
	room    *sync.Cond
	err     error
}

// Read notes which requests pass.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.mu.Lock()
		c.asked.record = c.l.recording.Load()
		c.asked.read(b[:n])
		c.mu.Unlock()
	}
	return n, err
}

// maxAnswers is how many bytes of answers may wait for a client that reads slowly before the broker inside has to wait for it.
const maxAnswers = 1 << 20

// Write is one answer of the broker inside. It leaves once what it acknowledges is on the disk. Meanwhile the broker goes on
// with the next request, whose answer then waits for the same flush.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	asked, known := c.asked.answered(b)
	c.mu.Unlock()
	if asked.sent != nil {
		if err := c.hold(asked.sent); err != nil {
			return 0, err
		}
	}
	if sums := c.l.sums.Load(); sums != nil && known && slices.Contains(stateKeys(), asked.key) {
		sums.wait()
	}
	s := c.l.sync
	if s == nil {
		return c.Conn.Write(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.sending && len(c.answers) > maxAnswers && c.err == nil {
		c.room.Wait()
	}
	if c.err != nil {
		return 0, c.err
	}
	if !c.sending && known && onlyReads(asked.key) && s.clean() {
		return c.Conn.Write(b)
	}
	c.answers = append(c.answers, b...)
	if !c.sending {
		c.sending = true
		c.l.open.Go(c.send)
	}
	return len(b), nil
}

var errWithheld = errors.New("a fault withheld the answer")

// hold does to an answer what faults want: it lets it wait, or breaks the connection in its place.
func (c *conn) hold(sent *sentReq) error {
	late, lost := sent.held()
	if late > 0 {
		timer := time.NewTimer(late)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed:
		}
	}
	if !lost {
		return nil
	}
	c.mu.Lock()
	for c.sending && c.err == nil { // the answers before it are not withheld
		c.room.Wait()
	}
	c.mu.Unlock()
	return errors.Join(errWithheld, c.Close())
}

// send writes answers until none waits.
func (c *conn) send() {
	for {
		c.mu.Lock()
		answers := c.answers
		if len(answers) == 0 || c.err != nil {
			c.sending = false
			c.room.Broadcast()
			c.mu.Unlock()
			return
		}
		c.answers = nil
		c.room.Broadcast()
		c.mu.Unlock()
		err := c.l.sync.wait()
		if err == nil {
			_, err = c.Conn.Write(answers)
		}
		if err != nil {
			_ = c.Conn.Close() // whoever reads from it learns it so
			c.mu.Lock()
			c.err = err
			c.room.Broadcast()
			c.mu.Unlock()
		}
	}
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		close(c.closed)
		c.mu.Lock()
		c.err = net.ErrClosed
		c.room.Broadcast()
		c.mu.Unlock()
		c.l.mu.Lock()
		delete(c.l.conns, c)
		c.l.mu.Unlock()
		c.l.open.Done()
	})
	return err
}
