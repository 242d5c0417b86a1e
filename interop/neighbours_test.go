package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func TestNeighboursReadWhatWePublish(t *testing.T) {
	ctx, f := setUp(t)
	headers := []bus.Header{{Name: "colour", Value: []byte("blue")}, {Name: "none", Value: nil}}
	outgoing := []bus.Outgoing{{Payload: probed{Name: "without a key"}, NullKey: true, Headers: headers}}
	for i := range 60 {
		name := fmt.Sprintf("schlüssel-%d", i%20) + strings.Repeat(" ", 500) // long enough that it is compressed
		outgoing = append(outgoing, bus.Outgoing{Payload: probed{Name: name, N: i}, Headers: headers})
	}
	if _, err := f.bus.PublishAll(ctx, outgoing...); err != nil {
		t.Fatal(err)
	}
	if _, err := f.bus.Append(ctx, bus.Record{Topic: event.Topic(f.topic), Key: []byte("gone")}); err != nil {
		t.Fatal(err)
	}
	want := f.scan(ctx, t)
	if len(want) != len(outgoing)+1 {
		t.Fatalf("%d records are there, want %d", len(want), len(outgoing)+1)
	}
	for _, n := range neighbours() {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			got := n.consume(ctx, t, f, "readers-"+n.name, len(want))
			byPlace := cmpopts.SortSlices(func(a, b record) bool {
				return a.Partition < b.Partition || a.Partition == b.Partition && a.Offset < b.Offset
			})
			if diff := cmp.Diff(want, got, byPlace); diff != "" {
				t.Errorf("records (-published +read):\n%s", diff)
			}
		})
	}
}

