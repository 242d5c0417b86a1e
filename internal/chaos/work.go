package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	actors "github.com/omninode-ai/omnibus/internal/histcheck/actor"
)

// work is what the events of a run are, and what they ask of their handlers.
type work struct {
	Run        string      `json:"run"`
	Topic      event.Topic `json:"topic"`
	Partitions int         `json:"partitions"`
	Keys       int         `json:"keys"` // of each producer
	Mix        mix         `json:"mix"`
}

func (w work) catalog() (*event.Catalog, error) {
	return event.NewCatalog(actors.Spec(w.Topic, w.Partitions))
}

// mix says how many of 100,000 events ask for what.
type mix struct {
	Fail   int    `json:"fail"`   // one or two attempts fail, a later one succeeds
	Poison int    `json:"poison"` // every attempt fails: a dead letter
	Reject int    `json:"reject"` // the handler says that no later attempt will help: a dead letter at once
	Skip   int    `json:"skip"`   // the handler passes over it
	Panic  int    `json:"panic"`  // the first attempt panics
	Slow   int    `json:"slow"`   // takes a while
	Stuck  int    `json:"stuck"`  // takes longer than a session, whatever the context says
	Takes  millis `json:"takes_ms"`
	Sticks millis `json:"sticks_ms"`
}

// What an event asks of its handler.
const (
	askFail   = "fail"
	askPoison = "poison"
	askReject = "reject"
	askSkip   = "skip"
	askPanic  = "panic"
	askSlow   = "slow"
	askStuck  = "stuck"
)

// draw chooses what the next event asks: mostly nothing.
func (m mix) draw(rng *rand.Rand) string {
	n := rng.IntN(100_000)
	for _, choice := range []struct {
		share int
		ask   func() string
	}{
		{m.Fail, func() string { return ask(askFail, 1+rng.Int64N(2)) }},
		{m.Poison, func() string { return askPoison }},
		{m.Reject, func() string { return askReject }},
		{m.Skip, func() string { return askSkip }},
		{m.Panic, func() string { return askPanic }},
		{m.Slow, func() string { return ask(askSlow, 1+rng.Int64N(max(1, int64(m.Takes)))) }},
		{m.Stuck, func() string { return ask(askStuck, int64(m.Sticks)) }},
	} {
		if n < choice.share {
			return choice.ask()
		}
		n -= choice.share
	}
	return ""
}

func ask(what string, n int64) string { return what + " " + strconv.FormatInt(n, 10) }

// Fingerprints of failures tell outages from poison: events that fail for their own sake must not look like an outage, so that
// their errors name the key in words.
var errNotYet = errors.New("not yet")

// perform does what an event asks, on its attempt'th attempt.
func perform(ctx context.Context, asked, key string, attempt int) error {
	what, rest, _ := strings.Cut(asked, " ")
	n, _ := strconv.ParseInt(rest, 10, 64) // what has no number needs none
	switch what {
	case askPoison:
		return fmt.Errorf("key %s: %w", spell(key), errNotYet)
	case askReject:
		return bus.Permanent(fmt.Errorf("key %s is not wanted", spell(key)))
	case askSkip:
		return bus.Skip("asked for")
	case askFail:
		if attempt <= int(n) {
			return fmt.Errorf("key %s: %w", spell(key), errNotYet)
		}
	case askPanic:
		if attempt == 1 {
			panic("asked for by key " + spell(key)) //nolint:forbidigo // this is what is tested
		}
	case askSlow:
		if !pause(ctx, time.Duration(n)*time.Millisecond) {
			return context.Cause(ctx)
		}
	case askStuck:
		pause(context.WithoutCancel(ctx), time.Duration(n)*time.Millisecond)
	}
	return nil
}

// spell writes the digits of a key in letters, as fingerprints leave numbers out.
func spell(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return 'a' + r - '0'
		}
		return r
	}, key)
}

// call needs the dependency to take a connection.
func call(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("call the dependency: %w", err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // thousands of closed connections would use up the ports
	}
	return conn.Close()
}
