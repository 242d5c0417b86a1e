package cli

import (
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/trace"
)

// traceDoc is a flow as JSON: its events in the order of the tree, each with the id of the one above it. No payload is in it.
type traceDoc struct {
	Schema        string       `json:"schema"`
	CorrelationID string       `json:"correlation_id"`
	AskedFor      string       `json:"asked_for,omitzero"` // the event whose id was given
	Began         string       `json:"began"`
	Ended         string       `json:"ended"`
	Milliseconds  int64        `json:"milliseconds"`
	Events        int          `json:"events"`
	Failed        int          `json:"failed"`
	Services      []string     `json:"services"`
	Tree          []traceEvent `json:"tree"`
	Read          traceRead    `json:"read"`
	Next          []string     `json:"next"` // commands to be pasted
}

type traceRead struct {
	Topics   int    `json:"topics"`
	Records  int    `json:"records"`
	Since    string `json:"since,omitzero"` // empty: all there is
	Complete bool   `json:"complete"`
}

type traceEvent struct {
	EventID     string            `json:"event_id"`
	Parent      string            `json:"parent,omitzero"`
	Link        trace.Link        `json:"link,omitzero"` // how it is known to be below its parent: causation or correlation
	Depth       int               `json:"depth"`
	EventType   event.Topic       `json:"event_type,omitzero"`
	Service     string            `json:"service,omitzero"`
	Instance    string            `json:"instance_id,omitzero"`
	CausationID string            `json:"causation_id,omitzero"`
	At          *traceAt          `json:"at"` // null: it was not found
	Time        string            `json:"time"`
	AfterMS     int64             `json:"after_ms"` // since the flow began
	Timestamp   string            `json:"timestamp,omitzero"`
	Answers     string            `json:"answers,omitzero"` // the request that it is the response to
	AnswerMS    *int64            `json:"answer_ms,omitzero"`
	Flags       []string          `json:"flags"`
	AheadMS     int64             `json:"ahead_ms,omitzero"`
	Hidden      int               `json:"hidden,omitzero"`
	Copies      []traceCopy       `json:"copies"`
	DeadLetters []traceDeadLetter `json:"dead_letters"`
}

type traceAt struct {
	Topic     event.Topic `json:"topic"`
	Partition int32       `json:"partition"`
	Offset    int64       `json:"offset"`
}

type traceCopy struct {
	At       traceAt `json:"at"`
	Time     string  `json:"time"`
	AfterMS  int64   `json:"after_ms"`
	Redrives int     `json:"redrives"` // 0: published again; else it was sent again
	Target   string  `json:"target_group,omitzero"`
	Edited   bool    `json:"edited,omitzero"`
}

type traceDeadLetter struct {
	ID          string  `json:"id"`
	State       string  `json:"state,omitzero"`
	Group       string  `json:"group"`
	Attempts    int     `json:"attempts"`
	Class       string  `json:"class"`
	ErrorType   string  `json:"error_type,omitzero"`
	Message     string  `json:"error_message,omitzero"`
	Fingerprint string  `json:"fingerprint,omitzero"`
	FailedAt    string  `json:"failed_at"`
	AfterMS     int64   `json:"after_ms"`
	At          traceAt `json:"at"`
	Redrives    int     `json:"redrives"`
}

func (t *traced) doc(a *app, f *trace.Flow) traceDoc {
	doc := traceDoc{
		Schema: schemaOf("trace"), CorrelationID: valid(string(f.CorrelationID)), Began: jsonTime(f.Began), Ended: jsonTime(f.Ended),
		Milliseconds: f.Ended.Sub(f.Began).Milliseconds(), Events: f.Events, Failed: f.Failed, Services: append([]string{}, f.Services...),
		Read: traceRead{Topics: t.found.Topics, Records: t.found.Read, Since: jsonTime(t.since), Complete: !t.found.Partial},
		Next: append([]string{}, t.next(a)...), Tree: []traceEvent{},
	}
	if !t.found.EventID.IsZero() {
		doc.AskedFor = t.found.EventID.String()
	}
	f.All(func(n, parent *trace.Node, depth int) {
		e := t.event(n, f.Began)
		e.Depth = depth
		if parent != nil {
			e.Parent, e.Link = parent.ID.String(), n.Link
		}
		doc.Tree = append(doc.Tree, e)
	})
	return doc
}

