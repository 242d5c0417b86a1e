package trace_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/trace"
)

const (
	validate  = "omninode.codegen.request.validate.v1"
	validated = "omninode.codegen.response.validate.v1"
	assessed  = "omninode.intelligence.event.quality_assessed.v1"
	indexed   = "omninode.search.event.document_indexed.v1"
)

var began = time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)

// id is the event id that a test calls by a letter.
func id(name string) event.ID {
	if name == "" {
		return event.ID{}
	}
	return event.DeriveID(event.ID{1}, name)
}

// log makes records as they would lie in topics, each at the next offset of its topic.
type log struct {
	records []bus.Record
	ends    map[event.Topic]int64
}

func (l *log) append(topic event.Topic, ms int, value []byte, headers ...bus.Header) *bus.Record {
	if l.ends == nil {
		l.ends = map[event.Topic]int64{}
	}
	l.records = append(l.records, bus.Record{
		Topic: topic, Offset: l.ends[topic], Timestamp: began.Add(time.Duration(ms) * time.Millisecond), Value: value, Headers: headers,
	})
	l.ends[topic]++
	return &l.records[len(l.records)-1]
}

// event appends the event called name, caused by the one called cause.
func (l *log) event(typ event.Topic, name, cause string, ms int, service string) *bus.Record {
	return l.append(typ, ms, envelope(typ, name, cause, service))
}

func envelope(typ event.Topic, name, cause, service string) []byte {
	e := event.Envelope{
		ID: id(name), Type: typ, CorrelationID: "flow-1", CausationID: id(cause), Time: began, Version: "1.0.0",
		Source: event.Source{Service: service, Instance: "i"}, Payload: json.RawMessage(`{"secret":"hunter2"}`),
	}
	b, err := e.AppendJSON(nil)
	if err != nil {
		panic(err)
	}
	return b
}

// dead appends the dead letter of r in one group.
func (l *log) dead(r bus.Record, group string, ms, retries, redrives int) *bus.Record {
	at := began.Add(time.Duration(ms) * time.Millisecond).Format("2006-01-02T15:04:05.000Z")
	hs := append([]bus.Header{}, r.Headers...)
	for _, h := range [][2]string{
		{"original-topic", string(r.Topic)},
		{"original-partition", "0"},
		{"original-offset", strconv.FormatInt(r.Offset, 10)},
		{"original-timestamp", r.Timestamp.Format("2006-01-02T15:04:05.000Z")},
		{"error-class", "permanent"},
		{"error-message", "no such entity"},
		{"error-fingerprint", "0123456789ab"},
		{"retry-count", strconv.Itoa(retries)},
		{"failed-at", at},
		{"consumer-group", group},
		{"redrive-count", strconv.Itoa(redrives)},
	} {
		hs = append(hs, bus.Header{Name: "omnibus-dlq-" + h[0], Value: []byte(h[1])})
	}
	return l.append(r.Topic.DLQ(), ms, r.Value, hs...)
}

// again appends what a retry of the dead letter d sends.
func (l *log) again(d bus.Record, group string, ms, redrives int) *bus.Record {
	var hs []bus.Header
	for _, h := range d.Headers {
		if strings.HasPrefix(h.Name, "omnibus-dlq-original-") || h.Name == "omnibus-dlq-consumer-group" {
			hs = append(hs, h)
		}
	}
	hs = append(hs, bus.Header{Name: "omnibus-dlq-redrive-count", Value: []byte(strconv.Itoa(redrives))})
	if group != "" {
		hs = append(hs, bus.Header{Name: "omnibus-target-group", Value: []byte(group)})
	}
	return l.append(d.Topic.Source(), ms, d.Value, hs...)
}

