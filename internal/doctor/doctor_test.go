package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/doctor"
)

const (
	noted  event.Topic = "omninode.test.event.noted.v1"
	echoed event.Topic = "omninode.test.event.echoed.v1"
)

// start runs a broker until the test ends, and returns how to reach it. No topic is there.
func start(t *testing.T, cfg broker.Config) (*broker.Broker, doctor.Config) {
	t.Helper()
	br, err := broker.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := br.Close(); err != nil {
			t.Error(err)
		}
	})
	return br, at(t, br.Addrs()...)
}

// at is the examination of a cluster with these brokers, on a machine where nothing else is looked at.
func at(t *testing.T, brokers ...string) doctor.Config {
	t.Helper()
	schema := []byte(`{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}`)
	c, err := event.NewCatalog(
		event.Spec{Topic: noted, Key: "key", Schema: schema, Partitions: 3}, event.Spec{Topic: echoed, Key: "key", Schema: schema, Partitions: 1},
	)
	if err != nil {
		t.Fatal(err)
	}
	return doctor.Config{
		Bus: bus.Config{Brokers: brokers, Service: "doctor-test", Catalog: c}, Origin: "flag --bootstrap",
		Up: doctor.Up{Data: t.TempDir()},
	}
}

// filled is a broker with the topics of the catalogue.
func filled(t *testing.T) (*broker.Broker, doctor.Config, *bus.Bus) {
	t.Helper()
	br, cfg := start(t, broker.Config{MinSessionTimeout: time.Second})
	b := open(t, cfg.Bus)
	if _, err := b.EnsureTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	return br, cfg, b
}

