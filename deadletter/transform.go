package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
)

// Transform makes another event of an event, both as they are on the wire.
type Transform func(ctx context.Context, value []byte) ([]byte, error)

// Transforming gives a desk that understands [Options.Transform]: compile makes of its text what is done to each event.
func (d *Desk) Transforming(compile func(text string) (Transform, error)) *Desk {
	with := *d
	with.compile = compile
	return &with
}

// Sample is what a plan would make of one of its dead letters.
type Sample struct {
	ID            string
	Before, After []byte
}

const maxSamples = 5

// transform compiles what o asks for; nil: nothing.
func (d *Desk) transform(o Options) (Transform, error) {
	switch {
	case o.Transform == "":
		return nil, nil //nolint:nilnil // there is nothing to do
	case d.compile == nil:
		return nil, errors.New("the job transforms its events, and this program does not know how")
	}
	fn, err := d.compile(o.Transform)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	return fn, nil
}

// transformed is the draft that fn makes of a dead letter, or of its draft. It is held to what an edited event is held to.
func (d *Desk) transformed(ctx context.Context, fn Transform, dead bus.DeadLetter, draft *Draft, compiled map[event.Topic]*schema.Schema) (*Draft, error) {
	value, headers := dead.Value, dead.OriginalHeaders()
	if draft != nil {
		value, headers = draft.Value, draft.Headers
	}
	value, err := fn(ctx, value)
	if err != nil {
		return nil, fmt.Errorf("transform: %w", err)
	}
	if err := d.check(read(dead), value, compiled); err != nil {
		return nil, fmt.Errorf("transformed: %w", err)
	}
	return &Draft{By: d.by, At: time.Now(), Value: value, Headers: headers}, nil
}

// rehearse transforms the letters of a plan, and returns the first samples and for how many it does not work.
func (d *Desk) rehearse(ctx context.Context, fn Transform, letters []Letter) (samples []Sample, failed int, err error) {
	drafts := map[string]*Draft{}
	for _, l := range letters {
		drafts[l.Identity.key()] = l.Draft
	}
	compiled := map[event.Topic]*schema.Schema{}
	for items := range batches(itemsOf(letters)) {
		found, err := d.bodies(ctx, items)
		if err != nil {
			return nil, 0, err
		}
		for _, i := range items {
			dead, ok := found[i.edition.coordinates()]
			if !ok {
				continue // retention is faster; the run will say so
			}
			before := drafts[i.id()]
			draft, err := d.transformed(ctx, fn, dead, before, compiled)
			switch {
			case ctx.Err() != nil:
				return nil, 0, context.Cause(ctx)
			case err != nil:
				failed++
			case len(samples) < maxSamples:
				s := Sample{ID: i.identity.ID(), Before: dead.Value, After: draft.Value}
				if before != nil {
					s.Before = before.Value
				}
				samples = append(samples, s)
			}
		}
	}
	return samples, failed, nil
}
