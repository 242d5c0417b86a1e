package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/omninode-ai/omnibus/broker"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// start runs a broker until the test ends.
func start(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, b) })
	return b
}

func stop(t *testing.T, b *broker.Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func client(t *testing.T, b *broker.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.Addrs()...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.FetchMaxWait(50 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopic(t *testing.T, cl *kgo.Client, topic string, partitions int32) {
	t.Helper()
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, cl *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// read returns all values of a topic, partition by partition.
func read(t *testing.T, cl *kgo.Client, topic string) []string {
	t.Helper()
	var values []string
	for _, r := range readRecords(t, cl, topic) {
		values = append(values, string(r.Value))
	}
	return values
}

func readRecords(t *testing.T, cl *kgo.Client, topic string) []*kgo.Record {
	t.Helper()
	ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	starts, err := kadm.NewClient(cl).ListStartOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	from := make(map[int32]kgo.Offset)
	ends.Each(func(o kadm.ListedOffset) {
		s, _ := starts.Lookup(o.Topic, o.Partition)
		want += int(o.Offset - s.Offset)
		from[o.Partition] = kgo.NewOffset().At(s.Offset)
	})
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
	defer cl.PurgeTopicsFromConsuming(topic)
	var records []*kgo.Record
	for len(records) < want {
		fs := cl.PollFetches(t.Context())
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		records = append(records, fs.Records()...)
	}
	return records
}

func commit(t *testing.T, cl *kgo.Client, group, topic string, at int64) {
	t.Helper()
	var o kadm.Offsets
	o.AddOffset(topic, 0, at, -1)
	if err := kadm.NewClient(cl).CommitAllOffsets(t.Context(), group, o); err != nil {
		t.Fatal(err)
	}
}

func committed(t *testing.T, cl *kgo.Client, group, topic string) int64 {
	t.Helper()
	o, err := kadm.NewClient(cl).FetchOffsets(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := o.Lookup(topic, 0)
	return at.At
}

func TestRestartKeepsRecordsAndOffsets(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	if !b.Recovery().Fresh {
		t.Errorf("recovery of an empty directory: %+v", b.Recovery())
	}
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	produce(t, cl, "app.a", "1", "2", "3")
	commit(t, cl, "g", "app.a", 2)
	cl.Close()
	stop(t, b)

	for range 2 { // the second start begins where nothing happened
		b = start(t, broker.Config{Dir: dir})
		if r := b.Recovery(); !r.Clean || r.Segments != 1 || r.Fresh {
			t.Errorf("recovery after a clean stop: %+v", r)
		}
		cl = client(t, b)
		if diff := cmp.Diff([]string{"1", "2", "3"}, read(t, cl, "app.a")); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		if got := committed(t, cl, "g", "app.a"); got != 2 {
			t.Errorf("committed offset %d, want 2", got)
		}
		cl.Close()
		stop(t, b)
	}
}

func TestWithoutDirNothingIsKept(t *testing.T) {
	b := start(t, broker.Config{})
	cl := client(t, b)
	createTopic(t, cl, "app.a", 3)
	produce(t, cl, "app.a", "1")
	if diff := cmp.Diff([]string{"1"}, read(t, cl, "app.a")); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestNoTopicCreatesItself(t *testing.T) {
	b := start(t, broker.Config{})
	cl := client(t, b, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
	err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "app.unknown"}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("produce to an unknown topic: %v", err)
	}
}

func TestDirInUse(t *testing.T) {
	dir := t.TempDir()
	start(t, broker.Config{Dir: dir})
	_, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	var inUse *broker.DirInUseError
	if !errors.As(err, &inUse) {
		t.Fatalf("second start: %v", err)
	}
	if diff := cmp.Diff(&broker.DirInUseError{Dir: dir, PID: os.Getpid()}, inUse); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dir := t.TempDir()
	_, err = broker.Start(t.Context(), broker.Config{Addr: ln.Addr().String(), Dir: dir})
	var taken *broker.PortTakenError
	if !errors.As(err, &taken) {
		t.Fatalf("start on a taken port: %v", err)
	}
	if taken.Addr != ln.Addr().String() || taken.PID != os.Getpid() && taken.PID != 0 {
		t.Errorf("error: %+v", taken)
	}
	start(t, broker.Config{Dir: dir}) // the failed start has let the directory go
}

func TestAdvertise(t *testing.T) {
	for _, test := range []struct{ advertise, want string }{
		{"broker.example:19092", "broker.example:19092"},
		{"broker.example", "broker.example:PORT"},
		{"", "127.0.0.1:PORT"},
	} {
		t.Run(test.want, func(t *testing.T) {
			addr := freeAddr(t)
			b := start(t, broker.Config{Addr: addr, Advertise: test.advertise})
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{strings.Replace(test.want, "PORT", port, 1)}
			if diff := cmp.Diff(want, b.Addrs()); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClientsAreToldTheAdvertisedAddress(t *testing.T) {
	addr := freeAddr(t)
	start(t, broker.Config{Addr: addr, Advertise: "broker.example:19092"})
	dial := func(ctx context.Context, network, to string) (net.Conn, error) {
		if to == "broker.example:19092" {
			to = addr
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.Dialer(dial))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	brokers, err := kadm.NewClient(cl).ListBrokers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(brokers) != 1 || brokers[0].Host != "broker.example" || brokers[0].Port != 19092 {
		t.Errorf("brokers: %+v", brokers)
	}
}

func TestConfigErrorsNameTheField(t *testing.T) {
	for _, test := range []struct {
		cfg   broker.Config
		field string
	}{
		{broker.Config{Addr: "nonsense"}, "Addr"},
		{broker.Config{Addr: ":0"}, "Advertise"},
		{broker.Config{Addr: "0.0.0.0:0"}, "Advertise"},
		{broker.Config{Advertise: ":9092"}, "Advertise"},
		{broker.Config{Partitions: -1}, "Partitions"},
		{broker.Config{MinSessionTimeout: -1}, "MinSessionTimeout"},
		{broker.Config{SASL: []broker.User{{Mechanism: "GSSAPI", Name: "a", Password: "b"}}}, "SASL"},
		{broker.Config{SASL: []broker.User{{Mechanism: "PLAIN", Name: "a"}}}, "SASL"},
	} {
		b, err := broker.Start(t.Context(), test.cfg)
		if err == nil {
			stop(t, b)
		}
		if err == nil || !strings.Contains(err.Error(), "config "+test.field+":") {
			t.Errorf("%+v: error %v does not name %s", test.cfg, err, test.field)
		}
	}
}

func TestCommitMetadataIsLimited(t *testing.T) {
	b := start(t, broker.Config{})
	cl := client(t, b)
	createTopic(t, cl, "app.a", 3)
	createTopic(t, cl, "app.b", 1)
	var o kadm.Offsets
	for _, c := range []struct {
		topic     string
		partition int32
		metadata  int
	}{{"app.a", 0, 4096}, {"app.a", 1, 4097}, {"app.a", 2, 0}, {"app.b", 0, 10000}} {
		o.Add(kadm.Offset{Topic: c.topic, Partition: c.partition, At: 0, LeaderEpoch: -1, Metadata: strings.Repeat("m", c.metadata)})
	}
	adm := kadm.NewClient(cl)
	for range 2 { // the limit stays
		resp, err := adm.CommitOffsets(t.Context(), "g", o)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]error)
		resp.Each(func(r kadm.OffsetResponse) { got[fmt.Sprint(r.Topic, r.Partition)] = r.Err })
		for at, want := range map[string]error{"app.a0": nil, "app.a1": kerr.OffsetMetadataTooLarge, "app.a2": nil, "app.b0": kerr.OffsetMetadataTooLarge} {
			if !errors.Is(got[at], want) {
				t.Errorf("commit of %s: %v, want %v", at, got[at], want)
			}
		}
		stored, err := adm.FetchOffsets(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		at, ok := stored.Lookup("app.a", 0)
		if !ok || len(at.Metadata) != 4096 {
			t.Errorf("metadata at the limit: %v, %d bytes", ok, len(at.Metadata))
		}
		if _, ok := stored.Lookup("app.a", 1); ok {
			t.Error("metadata above the limit was stored")
		}
	}
}

func TestRunsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n broker.Network
		b := start(t, broker.Config{Network: &n, MinSessionTimeout: time.Second})
		cl := client(t, b, kgo.Dialer(n.Dial), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("app.a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		createTopic(t, cl, "app.a", 2)
		produce(t, cl, "app.a", "1")
		fs := cl.PollFetches(t.Context())
		if fs.NumRecords() != 1 {
			t.Errorf("fetched %d records: %v", fs.NumRecords(), fs.Err())
		}
		_, err := broker.Start(t.Context(), broker.Config{Network: &n, Addr: b.Addrs()[0]})
		if _, ok := errors.AsType[*broker.PortTakenError](err); !ok {
			t.Errorf("second broker on the address: %v", err)
		}
		second := start(t, broker.Config{Network: &n})
		if second.Addrs()[0] == b.Addrs()[0] {
			t.Errorf("two brokers on %s", b.Addrs()[0])
		}
		cl.Close()
		<-time.After(48 * time.Hour) // retention runs meanwhile, and the clock of the bubble makes nothing of it
	})
}

func TestCloseIsIdempotentAndSilent(t *testing.T) {
	b := start(t, broker.Config{Dir: t.TempDir()})
	stop(t, b)
	stop(t, b)
	if err, ok := <-b.Failed(); ok {
		t.Errorf("failed: %v", err)
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