// foreignEvents are envelopes as services in other languages write them: %d is where the payload has its number.
var foreignEvents = []struct {
	name, value string
	want        event.Envelope // only what is set here is compared
	completed   []string
}{
	{
		name: "the quick reference's",
		value: `{"event_id": "7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a11", "event_type": "omninode.interop.event.probed.v1", ` +
			`"correlation_id": "2f1e8c3a-58f1-4c5e-8b0e-6f6f1d2a3b44", "causation_id": "0b6f3c9e-2d4f-4b6b-9b1d-1c2d3e4f5a66", ` +
			`"timestamp": "2025-10-18T10:00:00.000Z", "version": "1.0.0", "source": {"service": "archon-intelligence", "instance_id": "instance-123"}, ` +
			`"metadata": {"trace_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736", "user_id": "u-1"}, "payload": {"name": "x", "n": %d}}`,
		want: event.Envelope{
			ID: id("7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a11"), Type: probed{}.EventTopic(), CorrelationID: "2f1e8c3a-58f1-4c5e-8b0e-6f6f1d2a3b44",
			CausationID: id("0b6f3c9e-2d4f-4b6b-9b1d-1c2d3e4f5a66"), Time: time.Date(2025, 10, 18, 10, 0, 0, 0, time.UTC), Version: "1.0.0",
			Source:   event.Source{Service: "archon-intelligence", Instance: "instance-123"},
			Metadata: event.Metadata{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", UserID: "u-1"},
		},
	},
	{
		name: "without a version, with a time as Python writes it", // datetime.now(timezone.utc).isoformat()
		value: `{"event_id": "7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a12", "event_type": "omninode.interop.event.probed.v1", "correlation_id": "abc-123", ` +
			`"timestamp": "2025-10-18T12:00:00.123456+02:00", "source": {"service": "s", "instance_id": "i"}, "payload": {"name": "x", "n": %d}}`,
		want: event.Envelope{
			ID: id("7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a12"), CorrelationID: "abc-123", Time: time.Date(2025, 10, 18, 10, 0, 0, 123456000, time.UTC),
		},
		completed: []string{"version"},
	},
	{
		name: "with a time without a zone", // datetime.utcnow().isoformat()
		value: `{"event_id": "7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a13", "event_type": "omninode.interop.event.probed.v1", "correlation_id": "abc-123", ` +
			`"timestamp": "2025-10-18T10:00:00", "version": "1.0", "source": "just-a-name", "payload": {"name": "x", "n": %d}}`,
		want:      event.Envelope{Time: time.Date(2025, 10, 18, 10, 0, 0, 0, time.UTC), Version: "1.0.0", Source: event.Source{Service: "unknown", Instance: "unknown"}},
		completed: []string{"version", "source.service", "source.instance_id"},
	},
	{
		name:      "with an id that is none and a time that is a number",
		value:     `{"event_id": "abc-123", "event_type": "omninode.interop.event.probed.v1", "timestamp": 1760781600.5, "version": "1.0.0", "source": {"service": "s"}, "payload": {"name": "x", "n": %d}}`,
		want:      event.Envelope{Source: event.Source{Service: "s", Instance: "unknown"}},
		completed: []string{"event_id", "correlation_id", "timestamp", "source.instance_id"},
	},
	{
		name:      "the payload alone",
		value:     `{"payload": {"n": %d, "name": "x"}}`,
		want:      event.Envelope{Version: "1.0.0"},
		completed: []string{"event_id", "event_type", "correlation_id", "timestamp", "version", "source.service", "source.instance_id"},
	},
	{
		name: "with members that we do not know, and text as json.dumps escapes it",
		value: `{"id": 7, "event_id": "7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a14", "event_type": "omninode.interop.event.probed.v1", "correlation_id": "gr\u00fcn", ` +
			`"timestamp": "2025-10-18T10:00:00Z", "version": "1.0.0", "source": {"service": "s", "instance_id": "i", "pid": 1}, "payload": {"name": "\u0078", "n": %d}}`,
		want: event.Envelope{
			CorrelationID: "grün", Unknown: json.RawMessage(`{"id":7}`),
			Source: event.Source{Service: "s", Instance: "i", Unknown: json.RawMessage(`{"pid":1}`)},
		},
	},
}

func id(s string) event.ID {
	i, _ := event.ParseID(s)
	return i
}

func TestWeReadWhatNeighboursPublish(t *testing.T) {
	for _, n := range neighbours() {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			ctx, f := setUp(t)
			headers := []header{{Name: "colour", Value: []byte("blue")}}
			if !n.text {
				headers = append(headers, header{Name: "colour", Value: []byte{0xff, 0}}, header{Name: "none"})
			}
			// A null value among the events of a key: they do not stop there.
			records := []record{{Key: []byte("key-1"), Headers: headers}}
			for i, e := range foreignEvents {
				r := record{Value: fmt.Appendf(nil, e.value, i), Headers: headers}
				if i%3 != 0 {
					r.Key = fmt.Appendf(nil, "key-%d", i%3)
				}
				records = append(records, r)
			}
			n.publish(ctx, t, f, codecs, records)

			order := map[string][]int{}
			for _, d := range f.deliverAll(ctx, t, len(codecs)*len(foreignEvents)) {
				var p probed
				if err := json.Unmarshal(d.Envelope.Payload, &p); err != nil || p.N < 0 || p.N >= len(foreignEvents) {
					t.Fatalf("payload %s: %v", d.Envelope.Payload, err)
				}
				want := foreignEvents[p.N]
				order[string(d.Key)] = append(order[string(d.Key)], p.N)
				if diff := cmp.Diff(want.want, d.Envelope, onlyWhatIsSet(want.want)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", want.name, diff)
				}
				if diff := cmp.Diff(want.completed, d.Envelope.Completed); diff != "" {
					t.Errorf("%s: completed (-want +got):\n%s", want.name, diff)
				}
				if noKey := d.Key == nil; noKey != (p.N%3 == 0) {
					t.Errorf("%s: key %q", want.name, d.Key)
				}
				got := slices.DeleteFunc(recordOf(d.Record).Headers, func(h header) bool { return isFastStreams(h) })
				if diff := cmp.Diff(headers, got); diff != "" {
					t.Errorf("%s: headers (-want +got):\n%s", want.name, diff)
				}
			}
			for key, got := range order {
				var want []int
				for i := range foreignEvents {
					if k := i % 3; k == 0 && key == "" || key == fmt.Sprintf("key-%d", k) {
						want = append(want, i)
					}
				}
				want = slices.Repeat(want, len(codecs))
				if key == "" { // they may go to any partition
					slices.Sort(want)
					slices.Sort(got)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("events with key %q (-want +got):\n%s", key, diff)
				}
			}
			dead := 0
			for d, err := range f.bus.DeadLetters(ctx, bus.Range{Topics: []event.Glob{event.Glob(f.topic)}}) {
				if err != nil {
					t.Fatal(err)
				}
				if dead++; d.Class != bus.ClassUndecodable || d.Value != nil || string(d.Key) != "key-1" {
					t.Errorf("dead letter of class %s, key %q, value %q", d.Class, d.Key, d.Value)
				}
			}
			if dead != len(codecs) {
				t.Errorf("%d dead letters, want one for each of %d null values", dead, len(codecs))
			}
		})
	}
}

