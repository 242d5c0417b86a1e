package selftest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

// handled is a handler that takes its time and writes down what it did; fails makes it fail.
func (l *ledger) handled(member string, takes time.Duration, fails func(m mark, attempt int) error) bus.HandlerFunc {
	return handlerOf(func(ctx context.Context, m mark, d bus.Delivery) error {
		l.begin(m)
		pause(ctx, takes)
		var err error
		if fails != nil {
			err = fails(m, d.Attempt)
		}
		return l.end(m, d.Attempt, member, err)
	})
}

var errFirst = errors.New("the first attempt fails on purpose")

// ordered handles many keys at once, while every third event of four of them fails at first: with five it would pass for an outage.
func (s *suite) ordered(ctx context.Context) (o outcome, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	sent := series(s.cfg.Events, 0)
	if _, err := s.send(ctx, "ordered", sent); err != nil {
		return o, err
	}
	l := newLedger()
	wanted := setOf(append(sent, mark{"mixed", 0}, mark{"mixed", 1})) // those of the mixed batch lie there as well
	stop := s.consume(ctx, fail, "ordered", 100, l.handled("", 2*time.Millisecond, func(m mark, attempt int) error {
		if m.key < keyName(4) && m.n%3 == 1 && attempt == 1 {
			return errFirst
		}
		return nil
	}))
	defer stop() //nolint:errcheck // where it matters it was called before
	err = l.await(ctx, l.all(wanted))
	if stopped := stop(); err == nil {
		err = stopped
	}
	ended, crossed, most := l.copyOf()
	retries := len(ended) - len(l.times)
	o.did = fmt.Sprintf("handled %d events of %d keys, %d at once at most, with %d retries", len(l.times), keys, most, retries)
	o.faults = append(crossed, disordered(ended)...)
	o.faults = append(o.faults, twice(l.times)...)
	if err == nil && most < 2 {
		o.fault("never two keys at once")
	}
	o.evidence = "each key one at a time and in order"
	return o, err
}

// restarted stops a consumer in the middle, cleanly, and starts it again.
func (s *suite) restarted(ctx context.Context) (o outcome, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	sent := series(s.cfg.Events, 0)
	if _, err := s.send(ctx, "restarted", sent); err != nil {
		return o, err
	}
	l := newLedger()
	half := func() bool { return len(l.times) >= len(sent)/2 }
	var before int
	for _, until := range []func() bool{half, l.all(setOf(sent))} {
		before = len(l.times)
		stop := s.consume(ctx, fail, "restarted", 20, l.handled("", 2*time.Millisecond, nil))
		err = l.await(ctx, until)
		if err == nil && before > 0 { // whatever comes twice has come by then
			err = s.settled(ctx, "restarted")
		}
		if stopped := stop(); err == nil {
			err = stopped
		}
		if err != nil {
			break
		}
	}
	o.did = fmt.Sprintf("stopped a consumer after %d of %d events and started it again", before, len(sent))
	o.faults = append(twice(l.times), disorderedOnly(l)...)
	o.evidence = "none came twice, none was missing"
	return o, err
}

func disorderedOnly(l *ledger) []string {
	ended, crossed, _ := l.copyOf()
	return append(crossed, disordered(ended)...)
}

// shared lets a second member join and the first one leave while events flow.
func (s *suite) shared(ctx context.Context) (o outcome, err error) {
	const enough = 30 // events that the second member has to handle
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	l := newLedger()
	by := func(member string) (n int) {
		for _, e := range l.ended {
			if e.member == member {
				n++
			}
		}
		return n
	}
	flowing, halt := context.WithCancel(ctx)
	sent := map[mark]bool{}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer halt()
	wg.Go(func() {
		for n := 0; flowing.Err() == nil; n++ {
			at, err := s.send(ctx, "shared", series(keys, n))
			if err != nil {
				fail(err)
				return
			}
			for m := range maps.Keys(at) {
				sent[m] = true
			}
			pause(flowing, 50*time.Millisecond)
		}
	})
	first := s.consume(ctx, fail, "shared", 20, l.handled("first", 2*time.Millisecond, nil))
	defer first() //nolint:errcheck // where it matters it was called before
	if err := l.await(ctx, func() bool { return by("first") >= enough }); err != nil {
		return o, err
	}
	second := s.consume(ctx, fail, "shared", 20, l.handled("second", 2*time.Millisecond, nil))
	defer second()            //nolint:errcheck // as above
	if s.run.Partitions > 1 { // one partition is the first's until it leaves
		if err := l.await(ctx, func() bool { return by("second") >= enough }); err != nil {
			return o, err
		}
	}
	if err := first(); err != nil {
		return o, err
	}
	l.mu.Lock()
	then := by("second") + enough
	l.mu.Unlock()
	if err := l.await(ctx, func() bool { return by("second") >= then }); err != nil {
		return o, err
	}
	halt()
	wg.Wait()
	err = l.await(ctx, l.all(sent))
	if err == nil {
		err = s.settled(ctx, "shared")
	}
	if stopped := second(); err == nil {
		err = stopped
	}
	o.did = fmt.Sprintf("a second member joined and the first left while %d events flowed (%d and %d of them)", len(sent), by("first"), by("second"))
	o.faults = append(lost(sent, l.times), twice(l.times)...)
	o.faults = append(o.faults, disorderedOnly(l)...)
	o.evidence = "each handled once and in order by one of the two"
	return o, err
}
