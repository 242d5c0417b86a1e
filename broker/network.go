package broker

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Network is a network inside this process. Use it in a testing/synctest bubble, where a real socket would stop the clock. Its
// only host is 127.0.0.1. The zero value is ready; a Network must not be copied.
type Network struct {
	virtual kfake.VirtualNetwork

	mu    sync.Mutex
	taken map[int]bool
}

// Dial connects to a broker on the network; it fits where a client takes a dial function.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.virtual.DialContext(ctx, network, addr)
}

// listen opens a port; 0 picks the first free one from 9092.
func (n *Network) listen(addr string) (net.Listener, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == 0 {
		for port = 9092; n.taken[port]; port++ {
		}
	}
	if n.taken[port] {
		return nil, fmt.Errorf("port %d: %w", port, syscall.EADDRINUSE)
	}
	ln, err := n.virtual.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	if n.taken == nil {
		n.taken = make(map[int]bool)
	}
	n.taken[port] = true
	return &networkListener{Listener: ln, n: n, port: port}, nil
}

type networkListener struct {
	net.Listener
	n    *Network
	port int
	once sync.Once
}

func (l *networkListener) Addr() net.Addr {
	return addr(net.JoinHostPort("127.0.0.1", strconv.Itoa(l.port)))
}

func (l *networkListener) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() {
		l.n.mu.Lock()
		delete(l.n.taken, l.port)
		l.n.mu.Unlock()
	})
	return err
}
