package bus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
)

// faulty runs a scenario in a bubble, on a broker that can be made to fail.
func faulty(t *testing.T, change func(*bus.Config), run func(t *testing.T, r *stage, c *brokertest.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := new(broker.Network)
		c := brokertest.Start(t, broker.Config{Addr: "127.0.0.1:9092", Network: network})
		r := &stage{t: t, unit: time.Second, topic: "omninode.fault.event.noted.v1", other: "omninode.fault.event.echoed.v1"}
		var err error
		r.catalog, err = event.NewCatalog(event.Spec{Topic: r.topic, Key: "key", Schema: []byte(noteSchema), Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		cfg := bus.Config{Brokers: c.Addrs(), Service: "suite", Catalog: r.catalog, Dial: network.Dial, PublishTimeout: 3 * time.Second}
		if change != nil {
			change(&cfg)
		}
		r.Bench = bustest.Over(t, cfg)
		r.dialer = network.Dial
		r.again = func(...func(*bus.Config)) *bustest.Bench { return bustest.Over(t, cfg) }
		run(t, r, c)
	})
}

func (r *stage) end(topic event.Topic) (records int64) {
	r.t.Helper()
	infos, err := r.Topics(r.t.Context(), event.Glob(topic))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, i := range infos {
		for _, p := range i.Partitions {
			records += p.End - p.Start
		}
	}
	return records
}

func publishOne(ctx context.Context, r *stage, n int) error {
	e := r.envelope("a", n)
	_, err := r.PublishAll(ctx, bus.Outgoing{Envelope: &e})
	return err
}

func wantErr(t *testing.T, what string, err, is, not error) {
	t.Helper()
	if !errors.Is(err, is) || errors.Is(err, not) {
		t.Errorf("%s: %v, want %v and not %v", what, err, is, not)
	}
}

func TestLostAcknowledgementIsUnknownAndArrivesOnce(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		r.note("a", 0)
		// The broker appends and the answer gets lost: the connection breaks instead.
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1})
		wantErr(t, "no acknowledgement", publishOne(t.Context(), r, 1), bus.ErrUnknown, bus.ErrNotSent)
		f.Remove()
		r.note("a", 2) // behind the first one, which is still on its way
		equal(t, "records", r.end(r.topic), 3)
	})
}

func TestCancelledCallerDoesNotFailTheOthers(t *testing.T) {
	faulty(t, func(c *bus.Config) { c.PublishTimeout = time.Minute }, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		r.note("a", 0)
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var mine, yours error
		wg.Go(func() { mine = publishOne(ctx, r, 1) })
		wg.Go(func() { yours = publishOne(t.Context(), r, 2) })
		pause(t.Context(), time.Second)
		cancel()
		pause(t.Context(), time.Second)
		f.Remove()
		wg.Wait()
		wantErr(t, "cancelled", mine, bus.ErrUnknown, bus.ErrNotSent)
		if yours != nil {
			t.Errorf("the other caller: %v", yours)
		}
	})
}

func TestBrokerSaysTooLarge(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge})
		err := publishOne(t.Context(), r, 1)
		wantErr(t, "too large", err, bus.ErrNotSent, bus.ErrUnknown)
		wantErr(t, "too large", err, bus.ErrTooLarge, bus.ErrUnknown)
	})
}

func TestFullFlightRefusesBeforeSending(t *testing.T) {
	faulty(t, func(c *bus.Config) { c.MaxUnresolved = 1; c.PublishTimeout = time.Hour }, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		r.note("a", 0)
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1})
		var wg sync.WaitGroup
		wg.Go(func() { _ = publishOne(t.Context(), r, 1) }) // keeps the one slot
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantErr(t, "no slot", publishOne(ctx, r, 2), bus.ErrNotSent, bus.ErrUnknown)
		f.Remove()
		wg.Wait()
	})
}