// onlyWhatIsSet leaves out of a comparison which fields of want are not set.
func onlyWhatIsSet(want event.Envelope) cmp.Option {
	ignored := []string{"Payload", "Completed"}
	for name, unset := range map[string]bool{
		"ID": want.ID.IsZero(), "Type": want.Type == "", "CorrelationID": want.CorrelationID == "", "Time": want.Time.IsZero(),
		"Version": want.Version == "", "Source": want.Source.Service == "", "Unknown": want.Unknown == nil,
	} {
		if unset {
			ignored = append(ignored, name)
		}
	}
	return cmpopts.IgnoreFields(event.Envelope{}, ignored...)
}

// isFastStreams tells the headers that FastStream adds by itself.
func isFastStreams(h header) bool { return h.Name == "content-type" || h.Name == "correlation_id" }

func TestNeighboursPutKeysWhereWeDo(t *testing.T) {
	ctx, f := setUp(t)
	var outgoing []bus.Outgoing
	var records []record
	for i := range 300 {
		key := fmt.Appendf(nil, "schlüssel-%s%d", strings.Repeat("x", i%7), i)
		outgoing = append(outgoing, bus.Outgoing{Payload: probed{Name: "ours", N: i}, Key: key})
		records = append(records, record{Key: key, Headers: []header{}})
	}
	results, err := f.bus.PublishAll(ctx, outgoing...)
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]int32{}
	for i, r := range results {
		ours[string(outgoing[i].Key)] = r.Partition
	}
	// librdkafka's own choice is another one, wherever nobody says which it should be.
	confluentByDefault, kcatByDefault := python("confluent", "consistent_random"), kcat("consistent_random")
	confluentByDefault.name, kcatByDefault.name = "confluent by default", "kcat by default"
	all := append(neighbours(), confluentByDefault, kcatByDefault)
	others := map[string]bool{confluentByDefault.name: true, kcatByDefault.name: true}
	for _, n := range all {
		for i := range records {
			records[i].Value = fmt.Appendf(nil, `{"payload":{"name":%q,"n":%d}}`, n.name, i)
		}
		n.publish(ctx, t, f, []string{"lz4"}, records)
	}
	elsewhere, seen := map[string]int{}, map[string]int{}
	for _, r := range f.scan(ctx, t) {
		var e struct{ Payload probed }
		if err := json.Unmarshal(r.Value, &e); err != nil {
			t.Fatal(err)
		}
		seen[e.Payload.Name]++
		if r.Partition != ours[string(r.Key)] {
			elsewhere[e.Payload.Name]++
		}
	}
	for _, n := range all {
		if seen[n.name] != len(records) {
			t.Errorf("%s: %d records, want %d", n.name, seen[n.name], len(records))
		}
		if differs := elsewhere[n.name] > 0; differs != others[n.name] {
			t.Errorf("%s: %d of %d keys lie elsewhere than ours", n.name, elsewhere[n.name], len(records))
		}
	}
}

