package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// scratch is the beginning of the names of topics that a doctor makes and deletes.
const scratch = "_omnibus.doctor."

// clockReading is what a round trip tells of the broker's clock.
type clockReading struct {
	before, after time.Time // here
	broker        time.Time // between the two; zero: the broker does not stamp records
}

// checkRoundTrip writes a record to a topic of its own and reads it again.
func checkRoundTrip(ctx context.Context, e *exam) (found []Finding) {
	b, err := e.open(ctx)
	if err != nil {
		return broken(ctx, "connect", err)
	}
	id := event.NewID().String()
	topic := event.Topic(scratch + id[:8])
	if err := b.EnsureState(ctx, topic); err != nil {
		return broken(ctx, "create topic "+string(topic), err)
	}
	defer func() {
		cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.cfg.Each)
		defer cancel()
		if err := b.DeleteTopics(cleaning, topic); err != nil {
			found = append(found, Finding{Warn, fmt.Sprintf("topic %s was left behind: %s", topic, why(err)), "omnibus topics delete " + string(topic)})
		}
	}()
	infos, err := b.Topics(ctx, event.Glob(topic))
	if err != nil {
		return broken(ctx, "look at topic "+string(topic), err)
	}
	e.clock.before = e.cfg.Now()
	began := time.Now()
	if _, err = b.Append(ctx, bus.Record{Topic: topic, Key: []byte(id), Value: []byte(id)}); err != nil {
		return broken(ctx, "write a record", err)
	}
	wrote := time.Since(began)
	e.clock.after = e.cfg.Now()
	began = time.Now()
	rec, err := first(ctx, b, topic)
	switch {
	case err != nil:
		return broken(ctx, "read the record", err)
	case !bytes.Equal(rec.Value, []byte(id)):
		return []Finding{{Fail, "the record that came out is not the one that went in", "look for a proxy or a plugin of the cluster that changes records"}}
	}
	if infos[0].Configs["message.timestamp.type"] == "LogAppendTime" {
		e.clock.broker = rec.Timestamp
	}
	return []Finding{{OK, fmt.Sprintf("written and acknowledged in %s, read in %s", ms(wrote), ms(time.Since(began))), ""}}
}

var errNothing = errors.New("what was acknowledged is not there")

func first(ctx context.Context, b *bus.Bus, topic event.Topic) (bus.Record, error) {
	for rec, err := range b.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(topic)}}) {
		return rec, err
	}
	return bus.Record{}, errNothing
}

func isScratch(t event.Topic) bool { return strings.HasPrefix(string(t), scratch) }

func checkClock(_ context.Context, e *exam) []Finding { return judgeClock(e.clock) }

// How far clocks may be apart: lag and ages are told in seconds, and a login or a certificate is refused at minutes.
const (
	skewSeen  = time.Second
	skewWrong = time.Minute
)

// judgeClock compares the broker's time with the span in which it must lie.
func judgeClock(c clockReading) []Finding {
	if c.broker.IsZero() {
		return []Finding{{Skip, "the broker does not stamp records with its own time", ""}}
	}
	skew := time.Duration(0) // within the span
	switch ahead, behind := c.broker.Sub(c.after), c.before.Truncate(time.Millisecond).Sub(c.broker); {
	case ahead > 0:
		skew = ahead
	case behind > 0:
		skew = behind
	}
	within := c.after.Sub(c.before)
	side := "behind"
	if c.broker.After(c.after) {
		side = "ahead of"
	}
	f := Finding{Warn, fmt.Sprintf("the broker's clock is %s %s this one: lag and ages are wrong by as much", skew.Round(time.Millisecond), side), "set the clocks: a time service (chrony, systemd-timesyncd) on both machines"}
	switch {
	case skew > skewWrong:
		f.Status = Fail
		return []Finding{f}
	case skew > skewSeen:
		return []Finding{f}
	}
	return []Finding{{OK, fmt.Sprintf("apart by less than %s", (skew + within).Round(time.Millisecond)), ""}}
}
