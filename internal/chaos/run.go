package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/histcheck"
)

// run is one run of a profile.
type run struct {
	plan    plan
	profile profile
	dir     string
	out     io.Writer

	work       work
	addrs      []string
	cluster    cluster
	players    []*player         // in the order of their names on the playbill, extras of storms last
	victims    map[string]victim // by target
	producers  []*player
	bus        *bus.Bus
	ledger     *histcheck.Ledger
	notes      *os.File
	dependency *dependency         // nil: handlers need nothing
	proxies    map[string][]*proxy // of each consumer and producer, one per broker
	began      time.Time

	mu       sync.Mutex
	outcomes [][2]string // of trials
	findings []string
	counts   map[string]int // faults by "kind role"
	done     int            // faults
	lastOff  time.Time      // of the last fault
}

// found notes what is not as it must be.
func (r *run) found(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.findings = append(r.findings, fmt.Sprintf(format, args...))
}

func (r *run) failed(err error) { r.found("%v", err) }

// say prints how far the run is.
func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, format+"\n", args...) // progress only
}

// note writes down what is no finding, but may explain one.
func (r *run) note(format string, args ...any) {
	_, _ = fmt.Fprintf(r.notes, time.Now().Format("15:04:05.000 ")+format+"\n", args...) // a run without its notes is a run
}

// Within what time things must have happened.
const (
	stopWithin = 15 * time.Second // a member that is asked to stop
	lagWithin  = time.Minute      // lag 0 after the last fault
	slowAnswer = 2 * time.Second  // what is noted
)

// play does it all: the broker, the members, the load under faults, the end.
func (r *run) play(ctx context.Context) (result, error) {
	if err := r.prepare(); err != nil {
		return result{}, err
	}
	defer r.strike()
	r.say("%s: seed %d, %d events over %v, %d faults; in %s", r.plan.Profile, r.plan.Seed, r.plan.Events, r.plan.Lasts.duration(), len(r.plan.faults), r.dir)
	if err := r.raise(ctx); err != nil {
		return result{}, err
	}
	r.began = time.Now()
	r.lastOff = r.began
	var telling sync.WaitGroup
	loading, loaded := context.WithCancel(ctx)
	telling.Go(func() { r.tell(loading) })
	r.faults(ctx)
	err := r.awaitLoad(ctx)
	loaded()
	telling.Wait()
	if err != nil {
		return result{}, err
	}
	caughtUp, lagErr := r.awaitLag(ctx)
	if lagErr != nil {
		if ctx.Err() != nil {
			return result{}, context.Cause(ctx)
		}
		r.found("stuck: %v", lagErr)
	}
	r.dismiss(ctx)
	res, err := r.judge(ctx)
	res.caughtUp = caughtUp
	return res, err
}

func (r *run) prepare() error {
	for _, d := range []string{ledgersDir, logsDir, dataDir} {
		if err := os.MkdirAll(filepath.Join(r.dir, d), 0o755); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(r.dir, scheduleFile))
	if err != nil {
		return err
	}
	if err := errors.Join(r.plan.write(f), f.Close()); err != nil {
		return err
	}
	if r.notes, err = os.Create(filepath.Join(r.dir, "notes.txt")); err != nil {
		return err
	}
	r.ledger, err = histcheck.Open(filepath.Join(r.dir, ledgersDir, "runner.jsonl"), "runner")
	return err
}

const (
	dataDir      = "data"
	scheduleFile = "schedule.jsonl"
)

