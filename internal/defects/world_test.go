package defects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	"github.com/omninode-ai/omnibus/internal/histcheck/actor"
)

const (
	topic   = event.Topic("omninode.test.event.noted.v1")
	groupID = "g"
	session = 6 * time.Second
)

// world is a broker, the processes that work with it, and what they wrote down, all in one bubble.
type world struct {
	t        *testing.T
	network  *broker.Network
	broker   *brokertest.Cluster
	addrs    []string
	catalog  *event.Catalog
	sight    *process // of the one who looks on: it makes faults and reads the topics
	all      []*process
	seq      int64
	keySeqs  map[string]int64
	clock    clock
	behave   func(ctx context.Context, p *process, d bus.Delivery, e histcheck.Event) error // what handlers do
	retry    []time.Duration
	patience time.Duration // of publishers
}

// clock moves on with each look at it, so that what many processes do at one time of the bubble stays in order.
type clock struct {
	mu   sync.Mutex
	last time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !now.After(c.last) {
		now = c.last.Add(1)
	}
	c.last = now
	return now
}

func newWorld(t *testing.T, partitions int, cfg broker.Config) *world {
	t.Helper()
	w := &world{t: t, network: new(broker.Network), keySeqs: map[string]int64{}, patience: 3 * time.Second}
	w.start(cfg)
	w.behave = func(ctx context.Context, _ *process, _ bus.Delivery, e histcheck.Event) error {
		if e.Fate == histcheck.Dead {
			return bus.Permanent(errors.New("made to be a dead letter"))
		}
		return rest(ctx, 20*time.Millisecond)
	}
	var err error
	if w.catalog, err = event.NewCatalog(actor.Spec(topic, partitions)); err != nil {
		t.Fatal(err)
	}
	w.sight = w.process("onlooker")
	if _, err := w.sight.bus.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// start starts the broker.
func (w *world) start(cfg broker.Config) {
	w.t.Helper()
	cfg.Addr, cfg.Network = "127.0.0.1:9092", w.network
	w.broker = brokertest.Start(w.t, cfg)
	w.addrs = w.broker.Addrs()
}

// rest lets time pass, and ends early with ctx.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work lets time pass for a handler that does not listen to its context.
func work(d time.Duration) { <-time.After(d) }

func (w *world) wait(d time.Duration) { work(d) }

// process is one process: a bus of its own, over connections of its own, with a ledger of its own.
type process struct {
	w     *world
	name  string
	actor *actor.Actor
	bus   *bus.Bus
	page  page
	line  line
	stop  context.CancelFunc
	done  chan error
}

func (w *world) process(name string) *process {
	w.t.Helper()
	p := &process{w: w, name: name}
	p.line.network = w.network
	p.actor = &actor.Actor{Ledger: histcheck.New(&p.page, name, w.clock.now)}
	var err error
	p.bus, err = bus.Open(w.t.Context(), bus.Config{
		Brokers: w.addrs, Service: "defects", Instance: name, Catalog: w.catalog, Dial: p.line.dial, Trace: p.actor.Trace(),
		PublishTimeout: w.patience, CloseTimeout: time.Second,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.all = append(w.all, p)
	w.t.Cleanup(func() {
		p.end()
		_ = p.bus.Close() // of a killed process it fails
	})
	return p
}

// consumer starts a process that consumes.
func (w *world) consumer(name string) *process {
	w.t.Helper()
	p := w.process(name)
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	p.stop, p.done = cancel, make(chan error, 1)
	cfg := bus.Consumer{Group: groupID, SessionTimeout: session, Retry: w.retry}
	go func() {
		p.done <- p.actor.Consume(ctx, p.bus, cfg, bus.HandleType(topic, func(ctx context.Context, d bus.Delivery) error {
			e, err := actor.Event(d)
			if err != nil {
				return err
			}
			return w.behave(ctx, p, d, e)
		}))
	}()
	return p
}

// end stops a consumer in order.
func (p *process) end() {
	if p.stop == nil {
		return
	}
	p.stop()
	<-p.done //nolint:errcheck // its ledger says how it ended
	p.stop = nil
}

// kill is what others see of a kill -9: nothing comes from the process any more, and it writes nothing down.
func (p *process) kill() {
	p.page.tear()
	p.line.cut()
	p.stop()
}

// page is a ledger in memory.
type page struct {
	mu   sync.Mutex
	text []byte
	torn bool
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.torn {
		p.text = append(p.text, b...)
	}
	return len(b), nil
}

func (p *page) Close() error { return nil }

func (p *page) tear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.torn = true
}

func (p *page) source(name string) histcheck.Source {
	return histcheck.Source{Name: name, Open: func() (io.ReadCloser, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return io.NopCloser(bytes.NewReader(slices.Clone(p.text))), nil
	}}
}

// line is the network of one process, which can be cut and mended.
type line struct {
	network *broker.Network
	mu      sync.Mutex
	off     bool
	mute    bool // answers get lost
	conns   []*lineConn
}

var errCut = errors.New("the line is cut")

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	off := l.off
	l.mu.Unlock()
	if off {
		return nil, errCut
	}
	conn, err := l.network.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &lineConn{Conn: conn, l: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	return c, nil
}

func (l *line) cut() {
	l.mu.Lock()
	l.off = true
	conns := l.conns
	l.conns = nil
	l.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // it is cut either way
	}
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off, l.mute = false, false
}

// silence lets requests pass, and their answers get lost.
func (l *line) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mute = true
}

