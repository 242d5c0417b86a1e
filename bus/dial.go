package bus

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dial connects, with TLS where that is configured, and counts the produce requests that begin to be written. The client
// writes one request with one Write; its API key is in bytes 4 and 5. Without that count nobody could tell a record that
// failed in the buffer from one that may have reached the broker.
func (b *Bus) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := b.cfg.Dial(ctx, network, addr)
	if err != nil {
		return nil, &DialError{Addr: addr, Err: err}
	}
	if b.cfg.TLS != nil {
		cfg := b.cfg.TLS.Clone()
		if cfg.ServerName == "" {
			if cfg.ServerName, _, err = net.SplitHostPort(addr); err != nil {
				_ = conn.Close() // the address is the error to report
				return nil, fmt.Errorf("dial %s: %w", addr, err)
			}
		}
		secure := tls.Client(conn, cfg)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // the handshake is the error to report
			return nil, fmt.Errorf("tls handshake with %s: %w", addr, err)
		}
		conn = secure
	}
	return &countingConn{Conn: conn, writes: &b.writes}, nil
}

// DialError says which address could not be reached. It need not be one of [Config]: brokers send their clients to the addresses
// that they advertise.
type DialError struct {
	Addr string
	Err  error
}

func (e *DialError) Error() string { return "dial " + e.Addr + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *DialError) Unwrap() error { return e.Err }

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	const produce = 0
	if len(p) >= 6 && binary.BigEndian.Uint16(p[4:]) == produce {
		c.writes.Add(1)
	}
	return c.Conn.Write(p)
}

// clientLog passes the Kafka client's warnings on.
type clientLog struct{ log *slog.Logger }

func (clientLog) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (l clientLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelWarn
	if level == kgo.LogLevelError {
		to = slog.LevelError
	}
	l.log.LogAttrs(context.Background(), to, "kafka client", slog.String("said", msg), slog.Any("facts", keyvals))
}
