package cli_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
)

// filled is a broker with two snapshots, one foreign record, a dead letter of group "picky", and a group that is at the end.
func filled(t *testing.T) shell {
	t.Helper()
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	for _, score := range []string{"0.5", "0.75"} {
		s.must(t, "", "publish", snapshot, scored(score),
			"--correlation", "flow-1", "--header", "origin=test")
	}
	s.must(t, `{"topic":"`+snapshot+`","key":null,"value_text":"not an event"}`, "publish", "--batch")
	s.must(t, "", "publish", assessed, `{"entity_id":"doc-1","quality_score":0.5}`, "--correlation", "flow-2")

	b := openBus(t, addr)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	dead := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(ctx, bus.Consumer{Group: "picky", OnExhausted: bus.ParkKey}, bus.HandlePattern(assessed, func(context.Context, bus.Delivery) error {
			return bus.Permanent(errors.New("no such entity"))
		}))
	}()
	go func() {
		defer close(dead)
		for _, err := range b.Scan(ctx, bus.Range{Topics: globsOf(assessed + ".dlq"), Follow: true}) {
			if err != nil {
				t.Error(err)
			}
			return
		}
	}()
	<-dead
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.must(t, "", "consume", snapshot, "--group", "reader", "-o", "raw")
	return s
}

// scored is the payload of a snapshot.
func scored(score string) string {
	return `{"entity_id":"doc-1","quality_scores":{"overall":` + score + `},"timestamp":"2026-01-31T10:00:00.000Z"}`
}

func TestColumnsOfATableCanBeChosen(t *testing.T) {
	s := filled(t)
	if got, want := s.must(t, "", "lag", "--columns", "messages,group", "--no-headers"), "0  reader\n"; !strings.Contains(got, want) || strings.Contains(got, "MESSAGES") {
		t.Errorf("lag printed\n%s\nwant a line %q and no heading", got, want)
	}
	r := s.run(t.Context(), "", "lag", "--columns", "mesages")
	if r.code != 2 || !strings.Contains(r.stderr, "did you mean messages?") || r.out != "" {
		t.Errorf("a column that is not there: exit %d, want 2 and the one that was meant\n%s%s", r.code, r.out, r.stderr)
	}
}

func TestOutputsAreAsFrozen(t *testing.T) {
	s := filled(t)
	for _, c := range []struct{ name, line string }{
		{"publish", "publish " + snapshot + " " + scored("1") + " -c flow-3"},
		{"consume_pretty", "consume " + snapshot},
		{"consume_line", "consume " + snapshot + " -o line"},
		{"consume_json", "consume " + snapshot + " -o json --offset 1 --limit 2"},
		{"consume_ndjson", "consume " + snapshot + " -o ndjson --limit 3"},
		{"consume_raw", "consume " + snapshot + " -o raw --limit 3"},
		{"consume_last", "consume " + snapshot + " -o line --last 2"},
		{"consume_peek", "consume " + snapshot + " -o line --group reader --peek"},
		{"topics_list", "topics list omninode.audit.* omninode.intelligence.*"},
		{"topics_show", "topics show " + snapshot},
		{"groups_list", "groups list"},
		{"groups_show", "groups show reader"},
		{"lag", "lag"},
		{"catalog_list", "catalog list omninode.bridge.*"},
		{"catalog_show", "catalog show quality_assessed"},
		{"schema_lint", "schema lint"},
		{"config_show", "config show --origin --timeout 3s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			golden(t, "output/"+c.name, scrub(s.must(t, "", strings.Fields(c.line)...)))
		})
	}
}