func open(t *testing.T, cfg bus.Config) *bus.Bus {
	t.Helper()
	b, err := bus.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// admin is a client that does to topics what the bus refuses to.
func admin(t *testing.T, cfg doctor.Config, opts ...kgo.Opt) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(cfg.Bus.Brokers...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// examine runs the checks and returns the results by name.
func examine(t *testing.T, cfg doctor.Config, checks ...string) map[string]doctor.Result {
	t.Helper()
	cfg.Checks = checks
	list, err := doctor.Examine(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]doctor.Result{}
	for _, r := range list {
		results[r.Check] = r
	}
	return results
}

// want checks the status of a result, and that one of its findings of that status says these words.
func want(t *testing.T, results map[string]doctor.Result, check string, status doctor.Status, words ...string) {
	t.Helper()
	r, ok := results[check]
	if !ok {
		t.Errorf("%s: not in the results", check)
		return
	}
	var text strings.Builder
	for _, f := range r.Findings {
		if f.Status == status {
			text.WriteString(f.What + " | " + f.Fix + "\n")
		}
	}
	if r.Status != status {
		t.Errorf("%s: %s, want %s: %+v", check, r.Status, status, r.Findings)
		return
	}
	for _, w := range words {
		if !strings.Contains(text.String(), w) {
			t.Errorf("%s: %q, want %q in it", check, text.String(), w)
		}
	}
}

func TestHealthyClusterIsWellAndNothingIsLeftBehind(t *testing.T) {
	_, cfg, b := filled(t)
	if _, err := b.PublishAll(t.Context(), bus.Outgoing{Topic: noted, Key: []byte("a"), Raw: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	cfg.Up.Kafka, cfg.Up.Console = freeAddr(t), freeAddr(t)
	results := examine(t, cfg)
	if len(results) != len(doctor.Checks()) {
		t.Errorf("%d results of %d checks", len(results), len(doctor.Checks()))
	}
	for name, r := range results {
		skips := map[string]bool{"tls": true, "login": true, "registry": true, "up": true, "faults": true}
		if r.Status != doctor.OK && (r.Status != doctor.Skip || !skips[name]) {
			t.Errorf("%s: %s %+v", name, r.Status, r.Findings)
		}
	}
	internal, err := b.Topics(t.Context(), "_*")
	if err != nil || len(internal) != 0 {
		t.Errorf("left behind: %v, %v", internal, err)
	}
}

func TestDeadBrokerIsNamedAndWhatNeedsItIsNotRun(t *testing.T) {
	away := freeAddr(t)
	began := time.Now()
	results := examine(t, at(t, away))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	want(t, results, "dns", doctor.OK)
	want(t, results, "tcp", doctor.Fail, away, "nothing listens there", "omnibus up", "flag --bootstrap")
	for _, c := range doctor.Checks() {
		if len(c.Needs) > 0 && c.Name != "dns" && c.Name != "tcp" {
			want(t, results, c.Name, doctor.Skip, `not run: because check "tcp" failed`)
		}
	}
	want(t, results, "limits", doctor.OK)
}

func TestOneDeadBrokerOfTwoIsAWarning(t *testing.T) {
	_, cfg, _ := filled(t)
	away := freeAddr(t)
	cfg.Bus.Brokers = append(cfg.Bus.Brokers, away)
	results := examine(t, cfg, "tcp", "roundtrip")
	want(t, results, "tcp", doctor.Warn, away)
	want(t, results, "roundtrip", doctor.OK)
}

func TestNameThatCannotBeResolved(t *testing.T) {
	cfg := at(t, "kafka.invalid:9092")
	cfg.Each = 2 * time.Second
	results := examine(t, cfg, "dns", "tcp")
	want(t, results, "dns", doctor.Fail, "kafka.invalid:9092", "KAFKA_BOOTSTRAP_SERVERS")
	want(t, results, "tcp", doctor.Skip, `because check "dns" failed`)
}

func TestSettingsThatCannotBeUsedStopAtTheSettings(t *testing.T) {
	cfg := at(t)
	cfg.Wrong = []string{"KAFKA_MAX_IN_FLIGHT: want a number"}
	results := examine(t, cfg)
	want(t, results, "settings", doctor.Fail, "KAFKA_MAX_IN_FLIGHT: want a number", "config show --origin")
	want(t, results, "dns", doctor.Skip, `because check "settings" failed`)
	_, good, _ := filled(t)
	good.Wrong = cfg.Wrong
	results = examine(t, good, "settings", "roundtrip") // what is known of the brokers is enough to go on
	want(t, results, "settings", doctor.Fail)
	want(t, results, "roundtrip", doctor.OK)
	good.Wrong = nil
	want(t, examine(t, good, "settings"), "settings", doctor.OK, "from flag --bootstrap")
}

// certificate returns what a server on 127.0.0.1 has, and what a client needs to trust it.
func certificate(t *testing.T, lasts time.Duration) (server, trusting *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the broker"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(lasts),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

func TestTLSIsHeldAgainstTheSettings(t *testing.T) {
	for _, c := range []struct {
		name   string
		lasts  time.Duration
		client func(trusting *tls.Config) *tls.Config
		check  string
		status doctor.Status
		says   string
	}{
		{"good", 365 * 24 * time.Hour, func(c *tls.Config) *tls.Config { return c }, "tls", doctor.OK, "the certificate the broker of the broker is good for 364 days"},
		{"ends soon", 24 * time.Hour, func(c *tls.Config) *tls.Config { return c }, "tls", doctor.Warn, "ends in 23 hours"},
		{"ended", -time.Hour, func(c *tls.Config) *tls.Config { return c }, "tls", doctor.Fail, "the certificate the broker ended on"},
		{"not trusted", time.Hour, func(*tls.Config) *tls.Config { return &tls.Config{RootCAs: x509.NewCertPool()} }, "tls", doctor.Fail, "whom nobody here trusts"},
		{"for another host", time.Hour, func(c *tls.Config) *tls.Config { c.ServerName = "kafka"; return c }, "tls", doctor.Fail, "is for 127.0.0.1, and not for kafka"},
		{"no TLS configured", time.Hour, func(*tls.Config) *tls.Config { return nil }, "protocol", doctor.Fail, "speaks TLS, and no TLS is configured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, trusting := certificate(t, c.lasts)
			_, cfg := start(t, broker.Config{TLS: server})
			cfg.Bus.TLS = c.client(trusting)
			want(t, examine(t, cfg, "tls", "protocol"), c.check, c.status, cfg.Bus.Brokers[0], c.says)
		})
	}
	t.Run("no TLS there", func(t *testing.T) {
		_, cfg := start(t, broker.Config{})
		_, cfg.Bus.TLS = certificate(t, time.Hour)
		cfg.Each = 2 * time.Second
		want(t, examine(t, cfg, "tls"), "tls", doctor.Fail, cfg.Bus.Brokers[0], "handshake failed")
	})
}

func TestLoginIsTriedForReal(t *testing.T) {
	_, cfg := start(t, broker.Config{SASL: []broker.User{
		{Mechanism: "PLAIN", Name: "ann", Password: "right-one"}, {Mechanism: "SCRAM-SHA-256", Name: "ann", Password: "right-one"},
	}})
	login := func(mechanism, password string) map[string]doctor.Result {
		with := cfg
		with.Bus.SASL = bus.SASL{Mechanism: mechanism, User: "ann", Password: password}
		return examine(t, with, "login")
	}
	want(t, login("PLAIN", "right-one"), "login", doctor.OK, "took the login of ann with PLAIN")
	want(t, login("SCRAM-SHA-256", "right-one"), "login", doctor.OK, "took the login of ann with SCRAM-SHA-256")
	want(t, login("SCRAM-SHA-256", "hunter2"), "login", doctor.Fail, "does not go on after the login of ann", "KAFKA_SASL_MECHANISM")
	refused := login("PLAIN", "hunter2")
	want(t, refused, "login", doctor.Fail, cfg.Bus.Brokers[0], "refused the login of ann", "KAFKA_SASL_USERNAME")
	for _, f := range refused["login"].Findings {
		if strings.Contains(f.What+f.Fix, "hunter2") {
			t.Errorf("the password is shown: %+v", f)
		}
	}
	want(t, examine(t, cfg, "login"), "login", doctor.Fail, "does not answer without a login", "KAFKA_SECURITY_PROTOCOL=SASL_SSL")
	_, anybody := start(t, broker.Config{})
	want(t, examine(t, anybody, "login"), "login", doctor.Skip, "wants no login")
}

// speaker is a server at which each connection is answered by speak.
func speaker(t *testing.T, speak func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			speak(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().String()
}

func TestWhatIsNotKafkaIsTold(t *testing.T) {
	web := speaker(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		_, _ = c.Read(make([]byte, 1024))
	})
	want(t, examine(t, at(t, web), "protocol"), "protocol", doctor.Fail, web, "not in Kafka's protocol")

	quiet, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	cfg := at(t, quiet.Addr().String())
	cfg.Each = 300 * time.Millisecond
	began := time.Now()
	want(t, examine(t, cfg, "protocol"), "protocol", doctor.Fail, quiet.Addr().String(), "no answer within 300ms")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it waited %v", took)
	}
}

func TestOldBrokerIsTold(t *testing.T) {
	old := speaker(t, func(c net.Conn) {
		head := make([]byte, 12)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		resp := kmsg.NewPtrApiVersionsResponse()
		key := kmsg.NewApiVersionsResponseApiKey()
		key.ApiKey, key.MaxVersion = int16(kmsg.Produce), 2
		resp.ApiKeys = append(resp.ApiKeys, key)
		body := resp.AppendTo(head[8:12]) // behind the number of the request
		_, _ = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	})
	want(t, examine(t, at(t, old), "protocol"), "protocol", doctor.Fail, old, "lacks Produce in version 3, for records with headers")
}

// advertising runs a broker that tells its clients another address than the one where it listens.
func advertising(t *testing.T, elsewhere string) doctor.Config {
	t.Helper()
	listens := freeAddr(t)
	start(t, broker.Config{Addr: listens, Advertise: elsewhere})
	return at(t, listens)
}

func TestAddressThatOnlyNeighboursCanReachIsTold(t *testing.T) {
	away := freeAddr(t)
	cfg := advertising(t, away)
	results := examine(t, cfg)
	want(t, results, "cluster", doctor.OK)
	want(t, results, "advertised", doctor.Fail, cfg.Bus.Brokers[0]+" sends clients of broker 0 to "+away, "nothing listens there", "advertised.listeners of broker 0")
	want(t, results, "roundtrip", doctor.Skip, `not run: because check "advertised" failed`)
	want(t, results, "topics", doctor.Skip, `not run: because check "advertised" failed`)
	cfg.Up = doctor.Up{Data: t.TempDir(), Running: true, PID: 1, Brokers: []string{away}}
	want(t, examine(t, cfg, "advertised"), "advertised", doctor.Fail, "omnibus up --advertise HOST:PORT")
}

func TestAdvertisedNameThatCannotBeResolvedIsTold(t *testing.T) {
	cfg := advertising(t, "kafka.invalid:9092")
	cfg.Each = 2 * time.Second
	want(t, examine(t, cfg, "advertised"), "advertised", doctor.Fail, cfg.Bus.Brokers[0]+" sends clients of broker 0 to kafka.invalid:9092")
}

func TestAdvertisedAddressOfAnotherClusterIsTold(t *testing.T) {
	other, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("another"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	cfg := advertising(t, other.ListenAddrs()[0])
	want(t, examine(t, cfg, "advertised"), "advertised", doctor.Fail, "a broker of another cluster, another")
}

func TestRoundTripThatFailsAndLeavesNothing(t *testing.T) {
	br, cfg, b := filled(t)
	if _, err := br.Faults().Add(broker.Fault{Key: "produce", Error: "KAFKA_STORAGE_ERROR"}); err != nil {
		t.Fatal(err)
	}
	cfg.Each = time.Second
	results := examine(t, cfg, "roundtrip", "clock")
	want(t, results, "roundtrip", doctor.Fail, "write a record")
	want(t, results, "clock", doctor.Skip, `because check "roundtrip" failed`)
	br.Faults().Clear()
	want(t, examine(t, cfg, "roundtrip"), "roundtrip", doctor.OK, "written and acknowledged in")
	left, err := b.Topics(t.Context(), "_*")
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestClockOfThisMachineIsHeldAgainstTheBrokers(t *testing.T) {
	_, cfg, _ := filled(t)
	want(t, examine(t, cfg, "clock"), "clock", doctor.OK, "apart by less than")
	cfg.Now = func() time.Time { return time.Now().Add(-2 * time.Minute) }
	want(t, examine(t, cfg, "clock"), "clock", doctor.Fail, "ahead of this one", "chrony")
}

func TestMissingTopicsAreCreatedWhereAsked(t *testing.T) {
	_, cfg := start(t, broker.Config{})
	want(t, examine(t, cfg, "topics"), "topics", doctor.Fail, "4 topics are missing", string(echoed), "--fix")
	cfg.Fix = true
	results := examine(t, cfg, "topics", "internal")
	want(t, results, "topics", doctor.OK, "created 4 missing topics")
	want(t, results, "internal", doctor.OK, "created _omnibus.parked")
	cfg.Fix = false
	results = examine(t, cfg, "topics", "internal")
	want(t, results, "topics", doctor.OK, "all 2 are as declared")
	want(t, results, "internal", doctor.OK, "are there: one partition, compacted")
}

func TestTopicsThatDifferAreNotChanged(t *testing.T) {
	_, cfg, b := filled(t)
	cl := admin(t, cfg)
	if _, err := cl.CreatePartitions(t.Context(), 2, string(echoed)); err != nil { // two more
		t.Fatal(err)
	}
	hour := "3600000"
	if _, err := cl.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &hour}}, string(noted)); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.CreateTopic(t.Context(), 3, 1, nil, "_omnibus.jobs"); err != nil {
		t.Fatal(err)
	}
	cfg.Fix = true
	results := examine(t, cfg, "topics", "internal")
	want(t, results, "topics", doctor.Warn, "echoed.v1 has 3 partitions, declared are 1", "noted.v1 keeps events for 1h0m0s, declared are 7 days", "omnibus topics config "+string(noted)+" --set retention.ms=604800000")
	want(t, results, "internal", doctor.Fail, "_omnibus.jobs has 3 partitions", "cleanup.policy=delete")
	infos, err := b.Topics(t.Context(), event.Glob(echoed), event.Glob(noted), "_omnibus.jobs")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		if len(i.Partitions) != 3 {
			t.Errorf("%s was changed: %d partitions", i.Name, len(i.Partitions))
		}
	}
}

func TestTopicThatTakesNoWritesIsTold(t *testing.T) {
	_, cfg, _ := filled(t)
	want(t, examine(t, cfg, "replication"), "replication", doctor.OK, "one broker")
	two := "2"
	if _, err := admin(t, cfg).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "min.insync.replicas", Value: &two}}, string(noted)); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, cfg, "replication"), "replication", doctor.Fail, string(noted), "no write is ever acknowledged")
}

