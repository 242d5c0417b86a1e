package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	actors "github.com/omninode-ai/omnibus/internal/histcheck/actor"
	"github.com/omninode-ai/omnibus/internal/parts"
)

const (
	diskSize    = 96 << 20
	ballastSize = 40 << 20
	bigEvent    = 200_000 // bytes
)

// errNotTried says why a trial cannot be had on this machine.
var errNotTried = errors.New("NOT TRIED")

// diskFull fills the disk of a broker of its own. What was acknowledged has to be there afterwards, and once there is room again it
// has to go on: by itself, or after a start where it stopped for good.
func (r *run) diskFull(ctx context.Context) (err error) {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: only root can mount a small disk", errNotTried)
	}
	disk := filepath.Join(r.dir, "disk")
	if err := os.MkdirAll(disk, 0o755); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size="+strconv.Itoa(diskSize), "tmpfs", disk).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: mount a small disk: %w: %s", errNotTried, err, strings.TrimSpace(string(out)))
	}
	defer func() {
		out, unmount := exec.CommandContext(context.WithoutCancel(ctx), "umount", disk).CombinedOutput()
		if unmount != nil {
			err = errors.Join(err, fmt.Errorf("unmount the small disk: %w: %s", unmount, out))
		}
	}()
	ports, err := parts.FreePorts(1)
	if err != nil {
		return err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	p := newPlayer("broker/disk", r.dir, func(err error) { r.note("%v", err) }, func(int) (orders, bool) {
		return orders{Role: roleBroker, Dir: filepath.Join(disk, "data"), Listens: addr}, true
	})
	defer func() { err = errors.Join(err, p.end()) }()
	if err := p.start(ctx); err != nil {
		return err
	}
	return r.fill(ctx, p, addr, filepath.Join(disk, "ballast"))
}

// fill publishes until the disk is full, makes room, and publishes more.
func (r *run) fill(ctx context.Context, p *player, addr, ballast string) (err error) {
	w := work{Run: r.work.Run, Topic: "omninode.chaos.event.filled.v1", Partitions: 1}
	b, err := openBus(ctx, orders{Name: "runner-disk", Brokers: []string{addr}, Work: w}, nil, r.notes)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }() // some of what it sent is of unknown outcome, as it should be
	if _, err := b.EnsureTopics(ctx); err != nil {
		return err
	}
	if err := os.WriteFile(ballast, make([]byte, ballastSize), 0o600); err != nil {
		return err
	}
	who := &actors.Actor{Ledger: r.ledger}
	acked := map[string]bool{}
	var full error
	for n := int64(1); full == nil; n++ {
		if n*bigEvent > 4*diskSize {
			return errors.New("the disk took more than it holds")
		}
		id, err := publishBig(ctx, who, b, w, n)
		if full = err; err == nil {
			acked[id] = true
		}
	}
	r.note("disk full after %d events: %v", len(acked), full)
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if !p.running() {
		r.note("the broker stopped: %v", p.process().how())
		if err := p.start(ctx); err != nil {
			return fmt.Errorf("with room again: %w", err)
		}
	}
	within := time.Now().Add(30 * time.Second)
	for more := int64(0); more < 10; {
		id, err := publishBig(ctx, who, b, w, 100_000+more)
		switch {
		case err == nil:
			acked[id] = true
			more++
		case time.Now().After(within):
			return fmt.Errorf("with room again it does not go on: %w", err)
		}
	}
	for rec, err := range b.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(w.Topic)}}) {
		if err != nil {
			return err
		}
		e, err := event.Decode(rec.Value)
		if err != nil {
			return err
		}
		delete(acked, e.ID.String())
	}
	if len(acked) > 0 {
		return fmt.Errorf("%d events were acknowledged and are gone", len(acked))
	}
	return nil
}

// publishBig publishes an event that no compression makes smaller.
func publishBig(ctx context.Context, who *actors.Actor, b *bus.Bus, w work, n int64) (id string, err error) {
	rng := rand.New(rand.NewPCG(uint64(n), 0)) //nolint:gosec // any bytes will do
	body := make([]byte, bigEvent)
	for i := range body {
		body[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rng.IntN(64)]
	}
	e := histcheck.Event{Run: w.Run, Producer: "runner-disk", Seq: n, Key: "disk", KeySeq: n, ID: event.NewID().String(), Body: string(body)}
	return e.ID, who.Publish(ctx, b, w.Topic, e)[0].Err
}
