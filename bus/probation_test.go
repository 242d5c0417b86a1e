package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

// cutter ends the life of a process as far as its brokers can tell: its connections break, and it gets no others.
type cutter struct {
	mu    sync.Mutex
	conns []net.Conn
	gone  bool
}

var errCut = errors.New("the process is dead")

// into makes the bus of cfg talk through the cutter.
func (c *cutter) into(cfg *bus.Config) {
	dial := cfg.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.gone {
			return nil, errors.Join(errCut, conn.Close())
		}
		c.conns = append(c.conns, conn)
		return conn, nil
	}
}

func (c *cutter) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for _, conn := range c.conns {
		_ = conn.Close() // it is to break
	}
}

// live consumes in a process of its own until it is killed, which die tells its handler to do.
func (r *stage) live(c bus.Consumer, handler func(die func()) bus.Handler) (died <-chan struct{}) {
	r.t.Helper()
	var knife cutter
	b := r.again(knife.into)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	dead, over := make(chan struct{}), make(chan struct{})
	die := sync.OnceFunc(func() {
		knife.kill()
		close(dead)
		cancel()
	})
	go func() {
		defer close(over)
		_ = b.Consume(ctx, c, handler(die)) // the dead report nothing
	}()
	r.t.Cleanup(func() {
		die()
		<-over
	})
	return dead
}

// The first life meets a group that has committed nothing, so its start is not counted; the next three are. Afterwards the event
// is a dead letter, and everything else was handled, in order.
func eventThatKillsItsProcessIsQuarantined(t *testing.T, r *stage) {
	var d diary
	c := r.group("g")
	c.StaticID = "one" // so that the next life need not wait for the session of the last one
	c.DrainWithin = r.unit
	handler := func(die func()) bus.Handler {
		return bus.HandleType(r.topic, func(ctx context.Context, e bus.Delivery) error {
			key, n := keyN(e)
			if key == "poison" {
				d.add("%s %s", key, n)
				die()
				<-ctx.Done()
				return ctx.Err()
			}
			d.add("%s %s", key, n)
			return nil
		})
	}
	r.notes(6, 3)
	r.note("poison", 7)
	var later []bus.Outgoing
	for n := 3; n < 6; n++ {
		for k := range 6 {
			e := r.envelope(fmt.Sprintf("k%02d", k), n)
			later = append(later, bus.Outgoing{Envelope: &e})
		}
	}
	if _, err := r.PublishAll(t.Context(), later...); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		<-r.live(c, handler)
	}
	r.Go(c, handler(func() { t.Error("it was run again") }))
	r.Settle()
	equal(t, "starts", d.of("poison"), []string{"7", "7", "7", "7"})
	dead := r.Dead(r.topic)
	// An event of the other partition may have been on record at each of the three ends as well: nobody can tell which of the two it was.
	poison := slices.IndexFunc(dead, func(l bus.DeadLetter) bool { return string(l.Key) == "poison" })
	if poison < 0 || len(dead) > 2 {
		t.Fatalf("%d dead letters, want the one event as %s", len(dead), bus.ClassCrashSuspect)
	}
	for i, l := range dead {
		if l.Class != bus.ClassCrashSuspect || i != poison && l.Origin.Partition == dead[poison].Origin.Partition {
			t.Errorf("dead letter %s of %s: want none but the one event as %s", l.Class, l.Origin, bus.ClassCrashSuspect)
		}
	}
	for k := range 6 {
		got := d.of(fmt.Sprintf("k%02d", k))
		var firsts []string
		for _, n := range got {
			if !slices.Contains(firsts, n) {
				firsts = append(firsts, n)
			}
		}
		equal(t, fmt.Sprintf("key %d", k), firsts, numbers(6))
	}
}

// After a clean stop events run at once as always; after a kill one at a time in each partition, until a hundred are settled.
func cleanStopNeedsNoProbation(t *testing.T, r *stage) {
	var mu sync.Mutex
	running, most := map[int32]int{}, map[int32]int{}
	c := r.group("g")
	c.StaticID = "one"
	c.DrainWithin = r.unit
	count := bus.HandleType(r.topic, func(ctx context.Context, e bus.Delivery) error {
		mu.Lock()
		running[e.Partition]++
		most[e.Partition] = max(most[e.Partition], running[e.Partition])
		mu.Unlock()
		pause(ctx, r.unit/20)
		mu.Lock()
		running[e.Partition]--
		mu.Unlock()
		return nil
	})
	round := func() {
		clear(most)
		r.notes(40, 1)
		stop := r.Go(c, count)
		r.Settle()
		stop()
	}
	var hit int32 // the partition whose event kills: what was not begun in the other needs no guard
	round()
	round()
	for p, n := range most {
		if n < 2 {
			t.Errorf("partition %d: at most %d at once after a clean stop", p, n)
		}
	}
	<-r.live(c, func(die func()) bus.Handler {
		r.note("k00", 1)
		return bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
			hit = e.Partition
			die()
			return nil
		})
	})
	began := time.Now()
	round()
	equal(t, "at once after a kill", most[hit], 1)
	if took := time.Since(began); r.unit == time.Second && took > 30*time.Second {
		t.Errorf("forty events took %v", took)
	}
	round()
	if most[hit] < 2 {
		t.Errorf("at most %d at once after the stop that followed was clean", most[hit])
	}
}