type lineConn struct {
	net.Conn
	l *line
}

func (c *lineConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.l.mu.Lock()
	mute := c.l.mute
	c.l.mu.Unlock()
	if mute && err == nil {
		return 0, errCut
	}
	return n, err
}

// event makes the next event of key.
func (w *world) event(key string, fate histcheck.Fate) histcheck.Event {
	w.seq++
	w.keySeqs[key]++
	return histcheck.Event{
		Run: "defects", Producer: "producer", Seq: w.seq, Key: key, KeySeq: w.keySeqs[key], ID: event.NewID().String(), Fate: fate,
	}
}

// publish publishes events of the keys, in this order.
func (w *world) publish(p *process, keys ...string) {
	w.t.Helper()
	events := make([]histcheck.Event, len(keys))
	for i, key := range keys {
		events[i] = w.event(key, histcheck.Fine)
	}
	w.send(p, events...)
}

// send publishes events as an application should: what is unknown again under the same id, what was not sent as it likes.
func (w *world) send(p *process, events ...histcheck.Event) {
	w.t.Helper()
	for range 20 {
		var again []histcheck.Event
		for i, r := range p.actor.Publish(w.t.Context(), p.bus, topic, events...) {
			switch {
			case r.Err == nil:
				continue
			case errors.Is(r.Err, bus.ErrNotSent):
				events[i].ID = event.NewID().String()
			}
			again = append(again, events[i])
		}
		if len(again) == 0 {
			return
		}
		events = again
		w.wait(time.Second)
	}
	w.t.Fatalf("%d events could not be published", len(events))
}

// fault lets the broker answer requests with an error until the func that it returns is called.
func (w *world) fault(f kfake.Fault) (over func()) {
	f.Count = -1
	what := fmt.Sprint(f.Err)
	w.note(histcheck.FaultOn, what)
	h := w.broker.Fault(f)
	return func() {
		h.Remove()
		w.note(histcheck.FaultOff, what)
	}
}

func (w *world) note(k histcheck.Kind, what string) {
	w.sight.actor.Ledger.Append(histcheck.Line{Kind: k, Note: what})
}

// settle waits until the group is through with everything, or for as long as it takes to tell that it will not be.
func (w *world) settle() {
	w.t.Helper()
	const patience = 2 * time.Minute
	for waited := time.Duration(0); waited < patience; waited += time.Second {
		w.wait(time.Second)
		lags, err := w.sight.bus.Lag(w.t.Context(), groupID)
		if err == nil && len(lags) > 0 && !slices.ContainsFunc(lags, func(l bus.PartitionLag) bool { return !l.Known || l.Messages > 0 }) {
			break
		}
	}
	w.wait(2 * time.Second)
}

// check ends all processes and holds the history against the rules.
func (w *world) check(reach ...string) *histcheck.Report {
	w.t.Helper()
	var ledgers []histcheck.Source
	for _, p := range w.all {
		p.end()
		ledgers = append(ledgers, p.page.source(p.name))
	}
	rep, err := histcheck.Check(histcheck.Input{
		Ledgers: ledgers, Log: actor.Log(w.t.Context(), w.sight.bus, topic, topic.DLQ()),
		Groups: map[string][]string{groupID: {string(topic)}}, Reach: reach,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rep
}
