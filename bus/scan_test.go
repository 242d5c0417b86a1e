package bus_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// logRig is a bus on an embedded broker, and clients that are not ours beside it.
type logRig struct {
	*bus.Bus
	tb      testing.TB
	broker  *brokertest.Cluster
	network *broker.Network
	raw     *kgo.Client // writes to the partition that a record names
	admin   *kadm.Client
}

func newLogRig(tb testing.TB, specs ...event.Spec) *logRig {
	tb.Helper()
	network := new(broker.Network)
	br := brokertest.Start(tb, broker.Config{Addr: "127.0.0.1:9092", Network: network})
	catalog, err := event.NewCatalog(specs...)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := bus.Open(tb.Context(), bus.Config{Brokers: br.Addrs(), Service: "test", Catalog: catalog, Dial: network.Dial})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	r := &logRig{Bus: b, tb: tb, broker: br, network: network}
	r.raw = r.client()
	r.admin = kadm.NewClient(r.raw)
	return r
}

func (r *logRig) client(opts ...kgo.Opt) *kgo.Client {
	r.tb.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(r.broker.Addrs()...), kgo.Dialer(r.network.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(c.Close)
	return c
}

func (r *logRig) create(partitions int32, configs map[string]*string, topics ...string) {
	r.tb.Helper()
	made, err := r.admin.CreateTopics(r.tb.Context(), partitions, 1, configs, topics...)
	if err := errors.Join(err, made.Error()); err != nil {
		r.tb.Fatal(err)
	}
}

// write writes values, one batch each.
func (r *logRig) write(topic string, partition int32, values ...string) {
	r.tb.Helper()
	for _, v := range values {
		r.writeAt(topic, partition, time.Now(), v)
	}
}

func (r *logRig) writeAt(topic string, partition int32, at time.Time, value string) {
	r.tb.Helper()
	rec := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value), Timestamp: at}
	if err := r.raw.ProduceSync(r.tb.Context(), rec).FirstErr(); err != nil {
		r.tb.Fatal(err)
	}
}

// transact writes values in a transaction that ends as told.
func (r *logRig) transact(topic string, partition int32, end kgo.TransactionEndTry, values ...string) {
	r.tb.Helper()
	c := r.begin(topic, partition, values...)
	if err := c.EndTransaction(r.tb.Context(), end); err != nil {
		r.tb.Fatal(err)
	}
}

// begin leaves its transaction open.
func (r *logRig) begin(topic string, partition int32, values ...string) *kgo.Client {
	r.tb.Helper()
	c := r.client(kgo.TransactionalID(fmt.Sprintf("%s-%d-%s", topic, partition, strings.Join(values, "-"))))
	if err := c.BeginTransaction(); err != nil {
		r.tb.Fatal(err)
	}
	for _, v := range values {
		if err := c.ProduceSync(r.tb.Context(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}).FirstErr(); err != nil {
			r.tb.Fatal(err)
		}
	}
	return c
}

// values reads a scan to its end, which has to come soon.
func values(tb testing.TB, b *bus.Bus, r bus.Range) []string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	got, err := collect(b.Scan(ctx, r))
	if err != nil {
		tb.Fatalf("scan: %v, after %q", err, got)
	}
	return got
}

