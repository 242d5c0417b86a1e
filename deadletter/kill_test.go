package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

var errCut = errors.New("the wire is cut")

// wire is the network of one process. Cut, nothing of it reaches the broker any more, as after a kill.
type wire struct {
	dial func(context.Context, string, string) (net.Conn, error)

	mu    sync.Mutex
	left  int // writes until it is cut; below zero: never
	conns []net.Conn
}

func (w *wire) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if w.isCut() {
		return nil, errCut
	}
	c, err := w.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
	return wired{c, w}, nil
}

func (w *wire) isCut() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left == 0
}

// after cuts the wire after n more writes.
func (w *wire) after(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = n
}

// write counts one write and tells whether it still gets through. The one that cuts the wire does: what it asks for may happen,
// and nobody hears of it.
func (w *wire) write() (conns []net.Conn, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.left < 0:
		return nil, true
	case w.left == 0:
		return nil, false
	}
	w.left--
	if w.left == 0 {
		return w.conns, true
	}
	return nil, true
}

type wired struct {
	net.Conn
	w *wire
}

func (c wired) Write(b []byte) (int, error) {
	cut, ok := c.w.write()
	if !ok {
		return 0, errCut
	}
	n, err := c.Conn.Write(b)
	if cut != nil {
		time.Sleep(50 * time.Millisecond) //nolint:forbidigo // in a bubble: the broker has its time to act, and not to be heard
		for _, other := range cut {
			_ = other.Close() // it is of no use any more
		}
	}
	return n, err
}

// A run is killed after its n-th write to the network, for many n; then another process goes on with the job. Every dead letter
// arrives, and none of them twice, because what the killed run had sent is found in the log.
func TestKilledAtAnyPointNothingIsLostAndNothingSentTwice(t *testing.T) {
	const n = 120
	for cut := 4; cut <= 88; cut += 6 * slow {
		t.Run(fmt.Sprint("write ", cut), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, s *shop) {
				for i := range n {
					s.bury(letter(i))
				}
				j := s.plan(deadletter.Retry, deadletter.Selector{}, deadletter.Options{PerSecond: 100})
				w := &wire{dial: s.cfg.Dial, left: -1}
				cfg := s.cfg
				cfg.Dial, cfg.CloseTimeout = w.Dial, time.Second
				doomed, err := bus.Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = doomed.Close() }) // what it has not heard of is unknown to it
				w.after(cut)
				last, err := s.finish(deadletter.Open(doomed, "eve@test"), j.ID)
				if err == nil && !w.isCut() {
					t.Fatalf("the run came to its end before it was cut: %+v", last)
				}
				rest, err := s.finish(s.desk, j.ID)
				if err != nil && !errors.Is(err, deadletter.ErrEnded) {
					t.Fatal(err)
				}
				if err == nil {
					equal(t, "done", rest.Done, n)
				}
				equal(t, "sent", s.sent(), once(n))
			})
		})
	}
}

// once is n offsets, each once.
func once(n int) map[string]int {
	m := map[string]int{}
	for i := range n {
		m[strconv.Itoa(i)] = 1
	}
	return m
}

// sent counts what was sent again, by the offset of its origin.
func (s *shop) sent() map[string]int {
	s.t.Helper()
	out := map[string]int{}
	for rec, err := range s.Scan(s.t.Context(), bus.Range{Topics: []event.Glob{event.Glob(orders)}}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if rec.Header("omnibus-dlq-redrive-count") != nil {
			out[string(rec.Header("omnibus-dlq-original-offset"))]++
		}
	}
	return out
}
