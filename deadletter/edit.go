package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/audit"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
)

// ErrState means that the state of a dead letter does not allow what was asked.
var ErrState = errors.New("not in this state")

// Edit stores an edited event as the draft of a dead letter, in place of an earlier draft; the next retry sends it, and never the
// original, which stays as it is. Nothing is sent. With headers nil, those of the original stay. The event must be valid: an error
// of [Desk.Check] is returned and nothing is stored.
func (d *Desk) Edit(ctx context.Context, id string, value []byte, headers []bus.Header, note string) (Letter, error) {
	if utf8.RuneCountInString(note) > maxNote {
		return Letter{}, fmt.Errorf("edit %s: the note has more than %d characters", id, maxNote)
	}
	l, err := d.Show(ctx, id)
	if err != nil {
		return Letter{}, err
	}
	if !slices.Contains([]State{Pending, Drafted, Quarantined}, l.State) {
		return Letter{}, fmt.Errorf("edit %s: %w: it is %s; restore it first", l.ID, ErrState, l.State)
	}
	if err := d.Check(l, value); err != nil {
		return Letter{}, fmt.Errorf("edit %s: %w", l.ID, err)
	}
	if headers == nil {
		headers = l.OriginalHeaders()
	}
	draft := Draft{By: d.by, At: time.Now(), Note: note, Value: value, identity: l.Identity, edition: editionOf(l.DeadLetter)}
	for _, h := range headers {
		if !strings.HasPrefix(h.Name, headerDLQ) && h.Name != draftHeader && h.Name != headerTargetGroup {
			draft.Headers = append(draft.Headers, h)
		}
	}
	rec, err := draft.record()
	if err != nil {
		return Letter{}, err
	}
	if err := d.ensure(ctx); err != nil {
		return Letter{}, err
	}
	err = d.audited(ctx, audit.OperatorAction{Action: "edit", Subject: l.ID, Note: note}, func() (map[string]int64, error) {
		return nil, d.storeDraft(ctx, l, rec)
	})
	if err != nil {
		return Letter{}, err
	}
	l.Draft = &draft
	if l.State == Pending {
		l.State = Drafted
	}
	return l, nil
}

// storeDraft holds the dead letter meanwhile, so that no run sends it without the draft.
func (d *Desk) storeDraft(ctx context.Context, l Letter, rec bus.Record) error {
	book, id := newLedger(), l.Identity.key()
	if err := d.catchUp(ctx, book); err != nil {
		return err
	}
	run := newRunID()
	key, err := d.stake(ctx, book, claim{Run: run, Items: []string{id}}, 1)
	if err != nil {
		return err
	}
	if now := book.judge(l).State; book.grants[id].run != run {
		err = fmt.Errorf("edit %s: %w: a job is about to send it", l.ID, ErrState)
	} else if now == Sent || now == Resolved || now == Purged {
		err = fmt.Errorf("edit %s: %w: it is %s by now", l.ID, ErrState, now)
	} else {
		_, err = d.bus.Append(ctx, rec)
	}
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	return errors.Join(err, d.put(free, stateTopic, key, nil))
}

// Check says whether an event could stand in place of the dead letter l: it must be an event with a payload that its schema
// allows, and the id and the type that l has, as far as l could be read; those of a foreign event may be missing. It is an
// ErrInvalid where not.
func (d *Desk) Check(l Letter, value []byte) error {
	return d.check(l, value, map[event.Topic]*schema.Schema{})
}

func (d *Desk) check(l Letter, value []byte, compiled map[event.Topic]*schema.Schema) error {
	e, err := event.Decode(value)
	if err != nil {
		return fmt.Errorf("%w: %w", bus.ErrInvalid, err)
	}
	was, _ := event.Decode(l.Value) // what cannot be read had neither
	if (!e.ID.IsZero() || !was.ID.IsZero()) && !l.EventID.IsZero() && e.ID != l.EventID {
		return fmt.Errorf("%w: %w", bus.ErrInvalid, fmt.Errorf("event_id must stay %s", l.EventID))
	}
	if e.Type == "" && was.Type == "" { // a foreign event need not have one
		e.Type = l.EventType
	}
	if l.EventType != "" && e.Type != l.EventType {
		return fmt.Errorf("%w: %w", bus.ErrInvalid, fmt.Errorf("event_type must stay %s", l.EventType))
	}
	return d.valid(e, compiled)
}

// valid holds a payload against the schema that the catalogue has for it, if any, as consumers do. It keeps in compiled what it
// has compiled.
func (d *Desk) valid(e event.Envelope, compiled map[event.Topic]*schema.Schema) error {
	spec, ok := d.bus.Catalog().Lookup(e.Type)
	if !ok {
		return nil
	}
	payload, err := spec.Normalize(e.Payload)
	if err != nil {
		return fmt.Errorf("%w: %w", bus.ErrInvalid, err)
	}
	s := compiled[spec.Topic]
	if s == nil {
		value, err := schema.Compose(spec.Schema, schema.Consumer)
		if err != nil {
			return fmt.Errorf("schema of %s: %w", spec.Topic, err)
		}
		if s, err = schema.Parse(value); err != nil {
			return fmt.Errorf("schema of %s: %w", spec.Topic, err)
		}
		compiled[spec.Topic] = s
	}
	if err := s.ScanPayload(payload); err != nil {
		return fmt.Errorf("%w: %w", bus.ErrInvalid, err)
	}
	return nil
}
