package bus_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

const ledTopic event.Topic = "_omnibus.led"

// realm is a topic and those who would write it. Whoever leads adds a record twice a second.
type realm struct {
	*stage
	mu     sync.Mutex
	log    []string // what was acknowledged, in that order
	reigns map[string]int
	wg     sync.WaitGroup
	stop   context.CancelFunc
	ctx    context.Context //nolint:containedctx // of the test
}

// led runs a scenario in which some processes would write one topic.
func led(t *testing.T, change func(*bus.Config), candidates []string, run func(t *testing.T, r *realm, c *brokertest.Cluster)) {
	t.Helper()
	faulty(t, change, func(t *testing.T, s *stage, c *brokertest.Cluster) {
		r := &realm{stage: s, reigns: map[string]int{}}
		r.ctx, r.stop = context.WithCancel(t.Context())
		if err := r.EnsureState(t.Context(), ledTopic); err != nil {
			t.Fatal(err)
		}
		for i, name := range candidates {
			b := r.Bus
			if i > 0 {
				b = r.again().Bus
			}
			r.wg.Go(func() { r.stand(b, name) })
		}
		pause(t.Context(), 20*time.Second)
		r.oneWrites("at the start")
		run(t, r, c)
		r.stop()
		r.wg.Wait()
		r.inOrder()
	})
}

func (r *realm) leadership(name string) bus.Leadership {
	return bus.Leadership{Group: "led", Topic: ledTopic, Name: name}
}

func (r *realm) stand(b *bus.Bus, name string) {
	err := b.Lead(r.ctx, r.leadership(name), func(ctx context.Context, w *bus.Writer) error {
		r.mu.Lock()
		r.reigns[name]++
		n := r.reigns[name]
		r.mu.Unlock()
		for i := 0; ctx.Err() == nil; i++ {
			text := name + " " + strconv.Itoa(n) + " " + strconv.Itoa(i)
			r.mu.Lock() // nothing comes between the acknowledgement and its place in the list
			_, err := w.Write(bus.Record{Key: []byte("k"), Value: []byte(text)})
			if err == nil {
				r.log = append(r.log, text)
			}
			r.mu.Unlock()
			if err != nil {
				return err
			}
			pause(ctx, time.Second/2)
		}
		return nil
	})
	if err != nil {
		r.t.Errorf("%s: %v", name, err)
	}
}

// oneWrites wants that exactly one candidate adds records now.
func (r *realm) oneWrites(when string) (who string) {
	r.t.Helper()
	r.mu.Lock()
	before := len(r.log)
	r.mu.Unlock()
	pause(r.t.Context(), 10*time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	writers := map[string]int{}
	for _, text := range r.log[before:] {
		name, _, _ := strings.Cut(text, " ")
		writers[name]++
		who = name
	}
	if len(writers) != 1 {
		r.t.Fatalf("%s: records of 10 s by writer: %v, want one writer", when, writers)
	}
	return who
}

// inOrder wants all that was acknowledged in the log, in its order. What was not may be there too.
func (r *realm) inOrder() {
	r.t.Helper()
	var there []string
	for rec, err := range r.Scan(r.t.Context(), bus.Range{Topics: []event.Glob{event.Glob(ledTopic)}}) {
		if err != nil {
			r.t.Fatal(err)
		}
		there = append(there, string(rec.Value))
	}
	at := -1
	for _, text := range r.log {
		next := slices.Index(there, text)
		if next <= at {
			r.t.Fatalf("%q was acknowledged, and is at %d of the log, behind %d", text, next, at)
		}
		at = next
	}
}

func TestLeaderStaysOneWhereTheGroupChangesAndItsSeatDoesNot(t *testing.T) {
	led(t, nil, []string{"one"}, func(t *testing.T, r *realm, c *brokertest.Cluster) {
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress, Count: 1})
		pause(t.Context(), 15*time.Second) // much less than it takes to stand anew
		equal(t, "changes", f.Hits(), 1)
		r.oneWrites("after a change of the group")
		equal(t, "reigns", r.reigns["one"], 1)
	})
}

// Whatever the group did: who hears for long that nobody leads does not wait for ever. Who leads is not disturbed.
func TestWhoWouldLeadStandsAnewWhereNobodyDoes(t *testing.T) {
	log := new(logged)
	led(t, func(c *bus.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) }, []string{"one", "two"}, func(t *testing.T, r *realm, c *brokertest.Cluster) {
		c.Control(kmsg.DescribeGroups, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
			resp := kreq.ResponseKind().(*kmsg.DescribeGroupsResponse) //nolint:forcetypeassert // by its key
			g := kmsg.NewDescribeGroupsResponseGroup()
			g.Group, g.State = "led", "Empty"
			resp.Groups = append(resp.Groups, g)
			return resp, nil, true
		})
		pause(t.Context(), time.Minute)
		if log.with("standing anew") == 0 {
			t.Error("nobody stood anew")
		}
		who := r.oneWrites("while nobody seems to lead")
		equal(t, "reigns of "+who, r.reigns[who], 1)
	})
}

// Who leaves waits for nobody: not for a group that is being chosen anew, and not for a coordinator that says nothing.
func TestLeaderThatEndsDoesNotWaitForTheGroup(t *testing.T) {
	led(t, nil, []string{"one"}, func(t *testing.T, r *realm, c *brokertest.Cluster) {
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, Count: 1})
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		pause(t.Context(), 4*time.Second)
		began := time.Now()
		r.stop()
		r.wg.Wait()
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("it took %v to leave", took)
		}
	})
}

// Many reigns begin, and the first record of each is as good as any other.
func TestLeaderThatLosesItsSeatAgainAndAgainKeepsWhatItWrote(t *testing.T) {
	led(t, nil, []string{"one", "two"}, func(t *testing.T, r *realm, c *brokertest.Cluster) {
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration, Count: -1})
		pause(t.Context(), 45*time.Second)
		f.Remove()
		pause(t.Context(), 45*time.Second)
		r.oneWrites("after the trouble")
	})
}