func collect(records iter.Seq2[bus.Record, error]) ([]string, error) {
	var got []string
	for rec, err := range records {
		if err != nil {
			return got, err
		}
		got = append(got, string(rec.Value))
	}
	return got, nil
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestScanEndsWhateverLiesAtTheTail(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(r *logRig)
		want []string
	}{
		{name: "nothing at all", make: func(*logRig) {}},
		{name: "records", make: func(r *logRig) { r.write("t", 0, "a", "b") }, want: []string{"a", "b"}},
		{name: "a committed transaction's marker", make: func(r *logRig) {
			r.write("t", 0, "a")
			r.transact("t", 0, kgo.TryCommit, "b", "c")
		}, want: []string{"a", "b", "c"}},
		{name: "an aborted transaction", make: func(r *logRig) {
			r.write("t", 0, "a")
			r.transact("t", 0, kgo.TryAbort, "b", "c")
		}, want: []string{"a"}},
		{name: "nothing but aborted transactions", make: func(r *logRig) {
			r.transact("t", 0, kgo.TryAbort, "a")
			r.transact("t", 0, kgo.TryAbort, "b")
		}},
		{name: "an open transaction", make: func(r *logRig) {
			r.write("t", 0, "a")
			r.begin("t", 0, "b")
		}, want: []string{"a"}},
		{name: "everything was removed", make: func(r *logRig) {
			r.write("t", 0, "a", "b")
			deleted, err := r.admin.DeleteRecords(r.tb.Context(), kadm.Offsets{"t": {0: kadm.Offset{Topic: "t", At: 2}}})
			if err := errors.Join(err, deleted.Error()); err != nil {
				r.tb.Fatal(err)
			}
		}},
		{name: "compaction removed the last records", make: func(r *logRig) {
			r.write("t", 0, "a", "b", "c", "d")
			r.hole("t", 2)
		}, want: []string{"a", "b"}},
		{name: "compaction removed everything", make: func(r *logRig) {
			r.write("t", 0, "a", "b", "c", "d")
			r.hole("t", 0)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newLogRig(t)
				r.create(1, nil, "t")
				tt.make(r)
				for _, rg := range []bus.Range{{Topics: []event.Glob{"t"}}, {Topics: []event.Glob{"*"}, Last: 10}} {
					if diff := cmp.Diff(tt.want, values(t, r.Bus, rg)); diff != "" {
						t.Errorf("%+v (-want +got):\n%s", rg, diff)
					}
				}
			})
		})
	}
}

// hole makes the broker behave as one whose compaction removed what lies in topic at from and above: a fetch from there finds
// nothing, though the end of the log is further on; a fetch from below finds only what is below.
func (r *logRig) hole(topic string, from int64) {
	plain := r.client()
	meta, err := r.admin.Metadata(r.tb.Context(), topic)
	if err != nil {
		r.tb.Fatal(err)
	}
	id := meta.Topics[topic].ID
	ends, err := r.admin.ListEndOffsets(r.tb.Context(), topic)
	if err != nil {
		r.tb.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	batches := map[int64][]byte{}
	for at := range from { // one batch each, see write
		req := kmsg.NewPtrFetchRequest()
		req.ReplicaID, req.SessionEpoch, req.MaxBytes = -1, -1, 1
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic, rt.TopicID = topic, id
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.FetchOffset, rp.PartitionMaxBytes = at, 1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(r.tb.Context(), plain.Broker(0))
		if err != nil {
			r.tb.Fatal(err)
		}
		batches[at] = resp.Topics[0].Partitions[0].RecordBatches
	}
	r.broker.Control(kmsg.Fetch, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req := kreq.(*kmsg.FetchRequest)
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.HighWatermark, rp.LastStableOffset, rp.LogStartOffset = p.Partition, end.Offset, end.Offset, 0
				rp.RecordBatches = batches[p.FetchOffset]
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
}

func TestScanLastReturnsTheNewestAcrossPartitions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(3, nil, "t")
		base := time.Now()
		for i := range 9 { // 0 is the oldest; partition 2 gets nothing after 2
			p := int32(i % 3)
			if i > 2 {
				p = int32(i % 2)
			}
			r.writeAt("t", p, base.Add(time.Duration(i)*time.Second), strconv.Itoa(i))
		}
		for range 7 { // more offsets without a record than are asked for, in one partition
			r.transact("t", 0, kgo.TryAbort, "x")
		}
		for n, want := range map[int][]string{
			1:   {"8"},
			5:   {"4", "5", "6", "7", "8"},
			8:   {"1", "2", "3", "4", "5", "6", "7", "8"},
			9:   {"0", "1", "2", "3", "4", "5", "6", "7", "8"},
			100: {"0", "1", "2", "3", "4", "5", "6", "7", "8"},
		} {
			if diff := cmp.Diff(want, values(t, r.Bus, bus.Range{Topics: []event.Glob{"t"}, Last: n})); diff != "" {
				t.Errorf("last %d (-want +got):\n%s", n, diff)
			}
		}
		if diff := cmp.Diff([]string{"3", "5"}, values(t, r.Bus, bus.Range{Topics: []event.Glob{"t"}, Last: 2, Partitions: []int32{1}, To: bus.FromEnd(1)})); diff != "" {
			t.Errorf("last 2 before the end (-want +got):\n%s", diff)
		}
	})
}

