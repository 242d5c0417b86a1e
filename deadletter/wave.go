package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

// batch claims the dead letters and settles those that it got, wave by wave.
func (r *run) batch(ctx context.Context, batch []sendable, show func(Progress) bool) error {
	if len(batch) == 0 {
		return nil
	}
	size := maxWave
	if r.pace.perSecond > 0 {
		size = min(size, max(1, int(r.pace.perSecond/10)))
	}
	// The wait for the first wave comes before the claim, so that a claim is never held over a long one.
	if err := r.wait(ctx, r.pace.delay(time.Now(), min(size, len(batch))), show); err != nil {
		return err
	}
	claimed := time.Now()
	mine, key, err := r.claim(ctx, batch)
	if err != nil {
		return err
	}
	sure, err := r.waves(ctx, claimed, waves(mine, size, r.job.Options.KeepOrder), show)
	if !sure {
		return err // what may have been sent stays claimed, so that the next run looks for it
	}
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	return errors.Join(err, r.desk.put(free, stateTopic, key, nil))
}

// claim returns what of the batch is this run's own: what no other run claimed before. The rest is counted, or put off.
func (r *run) claim(ctx context.Context, batch []sendable) ([]sendable, string, error) {
	r.claims++
	c := claim{Run: r.id, Job: r.job.ID}
	for _, s := range batch {
		c.Items = append(c.Items, s.id())
	}
	key, err := r.desk.stake(ctx, r.book, c, r.claims)
	if err != nil {
		return nil, "", fmt.Errorf("claim: %w", err)
	}
	var mine []sendable
	var doubted []item
	var when window
	for _, s := range batch {
		g := r.book.grants[s.id()]
		switch {
		case r.settledBefore(s.item):
			r.progress.Left--
			r.idle = false
		case g.run != r.id:
			r.progress.Held++
			r.postpone(s)
		case r.job.Options.KeepOrder && r.blocked[s.lane()]:
			r.postpone(s)
		default:
			if d, ok := r.book.draftOf(s.id(), s.edition); ok {
				s.draft = &d
			}
			if g.doubt != nil {
				doubted = append(doubted, s.item)
				when = when.and(*g.doubt)
			}
			mine = append(mine, s)
		}
	}
	if len(doubted) == 0 || r.job.Action != Retry {
		return mine, key, nil
	}
	arrived, err := r.desk.arrived(ctx, r.targets(doubted), when)
	if err != nil {
		return nil, "", err
	}
	for i, s := range mine {
		if at, ok := arrived[s.resent()]; ok {
			mine[i].arrived = &at
		}
	}
	return mine, key, nil
}

// waves settles one wave after the other, as long as the claim is good for; the rest is put off. It is not sure where it does
// not know what was sent, or could not write it down.
func (r *run) waves(ctx context.Context, claimed time.Time, waves [][]sendable, show func(Progress) bool) (sure bool, err error) {
	for n, wave := range waves {
		if n > 0 {
			if err := r.wait(ctx, r.pace.delay(time.Now(), len(wave)), show); err != nil {
				return true, err
			}
		}
		if time.Since(claimed) > claimTTL-2*sendWithin {
			for _, s := range slices.Concat(waves[n:]...) {
				r.postpone(s)
			}
			return true, nil
		}
		if err := r.wave(ctx, wave); err != nil {
			return false, err
		}
	}
	return true, nil
}

// wave settles some dead letters at once: those that are to be sent are sent, and then what became of them is written down.
func (r *run) wave(ctx context.Context, wave []sendable) error {
	var send []bus.Record
	var sent, marked []sendable
	var decisions []decided
	for _, s := range wave {
		switch refused := r.refuse(s); {
		case r.job.Action != Retry:
			marked = append(marked, s)
			decisions = append(decisions, r.decide(s, r.job.Action.leaves(), nil))
		case refused != nil:
			r.progress.fail(s.identity.ID(), refused)
		case s.arrived != nil:
			marked = append(marked, s)
			decisions = append(decisions, r.decide(s, Sent, s.arrived))
			r.again.expect(s.item)
		case r.job.Options.KeepOrder && r.stuck[s.lane()]:
			r.progress.fail(s.identity.ID(), errors.New("an earlier event of its key was not sent"))
		case s.dead.Redrives >= r.job.Options.MaxRedrives:
			marked = append(marked, s)
			decisions = append(decisions, r.decide(s, Quarantined, nil))
		default:
			if r.change != nil {
				draft, err := r.desk.transformed(ctx, r.change, s.dead, s.draft, r.schemas)
				if err != nil {
					r.progress.fail(s.identity.ID(), err)
					r.stuck[s.lane()] = true
					continue
				}
				s.draft = draft
			}
			send = append(send, again(s.dead, s.draft, r.job.target(s.identity), r.job.Options.AllGroups))
			sent = append(sent, s)
		}
	}
	// What has begun is brought to its end, whoever has lost interest.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendWithin)
	defer cancel()
	results, _ := r.desk.bus.Append(within, send...) // each result has its error
	var broken error
	for i, res := range results {
		switch s := sent[i]; {
		case res.Err == nil:
			marked = append(marked, s)
			decisions = append(decisions, r.decide(s, Sent, &place{res.Topic, res.Partition, res.Offset}))
			r.again.expect(s.item)
		case isItsOwn(res.Err):
			r.progress.fail(s.identity.ID(), res.Err)
			r.stuck[s.lane()] = true
		default:
			broken = cmp.Or(broken, res.Err)
		}
	}
	if err := r.write(within, decisions); err != nil {
		return errors.Join(fmt.Errorf("%d were sent, and this could not be written down: %w", len(sent), err), broken)
	}
	r.idle = false
	for i := range marked {
		r.progress.Left--
		r.settled++
		if decisions[i].State == Quarantined {
			r.progress.Quarantined++
		} else {
			r.progress.Done++
		}
	}
	return broken
}

// refuse says why a dead letter cannot be sent at all.
func (r *run) refuse(s sendable) error {
	switch {
	case r.job.Action != Retry:
		return nil
	case s.dead.Group == "" && !r.job.Options.AllGroups:
		return errors.New("it does not say which group failed; it can only be sent to all groups")
	case r.job.target(s.identity).IsDLQ():
		return fmt.Errorf("%s is a dead-letter topic", r.job.target(s.identity))
	}
	return nil
}

// isItsOwn reports whether an error is about this one event, so that others may do better.
func isItsOwn(err error) bool {
	return errors.Is(err, bus.ErrTooLarge) || errors.Is(err, bus.ErrUnknownTopic)
}

func (r *run) decide(s sendable, state State, to *place) decided {
	return decided{
		Decision: Decision{State: state, Job: r.job.ID, By: r.desk.by, At: time.Now(), Note: r.job.Options.Note},
		Identity: s.identity, Edition: s.edition, SentTo: to,
	}
}

func (r *run) write(ctx context.Context, decisions []decided) error {
	records := make([]bus.Record, 0, len(decisions))
	for _, d := range decisions {
		rec, err := d.record()
		if err != nil {
			return err
		}
		records = append(records, rec)
		if r.job.Action == Restore {
			if _, drafted := r.book.draftOf(d.Identity.key(), d.Edition); drafted {
				records = append(records, bus.Record{Topic: stateTopic, Key: []byte(draftKey + d.Identity.key())})
			}
		}
	}
	if len(records) == 0 {
		return nil
	}
	_, err := r.desk.bus.Append(ctx, records...)
	return err
}