// TestAGroupPassesFromUsToNeighboursAndBack leaves a group with one key stuck in the middle, so that events beyond its position are
// settled. A neighbour takes over, stops before the end, and we go on.
func TestAGroupPassesFromUsToNeighboursAndBack(t *testing.T) {
	for _, n := range neighbours() {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			ctx, f := setUp(t)
			group := "passed-on-" + f.topic // the others run beside this one
			const (
				keys     = 12
				each     = 5
				theirEnd = 5 // as many they leave to us
			)
			publish := func(from, to int) {
				var outgoing []bus.Outgoing
				for i := from; i < to; i++ {
					outgoing = append(outgoing, bus.Outgoing{Payload: probed{Name: fmt.Sprintf("key-%d", i%keys), N: i}})
				}
				if _, err := f.bus.PublishAll(ctx, outgoing...); err != nil {
					t.Fatal(err)
				}
			}
			const all = keys * each
			publish(0, all)
			handled := f.handleUntil(ctx, t, group, all-each, func(p probed) (counts bool, err error) {
				if p.Name == "key-0" {
					return false, errors.New("stuck")
				}
				return true, nil
			})

			positions := f.committed(ctx, t, group)
			left, settled, marked := 0, 0, 0
			for _, r := range f.scan(ctx, t) {
				if p := positions[r.Partition]; r.Offset >= p.offset {
					left++
					if handled[numberOf(t, r.Value)] {
						settled++
					}
				}
			}
			for _, p := range positions {
				if p.metadata != "" {
					marked++
				}
			}
			if settled == 0 || marked == 0 {
				t.Fatalf("%d events are settled beyond the positions, and %d positions say so: this shows nothing", settled, marked)
			}

			theirs := map[int]int{}
			for _, r := range n.consume(ctx, t, f, group, left-theirEnd) {
				theirs[numberOf(t, r.Value)]++
			}

			// The last event of every key tells that those before it are settled.
			publish(all, all+keys)
			again := f.handleUntil(ctx, t, group, keys, func(p probed) (counts bool, err error) { return p.N >= all, nil })
			for i := range all {
				if !handled[i] && theirs[i] == 0 && !again[i] {
					t.Errorf("event %d is lost", i)
				}
				if theirs[i] > 1 || theirs[i] == 1 && again[i] {
					t.Errorf("event %d came %d times to %s, and then to us: %t", i, theirs[i], n.name, again[i])
				}
			}
			t.Logf("%s took over at %d events, %d of them settled before", n.name, left, settled)
		})
	}
}

func numberOf(t *testing.T, value []byte) int {
	t.Helper()
	e, err := event.Decode(value)
	if err != nil {
		t.Fatal(err)
	}
	var p probed
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		t.Fatal(err)
	}
	return p.N
}

// handleUntil runs a member of ours in a group until n events that count were handled, and returns all that were.
func (f fixture) handleUntil(ctx context.Context, t *testing.T, group string, n int, handle func(probed) (counts bool, err error)) map[int]bool {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	handled, counted := map[int]bool{}, 0
	err := f.bus.Consume(ctx, bus.Consumer{Group: group, Retry: []time.Duration{time.Hour}}, bus.Handle(
		func(_ context.Context, e bus.Event[probed]) error {
			counts, err := handle(e.Payload)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			handled[e.Payload.N] = true
			if counts {
				if counted++; counted == n {
					stop()
				}
			}
			return nil
		}))
	if err != nil {
		t.Fatalf("consume: %v", err)
	}
	if counted < n {
		t.Fatalf("only %d of %d events were handled", counted, n)
	}
	return handled
}

type position struct {
	offset   int64
	metadata string
}

// committed returns the positions of a group as librdkafka sees them; a partition without one begins at 0.
func (f fixture) committed(ctx context.Context, t *testing.T, group string) map[int32]position {
	t.Helper()
	deadline, _ := ctx.Deadline()
	// Not a member: one that leaves while it joins is missed by the group after its session only.
	c, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": f.brokers, "group.id": group})
	if err != nil {
		t.Fatal(err)
	}
	defer closeConsumer(t, c)
	var ask []kafka.TopicPartition
	for p := range int32(partitions) {
		ask = append(ask, kafka.TopicPartition{Topic: &f.topic, Partition: p})
	}
	told, err := c.Committed(ask, int(time.Until(deadline).Milliseconds()))
	if err != nil {
		t.Fatal(err)
	}
	positions := map[int32]position{}
	for _, p := range told {
		at := position{offset: max(0, int64(p.Offset))}
		if p.Metadata != nil {
			at.metadata = *p.Metadata
		}
		positions[p.Partition] = at
	}
	return positions
}

// scan returns what is in the topic, by partition and offset.
func (f fixture) scan(ctx context.Context, t *testing.T) []record {
	t.Helper()
	var records []record
	for r, err := range f.bus.Scan(ctx, bus.Range{Topics: []event.Glob{event.Glob(f.topic)}}) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, recordOf(r))
	}
	return records
}

