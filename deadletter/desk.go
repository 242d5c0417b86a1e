package deadletter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// Where operators' decisions and jobs are kept.
const (
	stateTopic event.Topic = "_omnibus.deadletters"
	jobsTopic  event.Topic = "_omnibus.jobs"
)

// StateTopics are the topics of decisions and jobs, made when they are first needed.
func StateTopics() []event.Topic { return []event.Topic{stateTopic, jobsTopic} }

// Desk works on the dead letters of a cluster in one operator's name. It keeps nothing: what it knows it reads.
type Desk struct {
	bus     *bus.Bus
	by      string
	compile func(text string) (Transform, error) // nil: nothing can be transformed
}

// Open gives the desk of an operator. An empty name is that of the user who runs the program: user@host.
func Open(b *bus.Bus, operator string) *Desk {
	if operator == "" {
		operator = Operator()
	}
	return &Desk{bus: b, by: operator}
}

// Operator names who runs the program: user@host.
func Operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return name + "@" + host
}

// ensure makes what a mutation needs.
func (d *Desk) ensure(ctx context.Context) error {
	if err := d.bus.EnsureState(ctx, StateTopics()...); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	return d.EnsureAudit(ctx)
}

// tail reads a topic of one partition from offset on, to its end as it stands. A topic that is not there is empty.
func (d *Desk) tail(ctx context.Context, topic event.Topic, offset int64, each func(bus.Record)) error {
	r := bus.Range{Topics: []event.Glob{event.Glob(topic)}}
	if offset > 0 {
		r.From = bus.AtOffset(offset)
	}
	for rec, err := range d.bus.Scan(ctx, r) {
		if errors.Is(err, bus.ErrUnknownTopic) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		each(rec)
	}
	return nil
}

// catchUp reads what has been added to the state topic since.
func (d *Desk) catchUp(ctx context.Context, l *ledger) error {
	return d.tail(ctx, stateTopic, l.next, l.apply)
}

// stake writes down that a run is about to act on some dead letters, and reads on until it finds that record: then book knows
// which of them are its own. key is what deletes the claim.
func (d *Desk) stake(ctx context.Context, book *ledger, c claim, n int) (key string, err error) {
	c.By, c.TTL = d.by, claimTTL.Milliseconds()
	key = claimKey + c.Run + "/" + strconv.Itoa(n)
	if err := d.put(ctx, stateTopic, key, c); err != nil {
		return "", err
	}
	if err := d.catchUp(ctx, book); err != nil {
		return "", err
	}
	if _, ok := book.claims[key]; !ok {
		return "", fmt.Errorf("%s was written to %s, and is not there", key, stateTopic)
	}
	return key, nil
}