// raise starts the broker and the consumers, then the producers.
func (r *run) raise(ctx context.Context) error {
	if err := r.startBroker(ctx); err != nil {
		return err
	}
	var err error
	if r.bus, err = openBus(ctx, orders{Name: "runner", Brokers: r.addrs, Work: r.work}, nil, r.notes); err != nil {
		return err
	}
	if _, err := r.bus.EnsureTopics(ctx); err != nil {
		return err
	}
	depends := ""
	if slices.ContainsFunc(r.plan.faults, func(f fault) bool { return f.Kind == outage }) {
		if r.dependency, err = startDependency(ctx); err != nil {
			return err
		}
		depends = r.dependency.addr
	}
	for _, g := range r.profile.cast.groups {
		for n := range g.members + extras {
			name := "consumer/" + g.name + "/" + strconv.Itoa(n+1)
			through, err := r.proxied(ctx, name)
			if err != nil {
				return err
			}
			p := newPlayer(name, r.dir, r.failed, func(life int) (orders, bool) {
				return orders{
					Role: roleConsumer, Brokers: r.addrs, Through: through, Work: r.work, Group: g.name, Session: inMillis(r.profile.session),
					Depends: depends, Says: g.says,
				}, true
			})
			r.players = append(r.players, p)
			r.victims[name] = p
			if n < g.members {
				if err := p.start(ctx); err != nil {
					return err
				}
			}
		}
	}
	for n := range r.profile.cast.producers {
		p := newPlayer("producer/"+strconv.Itoa(n+1), r.dir, r.failed, nil)
		through, err := r.proxied(ctx, p.name)
		if err != nil {
			return err
		}
		p.orders = func(life int) (orders, bool) {
			o, wanted := r.share(p, n, life)
			o.Through = through
			return o, wanted
		}
		r.players = append(r.players, p)
		r.producers = append(r.producers, p)
		r.victims[p.name] = p
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// proxied puts a proxy between an actor and each broker, if the weather is ever to change.
func (r *run) proxied(ctx context.Context, name string) (through map[string]string, err error) {
	if !slices.ContainsFunc(r.plan.faults, func(f fault) bool { return f.Kind == network }) {
		return nil, nil
	}
	through = map[string]string{}
	for _, addr := range r.addrs {
		p, err := newProxy(ctx, addr)
		if err != nil {
			return nil, err
		}
		r.proxies[name] = append(r.proxies[name], p)
		through[addr] = p.address()
	}
	return through, nil
}

// extras are the members that a group has besides, for storms.
const extras = 2

// share is what the next life of a producer has to do: what is left of its part, by the end of the load.
func (r *run) share(p *player, n, life int) (orders, bool) {
	left := r.plan.Events / r.profile.cast.producers
	if n == 0 {
		left += r.plan.Events % r.profile.cast.producers
	}
	for earlier := 1; earlier < life; earlier++ {
		made, err := eventsIn(p.ledger(earlier))
		if err != nil {
			r.failed(err)
		}
		left -= made
	}
	remaining := r.plan.Lasts.duration()
	if life > 1 {
		remaining -= time.Since(r.began)
	}
	return orders{
		Role: roleProducer, Brokers: r.addrs, Patient: inMillis(r.profile.patience), Work: r.work, Seed: r.plan.Seed*1000 + uint64(100*n+life),
		Events: left, Rate: float64(left) / max(remaining, time.Second).Seconds(),
	}, left > 0
}

// eventsIn counts the events that a producer began to publish.
func eventsIn(ledger string) (int, error) {
	highest := int64(0)
	for line, err := range histcheck.File(ledger).Lines() {
		if errors.Is(err, histcheck.ErrTorn) {
			break
		}
		if errors.Is(err, os.ErrNotExist) {
			break // it was killed before it had begun
		}
		if err != nil {
			return 0, err
		}
		if line.Kind == histcheck.Invoke {
			highest = max(highest, line.Event.Seq)
		}
	}
	return int(highest), nil
}

// tell says now and then how far the load is.
func (r *run) tell(ctx context.Context) {
	for pause(ctx, 10*time.Second) {
		r.mu.Lock()
		done := r.done
		r.mu.Unlock()
		sent := int64(0)
		for _, p := range r.producers {
			sent += p.process().sent.Load()
		}
		r.say("%4.0fs: %d of %d faults; %d events published by the present lives of the producers", time.Since(r.began).Seconds(), done, len(r.plan.faults), sent)
	}
}

// awaitLoad waits until every producer is through.
func (r *run) awaitLoad(ctx context.Context) error {
	for _, p := range r.producers {
		select {
		case <-p.process().gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(loadWithin):
			return fmt.Errorf("%s is not through with its events %v after the last fault", p.name, loadWithin)
		}
	}
	return nil
}

const loadWithin = 5 * time.Minute

// awaitLag waits until every group has settled every event, and returns how long after the last fault that was.
func (r *run) awaitLag(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithDeadline(ctx, r.lastOff.Add(lagWithin))
	defer cancel()
	for {
		asked := time.Now()
		open, err := r.behind(ctx)
		if took := time.Since(asked); took > slowAnswer {
			r.note("the positions of the groups took %v", took)
		}
		if open == "" && err == nil {
			return time.Since(r.lastOff), nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			if err != nil {
				open = err.Error()
			}
			return 0, fmt.Errorf("not settled %v after the last fault: %s", lagWithin, open)
		}
	}
}

// behind says who is behind where, or "".
func (r *run) behind(ctx context.Context) (string, error) {
	var groups []string
	for _, g := range r.profile.cast.groups {
		groups = append(groups, g.name)
	}
	lags, err := r.bus.Lag(ctx, groups...)
	if err != nil {
		return "", err
	}
	known := map[string]int{}
	var behind []string
	for _, l := range lags {
		if l.Known {
			known[l.Group]++
		}
		if !l.Known || l.Messages > 0 {
			behind = append(behind, fmt.Sprintf("group %s at %s[%d]: %d of %d %s", l.Group, l.Topic, l.Partition, l.Committed, l.End, l.Why))
		}
	}
	for _, g := range groups {
		if known[g] < r.work.Partitions {
			behind = append(behind, fmt.Sprintf("group %s: %d of %d partitions known", g, known[g], r.work.Partitions))
		}
	}
	return strings.Join(behind, "; "), nil
}

// dismiss asks all consumers to stop: now that nothing fails any more, each must do so well.
func (r *run) dismiss(ctx context.Context) {
	var leaving sync.WaitGroup
	for _, p := range r.players {
		if p.running() {
			leaving.Go(func() {
				if err := p.stop(ctx, stopWithin); err != nil {
					r.found("clean stop: %v", err)
				}
			})
		}
	}
	leaving.Wait()
}

// strike takes everything down that still stands.
func (r *run) strike() {
	for _, p := range r.players {
		if err := p.end(); err != nil {
			r.failed(err)
		}
	}
	if r.dependency != nil {
		r.dependency.down()
	}
	for _, ps := range r.proxies {
		for _, p := range ps {
			p.close()
		}
	}
	if r.bus != nil {
		_ = r.bus.Close() // it only read
	}
	if err := r.stopBroker(); err != nil {
		r.failed(err)
	}
	_ = r.notes.Close() // as note says
}