// TestLibrdkafkaMayWorkBesideUs: where it assigns as we do, both are members of one group at once.
func TestLibrdkafkaMayWorkBesideUs(t *testing.T) {
	ctx, f := setUp(t)
	const group, n = "shared", 60
	publish := func(from, to int) {
		var outgoing []bus.Outgoing
		for i := from; i < to; i++ {
			outgoing = append(outgoing, bus.Outgoing{Payload: probed{Name: fmt.Sprintf("key-%d", i), N: i}})
		}
		if _, err := f.bus.PublishAll(ctx, outgoing...); err != nil {
			t.Fatal(err)
		}
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ours, ended := make(chan int, n+1), make(chan error, 1)
	go func() {
		ended <- f.bus.Consume(running, bus.Consumer{Group: group}, bus.Handle(func(_ context.Context, e bus.Event[probed]) error {
			ours <- e.Payload.N
			return nil
		}))
	}()
	publish(n, n+1)
	select {
	case <-ours: // so we are in the group
	case err := <-ended:
		t.Fatalf("consume ended: %v", err)
	case <-ctx.Done():
		t.Fatal(ctx.Err())
	}
	c, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": f.brokers, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": false,
		"partition.assignment.strategy": "cooperative-sticky",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closeConsumer(t, c)
	if err := c.Subscribe(f.topic, nil); err != nil {
		t.Fatal(err)
	}
	seen := map[int]int{}
	see := func(i int) {
		if i < n {
			seen[i]++
		}
	}
	byThem := 0
	poll := func() {
		if m, ok := c.Poll(100).(*kafka.Message); ok {
			if m.TopicPartition.Error != nil {
				t.Fatal(m.TopicPartition.Error)
			}
			see(numberOf(t, m.Value))
			byThem++
		}
	}
	for assigned := 0; assigned == 0; {
		poll()
		parts, err := c.Assignment()
		if err != nil || ctx.Err() != nil {
			t.Fatalf("librdkafka gets no partition: %v, %v", err, ctx.Err())
		}
		assigned = len(parts)
	}
	publish(0, n)
	byUs := 0
	for len(seen) < n {
		if ctx.Err() != nil {
			t.Fatalf("%d of %d events came: %v", len(seen), n, ctx.Err())
		}
		poll()
		for more := true; more; {
			select {
			case i := <-ours:
				see(i)
				byUs++
			default:
				more = false
			}
		}
	}
	for i := range n {
		if seen[i] != 1 {
			t.Errorf("event %d came %d times", i, seen[i])
		}
	}
	if byUs == 0 || byThem == 0 {
		t.Errorf("%d events came to us and %d to librdkafka, want some to each", byUs, byThem)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("consume: %v", err)
	}
}

// TestNeighboursAreRefusedWhileWeAreInTheGroup: a group is theirs or ours, one after the other, and ours does not suffer.
func TestNeighboursAreRefusedWhileWeAreInTheGroup(t *testing.T) {
	ctx, f := setUp(t)
	const group = "ours"
	running, stop := context.WithCancel(ctx)
	defer stop()
	handled, ended := make(chan int), make(chan error, 1)
	go func() {
		ended <- f.bus.Consume(running, bus.Consumer{Group: group}, bus.Handle(func(ctx context.Context, e bus.Event[probed]) error {
			select {
			case handled <- e.Payload.N:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
	}()
	publish := func(n int) {
		if _, err := f.bus.Publish(ctx, probed{Name: "x", N: n}); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-handled:
			if got != n {
				t.Fatalf("event %d, want %d", got, n)
			}
		case err := <-ended:
			t.Fatalf("consume ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("event %d does not come: %v", n, ctx.Err())
		}
	}
	publish(1) // so we are in the group
	for program, want := range map[string]string{
		"aiokafka_consume.py":  "InconsistentGroupProtocolError",
		"confluent_consume.py": "INCONSISTENT_GROUP_PROTOCOL",
	} {
		out, err := pythonProgram(ctx, t, program, f.brokers, f.topic, group, "1").CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, want %s in\n%s", program, err, want, out)
		}
	}
	publish(2)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("consume: %v", err)
	}
}
