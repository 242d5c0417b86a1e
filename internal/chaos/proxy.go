package main

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// proxy stands between one actor and one broker, and spoils what passes as its weather says.
type proxy struct {
	listener net.Listener
	upstream string
	running  sync.WaitGroup

	mu      sync.Mutex
	weather weather
	links   map[*link]bool
}

func newProxy(ctx context.Context, upstream string) (*proxy, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, upstream: upstream, weather: fair(), links: map[*link]bool{}}
	p.running.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.connect(client.(*net.TCPConn)) }) //nolint:forcetypeassert // from a TCP listener
	}
}

// connect carries one connection until either side ends it.
func (p *proxy) connect(client *net.TCPConn) {
	defer client.Close() //nolint:errcheck // it may be closed already
	p.mu.Lock()
	down := p.weather.down
	p.mu.Unlock()
	if down {
		return
	}
	conn, err := net.Dial("tcp", p.upstream) //nolint:noctx // to loopback: the answer comes at once
	if err != nil {
		return // the client sees what it would see without a proxy
	}
	l := &link{client: client, broker: conn.(*net.TCPConn), up: newFlow(), down: newFlow()} //nolint:forcetypeassert // dialled as TCP
	defer l.cut()
	p.mu.Lock()
	p.links[l] = true
	now := p.weather
	p.mu.Unlock()
	l.carry(now)
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// set changes the weather, for the connections that there are and for those to come.
func (p *proxy) set(w weather) {
	p.mu.Lock()
	p.weather = w
	var links []*link
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	var all sync.WaitGroup
	for _, l := range links {
		all.Go(func() {
			switch {
			case w.down:
				l.cut()
			case w.reset:
				l.reset()
			default:
				l.change(w)
			}
		})
	}
	all.Wait()
}

// close ends every connection.
func (p *proxy) close() {
	_ = p.listener.Close() // nobody connects any more
	p.set(weather{down: true})
	p.running.Wait()
}

// link is one connection through a proxy.
type link struct {
	client, broker *net.TCPConn
	up, down       *flow
}

// carry returns when both directions have ended.
func (l *link) carry(w weather) {
	var both sync.WaitGroup
	both.Go(func() { l.up.run(l.client, l.broker, w.up, l.cut) })
	both.Go(func() { l.down.run(l.broker, l.client, w.back, l.cut) })
	both.Wait()
}

// change gives both directions their toxic. A connection that is stuck on a reader that does not read is cut.
func (l *link) change(w weather) {
	impatient := time.AfterFunc(time.Second, l.cut)
	defer impatient.Stop()
	var both sync.WaitGroup
	both.Go(func() { l.up.change(w.up) })
	both.Go(func() { l.down.change(w.back) })
	both.Wait()
}

func (l *link) cut() {
	_ = l.client.Close() // it may be closed already
	_ = l.broker.Close() // likewise
}

// reset makes both ends see a connection that was reset, not one that ended.
func (l *link) reset() {
	_ = l.client.SetLinger(0) // it may be closed already
	_ = l.broker.SetLinger(0) // likewise
	l.cut()
}

// flow is one direction of a link: what is read goes through a toxic and is written.
type flow struct {
	in, out chan *stream.StreamChunk
	stub    *toxics.ToxicStub
	changes chan toxics.Toxic
}

// latentChunks is how many chunks may be on their way at once through a toxic that delays each of them.
const latentChunks = 256

func newFlow() *flow {
	f := &flow{in: make(chan *stream.StreamChunk, latentChunks), out: make(chan *stream.StreamChunk), changes: make(chan toxics.Toxic)}
	f.stub = toxics.NewToxicStub(f.in, f.out)
	return f
}

// run returns when everything that belongs to the flow has ended. Kafka closes no connection by halves, so that the end of one
// direction is that of both.
func (f *flow) run(from io.Reader, to io.Writer, toxic toxics.Toxic, cut func()) {
	var ends sync.WaitGroup
	ends.Go(func() {
		_, _ = io.Copy(stream.NewChanWriter(f.in), from) // however it ends, it has ended
		close(f.in)
	})
	ends.Go(func() {
		_, _ = io.Copy(to, stream.NewChanReader(f.out)) // likewise
		cut()
		for range f.out { // what cannot be written any more must not hold up who ends the flow
		}
	})
	for !f.stub.Closed() {
		f.stub.Run(&toxics.ToxicWrapper{Toxic: toxic, Toxicity: 1})
		if f.stub.Closed() {
			break
		}
		next := <-f.changes
		if spoiled, ok := toxic.(toxics.CleanupToxic); ok { // bytes are lost: the connection cannot go on
			spoiled.Cleanup(f.stub)
		}
		toxic = next
	}
	for range f.in {
	}
	ends.Wait()
}

func (f *flow) change(to toxics.Toxic) {
	if f.stub.InterruptToxic() {
		f.changes <- to
	}
}