func TestUndeclaredTopicsAreTold(t *testing.T) {
	_, cfg, b := filled(t)
	want(t, examine(t, cfg, "undeclared"), "undeclared", doctor.OK)
	if _, err := b.EnsureTopics(t.Context(), "house.other.thing"); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteTopics(t.Context(), noted); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, cfg, "undeclared"), "undeclared", doctor.Warn, "house.other.thing", string(noted.DLQ()), "omnibus dlq export")
}

// handled consumes until n events of noted have been handled by group.
func handled(t *testing.T, b *bus.Bus, group string, n int, answer error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := 0
	err := b.Consume(ctx, bus.Consumer{Group: group, MaxInFlight: 1, SessionTimeout: time.Second}, bus.HandlePattern(event.Glob(noted), func(context.Context, bus.Delivery) error {
		if seen++; seen == n {
			stop()
		}
		return answer
	}))
	if err != nil {
		t.Fatal(err)
	}
}

func say(t *testing.T, b *bus.Bus, keys ...string) {
	t.Helper()
	for _, key := range keys {
		_, err := b.PublishAll(t.Context(), bus.Outgoing{Topic: noted, Key: []byte(key), Raw: []byte(`{"payload":{"key":"` + key + `"}}`)})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestGroupsThatLeaveEventsLyingAndLoseThem(t *testing.T) {
	_, cfg, b := filled(t)
	say(t, b, "a", "a")
	handled(t, b, "g", 2, nil)
	results := examine(t, cfg, "groups", "retention", "dlq")
	want(t, results, "groups", doctor.OK)
	want(t, results, "retention", doctor.OK)
	want(t, results, "dlq", doctor.OK)

	say(t, b, "a", "a", "a")
	results = examine(t, cfg, "groups", "retention")
	want(t, results, "groups", doctor.Warn, "group g has no member, and 3 events wait")
	want(t, results, "retention", doctor.OK)

	at := bus.PartitionOf([]byte("a"), 3)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: string(noted), Partition: at, At: 4})
	if _, err := admin(t, cfg).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, cfg, "retention"), "retention", doctor.Fail, "group g has lost up to 2 events of "+string(noted)+"["+strconv.Itoa(int(at))+"]")
}

