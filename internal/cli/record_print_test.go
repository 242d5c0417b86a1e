package cli

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// FuzzAppendRecordIsTheDocument: what is written fast is what is written by the library.
func FuzzAppendRecordIsTheDocument(f *testing.F) {
	f.Add([]byte("k"), []byte(`{"payload":{"a":1.0,"b":"A"}}`), "h", []byte("v"), int64(1772000000123))
	f.Add([]byte{}, []byte(`{ "payload" : {} }`), "", []byte{}, int64(0))
	f.Add([]byte{0xff}, []byte{0xff, 0}, "\xff", []byte{0xfe}, int64(-1))
	f.Add([]byte("\"\\\n\u2028<>&"), []byte("text \x00\x1f"), "\t", []byte("null"), int64(1))
	f.Add([]byte("k"), []byte(`{"a":1,"a":2}`), "h", []byte("\u007f"), int64(5))
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte, ms int64) {
		r := bus.Record{
			Topic: "a.b", Partition: int32(ms), Offset: ms, Timestamp: time.UnixMilli(ms % 1e14), Key: key, Value: value,
			Headers: []bus.Header{{Name: name, Value: header}, {Name: "none"}},
		}
		for range 2 { // once more with null in place of empty
			want, err := jsonx.Marshal(recordDocOf(r))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(appendRecord(nil, r))); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", r, diff)
			}
			r.Key, r.Value, r.Headers = nil, nil, nil
		}
	})
}

func TestFormatStandsForTheRecord(t *testing.T) {
	for format, want := range map[string]string{
		`%t[%p]@%o %k\n`:               "omninode.audit.quality_snapshot.v1[2]@7 doc-1\n",
		`%T %d`:                        "1769853600000 2026-01-31T10:00:00.000Z",
		`%K %H %h`:                     "5 3 origin=a,origin=b,raw=\xff",
		`%%|\\|\x41\t\r\0`:             "%|\\|A\t\r\x00",
		`%{payload.n} %{payload.d}`:    "9007199254740993 0.10",
		`%{quality_score}`:             "0.92",
		`%{payload.tags.0}%{tags.1}`:   "x",
		`%{source} %{causation_id}`:    `{"instance_id":"i","service":"s"} `,
		`%{header.origin} %{"header"}`: `a {"origin":"a","raw":"/w=="}`,
		`ü %{headers.1.value}`:         "ü b",
		`(%V)`:                         "(336)",
	} {
		f, err := parseFormat(format)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		got, err := f.append(nil, viewOf(sample()))
		if err != nil || string(got) != want {
			t.Errorf("%s = %q, want %q", format, got, want)
		}
	}
	null := bus.Record{Topic: "t", Headers: []bus.Header{{Name: "none"}}}
	f, err := parseFormat("%k|%K|%v|%V|%s|%S|%h|%d")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := f.append(nil, viewOf(null)); string(got) != "|-1||-1||-1|none|" {
		t.Errorf("of a record without anything: %q", got)
	}
}

