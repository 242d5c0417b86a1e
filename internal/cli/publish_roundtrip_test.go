package cli_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

// nasty are records that a JSON line could lose something of.
func nasty() []bus.Record {
	at := time.Date(2020, 2, 29, 23, 59, 59, 999e6, time.UTC)
	var out []bus.Record
	add := func(key, value []byte, headers ...bus.Header) {
		at = at.Add(time.Millisecond)
		out = append(out, bus.Record{Topic: assessed, Partition: int32(len(out) % 6), Timestamp: at, Key: key, Value: value, Headers: headers})
	}
	for _, key := range []string{"", "k", "null", "\xff\x00\xfe", "line\nbreak \u2028 \"\\ <&>", "\x00"} {
		add([]byte(key), []byte(`{}`))
	}
	add(nil, []byte(`{"no":"key"}`))
	for _, value := range []string{
		"", " ", "null", "7", `"text"`, "[1]", "not JSON", "\xff\xfe", "{", "{\xff}", "\u2028",
		`{ "odd" : [ 1 , 2 ] }`, "{\"a\":\n1}", `{"a":1}` + "\n", `{"a":1,"a":2}`,
		`{"big":123456789012345678901234567890.1234567890123456789,"huge":1e400,"neg":-0,"exp":1E+2,"tiny":0.10}`,
		`{"escaped":"\u0041\/\u2028","plain":"A/` + "\u2028" + `","emoji":"\ud83d\ude00😀"}`, `{"":{"":[]}}`,
		strings.Repeat(`{"d":`, 10_000) + "1" + strings.Repeat("}", 10_000), strings.Repeat(`{"d":`, 70) + "1" + strings.Repeat("}", 70),
		`{"event_id":"no uuid","payload":{"entity":"alias","quality_score":1.50}}`,
	} {
		add([]byte("v"), []byte(value))
	}
	for _, value := range []string{"\x00\x00\x00\x00\x07{}", "\x00\xff\xff\xff\xff{ \"a\" : 1 }", "\x00\x00\x00\x00\x07", "\x00\x00\x00\x00\x07[1]", "\x00\x00\x00\x00\x07\x00\x00\x00\x00\x08{}", "\x00"} {
		add([]byte("\x00\x00\x00\x00\x01k"), []byte(value), bus.Header{Name: "__value_schema_id", Value: []byte("\x01\xff")})
	}
	add([]byte("tombstone"), nil)
	add(nil, nil)
	add(
		[]byte("h"), []byte(`{}`), bus.Header{Name: "twice", Value: []byte("1")}, bus.Header{Name: "twice", Value: []byte("2")}, bus.Header{Name: "null"},
		bus.Header{Name: "empty", Value: []byte{}}, bus.Header{Name: "", Value: []byte("no name")}, bus.Header{Name: "\xff\xfe", Value: []byte{0, 0x80}},
		bus.Header{Name: "omnibus-event-id", Value: []byte("not ours")}, bus.Header{Name: "content-type", Value: []byte("a/b\n")},
	)
	return out
}

// fillFrom writes records as they are, also their time and partition.
func fillFrom(t *testing.T, b *bus.Bus, records []bus.Record) {
	t.Helper()
	out := make([]bus.Outgoing, len(records))
	for i := range records {
		out[i] = bus.Outgoing{Record: &records[i], KeepTime: true, KeepPartition: true}
	}
	if _, err := b.PublishAll(t.Context(), out...); err != nil {
		t.Fatal(err)
	}
}

var place = regexp.MustCompile(`"partition":\d+,"offset":\d+,`)

// perPartition puts lines of "consume -o ndjson" into one order: by partition, and within it as they are.
func perPartition(t *testing.T, ndjson string) []string {
	t.Helper()
	lines := slices.Collect(strings.Lines(ndjson))
	partition := func(line string) int {
		_, rest, _ := strings.Cut(line, `"partition":`)
		digits, _, _ := strings.Cut(rest, ",")
		n, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatalf("no partition in %.200q", line)
		}
		return n
	}
	slices.SortStableFunc(lines, func(x, y string) int { return cmp.Compare(partition(x), partition(y)) })
	return lines
}

// sameLines fails at the first line that differs.
func sameLines(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d lines, want %d", len(got), len(want))
	}
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("line %d differs:\n%.500q\nwant\n%.500q", i, got[i], want[i])
		}
	}
}

func TestWhatConsumePrintsIsPublishedByteForByte(t *testing.T) {
	from, to := startBroker(t), startBroker(t)
	records := nasty()
	fillFrom(t, openBus(t, from), records)
	s := newShell(t)
	consume := func(addr string) string { return s.must(t, "", "consume", assessed, "-o", "ndjson", "-b", addr) }
	first := consume(from)
	if n := strings.Count(first, "\n"); n != len(records) {
		t.Fatalf("%d lines for %d records", n, len(records))
	}
	if got, want := s.must(t, first, "publish", "--batch", "-", "--keep-partition", "-b", to), fmt.Sprintf("published %d, failed 0\n", len(records)); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	sameLines(t, perPartition(t, first), perPartition(t, consume(to))) // also the offsets: both topics begin at 0

	// Without --keep-partition keys decide: what is printed is the same but for where it lies.
	other := startBroker(t)
	s.must(t, first, "publish", "--batch", "-", "-b", other)
	elsewhere := consume(other)
	bare := func(ndjson string) []string {
		return slices.Sorted(strings.Lines(place.ReplaceAllString(ndjson, "")))
	}
	sameLines(t, bare(first), bare(elsewhere))
	for rec, err := range openBus(t, other).Scan(t.Context(), bus.Range{Topics: globsOf(assessed)}) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Key != nil && rec.Partition != bus.PartitionOf(rec.Key, 6) {
			t.Errorf("key %q lies in %d, murmur2 says %d", rec.Key, rec.Partition, bus.PartitionOf(rec.Key, 6))
		}
	}
}

// TestTwentyThousandEventsComeAndGo is what "go run . -run roundtrip" in bench does with a million.
func TestTwentyThousandEventsComeAndGo(t *testing.T) {
	const n = 20_000
	from, to := startBroker(t), startBroker(t)
	s := newShell(t)
	var events strings.Builder
	for i := range n {
		fmt.Fprintf(&events, `{"topic":%q,"key":"k%d","payload":{"entity_id":"doc-%d","quality_score":0.%d}}`+"\n", assessed, i%997, i, 1+i%9)
	}
	s.must(t, events.String(), "publish", "--batch", "-", "-b", from)
	first := s.must(t, "", "consume", assessed, "-o", "ndjson", "-b", from)
	s.must(t, first, "publish", "--batch", "-", "-b", to)
	second := s.must(t, "", "consume", assessed, "-o", "ndjson", "-b", to)
	want := perPartition(t, first)
	if len(want) != n {
		t.Fatalf("%d events there, %d were published", len(want), n)
	}
	sameLines(t, want, perPartition(t, second))
}
