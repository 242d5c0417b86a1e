package bus_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func deadHeaders(pairs ...string) []bus.Header {
	var hs []bus.Header
	for i := 0; i < len(pairs); i += 2 {
		hs = append(hs, bus.Header{Name: pairs[i], Value: []byte(pairs[i+1])})
	}
	return hs
}

func TestParseDeadLetter(t *testing.T) {
	at := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	lies := bus.Record{Topic: "t.dlq", Partition: 1, Offset: 7, Timestamp: at, Key: []byte("k"), Value: []byte("v")}
	for _, tt := range []struct {
		name    string
		headers []bus.Header
		want    bus.DeadLetter
	}{
		{
			name: "ours",
			headers: deadHeaders(
				"content-type", "application/json",
				"omnibus-dlq-original-topic", "t", "omnibus-dlq-original-topic-id", "id", "omnibus-dlq-original-partition", "2",
				"omnibus-dlq-original-offset", "9007199254740993", "omnibus-dlq-original-timestamp", "2026-11-24T05:00:00.123Z",
				"omnibus-dlq-error-class", "permanent", "omnibus-dlq-error-type", "*errors.errorString", "omnibus-dlq-error-message", "no",
				"omnibus-dlq-error-stack-trace", "at main", "omnibus-dlq-error-fingerprint", "f00", "omnibus-dlq-retry-count", "3",
				"omnibus-dlq-first-failed-at", "2026-11-24T05:00:01.000Z", "omnibus-dlq-failed-at", "2026-11-24T06:00:08.500+01:00",
				"omnibus-dlq-consumer-group", "g", "omnibus-dlq-consumer-instance", "i", "omnibus-dlq-redrive-count", "1",
			),
			want: bus.DeadLetter{
				Origin: bus.Coordinates{Topic: "t", Partition: 2, Offset: 9007199254740993}, OriginID: "id",
				OriginTime: time.Date(2026, 11, 24, 5, 0, 0, 123e6, time.UTC), Class: "permanent", Type: "*errors.errorString", Message: "no",
				Stack: "at main", Fingerprint: "f00", Retries: 3, FirstFailedAt: time.Date(2026, 11, 24, 5, 0, 1, 0, time.UTC),
				FailedAt: time.Date(2026, 11, 24, 5, 0, 8, 500e6, time.UTC), Group: "g", Instance: "i", Redrives: 1,
			},
		},
		{
			name:    "foreign",
			headers: deadHeaders("x", "y"),
			want:    bus.DeadLetter{Class: "foreign", Origin: lies.Coordinates(), OriginTime: at},
		},
		{
			name: "malformed",
			headers: deadHeaders("omnibus-dlq-original-topic", "t", "omnibus-dlq-original-partition", "99999999999", "omnibus-dlq-original-offset", "x",
				"omnibus-dlq-failed-at", "yesterday", "omnibus-dlq-error-class", "permanent", "omnibus-dlq-retry-count", "-"),
			want: bus.DeadLetter{Class: "permanent", Origin: bus.Coordinates{Topic: "t", Partition: -1, Offset: -1}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := lies
			rec.Headers = tt.headers
			tt.want.Record = rec
			if diff := cmp.Diff(tt.want, bus.ParseDeadLetter(rec)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOriginalHeadersLeaveOursOut(t *testing.T) {
	hs := deadHeaders("a", "1", "omnibus-dlq-error-class", "permanent", "omnibus-event-id", "x", "a", "2")
	got := bus.ParseDeadLetter(bus.Record{Headers: hs}).OriginalHeaders()
	if diff := cmp.Diff([]bus.Header{hs[0], hs[2], hs[3]}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDeadLettersOfTopics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(1, nil, "a.x", "a.x.dlq", "a.y.dlq", "b.dlq")
		r.write("a.x", 0, "alive")
		for _, topic := range []string{"a.x.dlq", "a.y.dlq", "b.dlq"} {
			rec := &kgo.Record{Topic: topic, Value: []byte(topic), Headers: []kgo.RecordHeader{
				{Key: "omnibus-dlq-original-topic", Value: []byte(event.Topic(topic).Source())}, {Key: "omnibus-dlq-error-class", Value: []byte("permanent")},
			}}
			if err := r.raw.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			globs []event.Glob
			want  []event.Topic
		}{
			{[]event.Glob{"a.*"}, []event.Topic{"a.x", "a.y"}},
			{[]event.Glob{"*.dlq"}, []event.Topic{"a.x", "a.y", "b"}},
			{[]event.Glob{"a.x", "b.dlq"}, []event.Topic{"a.x", "b"}},
		} {
			var got []event.Topic
			for d, err := range r.DeadLetters(t.Context(), bus.Range{Topics: tt.globs}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, d.Origin.Topic)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.SortSlices(func(x, y event.Topic) bool { return x < y })); diff != "" {
				t.Errorf("%v (-want +got):\n%s", tt.globs, diff)
			}
		}
	})
}
