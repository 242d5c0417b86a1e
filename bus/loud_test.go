package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// operator does with the cluster what an operator may do under running consumers.
type operator struct {
	t   *testing.T
	r   *stage
	adm *kadm.Client
}

func newOperator(t *testing.T, r *stage, c *brokertest.Cluster) operator {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.Dialer(r.dialer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return operator{t, r, kadm.NewClient(cl)}
}

func (o operator) check(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o operator) drop(topic event.Topic) {
	o.t.Helper()
	_, err := o.adm.DeleteTopic(o.t.Context(), string(topic))
	o.check(err)
}

func (o operator) create(topic event.Topic, partitions int32) {
	o.t.Helper()
	_, err := o.adm.CreateTopic(o.t.Context(), partitions, 1, nil, string(topic))
	o.check(err)
}

// committed is where the group stands in partition 0 of the topic by what the broker has; -1: nowhere.
func (o operator) committed(group string, topic event.Topic) int64 {
	o.t.Helper()
	all, err := o.adm.FetchOffsets(o.t.Context(), group)
	o.check(err)
	at, ok := all.Lookup(string(topic), 0)
	if !ok {
		return -1
	}
	return at.At
}

// fill writes n events of one key straight to partition 0, past every cache of the bus.
func (o operator) fill(c *brokertest.Cluster, topic event.Topic, from, n int) {
	o.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.Dialer(o.r.dialer), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	o.check(err)
	defer cl.Close()
	for i := range n {
		e := o.r.envelope("a", from+i)
		value, err := e.AppendJSON(nil)
		o.check(err)
		o.check(cl.ProduceSync(o.t.Context(), &kgo.Record{Topic: string(topic), Key: []byte("a"), Value: value}).FirstErr())
	}
}

// consuming runs a consumer and says how it ended.
func consuming(t *testing.T, r *stage, c bus.Consumer, h ...bus.Handler) (ended <-chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done, all := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(all)
		done <- r.Consume(ctx, c, h...)
	}()
	t.Cleanup(func() { stop(); <-all })
	return done
}

// within waits for the end of a consumer.
func within(t *testing.T, d time.Duration, ended <-chan error) error {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		t.Fatalf("the consumer goes on after %v", d)
		return nil
	}
}

func still(t *testing.T, what string, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		t.Fatalf("%s: the consumer ended: %v", what, err)
	default:
	}
}

func wantLoud(t *testing.T, err, is error, texts ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Fatalf("the consumer ended with %v, want %v", err, is)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the consumer ended with %q, which lacks %q", err, text)
		}
	}
}

func writeDown(d *diary) bus.HandlerFunc {
	return func(_ context.Context, e bus.Delivery) error {
		key, n := keyN(e)
		d.add("%s %s", key, n)
		return nil
	}
}

func TestDeletedTopicEndsItsConsumer(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		group := r.group("g")
		var d diary
		ended := consuming(t, r, group, bus.HandleType(r.topic, writeDown(&d)))
		r.notes(1, 5)
		pause(t.Context(), 5*time.Second)
		equal(t, "handled", d.of("k00"), numbers(5))
		newOperator(t, r, c).drop(r.topic)
		began := time.Now()
		wantLoud(t, within(t, time.Minute, ended), bus.ErrUnknownTopic, group.Group, string(r.topic), "deleted")
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}

func TestDeletedTopicEndsItsBroadcast(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		var d diary
		ended := consuming(t, r, bus.Consumer{Broadcast: true}, bus.HandleType(r.topic, writeDown(&d)))
		pause(t.Context(), time.Second)
		r.notes(1, 5)
		pause(t.Context(), 5*time.Second)
		equal(t, "handled", d.of("k00"), numbers(5))
		newOperator(t, r, c).drop(r.topic)
		wantLoud(t, within(t, time.Minute, ended), bus.ErrUnknownTopic, string(r.topic), "deleted")
	})
}

