package broker_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
)

// faulty runs a test in a bubble with a broker that has two topics, and an impatient client that does not try again.
func faulty(t *testing.T, run func(t *testing.T, b *broker.Broker, impatient *kgo.Client, client func(...kgo.Opt) *kgo.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var n broker.Network
		b := start(t, broker.Config{Network: &n})
		dial := func(opts ...kgo.Opt) *kgo.Client { return client(t, b, append(opts, kgo.Dialer(n.Dial))...) }
		cl := dial(kgo.RecordRetries(0), kgo.DisableIdempotentWrite(), kgo.RequestRetries(0))
		createTopic(t, cl, "app.a", 1)
		createTopic(t, cl, "app.b", 1)
		run(t, b, cl, dial)
	})
}

func add(t *testing.T, b *broker.Broker, f broker.Fault) broker.Fault {
	t.Helper()
	added, err := b.Faults().Add(f)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func send(t *testing.T, cl *kgo.Client, topic, value string) error {
	t.Helper()
	return cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr()
}

func TestFaultAnswersAsOftenAsAsked(t *testing.T) {
	faulty(t, func(t *testing.T, b *broker.Broker, cl *kgo.Client, _ func(...kgo.Opt) *kgo.Client) {
		f := add(t, b, broker.Fault{Key: "produce", Error: "NOT_LEADER_OR_FOLLOWER", Count: 2})
		var got []error
		for range 3 {
			err := send(t, cl, "app.a", "x")
			if err != nil && !errors.Is(err, kerr.NotLeaderForPartition) {
				t.Errorf("produce: %v", err)
			}
			got = append(got, err)
			f.Hits++
			want := []broker.Fault{f}
			if f.Hits >= 2 {
				want = []broker.Fault{}
			}
			if diff := cmp.Diff(want, b.Faults().List()); diff != "" {
				t.Errorf("faults after request %d (-want +got):\n%s", len(got), diff)
			}
		}
		if got[0] == nil || got[1] == nil || got[2] != nil {
			t.Errorf("three requests ended with %v", got)
		}
		if records := read(t, cl, "app.a"); len(records) != 1 {
			t.Errorf("%d records, want the one that was not refused", len(records))
		}
	})
}

func TestFaultOfATopicSparesTheOthers(t *testing.T) {
	faulty(t, func(t *testing.T, b *broker.Broker, cl *kgo.Client, _ func(...kgo.Opt) *kgo.Client) {
		createTopic(t, cl, "app.a.dlq", 1)
		for _, test := range []struct{ glob, fails string }{{"app.a", "app.a"}, {"*.b", "app.b"}, {"app.*", "app.a app.b"}, {"*.dlq", "app.a.dlq"}, {"", "app.a app.b app.a.dlq"}} {
			f := add(t, b, broker.Fault{Key: "produce", Topic: test.glob, Error: "KAFKA_STORAGE_ERROR"})
			var failed []string
			for _, topic := range []string{"app.a", "app.b", "app.a.dlq"} {
				if err := send(t, cl, topic, "x"); err != nil {
					failed = append(failed, topic)
				}
			}
			if got := strings.Join(failed, " "); got != test.fails {
				t.Errorf("fault of %q: %s failed, want %s", test.glob, got, test.fails)
			}
			if cleared := b.Faults().Clear(f.ID); len(cleared) != 1 || cleared[0].Hits != len(failed) {
				t.Errorf("fault of %q: cleared %+v, want one with %d hits", test.glob, cleared, len(failed))
			}
		}
	})
}

func TestLostAcknowledgementIsARecordThatIsThere(t *testing.T) {
	faulty(t, func(t *testing.T, b *broker.Broker, cl *kgo.Client, client func(...kgo.Opt) *kgo.Client) {
		if err := send(t, cl, "app.a", "0"); err != nil {
			t.Fatal(err)
		}
		add(t, b, broker.Fault{Key: "produce", Topic: "app.a", Error: broker.FaultDrop, Count: 1})
		if err := send(t, cl, "app.b", "of another topic"); err != nil {
			t.Errorf("produce to another topic: %v", err)
		}
		err := send(t, cl, "app.a", "1")
		if _, answered := errors.AsType[*kerr.Error](err); err == nil || answered {
			t.Errorf("produce whose answer is lost: %v, want no answer", err)
		}
		if diff := cmp.Diff([]string{"0", "1"}, read(t, cl, "app.a")); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		// A producer that tries again is recognised.
		add(t, b, broker.Fault{Key: "produce", Error: broker.FaultDrop, Count: 3})
		produce(t, client(), "app.a", "2")
		if diff := cmp.Diff([]string{"0", "1", "2"}, read(t, cl, "app.a")); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if left := b.Faults().List(); len(left) > 0 {
			t.Errorf("faults that are left: %+v", left)
		}
	})
}

func TestLostAnswerToACommitIsACommit(t *testing.T) {
	faulty(t, func(t *testing.T, b *broker.Broker, cl *kgo.Client, _ func(...kgo.Opt) *kgo.Client) {
		commit(t, cl, "g", "app.a", 1)
		add(t, b, broker.Fault{Key: "commit", Topic: "app.a", Error: broker.FaultDrop, Count: 1})
		var o kadm.Offsets
		o.AddOffset("app.a", 0, 2, -1)
		if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), "g", o); err == nil {
			t.Error("a commit whose answer is lost succeeded")
		}
		if got := committed(t, cl, "g", "app.a"); got != 2 {
			t.Errorf("committed %d, want 2", got)
		}
	})
}

