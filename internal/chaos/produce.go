package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/histcheck"
	actors "github.com/omninode-ai/omnibus/internal/histcheck/actor"
)

// mostAtOnce is how many events a producer has under way. They are of different keys: an event whose outcome is unknown is
// published again under its id, and until it is acknowledged nothing of its key may follow.
const mostAtOnce = 300

// produce publishes o.Events events at o.Rate a second, and catches up when it was held up.
func produce(ctx context.Context, o orders, say *voice) (err error) {
	ledger, err := histcheck.Open(o.Ledger, o.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ledger.Close()) }()
	b, err := openBus(ctx, o, nil, os.Stderr)
	if err != nil {
		return err
	}
	say.line(sayReady, "")
	s := newSource(o)
	who := actors.Actor{Ledger: ledger}
	for began := time.Now(); s.left() > 0 && ctx.Err() == nil; {
		due := int(time.Since(began).Seconds() * o.Rate)
		batch := s.batch(min(mostAtOnce, due-s.made))
		if len(batch) == 0 {
			pause(ctx, 5*time.Millisecond)
			continue
		}
		for i, r := range who.Publish(ctx, b, o.Work.Topic, batch...) {
			s.outcome(batch[i], r.Err)
		}
		say.line(saySent, strconv.Itoa(s.through))
	}
	err = b.Close()
	if errors.Is(err, bus.ErrUnknown) && ctx.Err() != nil {
		err = nil // it was told to stop, and its ledger says which outcomes are not known
	}
	end := histcheck.Line{Kind: histcheck.Exit}
	if err != nil {
		end.Note = err.Error()
	}
	ledger.Append(end)
	return err
}

// source makes the events of a producer: which key comes next and what it asks for is drawn from the seed.
type source struct {
	o       orders
	rng     *rand.Rand
	keys    []sourceKey
	made    int // events
	through int // of them, those whose outcome is final
}

type sourceKey struct {
	seq  int64
	open *histcheck.Event // of unknown outcome
	busy bool             // in the batch that is being made
}

func newSource(o orders) *source {
	return &source{o: o, rng: rand.New(rand.NewPCG(o.Seed, 2)), keys: make([]sourceKey, o.Work.Keys)} //nolint:gosec // to be repeatable
}

// left is how many events are not through.
func (s *source) left() int { return s.o.Events - s.through }

// batch is what comes next, at most one event of each key: first what is open, then up to fresh new ones.
func (s *source) batch(fresh int) []histcheck.Event {
	var out []histcheck.Event
	for i := range s.keys {
		k := &s.keys[i]
		k.busy = k.open != nil
		if k.busy {
			out = append(out, *k.open)
		}
	}
	for range 2 * fresh { // some draws hit a key that is taken
		if s.made == s.o.Events || len(out) >= mostAtOnce || fresh <= 0 {
			break
		}
		// Low keys are hotter: the tenth of a thousand comes three times as often as the hundredth.
		at := s.rng.Float64()
		n := int(at * at * float64(len(s.keys)))
		k := &s.keys[n]
		if k.busy {
			continue
		}
		k.busy = true
		k.seq++
		s.made++
		fresh--
		out = append(out, s.event(n, k.seq))
	}
	return out
}

func (s *source) event(key int, seq int64) histcheck.Event {
	asked := s.o.Work.Mix.draw(s.rng)
	e := histcheck.Event{
		Run: s.o.Work.Run, Producer: s.o.Name, Seq: int64(s.made), Key: keyName(s.o.Name, key), KeySeq: seq,
		ID: event.NewID().String(), Body: asked + "|" + strings.Repeat("·", 20+s.rng.IntN(60)),
	}
	if asked == askPoison || asked == askReject {
		e.Fate = histcheck.Dead
	}
	return e
}

// keyName is the name of a key: it belongs to one life of one producer.
func keyName(producer string, n int) string {
	return strings.TrimPrefix(producer, "producer/") + "-" + strconv.Itoa(n)
}

// outcome notes what became of e. What is certainly not in the log is given up; what may be is published again.
func (s *source) outcome(e histcheck.Event, err error) {
	_, number, _ := strings.Cut(e.Key, "-")
	n, _ := strconv.Atoi(number) // made by keyName
	k := &s.keys[n]
	if err != nil && !errors.Is(err, bus.ErrNotSent) {
		k.open = &e
		return
	}
	k.open = nil
	s.through++
}