func TestTopicMadeAnewEndsItsConsumerAndIsNeverSettledByOldEvents(t *testing.T) {
	for _, more := range []int{0, 3, 50} { // fewer events than before, and more: the old position would then lie within the new log
		t.Run(strconv.Itoa(more), func(t *testing.T) {
			faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
				o := newOperator(t, r, c)
				group := r.group("g")
				var d diary
				release := make(chan struct{})
				ended := consuming(t, r, group, bus.HandleType(r.topic, func(ctx context.Context, e bus.Delivery) error {
					if _, n := keyN(e); n == "9" {
						<-release
					}
					return writeDown(&d)(ctx, e)
				}))
				r.notes(1, 20)
				pause(t.Context(), 5*time.Second)
				equal(t, "committed before", o.committed(group.Group, r.topic), 9)
				o.drop(r.topic)
				o.create(r.topic, 1)
				o.fill(c, r.topic, 100, more)
				close(release) // the rest of the old events settles now: none of it may count for the new topic
				err := within(t, time.Minute, ended)
				wantLoud(t, err, bus.ErrTruncated, group.Group, string(r.topic), "made anew")
				equal(t, "committed in the new topic", o.committed(group.Group, r.topic), -1)

				var again diary
				consuming(t, r, group, bus.HandleType(r.topic, writeDown(&again)))
				pause(t.Context(), 10*time.Second)
				equal(t, "read of the new topic", len(again.all()), more)
			})
		})
	}
}

func TestTopicMadeAnewEndsItsBroadcast(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		o := newOperator(t, r, c)
		var d diary
		ended := consuming(t, r, bus.Consumer{Broadcast: true}, bus.HandlePattern("omninode.fault.*", writeDown(&d)))
		pause(t.Context(), time.Second)
		r.notes(1, 5)
		pause(t.Context(), 5*time.Second)
		o.drop(r.topic)
		pause(t.Context(), time.Minute)
		still(t, "a topic of the pattern is gone", ended)
		if s := r.Degraded(); len(s) != 1 || !strings.Contains(s[0], string(r.topic)) || !strings.Contains(s[0], "gone") {
			t.Errorf("degraded %q, want one that names the topic", s)
		}
		o.create(r.topic, 1)
		wantLoud(t, within(t, time.Minute, ended), bus.ErrTruncated, string(r.topic), "made anew")
	})
}

func TestPatternOutlivesATopicAndReadsItsNewSelfFromTheBeginning(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		o := newOperator(t, r, c)
		o.create(r.other, 1)
		group := r.group("g")
		var d diary
		ended := consuming(t, r, group, bus.HandlePattern("omninode.fault.event.*", writeDown(&d)))
		r.notes(1, 5)
		pause(t.Context(), 30*time.Second)
		equal(t, "handled", d.of("k00"), numbers(5))
		o.drop(r.topic)
		pause(t.Context(), time.Minute)
		still(t, "a topic of the pattern is gone", ended)
		if s := r.Degraded(); len(s) != 1 || !strings.Contains(s[0], string(r.topic)) || !strings.Contains(s[0], "gone") {
			t.Errorf("degraded %q, want one that names the topic", s)
		}
		o.fill(c, r.other, 0, 1)
		pause(t.Context(), 5*time.Second)
		equal(t, "the other topic", d.of("a"), []string{"0"})

		o.create(r.topic, 1)
		o.fill(c, r.topic, 100, 3)
		pause(t.Context(), time.Minute)
		still(t, "the topic is there again", ended)
		equal(t, "its new self", d.of("a"), []string{"0", "100", "101", "102"})
		equal(t, "degraded after", r.Degraded(), nil)
	})
}

func TestPatternEndsWhenATopicInHandIsMadeAnew(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		o := newOperator(t, r, c)
		group := r.group("g")
		var d diary
		ended := consuming(t, r, group, bus.HandlePattern("omninode.fault.event.*", writeDown(&d)))
		r.notes(1, 5)
		pause(t.Context(), 30*time.Second)
		o.drop(r.topic)
		o.create(r.topic, 1)
		wantLoud(t, within(t, time.Minute, ended), bus.ErrTruncated, group.Group, string(r.topic), "made anew")
		equal(t, "committed in the new topic", o.committed(group.Group, r.topic), -1)
	})
}