func TestBrokerGoneIsUnknownAndCloseReportsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(broker.Network)
		br, err := broker.Start(t.Context(), broker.Config{Addr: "127.0.0.1:9092", Network: network})
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := event.NewCatalog(event.Spec{Topic: "omninode.fault.event.noted.v1", Schema: []byte(noteSchema)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := bus.Open(t.Context(), bus.Config{Brokers: br.Addrs(), Service: "suite", Catalog: catalog, Dial: network.Dial, PublishTimeout: 2 * time.Second, CloseTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.EnsureTopics(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := &stage{t: t, topic: "omninode.fault.event.noted.v1", Bench: &bustest.Bench{Bus: b}}
		r.note("a", 0)
		if err := br.Close(); err != nil {
			t.Fatal(err)
		}
		wantErr(t, "broker gone", publishOne(t.Context(), r, 1), bus.ErrUnknown, bus.ErrNotSent)
		var left *bus.UnresolvedError
		if err := b.Close(); !errors.As(err, &left) || left.Count != 1 || !errors.Is(err, bus.ErrUnknown) {
			t.Errorf("close: %v, want an UnresolvedError of 1", err)
		}
		if _, err := bus.Open(t.Context(), bus.Config{Brokers: br.Addrs(), Service: "suite", Catalog: catalog, Dial: network.Dial}); !errors.Is(err, bus.ErrUnreachable) || !strings.Contains(err.Error(), br.Addrs()[0]) {
			t.Errorf("open: %v, want ErrUnreachable and the address", err)
		}
	})
}

func TestClosingFailsWhatWasNeverWritten(t *testing.T) {
	faulty(t, func(c *bus.Config) { c.PublishTimeout = time.Hour; c.CloseTimeout = time.Second }, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		r.note("a", 0)
		// Metadata says that the partition has no leader: records wait in the client and no produce request is begun.
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Err: kerr.LeaderNotAvailable, Count: -1})
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 1})
		done := make(chan error, 2)
		go func() { done <- publishOne(t.Context(), r, 1) }() // written once and refused: unknown
		pause(t.Context(), time.Second)
		go func() { done <- publishOne(t.Context(), r, 2) }()
		pause(t.Context(), time.Second)
		if err := r.Close(); !errors.Is(err, bus.ErrUnknown) {
			t.Errorf("close: %v, want ErrUnknown", err)
		}
		outcomes := map[bool]int{}
		for range 2 {
			outcomes[errors.Is(<-done, bus.ErrNotSent)]++
		}
		equal(t, "not sent and unknown", outcomes, map[bool]int{true: 1, false: 1})
	})
}

func TestDeadLetterIsAcknowledgedBeforeTheCommit(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		dlq := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(r.topic.DLQ()), Err: kerr.InvalidRecord, Count: -1})
		group := r.group("g")
		r.Go(group, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return bus.Permanent(errors.New("no")) }))
		r.note("a", 0)
		pause(t.Context(), 30*time.Second)
		if lags, err := r.Lag(t.Context(), group.Group); err != nil || len(lags) > 0 && lags[0].Committed > 0 {
			t.Errorf("lag %+v, %v: committed past an event whose dead letter was not acknowledged", lags, err)
		}
		if faults := r.Faults(); len(faults) != 1 || !strings.Contains(faults[0], string(r.topic.DLQ())) {
			t.Errorf("faults %q, want one that names the dead-letter topic", faults)
		}
		dlq.Remove()
		r.Settle()
		equal(t, "faults after", len(r.Faults()), 0)
		equal(t, "dead letters", len(r.Dead(r.topic)), 1)
	})
}

func TestRefusedCommitIsTriedAgain(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RequestTimedOut, Count: 5})
		r.Go(r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil }))
		r.note("a", 0)
		r.Settle()
	})
}

func TestTruncatedLogStopsTheGroupAloud(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		group := r.group("g")
		handler := bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil })
		stop := r.Go(group, handler)
		r.note("a", 0)
		r.Settle()
		stop()
		r.notes(1, 10)
		deleteBefore(t, r, c, 5)
		if err := r.Consume(t.Context(), group, handler); !errors.Is(err, bus.ErrTruncated) {
			t.Errorf("consume: %v, want ErrTruncated", err)
		}
	})
}

func deleteBefore(t *testing.T, r *stage, c *brokertest.Cluster, offset int64) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.Dialer(r.dialer))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var o kadm.Offsets
	o.AddOffset(string(r.topic), 0, offset, -1)
	if _, err := kadm.NewClient(cl).DeleteRecords(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func TestKilledConsumerRepeatsOnlyWhatP4Allows(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		var d diary
		group := r.group("g")
		group.Retry = []time.Duration{time.Hour}
		handler := bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
			key, n := keyN(e)
			d.add("%s %s", key, n)
			if key == "k00" {
				return errors.New("parked")
			}
			return nil
		})
		ctx, kill := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Consume(ctx, group, handler) }()
		r.notes(5, 20)
		pause(t.Context(), 5*time.Second) // everything but the parked key is settled and committed with the set
		// A kill: no commit and no leave gets through any more.
		dead := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit, kmsg.LeaveGroup}, Err: kerr.UnknownMemberID, Count: -1})
		kill()
		<-done //nolint:errcheck // there was nothing left to commit
		dead.Remove()
		before := len(d.all())
		r.Go(group, handler)
		pause(t.Context(), time.Minute)
		for _, line := range d.all()[before:] {
			if !strings.HasPrefix(line, "k00") {
				t.Errorf("redelivered after a kill though settled and committed: %s", line)
			}
		}
		equal(t, "handled", before, 4*20+1)
		if got := len(d.all()) - before; got != 1 {
			t.Errorf("%d events after the kill, want the parked one", got)
		}
	})
}