func TestScanLastLooksBehindHoles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(2, nil, "t")
		base := time.Now()
		r.writeAt("t", 1, base, "old")
		r.writeAt("t", 1, base.Add(time.Second), "older than a and b")
		r.writeAt("t", 0, base.Add(2*time.Second), "a")
		for range 6 {
			r.transact("t", 0, kgo.TryAbort, "x")
		}
		r.writeAt("t", 0, base.Add(3*time.Second), "b")
		if diff := cmp.Diff([]string{"a", "b"}, values(t, r.Bus, bus.Range{Topics: []event.Glob{"t"}, Last: 2})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestScanBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t")
		base := time.Now().Truncate(time.Second)
		for i := range 10 {
			r.writeAt("t", 0, base.Add(time.Duration(i)*time.Minute), strconv.Itoa(i))
		}
		deleted, err := r.admin.DeleteRecords(t.Context(), kadm.Offsets{"t": {0: kadm.Offset{Topic: "t", At: 2}}})
		if err := errors.Join(err, deleted.Error()); err != nil {
			t.Fatal(err)
		}
		minute := func(n int) bus.Bound { return bus.AtTime(base.Add(time.Duration(n) * time.Minute)) }
		var zero bus.Bound
		for _, tt := range []struct {
			name     string
			from, to bus.Bound
			want     string
		}{
			{"all", zero, zero, "23456789"},
			{"from offset", bus.AtOffset(4), zero, "456789"},
			{"to offset", zero, bus.AtOffset(4), "23"},
			{"offsets", bus.AtOffset(4), bus.AtOffset(6), "45"},
			{"after the start", bus.FromStart(3), zero, "56789"},
			{"before the end", bus.FromEnd(3), zero, "789"},
			{"further before the end than there is", bus.FromEnd(100), zero, "23456789"},
			{"latest", bus.FromEnd(0), zero, ""},
			{"up to before the end", zero, bus.FromEnd(2), "234567"},
			{"from time", minute(7), zero, "789"},
			{"between times", minute(4), minute(7), "456"},
			{"time before everything", minute(-5), minute(3), "2"},
			{"time after everything", minute(50), zero, ""},
			{"up to after everything", minute(8), minute(50), "89"},
			{"beyond the end", bus.AtOffset(50), zero, ""},
			{"backwards", bus.AtOffset(7), bus.AtOffset(4), ""},
			{"in the midst of the future", bus.AtOffset(8), bus.AtOffset(50), "89"},
		} {
			got := strings.Join(values(t, r.Bus, bus.Range{Topics: []event.Glob{"t"}, From: tt.from, To: tt.to}), "")
			if got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		}
		_, err = collect(r.Scan(t.Context(), bus.Range{Topics: []event.Glob{"t"}, From: bus.AtOffset(1)}))
		if !errors.Is(err, bus.ErrTruncated) {
			t.Errorf("from an offset that is gone: %v, want ErrTruncated", err)
		}
	})
}

func TestScanStartsEachPartitionWhereItIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(3, nil, "t")
		base := time.Now()
		for i := range 9 {
			r.writeAt("t", int32(i%3), base.Add(time.Duration(i)*time.Second), strconv.Itoa(i))
		}
		r.transact("t", 2, kgo.TryCommit, "9") // its marker is an offset too
		rg := bus.Range{Topics: []event.Glob{"t"}, Starts: map[int32]int64{0: 1, 2: 2}, From: bus.AtOffset(100)}
		if diff := cmp.Diff([]string{"3", "6", "8", "9"}, values(t, r.Bus, rg)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		spans, err := r.Spans(t.Context(), rg)
		if diff := cmp.Diff([]bus.Span{{"t", 0, 1, 3}, {"t", 2, 2, 5}}, spans); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		spans, err = r.Spans(t.Context(), bus.Range{Topics: []event.Glob{"t*"}, From: bus.FromEnd(1), To: bus.AtOffset(2)})
		if diff := cmp.Diff([]bus.Span{{"t", 0, 2, 2}, {"t", 1, 2, 2}, {"t", 2, 4, 4}}, spans); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if _, err := r.Spans(t.Context(), bus.Range{Topics: []event.Glob{"t"}, Starts: map[int32]int64{7: 0}}); err == nil {
			t.Error("no such partition: no error")
		}
	})
}

func TestScanMergesPartitionsByTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(2, nil, "a", "b", "c.dlq", "_d")
		base := time.Now()
		var want []string
		for i := range 40 {
			v := strconv.Itoa(i)
			r.writeAt([]string{"a", "b"}[i/3%2], int32(i%2), base.Add(time.Duration(i)*time.Second), v)
			want = append(want, v)
		}
		r.write("c.dlq", 0, "dead")
		r.write("_d", 0, "internal")
		if diff := cmp.Diff(want, values(t, r.Bus, bus.Range{Topics: []event.Glob{"*"}})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want[:7], values(t, r.Bus, bus.Range{Topics: []event.Glob{"a", "b", "a*"}, To: bus.AtTime(base.Add(7 * time.Second))})); diff != "" {
			t.Errorf("up to a time (-want +got):\n%s", diff)
		}
	})
}

func TestScanRefusesWhatIsNotThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t")
		_, err := collect(r.Scan(t.Context(), bus.Range{Topics: []event.Glob{"t", "nope"}}))
		var at *bus.Error
		if !errors.Is(err, bus.ErrUnknownTopic) || !errors.As(err, &at) || at.Topic != "nope" {
			t.Errorf("unknown topic: %v", err)
		}
		if _, err := collect(r.Scan(t.Context(), bus.Range{Topics: []event.Glob{"t"}, Partitions: []int32{0, 7}})); !errors.As(err, &at) || at.Partition != 7 {
			t.Errorf("unknown partition: %v", err)
		}
		if _, err := collect(r.Scan(t.Context(), bus.Range{})); err == nil {
			t.Error("no topics: no error")
		}
		if got := values(t, r.Bus, bus.Range{Topics: []event.Glob{"nope*"}}); got != nil {
			t.Errorf("a pattern that matches nothing: %q", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := collect(r.Scan(ctx, bus.Range{Topics: []event.Glob{"t"}})); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestScanReportsALogThatShrank(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t")
		r.write("t", 0, "a", "b", "c")
		r.broker.Control(kmsg.Fetch, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
			req := kreq.(*kmsg.FetchRequest)
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			for _, t := range req.Topics {
				rt := kmsg.NewFetchResponseTopic()
				rt.Topic, rt.TopicID = t.Topic, t.TopicID
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.HighWatermark, rp.LastStableOffset = 1, 1
				rt.Partitions = append(rt.Partitions, rp)
				resp.Topics = append(resp.Topics, rt)
			}
			return resp, nil, true
		})
		begun := time.Now()
		_, err := collect(r.Scan(t.Context(), bus.Range{Topics: []event.Glob{"t"}}))
		if !errors.Is(err, bus.ErrTruncated) {
			t.Errorf("got %v, want ErrTruncated", err)
		}
		if took := time.Since(begun); took < 10*time.Second || took > time.Minute {
			t.Errorf("took %v: a new leader that lags needs time, a shrunk log an end", took)
		}
	})
}

func TestScanGivesUpOnABrokerThatRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t")
		r.write("t", 0, "a")
		r.broker.Control(kmsg.Fetch, func(kmsg.Request) (kmsg.Response, error, bool) {
			return nil, errors.New("cut the connection"), true
		})
		_, err := collect(r.Scan(t.Context(), bus.Range{Topics: []event.Glob{"t"}}))
		if !errors.Is(err, bus.ErrUnreachable) {
			t.Errorf("got %v, want ErrUnreachable", err)
		}
	})
}

func TestScanStopsWithItsReader(t *testing.T) {
	bubble(t, func(t *testing.T) { // a goroutine left behind fails the bubble
		r := newLogRig(t)
		r.create(1, nil, "t")
		r.write("t", 0, "a", "b", "c")
		for _, rg := range []bus.Range{{Topics: []event.Glob{"t"}}, {Topics: []event.Glob{"t"}, Last: 3}, {Topics: []event.Glob{"t"}, Follow: true}} {
			n := 0
			for _, err := range r.Scan(t.Context(), rg) {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n == 2 {
					break
				}
			}
			if n != 2 {
				t.Errorf("%+v: %d records, want 2", rg, n)
			}
		}
	})
}

func TestFollowGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t1")
		r.write("t1", 0, "old", "a")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		got := make(chan string)
		done := make(chan error)
		go func() {
			for rec, err := range r.Scan(ctx, bus.Range{Topics: []event.Glob{"t*"}, Last: 1, Follow: true}) {
				if err != nil {
					done <- err
					return
				}
				got <- string(rec.Value)
			}
			done <- nil
		}()
		expect := func(want string) {
			t.Helper()
			select {
			case v := <-got:
				if v != want {
					t.Fatalf("got %q, want %q", v, want)
				}
			case err := <-done:
				t.Fatalf("ended with %v, want %q", err, want)
			case <-time.After(time.Minute):
				t.Fatalf("nothing came, want %q", want)
			}
		}
		expect("a")
		r.write("t1", 0, "b")
		expect("b")

		r.create(2, nil, "t2") // appears later: from its beginning
		r.write("t2", 1, "c")
		expect("c")

		if _, err := r.admin.DeleteTopics(t.Context(), "t1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) //nolint:forbidigo // inside a bubble: the reader notices
		r.create(1, nil, "t1")
		r.raw = r.client() // one that does not remember the topic that was
		r.write("t1", 0, "d")
		expect("d")
		r.write("t2", 0, "e")
		expect("e")

		cancel()
		if err := <-done; err != nil {
			t.Errorf("ended with %v, want nil", err)
		}
	})
}

func TestScanEndsWithTheBus(t *testing.T) {
	for name, rg := range map[string]bus.Range{"follow": {Topics: []event.Glob{"t"}, Follow: true}, "finite": {Topics: []event.Glob{"t"}}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newLogRig(t)
				r.create(1, nil, "t")
				r.write("t", 0, "a")
				r.broker.Control(kmsg.Fetch, func(kmsg.Request) (kmsg.Response, error, bool) {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
					return nil, errors.New("cut the connection"), true
				})
				if _, err := collect(r.Scan(t.Context(), rg)); !errors.Is(err, bus.ErrClosed) {
					t.Errorf("got %v, want ErrClosed", err)
				}
				if _, err := collect(r.Scan(t.Context(), rg)); !errors.Is(err, bus.ErrClosed) {
					t.Errorf("afterwards: got %v, want ErrClosed", err)
				}
			})
		})
	}
}

func TestFollowWaitsForABrokerThatIsAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "t")
		r.write("t", 0, "a")
		var away atomic.Bool
		r.broker.Control(kmsg.Fetch, func(kmsg.Request) (kmsg.Response, error, bool) {
			return nil, errors.New("cut the connection"), away.Load()
		})
		back := time.AfterFunc(10*time.Minute, func() { away.Store(false) })
		defer back.Stop()
		var got []string
		for rec, err := range r.Scan(t.Context(), bus.Range{Topics: []event.Glob{"t"}, Follow: true}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(rec.Value))
			if len(got) == 2 {
				break
			}
			away.Store(true)
			r.write("t", 0, "b")
		}
		if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestScanOverThreeBrokersWhileLeadersMove(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(6, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	catalog, err := event.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	b, err := bus.Open(t.Context(), bus.Config{Brokers: c.ListenAddrs(), Service: "test", Catalog: catalog})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // nothing was published
	raw, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(raw.Close)
	base := time.Now()
	var want []string
	var recs []*kgo.Record
	for i := range 600 {
		want = append(want, strconv.Itoa(i))
		recs = append(recs, &kgo.Record{Topic: "t", Partition: int32(i % 6), Value: []byte(want[i]), Timestamp: base.Add(time.Duration(i) * time.Millisecond)})
	}
	if err := raw.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	move := func(p, to int32) {
		if err := c.MoveTopicPartition("t", p, to); err != nil {
			t.Error(err)
		}
	}
	fetches := 0
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if fetches++; fetches == 2 {
			go func() {
				for p := range int32(6) {
					move(p, (p+1)%3)
				}
			}()
		}
		return nil, nil, false
	})
	got, err := collect(b.Scan(t.Context(), bus.Range{Topics: []event.Glob{"t"}}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
