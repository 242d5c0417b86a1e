package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/internal/histcheck"
)

// faults does what the plan says, and returns when all of it is over.
func (r *run) faults(ctx context.Context) {
	var all sync.WaitGroup
	for _, f := range r.plan.faults {
		if !pause(ctx, time.Until(r.began.Add(f.At.duration()))) {
			break
		}
		all.Go(func() { r.fault(ctx, f) })
	}
	all.Wait()
}

// fault does one fault from its beginning to its end.
func (r *run) fault(ctx context.Context, f fault) {
	happened, err := r.inflict(ctx, f)
	if err != nil && ctx.Err() == nil {
		r.found("%s: %v", f, err)
	}
	if !happened {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	role, _, _ := strings.Cut(f.Target, "/")
	r.counts[string(f.Kind)+" "+role]++
	r.done++
	r.lastOff = time.Now()
}

// inflict reports whether there was somebody to do it to: a producer may be through.
func (r *run) inflict(ctx context.Context, f fault) (happened bool, err error) {
	switch f.Kind {
	case rolling:
		return true, r.roll(ctx, f)
	case storm:
		return true, r.storm(ctx, f)
	case outage:
		return true, r.outage(ctx, f)
	case refuse:
		return true, r.refuse(ctx, f)
	case corrupt:
		return true, r.corrupt(ctx, f)
	case network:
		return true, r.spoil(ctx, f)
	case kill, freeze, restart:
	default:
		return false, fmt.Errorf("no fault is called %q", f.Kind)
	}
	v, ok := r.victims[f.Target]
	if !ok {
		return false, fmt.Errorf("nobody is called %q", f.Target)
	}
	release, err := v.hold(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if !v.running() {
		return false, nil
	}
	defer r.during(f)()
	begin, end := v.kill, v.start
	switch f.Kind {
	case freeze:
		begin, end = v.freeze, v.thaw
	case restart:
		begin = func() error { return v.stop(ctx, endWithin) }
	default:
	}
	if err := begin(); err != nil {
		return true, err
	}
	pause(ctx, f.For.duration())
	return true, end(ctx)
}

// spoil lets the weather of an actor turn for a while.
func (r *run) spoil(ctx context.Context, f fault) error {
	w, err := forecast(f.With)
	if err != nil {
		return err
	}
	defer r.during(f)()
	for _, p := range r.proxies[f.Target] {
		p.set(w)
	}
	pause(ctx, f.For.duration())
	for _, p := range r.proxies[f.Target] {
		p.set(fair())
	}
	return nil
}

// refuse lets the broker answer with an error for a while. One that is killed meanwhile has forgotten it by then.
func (r *run) refuse(ctx context.Context, f fault) error {
	defer r.during(f)()
	if err := r.cluster.embedded.tell(f.With); err != nil {
		return err
	}
	pause(ctx, f.For.duration())
	return r.cluster.embedded.tell(tellClear)
}

// endWithin is how long a broker has to end in order.
const endWithin = time.Minute

// during writes the beginning of a fault to the ledger, and its end when the function that it returns is called.
func (r *run) during(f fault) (over func()) {
	r.ledger.Append(histcheck.Line{Kind: histcheck.FaultOn, Note: f.String()})
	return func() { r.ledger.Append(histcheck.Line{Kind: histcheck.FaultOff, Note: f.String()}) }
}

// roll stops the members of a group in order and starts them again, one after another.
func (r *run) roll(ctx context.Context, f fault) error {
	defer r.during(f)()
	for _, p := range r.members(f.Target, false) {
		if err := r.replace(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) replace(ctx context.Context, p *player) error {
	release, err := p.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	r.leave(ctx, p)
	return p.start(ctx)
}

// leave stops a member in order. That it cannot commit any more where the broker was killed just then is no finding: what that
// may cost is the checker's to say.
func (r *run) leave(ctx context.Context, p *player) {
	if err := p.stop(ctx, stopWithin); err != nil {
		r.note("asked to stop: %v", err)
	}
}

// storm lets extra members join a group and leave it again, over and over.
func (r *run) storm(ctx context.Context, f fault) error {
	defer r.during(f)()
	over := time.Now().Add(f.For.duration())
	var all sync.WaitGroup
	for n, p := range r.members(f.Target, true) {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(r.plan.Seed, uint64(f.At)+uint64(n))) //nolint:gosec // to be repeatable
			release, err := p.hold(ctx)
			if err != nil {
				return
			}
			defer release()
			for time.Now().Before(over) && ctx.Err() == nil {
				if err := p.start(ctx); err != nil {
					r.failed(err)
					return
				}
				pause(ctx, logScale(rng, 200*time.Millisecond, 2*time.Second).duration())
				r.leave(ctx, p)
				pause(ctx, logScale(rng, 50*time.Millisecond, time.Second).duration())
			}
		})
	}
	all.Wait()
	return nil
}

// members are the members of the group of a target: the usual ones, or the extra ones.
func (r *run) members(target string, extra bool) []*player {
	group := groupOf(target)
	var all []*player
	for _, p := range r.players {
		if strings.HasPrefix(p.name, "consumer/"+group+"/") {
			all = append(all, p)
		}
	}
	if extra {
		return all[len(all)-extras:]
	}
	return all[:len(all)-extras]
}
