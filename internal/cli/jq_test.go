package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/itchyny/gojq"

	"github.com/omninode-ai/omnibus/bus"
)

// sample is an event, with a number that no float holds and one that a float would round.
func sample() bus.Record {
	return bus.Record{
		Topic: "omninode.audit.quality_snapshot.v1", Partition: 2, Offset: 7, Timestamp: time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC),
		Key: []byte("doc-1"), Headers: []bus.Header{{Name: "origin", Value: []byte("a")}, {Name: "origin", Value: []byte("b")}, {Name: "raw", Value: []byte{0xff}}},
		Value: []byte(`{"event_id":"0199c4de-7c3a-7000-8000-000000000001","event_type":"omninode.audit.quality_snapshot.v1","correlation_id":"flow-1",` +
			`"timestamp":"2026-01-31T09:00:00.000Z","version":"1.0.0","source":{"service":"s","instance_id":"i"},"metadata":{},` +
			`"payload":{"n":9007199254740993,"d":0.10,"quality_score":0.92,"tags":["x"],"secret":"hunter2"}}`),
	}
}

// run is what an expression makes of a record, one JSON text a result.
func run(t *testing.T, text string, r bus.Record) []string {
	t.Helper()
	x, err := compileJQ("--jq", text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var got []string
	if err := x.results(t.Context(), viewOf(r).doc(), func(v any) bool {
		b, err := gojq.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
		return true
	}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return got
}

func TestExpressionsSeeTheRecordAndItsEnvelope(t *testing.T) {
	foreign := bus.Record{Topic: "a.b.c.v1", Value: []byte(`{"payload":{"a":1}}`)}
	for _, c := range []struct {
		text string
		rec  bus.Record
		want string
	}{
		{".topic, .partition, .offset, .key, .timestamp", sample(), `"omninode.audit.quality_snapshot.v1" 2 7 "doc-1" "2026-01-31T10:00:00.000Z"`},
		{".event_type, .correlation_id, .source.service, .value.timestamp", sample(), `"omninode.audit.quality_snapshot.v1" "flow-1" "s" "2026-01-31T09:00:00.000Z"`},
		{`.header.origin, .header.raw, .headers[1].value, .headers[2].value_b64`, sample(), `"a" "/w==" "b" "/w=="`},
		{".payload.n", sample(), "9007199254740993"},
		{".payload.n == 9007199254740993, .payload.n == 9007199254740992, .payload.n + 1", sample(), "true false 9007199254740994"},
		{".payload.d", sample(), "0.10"},
		{"[.payload.tags[], (.payload | length)]", sample(), `["x",5]`},
		{".event_type, .correlation_id == .event_id, .source.service", foreign, `"a.b.c.v1" true "unknown"`},
		{".key, .value, .value_text, .payload", bus.Record{Topic: "t", Value: []byte("text")}, `null null "text" null`},
		{".key, .key_b64, .value_b64", bus.Record{Topic: "t", Key: []byte{0xfe}, Value: []byte{0xff}}, `null "/g==" "/w=="`},
		{".key, .value, .value_text", bus.Record{Topic: "t", Key: []byte{}}, `"" null null`},
		{`.value`, bus.Record{Topic: "t", Value: []byte("[1, 2]")}, `[1,2]`},
		{`env, $ENV`, sample(), `{} {}`},
		{`1, halt, 2`, sample(), "1"},
	} {
		if got := strings.Join(run(t, c.text, c.rec), " "); got != c.want {
			t.Errorf("%s = %s, want %s", c.text, got, c.want)
		}
	}
}

func TestExpressionsThatFailSayWhyWithoutTheRecord(t *testing.T) {
	for text, want := range map[string]string{
		".payload.secret + 1":              "cannot add: string",
		".payload.secret.a":                "expected an object but got: string",
		".payload.secret | fromjson":       "fromjson cannot be applied to",
		"error(.payload.secret)":           "an error of its own",
		".payload.secret | halt_error":     "an error of its own",
		`.payload.secret | strptime("%Y")`: "strptime",
		"[1] | .[true]":                    "expected",
		"repeat(1)":                        "more than 10000 results",
	} {
		x, err := compileJQ("--where", text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		err = x.results(t.Context(), viewOf(sample()).doc(), func(any) bool { return true })
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v, want %q and nothing of the record", text, err, want)
		}
	}
}

func TestExpressionThatNeverEndsIsStopped(t *testing.T) {
	x, err := compileJQ("--where", "def f: f; f")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	if _, err := x.matches(ctx, nil); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("interrupted: %v", err)
	}
	began := time.Now()
	if _, err := x.matches(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "not done within") {
		t.Errorf("left alone: %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestWrongExpressionIsPointedAt(t *testing.T) {
	for _, c := range []struct{ text, message, caret, why string }{
		{".payload.a > > 1", "line 1, column 14", ".payload.a > > 1\n             ^", `unexpected token ">"`},
		{".payload.a >", "line 1, column 13", ".payload.a >\n            ^", "unexpected EOF"},
		{".a\n  | (", "line 2, column 6", "  | (\n     ^", "unexpected EOF"},
		{"payload.a > 1", "line 1, column 1", "payload.a > 1\n^", "function not defined: payload/0"},
		{`."ü" == "ü" | selekt(.)`, "line 1, column 15", "." + `"ü" == "ü" | selekt(.)` + "\n              ^", "function not defined"},
		{".a == $x", "line 1, column 7", ".a == $x\n      ^", "variable not defined: $x"},
		{`break $x`, "line 1, column 7", "break $x\n      ^", "label not defined"},
		{`input`, "cannot be used", "input", "not allowed"},
		{strings.Repeat(".a|", 40) + "|", "column 121", "…", "unexpected token"},
	} {
		_, err := compileJQ("--where", c.text)
		f, ok := asFailure(err)
		if !ok || f.code != codeExpression || !strings.Contains(f.message, c.message) || !strings.Contains(f.details[0].value, c.caret) || !strings.Contains(f.cause, c.why) {
			t.Errorf("%q: %+v", c.text, f)
		}
	}
	_, err := compileJQ("--where", ".payload|lengt > 1")
	if f, ok := asFailure(err); !ok || !strings.Contains(f.fixes[0], "did you mean length") {
		t.Errorf("%+v", err)
	}
}

func TestFilters(t *testing.T) {
	letter := sample()
	letter.Topic += ".dlq"
	letter.Headers = append(letter.Headers, bus.Header{Name: "omnibus-dlq-error-class", Value: []byte("permanent")},
		bus.Header{Name: "omnibus-dlq-error-message", Value: []byte("No Such Entity")}, bus.Header{Name: "omnibus-dlq-original-topic", Value: []byte("x")})
	text := bus.Record{Topic: "t", Value: []byte("text")}
	for name, c := range map[string]struct {
		o    filterOptions
		want []bool // of sample, letter, text
	}{
		"all":                 {filterOptions{}, []bool{true, true, true}},
		"type":                {filterOptions{types: []string{"omninode.audit.*"}}, []bool{true, true, false}},
		"other type":          {filterOptions{types: []string{"omninode.codegen.*"}}, []bool{false, false, false}},
		"one of types":        {filterOptions{types: []string{"x", "omninode.audit.quality_snapshot.v1"}}, []bool{true, true, false}},
		"flow":                {filterOptions{correlation: "flow-1"}, []bool{true, true, false}},
		"other flow":          {filterOptions{correlation: "flow-2"}, []bool{false, false, false}},
		"header":              {filterOptions{headers: []string{"origin=b"}}, []bool{true, true, false}},
		"header of any value": {filterOptions{headers: []string{"raw"}}, []bool{true, true, false}},
		"header of no value":  {filterOptions{headers: []string{"raw="}}, []bool{false, false, false}},
		"both headers":        {filterOptions{headers: []string{"origin=a", "none"}}, []bool{false, false, false}},
		"class":               {filterOptions{failed: "permanent"}, []bool{false, true, false}},
		"text":                {filterOptions{failed: "such entity"}, []bool{false, true, false}},
		"part of a class":     {filterOptions{failed: "perm"}, []bool{false, false, false}},
		"expression":          {filterOptions{where: ".payload.quality_score > 0.9"}, []bool{true, true, false}},
		"expression and type": {filterOptions{where: ".payload.quality_score > 0.9", types: []string{"x"}}, []bool{false, false, false}},
		"no result":           {filterOptions{where: "empty"}, []bool{false, false, false}},
		"null":                {filterOptions{where: ".payload.nothing"}, []bool{false, false, false}},
		"one of several is":   {filterOptions{where: "false, null, 1"}, []bool{true, true, true}},
		"text by expression":  {filterOptions{where: ".value_text == \"text\""}, []bool{false, false, true}},
	} {
		f, err := c.o.filter()
		if err != nil {
			t.Fatal(err)
		}
		var got []bool
		for _, r := range []bus.Record{sample(), letter, text} {
			ok, err := f.matches(t.Context(), viewOf(r))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got = append(got, ok)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
