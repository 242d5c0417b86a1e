package bus

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/omninode-ai/omnibus/event"
)

// Config says how to reach the cluster and who we are. Brokers, Service and Catalog are needed; the rest has defaults.
type Config struct {
	Brokers  []string       // host:port of one or more brokers
	Service  string         // goes into every event's source
	Instance string         // default: host name and a random suffix
	Catalog  *event.Catalog // keys, tiers, retention, schemas

	Validation Validation                  // default: Validate
	Undeclared Undeclared                  // topics that the catalogue lacks; default: publishing refuses, consuming warns
	Topics     map[event.Topic]event.Topic // event type → the topic that carries it, where it is not the topic of that name
	Upcasts    []Upcaster                  // older event types → later ones, for whoever handles those
	Duals      []Dual                      // later event types → older ones, for whoever still reads those
	Schemas    SchemaSource                // a registry, for types that the catalogue lacks; default: none, and those are not validated
	SchemaID   SchemaID                    // how published events name their schema; default: NoSchemaID. "x-omnibus.wire" goes before it

	Replication int // copies of the topics that EnsureTopics creates; default 3, on fewer brokers as many as there are

	TLS  *tls.Config
	SASL SASL

	PublishTimeout time.Duration // default 10 s; bounds the wait for an acknowledgement, not the record
	CloseTimeout   time.Duration // default 10 s; how long Close flushes
	MaxUnresolved  int           // default 10,000 events sent and not yet acknowledged; further ones wait
	MaxEventBytes  int           // default 1,000,000: the largest key and value together

	Logger *slog.Logger // default: discard
	Trace  *Trace
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error) // default: a net.Dialer with 5 s
}

// SASL is a login. Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty is none.
type SASL struct{ Mechanism, User, Password string }

// String hides the password.
func (s SASL) String() string { return s.Mechanism + " " + s.User }

// Undeclared says what to do with topics that the catalogue lacks.
type Undeclared int

// What to do with undeclared topics.
const (
	ByDefault Undeclared = iota // publishing refuses, consuming warns
	Refuse
	Warn
	Allow
)

// Validation says whether payloads are held against their schema, on publish and on consume.
type Validation int

// Whether to validate.
const (
	Validate Validation = iota
	NoValidation
)

// Trace is called at every step, in the manner of net/http/httptrace. A nil func is not called. The funcs must not block.
type Trace struct {
	Published func(ctx context.Context, e event.Envelope, r Result)
	Handled   func(ctx context.Context, d Delivery, v Verdict, took time.Duration, err error)
	Batch     func(ctx context.Context, group string, rs []Record, took time.Duration, err error) // a batch handler answered
	Dead      func(ctx context.Context, d DeadLetter)
	Completed func(ctx context.Context, d Delivery) // a foreign event lacked fields, see event.Envelope.Completed
	Outdated  func(ctx context.Context, u Outdated) // an event type that is deprecated, or has a later version, was used

	// The partitions of a group. At the end of Consume none is revoked.
	Assigned  func(group string, from Coordinates) // before anything is fetched; offset -1: where the log begins
	Revoked   func(group string, p Coordinates)    // given back: what ran had its grace time, the last commit was made; offset -1
	Lost      func(group string, p Coordinates)    // others may have had it already: what was settled last is not committed; offset -1
	Committed func(c Commit)
}

// Commit is one attempt to commit the position of a partition.
type Commit struct {
	Group    string
	Position Coordinates // everything below its offset is settled
	Taken    time.Time   // when that was so: what is settled later is not in it
	Err      error       // nil: the broker has it
}

// Bus publishes and consumes over one cluster. It is safe for concurrent use. Close it once.
type Bus struct {
	cfg     Config
	source  event.Source
	client  *kgo.Client
	admin   *kadm.Client
	log     *slog.Logger
	schemas schemas
	upcasts upcasts
	duals   map[event.Topic]Dual

	deprecated map[event.Topic]*event.Deprecation
	said       sync.Map // what is said once

	life    context.Context //nolint:containedctx // produced records live under it, never under a caller's context
	end     context.CancelFunc
	slots   chan struct{} // capacity MaxUnresolved: one per event sent and not yet acknowledged
	writes  atomic.Int64  // produce requests that began to be written
	known   sync.Map      // topic → how many partitions it had when the broker was asked
	closed  atomic.Bool
	health  health
	running consumers
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case len(c.Brokers) == 0:
		return c, errors.New("config: Brokers is empty; set KAFKA_BOOTSTRAP_SERVERS or Config.Brokers")
	case c.Service == "":
		return c, errors.New("config: Service is empty")
	case c.Catalog == nil:
		return c, errors.New("config: Catalog is nil; contracts.Catalog() is the platform's own")
	}
	if err := c.SchemaID.legal(); err != nil {
		return c, err
	}
	if c.Instance == "" {
		host, _ := os.Hostname() // without one the random suffix is enough
		var suffix [4]byte
		_, _ = rand.Read(suffix[:]) // never fails, see crypto/rand
		c.Instance = host + "-" + hex.EncodeToString(suffix[:])
	}
	setDefault(&c.PublishTimeout, 10*time.Second)
	setDefault(&c.CloseTimeout, 10*time.Second)
	setDefault(&c.MaxUnresolved, 10_000)
	setDefault(&c.MaxEventBytes, 1_000_000)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Trace == nil {
		c.Trace = &Trace{}
	}
	if c.Dial == nil {
		d := net.Dialer{Timeout: 5 * time.Second}
		c.Dial = d.DialContext
	}
	return c, nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Open connects to the cluster and checks that it answers. It fails with ErrUnreachable or ErrUnauthorized where it does not:
// there is no other place where events could go.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	b, err := newBus(cfg)
	if err != nil {
		return nil, fmt.Errorf("open bus: %w", err)
	}
	cfg = b.cfg
	opts, err := b.options()
	if err != nil {
		b.end()
		return nil, fmt.Errorf("open bus: %w", err)
	}
	b.client, err = kgo.NewClient(append(
		opts,
		kgo.WithContext(b.life),
		kgo.ProducerLinger(0),
		kgo.UnknownTopicRetries(20), // a topic made a moment ago has 10 s to be known everywhere
		kgo.MaxBufferedRecords(cfg.MaxUnresolved+1), // never the limit: our own slots are
		kgo.ProducerBatchMaxBytes(int32(cfg.MaxEventBytes+16_384)),
		kgo.RecordPartitioner(newPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
	)...)
	if err != nil {
		b.end()
		return nil, fmt.Errorf("open bus: %w", err)
	}
	b.admin = kadm.NewClient(b.client)
	ping, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- b.client.Ping(ping) }()
	select {
	case err = <-answered:
		answered <- nil
	case <-ping.Done(): // the client waits for 10 s where a port takes connections and says nothing
		err = context.Cause(ping)
	}
	if err != nil {
		b.end()
		b.client.Close()
		<-answered //nolint:errcheck // it is over, and that is all
		return nil, fmt.Errorf("open bus: %w", b.reach(err))
	}
	return b, nil
}

// newBus makes a bus that knows no broker.
func newBus(cfg Config) (*Bus, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Bus{cfg: cfg, log: cfg.Logger, slots: make(chan struct{}, cfg.MaxUnresolved)}
	if b.upcasts, err = newUpcasts(cfg.Upcasts); err != nil {
		return nil, err
	}
	b.deprecated = outdated(cfg.Catalog)
	if b.duals, err = newDuals(cfg.Catalog, cfg.Duals); err != nil {
		return nil, err
	}
	host, _ := os.Hostname() // optional on the wire
	b.source = event.Source{Service: cfg.Service, Instance: cfg.Instance, Host: host}
	b.schemas.init(cfg.Schemas, cfg.Logger)
	b.life, b.end = context.WithCancel(context.Background())
	return b, nil
}

// reach classifies an error of talking to the cluster at all, and names its addresses.
func (b *Bus) reach(err error) error {
	if errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) || errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) {
		return fmt.Errorf("%w by %v: %w", ErrUnauthorized, b.cfg.Brokers, err)
	}
	var refused *kerr.Error
	if errors.As(err, &refused) || errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return err // a broker answered, or nobody waits for one any more
	}
	return fmt.Errorf("%w at %v: %w", ErrUnreachable, b.cfg.Brokers, err)
}

// metadataMinAge bounds what a moved leader, or a topic that a broker does not know yet, costs: the client asks again this soon.
// Its own default of 5 s was measured as a stall of 5 s.
const metadataMinAge = 500 * time.Millisecond

// options are what every client of this bus shares.
func (b *Bus) options() ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(b.cfg.Brokers...),
		kgo.ClientID("omnibus-" + b.cfg.Service),
		kgo.Dialer(b.dial),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.MetadataMaxAge(10 * time.Second),
		kgo.MaxDecompressBatchBytes(64 << 20),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // an event of a transaction that was taken back never happened
		kgo.KeepControlRecords(),                     // positions have to pass the ends of transactions too
		kgo.RetryTimeout(20 * time.Second),
		kgo.WithLogger(clientLog{b.log}),
		kgo.DisableClientMetrics(),
	}
	mechanism, err := b.cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "":
		return nil, nil //nolint:nilnil // no login is a valid choice
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("config: SASL mechanism %q: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
}

// Close flushes for at most CloseTimeout. What is left then is reported as an [UnresolvedError], which is an ErrUnknown.
func (b *Bus) Close() error {
	if b.closed.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.CloseTimeout)
	defer cancel()
	flushed := b.client.Flush(ctx)
	left := len(b.slots)
	b.end()
	b.client.Close()
	if flushed != nil && left > 0 {
		return &UnresolvedError{Count: left}
	}
	return nil
}

// Service is the name that goes into every event's source.
func (b *Bus) Service() string { return b.cfg.Service }

// Brokers are the addresses that the bus was opened with.
func (b *Bus) Brokers() []string { return b.cfg.Brokers }

// Catalog is the catalogue that the bus was opened with.
func (b *Bus) Catalog() *event.Catalog { return b.cfg.Catalog }

// topicOf is the topic that carries events of type t.
func (b *Bus) topicOf(t event.Topic) event.Topic {
	if over, ok := b.cfg.Topics[t]; ok {
		return over
	}
	return t
}

// typeOf is the event type that the topic t carries.
func (b *Bus) typeOf(t event.Topic) event.Topic {
	for typ, over := range b.cfg.Topics {
		if over == t {
			return typ
		}
	}
	return t
}
