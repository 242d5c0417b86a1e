package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// recordOf is the record that a line says.
func recordOf(l batchLine) bus.Record {
	return bus.Record{Topic: l.topic, Partition: l.partition, Timestamp: l.time, Key: l.key, Value: l.value, Headers: l.headers}
}

func FuzzARecordSurvivesItsLine(f *testing.F) {
	f.Add([]byte("k"), false, []byte(`{"a":1}`), false, "name", []byte("v"), false, int64(1_700_000_000_123))
	f.Add([]byte{}, false, []byte{}, false, "", []byte{}, false, int64(0))
	f.Add([]byte{0xff, 0}, true, []byte("\xfe{"), true, "\xff", []byte{0x80}, true, int64(-1))
	f.Add([]byte("\u2028\x00\"\\"), false, []byte(`{"a": 1e400, "b":100000000000000000000001}`), false, "a\nb", []byte("null"), false, int64(253_402_300_799_999))
	f.Add([]byte("null"), false, []byte(`{"a":1e400}`), false, "x", []byte("{}"), false, int64(1))
	f.Add([]byte("<&>"), false, []byte(`{"a":1,"a":2}`), false, "x", []byte(" "), false, int64(1))
	f.Fuzz(func(t *testing.T, key []byte, noKey bool, value []byte, noValue bool, name string, header []byte, noHeader bool, ms int64) {
		if ms < -62_135_596_800_000 || ms > 253_402_300_799_999 {
			return // years of more or fewer than four digits are refused, not changed
		}
		want := bus.Record{Topic: "t", Partition: 3, Timestamp: time.UnixMilli(ms).UTC(), Key: key, Value: value, Headers: []bus.Header{{Name: name, Value: header}, {Name: name}, {Name: name, Value: []byte{}}}}
		if noKey {
			want.Key = nil
		}
		if noValue {
			want.Value = nil
		}
		if noHeader {
			want.Headers = nil
		}
		text, err := jsonx.Marshal(recordDocOf(want))
		if err != nil {
			t.Fatal(err)
		}
		l, err := parseBatchLine(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, recordOf(l)); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, text)
		}
	})
}

