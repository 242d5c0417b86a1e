package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// actorCommand is the argument that makes this program an actor. It is not for people.
const actorCommand = "actor"

// Roles of actors.
const (
	roleProducer = "producer"
	roleConsumer = "consumer"
	roleBroker   = "broker"
)

// orders is what the runner tells an actor, as one line of JSON on its standard input.
type orders struct {
	Role   string `json:"role"`
	Name   string `json:"name"` // who it is and which of its lives this is: "consumer/a/2.3"
	Ledger string `json:"ledger,omitempty"`
	Seed   uint64 `json:"seed"`

	Brokers []string          `json:"brokers,omitempty"`
	Through map[string]string `json:"through,omitempty"` // address of a broker → the proxy in front of it
	Patient millis            `json:"patient_ms"`        // how long to wait for an acknowledgement
	Work    work              `json:"work"`

	Events int     `json:"events,omitempty"` // of a producer: how many
	Rate   float64 `json:"rate,omitempty"`   // and how many of them a second

	Group   string `json:"group,omitempty"`
	Session millis `json:"session_ms,omitempty"`
	Depends string `json:"depends,omitempty"` // what the handlers need: an address that takes connections
	Says    bool   `json:"says,omitzero"`     // they say so where it does not

	Dir     string `json:"dir,omitempty"` // of a broker
	Listens string `json:"listens,omitempty"`
}

// act is the life of an actor: until ctx or its standard input ends.
func act(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	var o orders
	if err := jsonx.UnmarshalStrict(line, &o); err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	say := &voice{w: stdout}
	ctx, end := context.WithCancel(ctx)
	defer end()
	told := make(chan string)
	go func() { // ends with the standard input, at the latest with the process
		defer end()
		for lines := bufio.NewScanner(in); lines.Scan(); {
			select {
			case told <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	switch o.Role {
	case roleProducer:
		err = produce(ctx, o, say)
	case roleConsumer:
		err = consume(ctx, o, say)
	case roleBroker:
		err = serve(ctx, o, told, say)
	default:
		err = fmt.Errorf("no role is called %q", o.Role)
	}
	if err != nil {
		say.line(sayEnded, err.Error())
	}
	return err
}

// voice tells the runner.
type voice struct{ w io.Writer }

func (v *voice) line(word, rest string) {
	_, _ = io.WriteString(v.w, word+" "+strings.ReplaceAll(rest, "\n", "; ")+"\n") // a runner that is gone ends us by itself
}

// openBus connects, and goes on trying while nobody answers: a broker may be down when an actor starts.
func openBus(ctx context.Context, o orders, trace *bus.Trace, log io.Writer) (*bus.Bus, error) {
	catalog, err := o.Work.catalog()
	if err != nil {
		return nil, err
	}
	cfg := bus.Config{
		Brokers: o.Brokers, Service: "chaos", Instance: o.Name, Catalog: catalog, Trace: trace, PublishTimeout: o.Patient.duration(),
		Dial: o.dial, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for {
		b, err := bus.Open(ctx, cfg)
		if err == nil || ctx.Err() != nil || !errors.Is(err, bus.ErrUnreachable) {
			return b, err
		}
		if !pause(ctx, 50*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
}

func (o orders) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if proxy, ok := o.Through[addr]; ok {
		addr = proxy
	}
	d := net.Dialer{Timeout: 2 * time.Second}
	return d.DialContext(ctx, network, addr)
}

// pause waits, and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
