package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// skew is how far the clock of a sender may be from the broker's.
const skew = time.Minute

// resent names one sending of a dead letter.
type resent struct {
	id       string
	redrives int
}

func (i item) resent() resent { return resent{i.id(), i.edition.Redrives + 1} }

// and is the time that spans both.
func (w window) and(o window) window {
	if w.from.IsZero() || o.from.Before(w.from) {
		w.from = o.from
	}
	if o.to.After(w.to) {
		w.to = o.to
	}
	return w
}

// arrived finds what runs sent to some topics within a time. A run that was killed may have sent what it had claimed without
// having said so; what is found need not be sent again.
func (d *Desk) arrived(ctx context.Context, topics []event.Topic, when window) (map[resent]place, error) {
	found := map[resent]place{}
	for _, t := range topics {
		r := bus.Range{Topics: []event.Glob{event.Glob(t)}, From: bus.AtTime(when.from.Add(-skew)), To: bus.AtTime(when.to.Add(skew))}
		for rec, err := range d.bus.Scan(ctx, r) {
			if errors.Is(err, bus.ErrUnknownTopic) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("look for what was sent to %s: %w", t, err)
			}
			if rec.Header(headerRedrives) != nil {
				sent := bus.ParseDeadLetter(rec)
				found[resent{IdentityOf(sent).key(), sent.Redrives}] = place{rec.Topic, rec.Partition, rec.Offset}
			}
		}
	}
	return found, nil
}