func (t *traced) event(n *trace.Node, began time.Time) traceEvent {
	after := func(at time.Time) int64 { return at.Sub(began).Milliseconds() }
	e := traceEvent{
		EventID: n.ID.String(), EventType: event.Topic(valid(string(n.Type))), Service: n.Source.Service, Instance: n.Source.Instance, Time: jsonTime(n.Time),
		AfterMS: after(n.Time), Timestamp: jsonTime(n.Said), AheadMS: n.Ahead.Milliseconds(), Hidden: n.Hidden, Flags: traceFlags(n),
		Copies: []traceCopy{}, DeadLetters: []traceDeadLetter{},
	}
	if n.At != nil {
		e.At = &traceAt{n.At.Topic, n.At.Partition, n.At.Offset}
	}
	if !n.CausationID.IsZero() {
		e.CausationID = n.CausationID.String()
	}
	if !n.Answers.IsZero() {
		took := n.Took.Milliseconds()
		e.Answers, e.AnswerMS = n.Answers.String(), &took
	}
	for _, c := range n.Copies {
		e.Copies = append(e.Copies, traceCopy{
			At: traceAt{c.At.Topic, c.At.Partition, c.At.Offset}, Time: jsonTime(c.Time), AfterMS: after(c.Time), Redrives: c.Redrives,
			Target: valid(c.Target), Edited: c.Edited,
		})
	}
	for _, d := range n.Dead {
		e.DeadLetters = append(e.DeadLetters, traceDeadLetter{
			ID: letterID(d), State: t.stateOf(d), Group: valid(d.Group), Attempts: d.Retries + 1, Class: valid(d.Class), ErrorType: valid(d.Type), Message: valid(d.Message),
			Fingerprint: valid(d.Fingerprint), FailedAt: jsonTime(d.FailedAt), AfterMS: after(d.FailedAt),
			At: traceAt{d.Topic, d.Partition, d.Offset}, Redrives: d.Redrives,
		})
	}
	return e
}

// traceFlags are what is remarkable about an event, by fixed names.
func traceFlags(n *trace.Node) []string {
	flags := []string{}
	for _, f := range []struct {
		set  bool
		name string
	}{
		{n.Missing, "missing"},
		{n.At == nil && !n.Missing, "gone"},
		{n.Unreadable, "unreadable"},
		{n.Cycle, "cycle"},
		{n.Ahead > 0, "clock_skew"},
		{n.Unanswered, "unanswered"},
		{n.Failed(), "failed"},
	} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	return flags
}

func (a *app) printTraceTable(t traced, f *trace.Flow) error {
	table := newTable("AFTER#", "EVENT", "SERVICE", "LIES AT", "EVENT ID", "BELOW", "NOTES")
	f.All(func(n, parent *trace.Node, _ int) {
		below := "-"
		if parent != nil {
			below = parent.ID.String()
		}
		if n.Missing {
			table.add("-", "not found", "-", "-", n.ID.String(), below, "")
			return
		}
		lies := "-"
		if n.At != nil {
			lies = plain(n.At.String())
		}
		notes := eventNotes(n)
		for _, d := range n.Dead {
			notes = append(notes, t.deadTwig(d, f.Began).text)
		}
		for _, c := range n.Copies {
			line := copyTwig(c, "", f.Began)
			notes = append(notes, line.text+" "+line.right)
		}
		table.add(relative(n.Time.Sub(f.Began)), shortType(n.Type), plain(n.Source.Service), lies, n.ID.String(), below, strings.Join(notes, " · "))
	})
	return a.printTable(table)
}

// valid is what can be written as JSON: a header may hold any bytes.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