func TestConsumeAndPublishBatchKeepRecordsByteForByte(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	b := openBus(t, addr)
	odd := []bus.Outgoing{
		{Topic: snapshot, Raw: []byte(`{"payload":{"a":1.0,"b":"\u0041"}}`), Key: []byte("k")},
		{Topic: snapshot, Raw: []byte("{ \"payload\" : {} }\n"), Key: []byte{}},
		{Topic: snapshot, Raw: []byte(`{"a":1,"a":2}`)},
		{Topic: snapshot, Raw: []byte{0xff, 0x00, 0x0a}, Key: []byte{0xfe}},
		{Topic: snapshot, Raw: []byte{}, Key: []byte("null")},
		{Topic: snapshot, Raw: []byte("null")},
		{Topic: snapshot, Raw: []byte("line\nbreak \"quoted\" \u2028"), Headers: []bus.Header{{Name: "h", Value: []byte("1")}, {Name: "h", Value: nil}, {Name: "h", Value: []byte{0x80}}}},
	}
	if _, err := b.PublishAll(t.Context(), odd...); err != nil {
		t.Fatal(err)
	}
	lines := s.must(t, "", "consume", snapshot, "-o", "ndjson")
	if got := strings.Count(lines, "\n"); got != len(odd) {
		t.Fatalf("%d lines for %d records:\n%s", got, len(odd), lines)
	}
	s.must(t, lines, "publish", "--batch")
	var all []bus.Record
	for r, err := range b.Scan(t.Context(), bus.Range{Topics: globsOf(snapshot)}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if len(all) != 2*len(odd) {
		t.Fatalf("%d records, want %d", len(all), 2*len(odd))
	}
	for i := range odd {
		if diff := differ(all[i], all[len(odd)+i]); diff != "" {
			t.Errorf("record %d comes back differently (-first +again):\n%s", i, diff)
		}
	}
}

func TestConsumeGroupGoesOnWhereItWas(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	var batch strings.Builder
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		batch.WriteString(`{"topic":"` + assessed + `","payload":{"entity_id":"` + id + `","quality_score":1}}` + "\n")
	}
	s.must(t, batch.String(), "publish", "--batch")
	first := s.must(t, "", "consume", assessed, "--group", "g", "--limit", "2", "-o", "ndjson")
	peeked := s.must(t, "", "consume", assessed, "--group", "g", "--peek", "-o", "ndjson")
	rest := s.must(t, "", "consume", assessed, "--group", "g", "-o", "ndjson")
	if f, p, r := lineSet(first), lineSet(peeked), lineSet(rest); len(f) != 2 || len(r) != 3 || len(p) != 3 {
		t.Fatalf("first %d, peeked %d, rest %d lines; want 2, 3, 3", len(f), len(p), len(r))
	}
	seen := lineSet(first + rest)
	if len(seen) != 5 {
		t.Errorf("%d different events of 5", len(seen))
	}
	if again := s.must(t, "", "consume", assessed, "--group", "g", "-o", "ndjson"); again != "" {
		t.Errorf("the group was given again:\n%s", again)
	}
}

func TestTailShowsTheLastAndWhatComes(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	publish := func(score string) {
		s.must(t, "", "publish", snapshot, scored(score))
	}
	publish("0.1")
	publish("0.2")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := make(chan string)
	code := make(chan int, 1)
	go func() { code <- s.follow(ctx, seen, "tail", snapshot, "--last", "1", "-o", "line") }()
	if line := <-seen; !strings.Contains(line, "0.2") {
		t.Errorf("tail --last 1 begins with %q", line)
	}
	publish("0.3")
	if line := <-seen; !strings.Contains(line, "0.3") {
		t.Errorf("then it shows %q", line)
	}
	stop()
	if got := <-code; got != 130 {
		t.Errorf("interrupted, it exits with %d, want 130", got)
	}
}

func TestBrokenPipeIsNoError(t *testing.T) {
	s := newShell(t)
	if code := s.into(t.Context(), brokenPipe{}, "catalog", "list"); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}

func TestColourOnlyWhereItIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		env, flag string
		want      bool
	}{
		{"", "", false},
		{"CLICOLOR_FORCE=1", "", true},
		{"NO_COLOR=1", "", false},
		{"NO_COLOR=1", "--color=always", true},
		{"CLICOLOR_FORCE=1", "--color=never", false},
		{"OMNIBUS_COLOR=always", "", true},
	} {
		s := newShell(t, c.env)
		args := []string{"catalog", "list"}
		if c.flag != "" {
			args = append(args, c.flag)
		}
		if got := strings.Contains(s.must(t, "", args...), "\x1b["); got != c.want {
			t.Errorf("with %q %q colour is %t", c.env, c.flag, got)
		}
	}
}

func TestThresholdsExitWithTen(t *testing.T) {
	s := filled(t)
	s.must(t, "", "publish", snapshot, scored("0.9"))
	for _, c := range []struct {
		line string
		exit int
	}{
		{"lag reader --fail-over 0", 10},
		{"lag reader --fail-over 1", 0},
		{"lag reader --fail-over 1ns", 10},
		{"lag reader --fail-over 1h", 0},
		{"lag picky --fail-over 0", 0},
		{"dlq list --fail-over 0", 10},
		{"dlq list --fail-over 1", 0},
	} {
		r := s.run(t.Context(), "", strings.Fields(c.line)...)
		if r.code != c.exit || r.out == "" {
			t.Errorf("omnibus %s: exit %d, want %d, and the data; it says\n%s%s", c.line, r.code, c.exit, r.out, r.stderr)
		}
	}
}