// outline writes a flow as text, events by the letters of the test.
func outline(f *trace.Flow, names ...string) string {
	known := map[event.ID]string{}
	for _, n := range names {
		known[id(n)] = n
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%d events, %d failed, %v, %v\n", f.Events, f.Failed, f.Services, f.Ended.Sub(f.Began))
	f.All(func(n, parent *trace.Node, depth int) {
		name, ok := known[n.ID]
		if !ok {
			name = "?"
		}
		fmt.Fprintf(&s, "%s%s %v", strings.Repeat("  ", depth), name, n.Time.Sub(began))
		for _, flag := range []struct {
			set  bool
			text string
		}{
			{n.Missing, "missing"},
			{n.At == nil && !n.Missing, "gone"},
			{n.Cycle, "cycle"},
			{n.Unanswered, "unanswered"},
			{n.Unreadable, "unreadable"},
			{n.Link == trace.ByCorrelation, "by correlation"},
			{!n.Answers.IsZero(), "answers " + known[n.Answers] + " in " + n.Took.String()},
			{n.Ahead > 0, "ahead " + n.Ahead.String()},
			{n.Hidden > 0, "hides " + strconv.Itoa(n.Hidden)},
			{n.Count > 1, "×" + strconv.Itoa(n.Count)},
		} {
			if flag.set {
				s.WriteString(", " + flag.text)
			}
		}
		for _, d := range n.Dead {
			fmt.Fprintf(&s, "; dead in %s at attempt %d, %v", d.Group, d.Retries+1, d.FailedAt.Sub(began))
			if d.Sent != nil {
				fmt.Fprintf(&s, ", sent at %v", d.Sent.Time.Sub(began))
			}
			if d.Count > 1 {
				fmt.Fprintf(&s, " ×%d", d.Count)
			}
		}
		for _, c := range n.Copies {
			fmt.Fprintf(&s, "; copy %d for %q @%d", c.Redrives, c.Target, c.At.Offset)
		}
		s.WriteString("\n")
	})
	return s.String()
}

func TestBuild(t *testing.T) {
	for _, c := range []struct {
		name string
		log  func(l *log)
		want string
	}{
		{"nothing", func(*log) {}, "0 events, 0 failed, [], 0s\n"},
		{"effects below their causes, in the order of time", func(l *log) {
			l.event(validate, "a", "", 0, "claude")
			l.event(indexed, "d", "c", 9, "search")
			l.event(validated, "b", "a", 5, "archon")
			l.event(assessed, "c", "a", 4, "archon")
		}, `4 events, 0 failed, [archon claude search], 9ms
a 0s
  c 4ms
    d 9ms
  b 5ms, answers a in 5ms
`},
		{"records of other flows and what is no event are passed over", func(l *log) {
			l.event(assessed, "a", "", 0, "s")
			l.append(assessed, 1, []byte(strings.Replace(string(envelope(assessed, "b", "a", "s")), "flow-1", "flow-2", 1)))
			l.append(assessed, 2, []byte("flow-1"))
			l.append(assessed, 3, nil)
		}, "1 events, 0 failed, [s], 0s\na 0s\n"},
		{"a cause that is not there holds its effects together", func(l *log) {
			l.event(assessed, "b", "a", 2, "s")
			l.event(assessed, "c", "a", 3, "s")
			l.event(assessed, "d", "", 1, "s")
		}, `3 events, 0 failed, [s], 2ms
d 1ms
a 2ms, missing
  b 2ms
  c 3ms
`},
		{"several roots are tracks of their own", func(l *log) {
			l.event(assessed, "b", "", 1, "s")
			l.event(assessed, "a", "", 0, "s")
		}, "2 events, 0 failed, [s], 1ms\na 0s\nb 1ms\n"},
		{"a circle of causes is opened at its earliest event", func(l *log) {
			l.event(assessed, "a", "c", 0, "s")
			l.event(assessed, "b", "a", 1, "s")
			l.event(assessed, "c", "b", 2, "s")
			l.event(assessed, "d", "c", 3, "s")
		}, `4 events, 0 failed, [s], 3ms
a 0s, cycle
  b 1ms
    c 2ms
      d 3ms
`},
		{"an event that names itself", func(l *log) {
			l.event(assessed, "a", "a", 0, "s")
		}, "1 events, 0 failed, [s], 0s\na 0s, cycle\n"},
		{"the same id twice", func(l *log) {
			l.event(assessed, "a", "", 0, "s")
			l.event(assessed, "a", "", 5, "s")
			l.event(assessed, "b", "a", 6, "s")
		}, `2 events, 0 failed, [s], 6ms
a 0s; copy 0 for "" @1
  b 6ms
`},
		{"an effect before its cause", func(l *log) {
			l.event(assessed, "a", "", 10, "s")
			l.event(assessed, "b", "a", 7, "s")
		}, "2 events, 0 failed, [s], 3ms\na 10ms\n  b 7ms, ahead 3ms\n"},
		{"dead letters of two groups", func(l *log) {
			a := *l.event(assessed, "a", "", 0, "s")
			l.dead(a, "y", 7000, 3, 0)
			l.dead(a, "x", 10, 0, 0)
		}, "1 events, 1 failed, [s], 7s\na 0s; dead in x at attempt 1, 10ms; dead in y at attempt 4, 7s\n"},
		{"a dead letter that was written twice", func(l *log) {
			a := *l.event(assessed, "a", "", 0, "s")
			l.dead(a, "x", 10, 3, 0)
			l.dead(a, "x", 20, 3, 0)
		}, "1 events, 1 failed, [s], 20ms\na 0s; dead in x at attempt 4, 20ms\n"},
		{"sent again, and through", func(l *log) {
			a := *l.event(assessed, "a", "", 0, "s")
			d := *l.dead(a, "x", 10, 3, 0)
			l.again(d, "x", 50, 1)
			l.event(indexed, "b", "a", 60, "x")
		}, `2 events, 0 failed, [s x], 60ms
a 0s; dead in x at attempt 4, 10ms, sent at 50ms; copy 1 for "x" @1
  b 60ms
`},
		{"sent again, and back", func(l *log) {
			a := *l.event(assessed, "a", "", 0, "s")
			d := *l.dead(a, "x", 10, 3, 0)
			r := *l.again(d, "", 50, 1)
			r.Offset = a.Offset // where it first came from is written once
			l.dead(r, "x", 70, 0, 1)
		}, `1 events, 1 failed, [s], 70ms
a 0s; dead in x at attempt 4, 10ms, sent at 50ms; dead in x at attempt 1, 70ms; copy 1 for "" @1
`},
		{"an event that retention took, known from its dead letter", func(l *log) {
			a := *l.event(assessed, "a", "", 0, "s")
			l.records = nil
			l.dead(a, "x", 10, 3, 0)
			l.event(indexed, "b", "a", 5, "y")
		}, `2 events, 1 failed, [s y], 10ms
a 0s, gone; dead in x at attempt 4, 10ms
  b 5ms
`},
		{"a response that names no cause", func(l *log) {
			l.event(validate, "a", "", 0, "claude")
			l.event(validated, "b", "", 30, "archon")
		}, "2 events, 0 failed, [archon claude], 30ms\na 0s\n  b 30ms, by correlation, answers a in 30ms\n"},
		{"a response that names no cause, of two requests", func(l *log) {
			l.event(validate, "a", "", 0, "claude")
			l.event(validate, "b", "", 1, "claude")
			l.event(validated, "c", "", 30, "archon")
		}, "3 events, 0 failed, [archon claude], 30ms\na 0s, unanswered\nb 1ms, unanswered\nc 30ms\n"},
		{"a response that names no cause, of the one that is left", func(l *log) {
			l.event(validate, "a", "", 0, "claude")
			l.event(validated, "d", "a", 5, "archon")
			l.event(validate, "b", "", 1, "claude")
			l.event(validated, "c", "", 30, "archon")
		}, "4 events, 0 failed, [archon claude], 30ms\na 0s\n  d 5ms, answers a in 5ms\nb 1ms\n  c 30ms, by correlation, answers b in 29ms\n"},
		{"a response above its request is not its answer", func(l *log) {
			l.event(validated, "a", "", 0, "archon")
			l.event(validate, "b", "a", 1, "claude")
		}, "2 events, 0 failed, [archon claude], 1ms\na 0s\n  b 1ms, unanswered\n"},
		{"what is known from headers alone", func(l *log) {
			hs := []bus.Header{
				{Name: "omnibus-correlation-id", Value: []byte("flow-1")},
				{Name: "omnibus-event-id", Value: []byte(id("a").String())},
				{Name: "omnibus-event-type", Value: []byte(assessed)},
			}
			r := *l.append(assessed, 0, []byte("{broken"), hs...)
			l.dead(r, "x", 1, 0, 0)
		}, "1 events, 1 failed, [unknown], 1ms\na 0s, unreadable; dead in x at attempt 1, 1ms\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l log
			c.log(&l)
			got := outline(trace.Build("flow-1", l.records), "a", "b", "c", "d")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			rand.Shuffle(len(l.records), func(i, j int) { l.records[i], l.records[j] = l.records[j], l.records[i] })
			l.records = append(l.records, l.records...)
			if again := outline(trace.Build("flow-1", l.records), "a", "b", "c", "d"); again != got {
				t.Errorf("in another order, and read twice:\n%s\nwant\n%s", again, got)
			}
		})
	}
}

// An event of others may lack its id and its correlation: both come from where it lies, and a dead letter says where that was.
func TestBuildKnowsForeignEventsByTheirPlace(t *testing.T) {
	var l log
	a := *l.append(assessed, 0, []byte(`{"payload":{}}`))
	d := *l.dead(a, "x", 10, 0, 0)
	again := *l.again(d, "x", 20, 1)
	name := event.IDAt(assessed, 0, 0)
	effect := event.Envelope{
		ID: id("b"), Type: indexed, CorrelationID: event.CorrelationID(name.String()), CausationID: event.IDAt(assessed, 0, again.Offset),
		Time: began, Version: "1.0.0", Source: event.Source{Service: "s", Instance: "i"}, Payload: json.RawMessage(`{}`),
	}
	value, err := effect.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	l.append(indexed, 30, value)
	want := `2 events, 0 failed, [s unknown], 30ms
? 0s; dead in x at attempt 1, 10ms, sent at 20ms; copy 1 for "x" @1
  b 30ms
`
	if diff := cmp.Diff(want, outline(trace.Build(event.CorrelationID(name.String()), l.records), "b")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
