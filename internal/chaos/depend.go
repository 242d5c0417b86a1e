package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	actors "github.com/omninode-ai/omnibus/internal/histcheck/actor"
)

// dependency is what handlers need: it takes connections, or refuses them.
type dependency struct {
	addr string

	mu       sync.Mutex
	listener net.Listener // nil: down
	running  sync.WaitGroup
}

func startDependency(ctx context.Context) (*dependency, error) {
	d := &dependency{addr: "127.0.0.1:0"}
	return d, d.up(ctx)
}

func (d *dependency) up(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", d.addr)
	if err != nil {
		return fmt.Errorf("start the dependency: %w", err)
	}
	d.mu.Lock()
	d.listener, d.addr = l, l.Addr().String()
	d.mu.Unlock()
	d.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // down
			}
			_ = c.Close() // to be taken is all that callers want
		}
	})
	return nil
}

func (d *dependency) down() {
	d.mu.Lock()
	if d.listener != nil {
		_ = d.listener.Close() // it is down then, one way or the other
		d.listener = nil
	}
	d.mu.Unlock()
	d.running.Wait()
}

// resumeWithin is how long after the return of what they need handlers may take to be at work again, in every partition.
const resumeWithin = 2 * time.Second

// outage takes the dependency down for a while. One event in the midst of it is poison: it has to become a dead letter all the
// same.
func (r *run) outage(ctx context.Context, f fault) error {
	over := r.during(f)
	r.dependency.down()
	pause(ctx, f.For.duration()/4)
	poison := histcheck.Event{
		Run: r.work.Run, Producer: "runner", Seq: 1, Key: "runner-0", KeySeq: 1, ID: event.NewID().String(), Fate: histcheck.Dead, Body: askPoison + "|",
	}
	who := actors.Actor{Ledger: r.ledger}
	for _, res := range who.Publish(ctx, r.bus, r.work.Topic, poison) {
		if res.Err != nil {
			return res.Err
		}
	}
	pause(ctx, f.For.duration()*3/4)
	err := r.dependency.up(ctx)
	over()
	return err
}

// resumed holds the ledgers against what an outage may do: nobody loses a partition, and every partition of every group is at
// work within resumeWithin of its end. It returns how long the slowest took.
func (r *run) resumed(ledgers []histcheck.Source) (slowest time.Duration, err error) {
	type where struct {
		group     string
		partition int32
	}
	var from, to int64
	for _, s := range ledgers {
		for line, err := range s.Lines() {
			if err != nil {
				return 0, err
			}
			if line.Kind == histcheck.FaultOn {
				from = line.Wall
			}
			if line.Kind == histcheck.FaultOff {
				to = line.Wall
			}
		}
	}
	first := map[where]int64{}
	for _, s := range ledgers {
		for line, err := range s.Lines() {
			if err != nil {
				return 0, err
			}
			at := where{line.Group, line.Partition}
			switch {
			case line.Kind == histcheck.Done && line.Wall > to && (first[at] == 0 || line.Wall < first[at]):
				first[at] = line.Wall
			case (line.Kind == histcheck.Revoke || line.Kind == histcheck.Lost) && line.Wall > from && line.Wall < to:
				r.found("%s: partition %d was taken away from group %s during the outage", line.Process, line.Partition, line.Group)
			}
		}
	}
	for _, g := range r.profile.cast.groups {
		for p := range r.work.Partitions {
			at, ok := first[where{g.name, int32(p)}] //nolint:gosec // a handful
			took := time.Duration(at - to)
			if !ok || took > resumeWithin {
				r.found("group %s is at work in partition %d again %v after the return of what it needs, at most %v is allowed", g.name, p, took, resumeWithin)
			}
			slowest = max(slowest, took)
		}
	}
	return slowest, nil
}
