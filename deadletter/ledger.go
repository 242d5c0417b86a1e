package deadletter

import (
	"fmt"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// What the keys of the state topic begin with.
const (
	decisionKey = "state/"
	draftKey    = "draft/"
	claimKey    = "claim/"
)

// Problem is a record of ours that cannot be read. It decides nothing, and stops nothing.
type Problem struct {
	At  bus.Coordinates
	Key string
	Err error
}

func (p Problem) String() string { return fmt.Sprintf("%s: %v", p.At, p.Err) }

// ledger is what the records of the state topic add up to, in their order. It is the same for everyone who has read as far.
type ledger struct {
	next      int64 // the offset to read on from
	decisions map[string]decided
	drafts    map[string]Draft
	claims    map[string]claim
	grants    map[string]grant
	problems  map[string]Problem
}

// decided is a decision as it is stored, with the edition that it is about.
type decided struct {
	Decision
	Identity Identity `json:"identity"`
	Edition  edition  `json:"edition"`
	SentTo   *place   `json:"to,omitzero"`
}

type place struct {
	Topic     event.Topic `json:"topic"`
	Partition int32       `json:"partition"`
	Offset    int64       `json:"offset"`
}

// claim says that a run is about to act on some dead letters. It holds until its record is deleted, or for TTL after it was
// appended by the broker's clock.
type claim struct {
	Run   string   `json:"run"`
	Job   string   `json:"job"`
	By    string   `json:"by"`
	TTL   int64    `json:"ttl_ms"`
	Items []string `json:"items"` // keys of identities
}

// grant is who holds a dead letter.
type grant struct {
	run, claim string
	at, until  time.Time
	doubt      *window // when a run held it before that was never heard of again: it may have sent it, and not have said so
}

// window is a time by the broker's clock.
type window struct{ from, to time.Time }

func newLedger() *ledger {
	return &ledger{
		decisions: map[string]decided{}, drafts: map[string]Draft{}, claims: map[string]claim{}, grants: map[string]grant{}, problems: map[string]Problem{},
	}
}

// apply takes the next record.
func (l *ledger) apply(rec bus.Record) {
	l.next = rec.Offset + 1
	key := string(rec.Key)
	delete(l.problems, key) // a newer record replaces one that could not be read
	var err error
	switch {
	case strings.HasPrefix(key, decisionKey):
		err = l.decision(strings.TrimPrefix(key, decisionKey), rec.Value)
	case strings.HasPrefix(key, draftKey):
		err = l.draft(strings.TrimPrefix(key, draftKey), rec)
	case strings.HasPrefix(key, claimKey):
		err = l.claim(key, rec)
	default:
		err = fmt.Errorf("the key %q is none of ours", key)
	}
	if err != nil {
		l.problems[key] = Problem{At: rec.Coordinates(), Key: key, Err: err}
	}
}

func (l *ledger) decision(id string, value []byte) error {
	if value == nil {
		delete(l.decisions, id)
		return nil
	}
	var d decided
	if err := jsonx.Unmarshal(value, &d); err != nil {
		return fmt.Errorf("read the decision: %w", err)
	}
	if d.Identity.key() != id {
		return fmt.Errorf("the decision is about %s, and its key is not", d.Identity.key())
	}
	if to := d.SentTo; to != nil {
		d.To = &bus.Coordinates{Topic: to.Topic, Partition: to.Partition, Offset: to.Offset}
	}
	l.decisions[id] = d
	return nil
}

func (l *ledger) draft(id string, rec bus.Record) error {
	if rec.Header(draftHeader) == nil { // no draft any more
		delete(l.drafts, id)
		return nil
	}
	d, err := parseDraft(rec)
	if err != nil {
		return err
	}
	l.drafts[id] = d
	return nil
}

// claim grants to the run of rec what no other run holds at the time of rec. Whoever has read as far as rec comes to the same
// result, so a run that reads its own claim back knows what is its own.
func (l *ledger) claim(key string, rec bus.Record) error {
	if rec.Value == nil {
		for _, id := range l.claims[key].Items {
			if l.grants[id].claim == key {
				delete(l.grants, id)
			}
		}
		delete(l.claims, key)
		return nil
	}
	var c claim
	if err := jsonx.Unmarshal(rec.Value, &c); err != nil {
		return fmt.Errorf("read the claim: %w", err)
	}
	l.claims[key] = c
	for _, id := range c.Items {
		before, held := l.grants[id]
		if held && before.run != c.Run && rec.Timestamp.Before(before.until) {
			continue
		}
		g := grant{run: c.Run, claim: key, at: rec.Timestamp, until: rec.Timestamp.Add(time.Duration(c.TTL) * time.Millisecond)}
		if held {
			g.doubt = &window{before.at, before.until}
			if before.doubt != nil {
				g.doubt.from = before.doubt.from
			}
		}
		l.grants[id] = g
	}
	return nil
}

// decisionAbout is what was decided about the edition e, if anything.
func (l *ledger) decisionAbout(id string, e edition) (decided, bool) {
	d, ok := l.decisions[id]
	return d, ok && d.Edition.covers(e)
}

// draftOf is the draft that stands in place of the edition e, if any.
func (l *ledger) draftOf(id string, e edition) (Draft, bool) {
	d, ok := l.drafts[id]
	return d, ok && d.edition.covers(e)
}

// stateOf is the state of the edition e.
func (l *ledger) stateOf(id string, e edition) State {
	if d, ok := l.decisionAbout(id, e); ok && d.State != Pending {
		return d.State
	}
	if _, ok := l.draftOf(id, e); ok {
		return Drafted
	}
	return Pending
}

// record is d as it is stored.
func (d decided) record() (bus.Record, error) {
	value, err := jsonx.Marshal(d)
	if err != nil {
		return bus.Record{}, fmt.Errorf("encode what was decided about %s: %w", d.Identity.ID(), err)
	}
	return bus.Record{Topic: stateTopic, Key: []byte(decisionKey + d.Identity.key()), Value: value}, nil
}