func TestDeadLettersAreTold(t *testing.T) {
	_, cfg, b := filled(t)
	say(t, b, "a", "b")
	handled(t, b, "g", 2, bus.Permanent(errors.New("no such thing")))
	want(t, examine(t, cfg, "dlq"), "dlq", doctor.Warn, string(noted)+": 2 dead letters wait", "2 in the last 1h0m0s", "omnibus dlq groups "+string(noted))
	cfg.Now = func() time.Time { return time.Now().Add(3 * time.Hour) }
	want(t, examine(t, cfg, "dlq"), "dlq", doctor.Warn, "the oldest for 3h0m", "0 in the last 1h0m0s")
}

func TestPartitionersAreHeldAgainstMurmur2(t *testing.T) {
	_, cfg, b := filled(t)
	want(t, examine(t, cfg, "partitioners"), "partitioners", doctor.OK, "no record with a key yet")
	keys := strings.Fields("a b c d e f g h i j k l m n o p")
	say(t, b, keys...)
	want(t, examine(t, cfg, "partitioners"), "partitioners", doctor.OK, "the newest 16 records with a key")

	var records []*kgo.Record
	for _, key := range keys { // as librdkafka does unless it is told otherwise
		records = append(records, &kgo.Record{
			Topic: string(noted), Partition: int32(crc32.ChecksumIEEE([]byte(key)) % 3), Key: []byte(key),
			Value: []byte(`{"event_id":"6f9619ff-8b86-4d01-b42d-00c04fc964ff","event_type":"` + string(noted) + `","source":{"service":"legacy-indexer"},"payload":{"key":"` + key + `"}}`),
		})
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cfg.Bus.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, cfg, "partitioners"), "partitioners", doctor.Warn, string(noted), "of the newest 32 records", "published by legacy-indexer", "consistent_random", "partitioner=murmur2_random")
}