func TestFaultDelays(t *testing.T) {
	faulty(t, func(t *testing.T, b *broker.Broker, cl *kgo.Client, _ func(...kgo.Opt) *kgo.Client) {
		took := func(topic string) time.Duration {
			began := time.Now()
			if err := send(t, cl, topic, "x"); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		add(t, b, broker.Fault{Key: "produce", Topic: "app.a", Delay: 3 * time.Second, Count: 1})
		if d := took("app.b"); d > time.Second {
			t.Errorf("another topic waits %v", d)
		}
		if d := took("app.a"); d < 3*time.Second || d > 4*time.Second {
			t.Errorf("a delay of 3 s takes %v", d)
		}
		if d := took("app.a"); d > time.Second {
			t.Errorf("the request after it waits %v", d)
		}
	})
}

func TestFaultOfAFetchMeetsAConsumerThatReadsAlready(t *testing.T) {
	faulty(t, func(t *testing.T, b *broker.Broker, cl *kgo.Client, dial func(...kgo.Opt) *kgo.Client) {
		reader := dial(kgo.ConsumeTopics("app.a", "app.b"), kgo.KeepRetryableFetchErrors())
		poll := func() (values, failed []string) {
			for len(values)+len(failed) == 0 {
				fs := reader.PollFetches(t.Context())
				fs.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
				fs.EachError(func(topic string, _ int32, err error) { failed = append(failed, topic+" "+errName(err)) })
			}
			return values, failed
		}
		produce(t, cl, "app.a", "1")
		if values, failed := poll(); len(values) != 1 || len(failed) > 0 {
			t.Fatalf("read %q, failed %q", values, failed)
		}
		add(t, b, broker.Fault{Key: "fetch", Topic: "*.a", Error: "KAFKA_STORAGE_ERROR", Count: 1})
		if _, failed := poll(); len(failed) != 1 || failed[0] != "app.a KAFKA_STORAGE_ERROR" {
			t.Errorf("failed %q, want app.a with KAFKA_STORAGE_ERROR", failed)
		}
		produce(t, cl, "app.a", "2")
		if values, failed := poll(); len(values) != 1 || values[0] != "2" {
			t.Errorf("after the fault: read %q, failed %q", values, failed)
		}
	})
}

func errName(err error) string {
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return e.Message
	}
	return err.Error()
}