func TestNewPartitionsAreReadFromTheirBeginning(t *testing.T) {
	for _, from := range []bus.Start{bus.Earliest, bus.Latest} {
		faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
			o := newOperator(t, r, c)
			group := r.group("g")
			group.From = from
			var d diary
			ended := consuming(t, r, group, bus.HandleType(r.topic, writeDown(&d)))
			pause(t.Context(), 5*time.Second)
			r.note("first", 0)
			pause(t.Context(), 5*time.Second)
			_, err := o.adm.CreatePartitions(t.Context(), 3, string(r.topic))
			o.check(err)
			// Events get into the new partitions before the consumer hears of them.
			cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.Dialer(r.dialer), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			o.check(err)
			defer cl.Close()
			for p := range int32(4) {
				e := r.envelope("new", int(p))
				value, err := e.AppendJSON(nil)
				o.check(err)
				o.check(cl.ProduceSync(t.Context(), &kgo.Record{Topic: string(r.topic), Partition: p, Key: []byte("new"), Value: value}).FirstErr())
			}
			pause(t.Context(), time.Minute)
			still(t, "the topic got more partitions", ended)
			equal(t, "first", d.of("first"), []string{"0"})
			got := map[string]int{}
			for _, n := range d.of("new") {
				got[n]++
			}
			equal(t, "events of all partitions", got, map[string]int{"0": 1, "1": 1, "2": 1, "3": 1})
			equal(t, "partitions", len(oneConsumer(t, r).Partitions), 4)
			synctest.Wait()
		})
	}
}

func TestTruncatedLogIsALoudStopThatSaysWhatIsGone(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		group := r.group("g")
		handler := bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil })
		stop := r.Go(group, handler)
		r.note("a", 0)
		r.Settle()
		stop()
		r.notes(1, 10)
		deleteBefore(t, r, c, 5)
		for range 2 { // it stays so: a restart does not turn it into a skip
			err := within(t, time.Minute, consuming(t, r, group, handler))
			wantLoud(t, err, bus.ErrTruncated, group.Group, fmt.Sprintf("%s[0]", r.topic), "offset 1", "begins at 5", "4 events",
				fmt.Sprintf("omnibus groups reset %s --to earliest --topic %s --partition 0", group.Group, r.topic))
		}
		o := newOperator(t, r, c)
		equal(t, "committed", o.committed(group.Group, r.topic), 1)
		var at kadm.Offsets
		at.AddOffset(string(r.topic), 0, 5, -1)
		o.check(o.adm.CommitAllOffsets(t.Context(), group.Group, at)) // what the message says to do
		var d diary
		ended := consuming(t, r, group, bus.HandleType(r.topic, writeDown(&d)))
		pause(t.Context(), 5*time.Second)
		still(t, "moved", ended)
		equal(t, "the rest", d.of("k00"), []string{"4", "5", "6", "7", "8", "9"})
	})
}

func TestRefusedCommitIsNotTakenForDone(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		group := r.group("g")
		o := newOperator(t, r, c)
		f := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: string(r.topic), Err: kerr.GroupAuthorizationFailed, Count: -1})
		r.Go(group, bus.HandleType(r.topic, func(context.Context, bus.Delivery) error { return nil }))
		r.note("a", 0)
		pause(t.Context(), 5*time.Second)
		f.Remove()
		pause(t.Context(), 5*time.Second) // nothing happens meanwhile: what was refused is tried again all the same
		equal(t, "committed", o.committed(group.Group, r.topic), 1)
	})
}

func TestPublishGoesOnAfterItsTopicWasMadeAnew(t *testing.T) {
	faulty(t, nil, func(t *testing.T, r *stage, c *brokertest.Cluster) {
		o := newOperator(t, r, c)
		r.notes(1, 5)
		o.drop(r.topic)
		o.create(r.topic, 1)
		var failed int
		for n := range 20 { // the first ones may find out; nobody needs to start again for the others
			if err := publishOne(t.Context(), r, n); err != nil {
				failed++
			}
			pause(t.Context(), time.Second)
		}
		if end := r.end(r.topic); failed > 5 || end < int64(20-failed) {
			t.Errorf("%d of 20 events failed, %d are in the new topic", failed, end)
		}
	})
}
