package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/trace"
)

// tracing is a command line that prints to out, and the records of a flow at times and places of one's choice.
type tracing struct {
	*app

	out     *bytes.Buffer
	began   time.Time
	records []bus.Record
}

func newTracing() *tracing {
	t := &tracing{out: new(bytes.Buffer), began: time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)}
	t.app = &app{out: &latched{w: t.out}, zone: time.UTC, now: func() time.Time { return t.began.Add(200 * time.Second) }}
	return t
}

func (t *tracing) record(topic string, partition int32, offset int64, ms int, e event.Envelope, headers ...bus.Header) bus.Record {
	e.CorrelationID, e.Payload, e.Version, e.Time, e.Source.Instance = "flow-1", json.RawMessage(`{}`), "1.0.0", t.began, "i"
	value, err := e.AppendJSON(nil)
	if err != nil {
		panic(err)
	}
	r := bus.Record{Topic: event.Topic(topic), Partition: partition, Offset: offset, Timestamp: t.began.Add(time.Duration(ms) * time.Millisecond), Value: value, Headers: headers}
	t.records = append(t.records, r)
	return r
}

// dead adds the dead letter of r.
func (t *tracing) dead(r bus.Record, e event.Envelope, group, class, message string, attempts, ms int) {
	stamp := func(at time.Time) string { return at.Format("2006-01-02T15:04:05.000Z") }
	var hs []bus.Header
	for _, h := range [][2]string{
		{"original-topic", string(r.Topic)},
		{"original-partition", strconv.Itoa(int(r.Partition))},
		{"original-offset", strconv.FormatInt(r.Offset, 10)},
		{"original-timestamp", stamp(r.Timestamp)},
		{"error-class", class},
		{"error-message", message},
		{"retry-count", strconv.Itoa(attempts - 1)},
		{"failed-at", stamp(t.began.Add(time.Duration(ms) * time.Millisecond))},
		{"consumer-group", group},
	} {
		hs = append(hs, bus.Header{Name: "omnibus-dlq-" + h[0], Value: []byte(h[1])})
	}
	t.record(string(r.Topic.DLQ()), r.Partition, 0, ms, e, hs...)
}

// tree prints the flow; every dead letter is pending.
func (t *tracing) tree(tt *testing.T) string {
	tt.Helper()
	tr := traced{flow: trace.Build("flow-1", t.records), states: map[string]deadletter.State{}}
	for _, d := range tr.flow.DeadLetters() {
		tr.states[letterID(d)] = deadletter.Pending
	}
	if err := t.printTraceTree(tr, tr.flow); err != nil {
		tt.Fatal(err)
	}
	return t.out.String()
}

// The tree in the documentation is what is printed of these records.
func TestTraceTreeInTheDocumentation(t *testing.T) {
	tr := newTracing()
	id := func(n byte) event.ID { return event.DeriveID(event.ID{}, string(n)) }
	from := func(typ string, n, cause byte, service string) event.Envelope {
		e := event.Envelope{ID: id(n), Type: event.Topic("omninode." + typ), Source: event.Source{Service: service}}
		if cause != 0 {
			e.CausationID = id(cause)
		}
		return e
	}
	request := from("codegen.request.validate.v1", 1, 0, "omniclaude")
	assess := from("intelligence.event.quality_assessed.v1", 2, 1, "omniarchon")
	tr.record(string(request.Type), 2, 12345, 0, request)
	assessed := tr.record(string(assess.Type), 0, 881, 12, assess)
	indexed := from("search.event.document_indexed.v1", 3, 2, "search")
	tr.record(string(indexed.Type), 1, 77, 10, indexed)
	tr.dead(assessed, assess, "bridge-workers", bus.ClassExhausted, "no model", 4, 7120)
	answer := from("codegen.response.validate.v1", 4, 1, "omniarchon")
	tr.record(string(answer.Type), 2, 400, 44, answer)
	stamped := from("bridge.event.metadata_stamped.v1", 5, 9, "omninode_bridge")
	tr.record(string(stamped.Type), 1, 5, 50, stamped)

	const page = "../../docs/reference/trace.md"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- as printed -->\n```\n(.*?)```").FindSubmatch(b)
	if m == nil {
		t.Fatalf("%s shows no tree", page)
	}
	if diff := cmp.Diff(string(m[1]), tr.tree(t)); diff != "" {
		t.Errorf("%s (-shown +printed):\n%s\n%s", page, diff, tr.out)
	}
}

// What others write into events and dead letters is printed as text that cannot steer the terminal, one line each.
func TestTraceTreeIsNotSteeredByWhatIsInRecords(t *testing.T) {
	for _, evil := range []string{"\x1b[2J\x1b[31m", "a\nb", "a\rb", "\u202etxt", "\x00", "a\tb\u2028c", "\x9b31m"} {
		tr := newTracing()
		e := event.Envelope{ID: event.ID{1}, Type: event.Topic("t" + evil), Source: event.Source{Service: "s" + evil}}
		r := tr.record("t"+evil, 0, 0, 0, e)
		tr.dead(r, e, "g"+evil, "c"+evil, "m"+evil, 1, 5)
		tree := tr.tree(t)
		if got := strings.Count(tree, "\n"); got != 4 {
			t.Errorf("%q: %d lines, want 4:\n%q", evil, got, tree)
		}
		for _, r := range strings.ReplaceAll(tree, "\n", "") {
			if r < ' ' || r == 0x7f || r == 0x9b || r == 0x202e || r == 0x2028 {
				t.Errorf("%q: %q is printed", evil, r)
			}
		}
	}
}