func TestWrongFormatAndPathArePointedAt(t *testing.T) {
	for format, caret := range map[string]string{
		"%t %y": "\n   ^", "%": "\n^", `a\`: "\n ^", `\q`: "\n^", `ab\xg1`: "\n  ^", "%{a": "\n^", "%{}": "\n  ^", "%{a..b}": "\n    ^", `%{"a}`: "\n  ^", "%ü": "\n^", `%{"a"b}`: "\n     ^",
	} {
		_, err := parseFormat(format)
		f, ok := asFailure(err)
		if !ok || f.code != codeTemplate || !strings.HasSuffix(f.details[0].value, caret) || f.cause == "" || len(f.fixes) == 0 {
			t.Errorf("%q: %+v", format, f)
		}
	}
	for _, name := range []string{"", "a.", ".a", `"a`, `"a"b`} {
		_, err := parseColumns([]string{name})
		if f, ok := asFailure(err); !ok || f.code != codePath || len(f.fixes) == 0 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzParseFormat(f *testing.F) {
	for _, s := range []string{`%t[%p]@%o %v\n`, `%{a."b.c".0}%%\x00`, `\`, "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		format, err := parseFormat(s)
		if err != nil {
			if bad, ok := asFailure(err); !ok || bad.cause == "" {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if _, err := format.append(nil, viewOf(sample())); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if !strings.ContainsAny(s, `%\`) {
			if got, _ := format.append(nil, viewOf(sample())); string(got) != s {
				t.Errorf("%q = %q", s, got)
			}
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"payload.a.0", `header."content-type"`, "a..b", `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, at, why := parsePath(s)
		if (why == "") != (len(p) > 0) || at < 0 || at > len(s) {
			t.Errorf("%q = %q, %d, %q", s, p, at, why)
		}
		p.in(viewOf(sample()).doc())
	})
}

// FuzzYAMLKeepsTheJSON: read again, it is the same.
func FuzzYAMLKeepsTheJSON(f *testing.F) {
	for _, s := range []string{
		`{"b":1,"a":[true,null,{}],"c":{"d":[]}}`, `"yes"`, `"12"`, `"a: b\n c\n"`, `9007199254740993`, `-0.10`, `1e3`, `"\u0000\u0085\u2028"`,
		`{"":"","~":"~","1":1,"null":null," a ":"\ttab"}`, `"!!str x"`, `"# no"`, `"- a"`, `"0x10"`, `"2026-01-31"`, `"<<"`, `{"<<":{"a":1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, err := jsonx.Tree(text, jsonx.Limits{Depth: 20})
		if err != nil || !printable(want) {
			return
		}
		out, err := yamlOf(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var node yaml.Node
		if err := yaml.Unmarshal(out, &node); err != nil {
			t.Fatalf("%s became %s: %v", text, out, err)
		}
		if diff := cmp.Diff(string(jsonText(want)), string(jsonText(untag(t, node.Content[0])))); diff != "" {
			t.Errorf("%s became %s (-want +got):\n%s", text, out, diff)
		}
	})
}

// printable reports whether v has only text that YAML can hold and this test's reader of it restores.
func printable(v any) bool {
	switch v := v.(type) {
	case string:
		return utf8.ValidString(v) && !strings.ContainsFunc(v, func(r rune) bool { return r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff })
	case []any:
		for _, one := range v {
			if !printable(one) {
				return false
			}
		}
	case map[string]any:
		for name, one := range v {
			if !printable(name) || !printable(one) {
				return false
			}
		}
	}
	return true
}

// untag makes of a node what jsonx.Tree makes of JSON.
func untag(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = untag(t, n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, one := range n.Content {
			list = append(list, untag(t, one))
		}
		return list
	default:
	}
	switch n.Tag {
	case "!!str":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	}
	tree, err := jsonx.Tree([]byte(n.Value), jsonx.Limits{})
	if err != nil {
		t.Fatalf("%s %q: %v", n.Tag, n.Value, err)
	}
	return tree
}

func TestPrintersByFormat(t *testing.T) {
	text := bus.Record{Topic: "t", Offset: 1, Value: []byte("tab\tand\nline")}
	for _, c := range []struct {
		name   string
		format format
		o      printOptions
		want   string
	}{
		{"jq", formatNDJSON, printOptions{jq: ".offset, .payload.n"}, "7\n9007199254740993\n1\nnull\n"},
		{"jq line", formatLine, printOptions{jq: "{n: .payload.n, a: 1}"}, `{"a":1,"n":9007199254740993}` + "\n" + `{"a":1,"n":null}` + "\n"},
		{"jq pretty", formatPretty, printOptions{jq: "{n: .payload.n}"}, "{\n  \"n\": 9007199254740993\n}\n{\n  \"n\": null\n}\n"},
		{"jq raw", formatRaw, printOptions{jq: ".key, .value_text, .payload.d"}, "doc-1\nnull\n0.10\nnull\ntab\tand\nline\nnull\n"},
		{"jq json", formatJSON, printOptions{jq: ".offset | select(. > 1)"}, `{"schema":"omnibus.consume/v1","records":[` + "\n7\n]}\n"},
		{"jq yaml", formatYAML, printOptions{jq: "{n: .payload.n, s: .value_text}"}, "---\nn: 9007199254740993\ns: null\n---\nn: null\ns: |-\n  tab\tand\n  line\n"},
		{"jq none", formatNDJSON, printOptions{jq: "empty"}, ""},
		{"format", formatPretty, printOptions{format: `%o\n`}, "7\n1\n"},
		{"fields", formatPretty, printOptions{fields: []string{"offset", "payload.n", "tags", "value_text"}}, "7\t9007199254740993\t[\"x\"]\t\n1\t\t\ttab\\tand\\nline\n"},
		{"fields ndjson", formatNDJSON, printOptions{fields: []string{"offset", "n", "key"}}, `{"offset":7,"n":9007199254740993,"key":"doc-1"}` + "\n" + `{"offset":1,"n":null,"key":null}` + "\n"},
		{"payload ndjson", formatNDJSON, printOptions{noEnvelope: true}, payloadText + "\n" + `"tab\tand\nline"` + "\n"},
		{"payload json", formatJSON, printOptions{noEnvelope: true}, `{"schema":"omnibus.consume/v1","records":[` + "\n" + payloadText + ",\n" + `"tab\tand\nline"` + "\n]}\n"},
		{"payload line", formatLine, printOptions{noEnvelope: true}, payloadText + "\ntab and line\n"},
		{"payload raw", formatRaw, printOptions{noEnvelope: true}, payloadText + "\ntab\tand\nline\n"},
		{"raw", formatRaw, printOptions{}, string(sample().Value) + "\ntab\tand\nline\n"},
		{"yaml", formatYAML, printOptions{}, "---\ntopic: omninode.audit"},
	} {
		var out strings.Builder
		a := &app{out: &latched{w: &out}, format: c.format, now: func() time.Time { return noon }, zone: time.UTC}
		p, err := c.o.printer(a)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := p.begin(); err != nil {
			t.Fatal(err)
		}
		for _, r := range []bus.Record{sample(), text} {
			if err := p.print(context.Background(), viewOf(r)); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if err := p.end(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != c.want && (c.name != "yaml" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

const payloadText = `{"n":9007199254740993,"d":0.10,"quality_score":0.92,"tags":["x"],"secret":"hunter2"}`

func TestColumnsForPeopleAreAligned(t *testing.T) {
	var out strings.Builder
	a := &app{out: &latched{w: &out}, format: formatPretty, terminal: true}
	p, err := printOptions{fields: []string{"key", "offset", "payload.n"}}.printer(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.begin(); err != nil {
		t.Fatal(err)
	}
	long := sample()
	long.Key = []byte("document-7\x1b[31m")
	for _, r := range []bus.Record{sample(), long, sample()} {
		if err := p.print(t.Context(), viewOf(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	want := `KEY    OFFSET  PAYLOAD.N
doc-1  7       9007199254740993
document-7\e[31m  7       9007199254740993
doc-1             7       9007199254740993
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
