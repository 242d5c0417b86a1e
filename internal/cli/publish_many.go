package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// How many are published at once: as many as take about a quarter of a second, so that progress, Ctrl-C and an outage are
// never far away, and the wait for the last acknowledgement does not count.
const (
	strideFirst = 500
	strideMost  = 8000 // below what a bus has in flight
	strideShort = 100 * time.Millisecond
	strideLong  = 500 * time.Millisecond
)

// topicAgain is how long a topic that the broker does not have is taken for missing without asking again.
const topicAgain = 5 * time.Second

type batchDoc struct {
	Schema    string         `json:"schema"`
	DryRun    bool           `json:"dry_run,omitzero"`
	Published int            `json:"published"` // in a dry run: what would be
	Failed    int            `json:"failed"`
	Failures  []batchFailure `json:"failures"`

	// Where it ended early: which lines are acknowledged, which may be, and from which to go on.
	Acknowledged spans `json:"acknowledged,omitempty"`
	Unknown      spans `json:"unknown,omitempty"`
	Next         int   `json:"next,omitzero"`
}

type batchFailure struct {
	Line    int    `json:"line"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Cause   string `json:"cause,omitzero"`
}

// item is one of many to publish, or why it cannot be.
type item struct {
	number int // of its line, from 1
	out    bus.Outgoing
	err    error
}

// many publishes what a source gives, in order, and keeps account of it.
type many struct {
	a       *app
	unit    string                                                     // what is counted: "line"
	resume  func(next int) string                                      // how to go on from there
	next    func(ctx context.Context, most int) ([]item, error)        // waits for one or more; io.EOF at the end
	publish func(ctx context.Context, out []bus.Outgoing) []bus.Result // as bus.PublishAll
	told    *progress
	pace    pace
	stride  stride
	topics  map[event.Topic]missingTopic // those that were asked for; the zero value is one that is there
	doc     batchDoc
	worst   code // of what failed first
	last    int  // the last item whose outcome is in the account
}

// missingTopic is since when a topic is not there, and what that means: to find out costs two seconds, and to explain it a
// comparison with every name there is.
type missingTopic struct {
	since time.Time
	err   error
}

// publishMany runs m on a bus, or in a dry run without one.
func (a *app) publishMany(ctx context.Context, o publishOptions, m *many) error {
	perSecond, err := parseRate(o.rate)
	if err != nil {
		return err
	}
	m.a, m.pace.perSecond, m.stride.size = a, perSecond, strideFirst
	m.doc = batchDoc{Schema: schemaOf("publish.batch"), DryRun: o.dryRun, Failures: []batchFailure{}}
	m.topics = map[event.Topic]missingTopic{}
	if o.dryRun {
		cfg, err := a.busConfig(service)
		if err != nil {
			return err
		}
		enc, err := bus.NewEncoder(cfg)
		if err != nil {
			return err
		}
		m.publish = func(ctx context.Context, out []bus.Outgoing) []bus.Result { return encodeAll(ctx, enc, out) }
		return m.run(ctx)
	}
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		m.publish = func(ctx context.Context, out []bus.Outgoing) []bus.Result {
			results, _ := b.PublishAll(ctx, out...) // each result has its own error
			return results
		}
		return m.run(ctx)
	})
}

// encodeAll makes the records and sends none.
func encodeAll(ctx context.Context, enc *bus.Encoder, out []bus.Outgoing) []bus.Result {
	results := make([]bus.Result, len(out))
	for i, o := range out {
		_, results[i].Err = enc.Encode(ctx, o)
	}
	return results
}

func (m *many) run(ctx context.Context) error {
	defer m.told.hide()
	for {
		items, err := m.next(ctx, m.most())
		switch {
		case errors.Is(err, io.EOF):
			return m.finish()
		case ctx.Err() != nil:
			return m.interrupted(ctx)
		case err != nil:
			return m.broken(err)
		}
		for len(items) > 0 {
			n := m.together(items)
			if !m.wait(ctx, n) {
				return m.interrupted(ctx)
			}
			if err := m.send(ctx, items[:n]); err != nil {
				return m.broken(err)
			}
			items = items[n:]
		}
	}
}

// most is how many to ask for at once.
func (m *many) most() int {
	if m.pace.perSecond > 0 {
		return min(m.stride.size, max(1, int(m.pace.perSecond/20)))
	}
	return m.stride.size
}

// together is how many items can be sent at once: up to the first one of a topic that has not been asked for. Asking for a topic
// that is not there takes two seconds, in which nobody else's acknowledgement should be waited for, and is done once.
func (m *many) together(items []item) int {
	for i, it := range items {
		if it.err == nil {
			if missing, asked := m.topics[topicOfOutgoing(it.out)]; !asked || missing.err != nil && m.a.now().Sub(missing.since) >= topicAgain {
				return i + 1
			}
		}
	}
	return len(items)
}

// topicOfOutgoing tells topics apart; for an event it is the event type.
func topicOfOutgoing(o bus.Outgoing) event.Topic {
	if o.Record != nil {
		return o.Record.Topic
	}
	return o.Envelope.Type
}

// wait keeps the rate. It reports whether to go on.
func (m *many) wait(ctx context.Context, n int) bool {
	d := m.pace.wait(m.a.now(), n)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send publishes items and waits until they are acknowledged: also where ctx ends meanwhile, so that the account is exact. An
// error is one that those after it would have as well.
func (m *many) send(ctx context.Context, items []item) error {
	var out []bus.Outgoing
	var numbers []int
	for _, it := range items {
		m.last = it.number
		if it.err != nil {
			m.fail(it.number, it.err)
			continue
		}
		if missing := m.topics[topicOfOutgoing(it.out)]; missing.err != nil && m.a.now().Sub(missing.since) < topicAgain {
			m.fail(it.number, missing.err)
			continue
		}
		out, numbers = append(out, it.out), append(numbers, it.number)
	}
	began := m.a.now()
	results := m.publish(context.WithoutCancel(ctx), out)
	m.stride.took(len(out), m.a.now().Sub(began))
	var away error
	for i, r := range results {
		topic := topicOfOutgoing(out[i])
		switch {
		case r.Err == nil:
			m.topics[topic] = missingTopic{}
			m.doc.Published++
			m.doc.Acknowledged.add(numbers[i])
		case errors.Is(r.Err, bus.ErrUnknown), errors.Is(r.Err, bus.ErrUnreachable):
			if away == nil || errors.Is(r.Err, bus.ErrUnreachable) && !errors.Is(away, bus.ErrUnreachable) {
				away = r.Err // it says most
			}
			if m.doc.Next == 0 {
				m.doc.Next = numbers[i]
			}
			if errors.Is(r.Err, bus.ErrUnknown) {
				m.doc.Unknown.add(numbers[i])
			}
		default:
			f := m.a.explain(r.Err)
			if errors.Is(r.Err, bus.ErrUnknownTopic) {
				m.topics[topic] = missingTopic{m.a.now(), f}
			}
			m.fail(numbers[i], f)
		}
	}
	m.told.at(int64(m.doc.Published))
	return away
}

// fail keeps what is wrong with one item; the others go on.
func (m *many) fail(number int, err error) {
	f := m.a.explain(err)
	m.doc.Failed++
	if m.worst == 0 {
		m.worst = f.code
	}
	if len(m.doc.Failures) < 1000 {
		m.doc.Failures = append(m.doc.Failures, batchFailure{number, f.code.String(), f.message, f.cause})
	}
	if m.a.format != formatJSON && m.doc.Failed <= 20 {
		m.a.note("%s %d: %s: %s", m.unit, number, f.code, f.message)
	}
}

// finish ends what ran to its end.
func (m *many) finish() error {
	m.doc.Acknowledged = nil // all that did not fail
	if err := m.print(); err != nil || m.doc.Failed == 0 {
		return err
	}
	first := m.doc.Failures[0]
	if m.doc.Published == 0 {
		return fail(m.worst, "no event was published: %s", count(m.doc.Failed, m.unit+" is wrong", m.unit+"s are wrong")).
			at("first", "%s %d", m.unit, first.Line).because("%s", first.Message).fix("correct the %ss and run it again", m.unit)
	}
	return fail(codePartial, "%d of %d %ss could not be published", m.doc.Failed, m.doc.Failed+m.doc.Published, m.unit).
		at("first", "%s %d", m.unit, first.Line).because("%s", first.Message).fix("correct those %ss and publish them alone", m.unit)
}

func (m *many) print() error {
	verb := "published"
	if m.doc.DryRun {
		verb = "would publish"
	}
	return m.a.print(m.doc, func() error { return m.a.printf("%s %d, failed %d\n", verb, m.doc.Published, m.doc.Failed) })
}

// interrupted ends where the user said so, and says how to go on.
func (m *many) interrupted(ctx context.Context) error {
	m.doc.Next = m.last + 1
	if err := m.print(); err != nil {
		return err
	}
	m.a.note("stopped: all up to %s %d is settled; go on with", m.unit, m.last)
	m.a.note("%s", m.resume(m.doc.Next))
	return ctx.Err()
}

// broken ends where nothing can go on, and says which are acknowledged and which may be.
func (m *many) broken(err error) error {
	if m.doc.Next == 0 {
		m.doc.Next = m.last + 1
	}
	if printed := m.print(); printed != nil {
		return printed
	}
	f := m.a.explain(err)
	f.at("acknowledged", "%s", m.doc.Acknowledged.text(m.unit))
	if len(m.doc.Unknown) > 0 {
		f.at("unknown", "%s: they may have arrived, or may still", m.doc.Unknown.text(m.unit))
	}
	f.at("not sent", "all others")
	f.fixes = nil
	f.fix("mend the cause, then go on as below")
	if len(m.doc.Unknown) > 0 {
		f.fix("leave out those that arrived meanwhile, where twice does harm: omnibus consume TOPIC --last 10")
	}
	return f.then(m.resume(m.doc.Next))
}