func TestDataDirectoryIsVerified(t *testing.T) {
	data := t.TempDir()
	cfg := at(t)
	cfg.Up.Data = data
	want(t, examine(t, cfg, "data"), "data", doctor.OK, "nothing is kept")
	dir := filepath.Join(data, "kafka")
	br, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	running := at(t, br.Addrs()...)
	b := open(t, running.Bus)
	if _, err := b.EnsureTopics(t.Context(), noted); err != nil {
		t.Fatal(err)
	}
	say(t, b, "a")
	want(t, examine(t, cfg, "data"), "data", doctor.OK, "MiB are free") // it is in use, and the rest is for who uses it
	if err := br.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, cfg, "data"), "data", doctor.OK, "matches what was written down")
	segments, err := filepath.Glob(filepath.Join(dir, "log", "partitions", string(noted)+"-*", "*.dat"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segment: %v", err)
	}
	for _, file := range segments {
		damage(t, file)
	}
	want(t, examine(t, cfg, "data"), "data", doctor.Fail, "damage", "omnibus repair")
	cfg.Up.Data = segments[0] // a file
	want(t, examine(t, cfg, "data"), "data", doctor.Fail, "no directory")
	cfg.Up.Data = ""
	want(t, examine(t, cfg, "data"), "data", doctor.Skip)
}