func TestEveryFaultKeyFails(t *testing.T) {
	faulty(t, func(t *testing.T, b *broker.Broker, cl *kgo.Client, _ func(...kgo.Opt) *kgo.Client) {
		if err := send(t, cl, "app.a", "x"); err != nil { // the client knows its brokers from here on
			t.Fatal(err)
		}
		group := "g"
		for key, req := range map[string]kmsg.Request{
			"produce": kmsg.NewPtrProduceRequest(), "fetch": kmsg.NewPtrFetchRequest(), "commit": kmsg.NewPtrOffsetCommitRequest(),
			"committed": kmsg.NewPtrOffsetFetchRequest(), "offsets": kmsg.NewPtrListOffsetsRequest(), "metadata": kmsg.NewPtrMetadataRequest(),
			"create": kmsg.NewPtrCreateTopicsRequest(), "init": kmsg.NewPtrInitProducerIDRequest(), "coordinator": &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{group}},
			"join": kmsg.NewPtrJoinGroupRequest(), "heartbeat": &kmsg.HeartbeatRequest{Group: group},
		} {
			f := add(t, b, broker.Fault{Key: key, Delay: time.Minute})
			began := time.Now()
			_, err := cl.Broker(0).Request(t.Context(), req)
			for err != nil && kgo.IsRetryableBrokerErr(err) && time.Since(began) < time.Second { // the connection had rested too long
				_, err = cl.Broker(0).Request(t.Context(), req)
			}
			if took := time.Since(began); err != nil && took < time.Second {
				t.Errorf("%s: %v after %v", key, err, took)
			}
			if ended := b.Faults().Clear(f.ID); len(ended) != 1 || ended[0].Hits == 0 {
				t.Errorf("%s: no request met the fault: %+v", key, ended)
			}
		}
		if keys := len(broker.FaultKeys()); keys != 11 {
			t.Errorf("%d keys, 11 of them are tested", keys)
		}
	})
}

func TestWrongFaultIsRefused(t *testing.T) {
	b := start(t, broker.Config{})
	for _, test := range []struct {
		fault        broker.Fault
		field, known string
	}{
		{broker.Fault{Key: "prodduce", Error: "REQUEST_TIMED_OUT"}, "Key", "produce"},
		{broker.Fault{Key: "produce", Error: "REQUEST_TIMEDOUT"}, "Error", "REQUEST_TIMED_OUT"},
		{broker.Fault{Key: "produce"}, "Error", "DROP"},
		{broker.Fault{Key: "heartbeat", Topic: "app.a", Error: "DROP"}, "Topic", ""},
		{broker.Fault{Key: "produce", Error: "DROP", Count: -1}, "Count", ""},
		{broker.Fault{Key: "produce", Error: "DROP", Delay: -1}, "Delay", ""},
	} {
		_, err := b.Faults().Add(test.fault)
		var wrong *broker.FaultError
		if !errors.As(err, &wrong) || wrong.Field != test.field {
			t.Errorf("%+v: %v, want an error of %s", test.fault, err, test.field)
			continue
		}
		if test.known != "" && !strings.Contains(strings.Join(wrong.Known, " "), test.known) {
			t.Errorf("%+v: known are %q, want %s among them", test.fault, wrong.Known, test.known)
		}
	}
	if why := b.Degraded(); len(why) > 0 {
		t.Errorf("degraded by faults that were refused: %q", why)
	}
	add(t, b, broker.Fault{Key: "produce", Topic: "app.*", Error: "DROP", Delay: time.Second})
	if diff := cmp.Diff([]string{"fault 1 is on: produce of app.* is answered 1s late and loses the answer"}, b.Degraded()); diff != "" {
		t.Errorf("degraded (-want +got):\n%s", diff)
	}
}
