package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Stage is how far the way to a broker is open.
type Stage int

// The stages of a [Probe], in their order.
const (
	Nowhere   Stage = iota
	Resolved        // the name has an address
	Connected       // something takes connections there
	Secured         // its certificate is good; without TLS in the configuration: as Connected
	Spoken          // it answers in Kafka's protocol
	Accepted        // it took the login, where one is configured, and says which cluster it belongs to
)

// Answer is what came of a [Probe]. Where it stopped before Accepted, Err says why.
type Answer struct {
	Addr    string
	Reached Stage
	Err     error

	IPs          []string
	Took         time.Duration       // until something took the connection
	Certificates []*x509.Certificate // the server's own first; also those that were refused
	Speaks       string              // the version of Kafka whose requests it takes, as in "v3.9"; empty where it is like none
	Lacks        []Feature           // what the bus uses and it does not have

	Cluster    string // its id; empty: it has none
	Controller int32  // the node; -1: none now
	Nodes      []Node // of the cluster, with the addresses that clients are sent to
}

// Node is a broker of a cluster, and the address that it tells its clients.
type Node struct {
	ID   int32
	Addr string
}

// errNotKafka means that what answered is no broker, as far as can be seen.
var errNotKafka = errors.New("the answer is not in Kafka's protocol")

// ErrWantsTLS means that a broker answered as TLS does, and the configuration has none.
var ErrWantsTLS = errors.New("it speaks TLS, and the configuration has none")

// Probe goes the way to the broker at one address step by step, on connections of its own, and says how far it came. Unlike
// [Open] it needs nothing but cfg.Dial, cfg.TLS and cfg.SASL. It ends when ctx does.
func Probe(ctx context.Context, cfg Config, addr string) Answer {
	a := Answer{Addr: addr, Controller: -1}
	for _, step := range []func(context.Context, Config) error{a.resolve, a.connect, a.enter} {
		if a.Err = step(ctx, cfg); a.Err != nil {
			break
		}
	}
	return a
}

func (a *Answer) resolve(ctx context.Context, _ Config) (err error) {
	host, _, err := net.SplitHostPort(a.Addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", a.Addr, err)
	}
	if a.IPs, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return err
	}
	a.Reached = Resolved
	return nil
}

// connect dials, shakes hands where TLS is configured, and asks the one question that every broker answers before any login.
func (a *Answer) connect(ctx context.Context, cfg Config) error {
	began := time.Now()
	conn, err := probeDialer(ctx, cfg)(ctx, "tcp", a.Addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // everything that it was to say was read
	a.Reached, a.Took = Connected, time.Since(began)
	if cfg.TLS != nil {
		secure, err := a.handshake(ctx, conn, cfg.TLS)
		if err != nil {
			return err
		}
		conn = secure
	}
	a.Reached = Secured
	versions, err := askVersions(conn)
	if err != nil {
		switch cause := context.Cause(ctx); {
		case cause != nil: // which closed the connection
			return cause
		case cfg.TLS == nil && a.speaksTLS(ctx, cfg):
			return ErrWantsTLS
		}
		return err
	}
	a.Reached = Spoken
	if guess := kversion.FromApiVersionsResponse(versions).VersionGuess(); strings.HasPrefix(guess, "v") {
		a.Speaks = guess
	}
	a.Lacks = lacking(versions)
	return nil
}

// probeDialer gives connections that are closed when ctx ends: nothing else stops those who wait for an answer on them.
func probeDialer(ctx context.Context, cfg Config) func(context.Context, string, string) (net.Conn, error) {
	dial := cfg.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(dialing context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(dialing, network, addr)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() }) // whoever reads from it sees that
		}
		return conn, err
	}
}

func (a *Answer) handshake(ctx context.Context, conn net.Conn, cfg *tls.Config) (net.Conn, error) {
	cfg = cfg.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(a.Addr) // it was split before
	}
	secure := tls.Client(conn, cfg)
	err := secure.HandshakeContext(ctx)
	if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		a.Certificates = refused.UnverifiedCertificates
	}
	if err != nil {
		return nil, err
	}
	a.Certificates = secure.ConnectionState().PeerCertificates
	return secure, nil
}

// speaksTLS tries a handshake: brokers that want one hang up without a word when they get something else.
func (a *Answer) speaksTLS(ctx context.Context, cfg Config) bool {
	conn, err := probeDialer(ctx, cfg)(ctx, "tcp", a.Addr)
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // nothing was said
	_, err = a.handshake(ctx, conn, &tls.Config{MinVersion: tls.VersionTLS12})
	_, refused := errors.AsType[*tls.CertificateVerificationError](err) // then there was a certificate
	return err == nil || refused
}

// askVersions asks which requests the broker takes, in the first form of the question, which every broker knows.
func askVersions(conn io.ReadWriter) (*kmsg.ApiVersionsResponse, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("omnibus")).AppendRequest(nil, req, 1)); err != nil {
		return nil, err
	}
	var head [8]byte // size, and the number of the request
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	const most = 1 << 20
	switch size := binary.BigEndian.Uint32(head[:]); {
	case size < 4 || size > most || binary.BigEndian.Uint32(head[4:]) != 1:
		return nil, errNotKafka
	default:
		body := make([]byte, size-4)
		if _, err := io.ReadFull(conn, body); err != nil {
			return nil, err
		}
		resp := kmsg.NewPtrApiVersionsResponse()
		if err := resp.ReadFrom(body); err != nil {
			return nil, errNotKafka
		}
		return resp, kerr.ErrorForCode(resp.ErrorCode)
	}
}

// enter logs in and asks about the cluster.
func (a *Answer) enter(ctx context.Context, cfg Config) error {
	cfg.Brokers, cfg.Dial = []string{a.Addr}, probeDialer(ctx, cfg)
	b := &Bus{cfg: cfg, log: slog.New(slog.DiscardHandler)} // never opened: it knows how to connect, and that is all it is for
	opts, err := b.options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(opts, kgo.RequestRetries(0))...)
	if err != nil {
		return err
	}
	defer client.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none
	answer, err := client.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return b.reach(err)
	}
	meta := answer.(*kmsg.MetadataResponse) //nolint:forcetypeassert // it is the response to that request
	a.Controller = meta.ControllerID
	if meta.ClusterID != nil {
		a.Cluster = *meta.ClusterID
	}
	for _, n := range meta.Brokers {
		a.Nodes = append(a.Nodes, Node{ID: n.NodeID, Addr: net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port)))})
	}
	a.Reached = Accepted
	return nil
}