func damage(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPortsThatAreTakenAreNamedWithTheirOwner(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := at(t)
	cfg.Up.Kafka, cfg.Up.Console = freeAddr(t), ln.Addr().String()
	want(t, examine(t, cfg, "ports"), "ports", doctor.Warn, ln.Addr().String()+" (health) is taken", strconv.Itoa(os.Getpid()), "--port-console")
	cfg.Bus.Brokers = []string{"localhost:" + port(ln.Addr().String())}
	want(t, examine(t, cfg, "ports"), "ports", doctor.OK, "where the settings have the broker")
	cfg.Up.Console = ""
	want(t, examine(t, cfg, "ports"), "ports", doctor.OK, cfg.Up.Kafka+" (Kafka) is free")
	cfg.Up.Running, cfg.Up.PID = true, 7
	want(t, examine(t, cfg, "ports"), "ports", doctor.OK, "process 7")
}

func TestRunningStackIsAsked(t *testing.T) {
	answers := map[string]string{}
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answers[r.URL.Path])
	}))
	defer srv.Close()
	cfg := at(t)
	cfg.Up.Running, cfg.Up.PID, cfg.Up.URL = true, 7, srv.URL
	answers["/readyz"] = `{"ready":true,"reasons":[],"degraded":["group g: outage"]}`
	answers["/faults"] = `{"faults":[{"id":3,"key":"produce","hits":2}]}`
	results := examine(t, cfg, "up", "faults")
	want(t, results, "up", doctor.Warn, "degraded: group g: outage")
	want(t, results, "faults", doctor.Warn, "fault 3 makes produce", "omnibus fault clear 3")
	status = http.StatusServiceUnavailable
	answers["/readyz"] = `{"ready":false,"reasons":["stopping"],"degraded":[]}`
	want(t, examine(t, cfg, "up"), "up", doctor.Fail, "not ready: stopping")
	status = http.StatusOK
	answers["/readyz"], answers["/faults"] = `{"ready":true}`, `{"faults":[]}`
	results = examine(t, cfg, "up", "faults")
	want(t, results, "up", doctor.OK, "process 7 is ready")
	want(t, results, "faults", doctor.OK)
	srv.Close()
	want(t, examine(t, cfg, "up"), "up", doctor.Fail, "process 7 does not answer", "nothing listens there")
	cfg.Up.URL = ""
	want(t, examine(t, cfg, "up"), "up", doctor.Warn, "starting")
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

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}