func FuzzBatchLine(f *testing.F) {
	for _, line := range []string{
		`{"topic":"t","payload":{}}`, `{"topic":"t","value":null,"key":null,"key_b64":"/w==","headers":[{"name":"","name_b64":"/w==","value":null}]}`,
		`{"event_type":"t","payload":{},"correlation_id":"c","causation_id":"00000000-0000-4000-8000-000000000000","headers":{"a":"b"}}`,
		`{"topic":"t","partition":1,"offset":2,"timestamp":"2026-01-01T00:00:00.000Z","key":"k","headers":[],"value":{"a":[1]}}`,
		`{"topic":"t","value_text":"\ud83d\ude00\u0000"}`, `[]`, ` `, `{"topic":"t","value":"x","\u0074opic":1}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseBatchLine(text)
		if err != nil || l.payload != nil {
			return
		}
		again, err := jsonx.Marshal(recordDocOf(recordOf(l)))
		if err != nil {
			t.Fatal(err)
		}
		if year := l.time.Year(); year < 0 || year > 9999 {
			return
		}
		l.time = l.time.UTC().Truncate(time.Millisecond)
		if l.time.IsZero() {
			l.time = time.Time{}
		}
		second, err := parseBatchLine(again)
		if err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		want := recordOf(l)
		if len(want.Headers) == 0 {
			want.Headers = nil
		}
		if diff := cmp.Diff(want, recordOf(second)); diff != "" {
			t.Errorf("%s printed as %s (-want +got):\n%s", text, again, diff)
		}
	})
}

func TestBatchLine(t *testing.T) {
	id, err := event.ParseID("8c3f2f5e-0b1c-4c7e-9d4b-1f2e3d4c5b6a")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want batchLine
	}{
		{`{"topic":"t","payload":{"a":1}}`, batchLine{topic: "t", payload: []byte(`{"a":1}`), partition: -1}},
		{`{"event_type":"t","payload":{},"key":null}`, batchLine{topic: "t", payload: []byte(`{}`), keyed: true, partition: -1}},
		{
			`{"topic":"t","payload":{},"key":"","correlation_id":"c","causation_id":"` + id.String() + `","partition":1,"offset":5,"timestamp":"x"}`,
			batchLine{topic: "t", payload: []byte(`{}`), key: []byte{}, keyed: true, correlation: "c", causation: id, partition: -1},
		},
		{`{"topic":"t","value":null}`, batchLine{topic: "t", partition: -1}},
		{`{"topic":"t","value": {"a" : 1e400} }`, batchLine{topic: "t", value: []byte(`{"a" : 1e400}`), partition: -1}},
		{`{"topic":"t","value":null,"value_text":"","partition":2,"timestamp":"2026-01-01T00:00:00.5Z"}`, batchLine{topic: "t", value: []byte{}, partition: 2, time: time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC)}},
		{`{"topic":"t","value_b64":"/w==","headers":{"b":"1","a":""}}`, batchLine{topic: "t", value: []byte{0xff}, partition: -1, headers: []bus.Header{{Name: "b", Value: []byte("1")}, {Name: "a", Value: []byte{}}}}},
	} {
		got, err := parseBatchLine([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(batchLine{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestWrongBatchLines(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{`7`, "not a JSON object"},
		{`{"topic":"t","payload":{}`, ""}, // JSON says why
		{`{"topic":"t","topic":"t","payload":{}}`, ""},
		{`{"topic":"t","paylod":{}}`, `unknown member "paylod"`},
		{`{"topic":7,"payload":{}}`, `"topic" is not a string`},
		{`{"topic":"t"}`, "neither"},
		{`{"topic":"t","value_text":null}`, "neither"},
		{`{"topic":"t","payload":{},"value":null}`, "exclude each other"},
		{`{"topic":"t","value":{},"value_text":""}`, "more than one value"},
		{`{"topic":"t","value_text":"","value_b64":""}`, "twice"},
		{`{"topic":"t","value_b64":"?"}`, "not base64"},
		{`{"topic":"t","value":{},"correlation_id":"c"}`, "do not go with a value"},
		{`{"topic":"t","value":{},"key":"a","key_b64":"YQ=="}`, "twice"},
		{`{"topic":"t","value":{},"key":1}`, `"key" is not a string`},
		{`{"topic":"t","value":{},"partition":"1"}`, "not a partition"},
		{`{"topic":"t","value":{},"partition":4294967296}`, "not a partition"},
		{`{"topic":"t","value":{},"timestamp":"yesterday"}`, "not a time"},
		{`{"topic":"t","value":{},"headers":7}`, "cannot be read"},
		{`{"topic":"t","value":{},"headers":{"a":1}}`, "cannot be read"},
		{`{"topic":"t","value":{},"headers":[{"nam":"a","value":"b"}]}`, "cannot be read"},
		{`{"topic":"t","value":{},"headers":[{"value":"b"}]}`, "cannot be read"},
		{`{"topic":"t","value":{},"headers":[{"name":"a","value_b64":"?"}]}`, "not base64"},
		{`{"topic":"t","payload":{},"causation_id":"x"}`, "not a UUID"},
		{`{"topic":"t","payload":{},"correlation_id":"a\nb"}`, "printable"},
	} {
		_, err := parseBatchLine([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.text, err, c.says)
		}
	}
}

func TestSpans(t *testing.T) {
	var s spans
	if got := s.text("line"); got != "none" {
		t.Errorf("of nothing: %q", got)
	}
	for _, n := range []int{7} {
		s.add(n)
	}
	if got := s.text("line"); got != "line 7" {
		t.Errorf("of one: %q", got)
	}
	for _, n := range []int{8, 9, 11, 13, 15, 17, 19, 21, 23, 25} {
		s.add(n)
	}
	if got, want := s.text("line"), "lines 7-9, 11, 13, 15, 17, 19, 21, 23 and 1 more ranges"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPaceKeepsTheRateAndDoesNotCatchUp(t *testing.T) {
	p := pace{perSecond: 100}
	now := time.Unix(0, 0)
	if d := p.wait(now, 10); d != 0 {
		t.Errorf("the first waits %v", d)
	}
	if d := p.wait(now.Add(20*time.Millisecond), 10); d != 80*time.Millisecond {
		t.Errorf("the second waits %v, want 80ms", d)
	}
	if d := p.wait(now.Add(10*time.Second), 100); d > 0 {
		t.Errorf("after a pause it waits %v", d)
	}
	if d := p.wait(now.Add(10*time.Second), 1); d != 900*time.Millisecond {
		t.Errorf("what was missed is caught up on: the next waits %v, want 900ms", d)
	}
}

func TestStrideStaysShort(t *testing.T) {
	s := stride{size: strideFirst}
	for range 10 {
		s.took(s.size, time.Millisecond)
	}
	if s.size != strideMost {
		t.Errorf("of a fast broker: %d, want %d", s.size, strideMost)
	}
	s.took(10, time.Millisecond) // few were there
	s.took(s.size, time.Minute)
	if s.size != strideMost/2 {
		t.Errorf("of a slow broker: %d, want %d", s.size, strideMost/2)
	}
	for range 20 {
		s.took(s.size, time.Minute)
	}
	if s.size != 1 {
		t.Errorf("of a very slow broker: %d, want 1", s.size)
	}
}