// TestOpenDoesNotWaitForASilentPort: a port that takes connections and says nothing.
func TestOpenDoesNotWaitForASilentPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		catalog, err := event.NewCatalog()
		if err != nil {
			t.Fatal(err)
		}
		dial := func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }() // until it is closed
			return ours, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err = bus.Open(ctx, bus.Config{Brokers: []string{"127.0.0.1:9092"}, Service: "suite", Catalog: catalog, Dial: dial})
		if !errors.Is(err, bus.ErrUnreachable) || time.Since(began) > 2*time.Second {
			t.Errorf("after %v: %v, want ErrUnreachable after a second", time.Since(began), err)
		}
	})
}

// A handler outlives the session of its member: its late result says nothing about the assignment that follows.
func TestLateResultOfALostPartitionIsDiscarded(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		var starts atomic.Int32
		first, second := make(chan struct{}), make(chan struct{})
		r.Go(r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error {
			if starts.Add(1) == 1 {
				<-first
				return nil // as if all were well
			}
			<-second
			return bus.Permanent(errors.New("no"))
		}))
		r.note("a", 0)
		pause(t.Context(), 2*time.Second)
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
		pause(t.Context(), 30*time.Second)
		if n := starts.Load(); n != 2 {
			t.Fatalf("%d starts: want the late one and that of the next assignment", n)
		}
		close(first)
		pause(t.Context(), 10*time.Second)
		if lags, err := r.Lag(t.Context(), r.group("g").Group); err != nil || len(lags) != 1 || lags[0].Committed != 0 {
			t.Errorf("lag %+v, %v: the late result was committed", lags, err)
		}
		close(second)
		r.Settle()
		equal(t, "dead letters", len(r.Dead(r.topic)), 1)
	})
}

// What the handlers need is down for a minute under load, whether they can tell or only fail alike. Nothing becomes a dead letter
// for it, work resumes within two seconds of its return, and the one bad key among it still ends where it belongs.
func TestMinuteOfOutageMakesNoDeadLetter(t *testing.T) {
	for name, failure := range map[string]error{"told": bus.Unavailable(errors.New("database is down")), "alike": errors.New("connect: refused")} {
		t.Run(name, func(t *testing.T) {
			faulty(t, nil, func(t *testing.T, r *stage, _ *brokertest.Cluster) {
				began := time.Now()
				down := func() bool { d := time.Since(began); return d >= 20*time.Second && d < 80*time.Second }
				var mu sync.Mutex
				var resumed time.Duration // since the start
				handled := map[string][]string{}
				group := r.group("g")
				group.Retry = nil // as users have it
				r.Go(group, bus.HandleType(r.topic, func(_ context.Context, e bus.Delivery) error {
					key, n := keyN(e)
					if key == "bad" {
						return bus.Permanent(errors.New("this one never"))
					}
					if down() {
						return failure
					}
					mu.Lock()
					defer mu.Unlock()
					if at := time.Since(began); at >= 80*time.Second && resumed == 0 {
						resumed = at
					}
					handled[key] = append(handled[key], n)
					return nil
				}))
				const each = 500 // 100 events/s for 100 s
				for n := range each {
					r.notes20(n)
					if n == each/2 {
						r.note("bad", 0)
					}
					pause(t.Context(), 200*time.Millisecond)
				}
				r.Settle()
				mu.Lock()
				defer mu.Unlock()
				if resumed < 80*time.Second || resumed > 82*time.Second {
					t.Errorf("down from 20 s to 80 s, resumed at %v", resumed)
				}
				dead := r.Dead(r.topic)
				if len(dead) != 1 || string(dead[0].Key) != "bad" || dead[0].Class != bus.ClassPermanent {
					t.Errorf("%d dead letters, want the one of the bad key", len(dead))
				}
				for k := range 20 {
					equal(t, "events of a key", handled[fmt.Sprintf("k%02d", k)], numbers(each))
				}
			})
		})
	}
}

// notes20 publishes event n of twenty keys.
func (r *stage) notes20(n int) {
	r.t.Helper()
	out := make([]bus.Outgoing, 20)
	for k := range out {
		out[k].Envelope = new(r.envelope(fmt.Sprintf("k%02d", k), n))
	}
	if _, err := r.PublishAll(r.t.Context(), out...); err != nil {
		r.t.Fatal(err)
	}
}

func TestConsumerEndsThoughItsJoinIsNotAnswered(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		if _, err := c.Faults().Add(broker.Fault{Key: "join", Delay: 50 * time.Second}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- r.Consume(ctx, r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil }))
		}()
		pause(t.Context(), 2*time.Second)
		cancel()
		asked := time.Now()
		if err := <-done; err != nil {
			t.Errorf("consume: %v", err)
		}
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("it took %v to end", took)
		}
	})
}
