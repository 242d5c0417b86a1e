package schema_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/schema"
)

// bounded fails where do takes longer than a slow machine excuses, or allocates more than so many bytes.
func bounded(t *testing.T, most uint64, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	do()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if limit := 20 * time.Second; took > limit {
		t.Errorf("took %v", took)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("allocated %d bytes, more than %d", n, most)
	}
	t.Logf("%v, %d KiB", took, (after.TotalAlloc-before.TotalAlloc)>>10)
}

func TestHostileSchemasAreRefused(t *testing.T) {
	doubling := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
		for i := range n {
			fmt.Fprintf(&b, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
		}
		fmt.Fprintf(&b, `"d%d":{"type":"integer"}}}`, n)
		return b.String()
	}
	many := func(n int, each string) string { return strings.TrimSuffix(strings.Repeat(each+",", n), ",") }
	for _, tc := range []struct{ name, in, want string }{
		{"size", `{"description":"` + strings.Repeat("x", 256<<10) + `"}`, "262162 bytes, at most 262144 are allowed"},
		{"depth", strings.Repeat(`{"items":`, 34) + `{}` + strings.Repeat(`}`, 34), "nested more than 34 deep"},
		{"a million levels", strings.Repeat(`[`, 200_000), "nested more than 34 deep"},
		{"nodes", `{"allOf":[` + many(5000, `{}`) + `]}`, "5001 objects, at most 5000 are allowed"},
		{"references", `{"allOf":[` + many(501, `{"$ref":"#/$defs/a"}`) + `],"$defs":{"a":{}}}`, "501 references, at most 500 are allowed"},
		{"fan-out", doubling(40), "more than 100000 rules when every reference is written out"},
		{"a reference to itself", `{"$ref":"#"}`, "leads back to itself"},
		{"references in a ring", `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{},{"$ref":"#/$defs/a"}]}}}`, "leads back to itself"},
		{"a ring of draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{"not":{"$ref":"#/definitions/a"}}},"$ref":"#/definitions/a"}`, "leads back to itself"},
		{"long pattern", `{"pattern":"` + strings.Repeat("a", 513) + `"}`, "/pattern: the pattern has 513 bytes, at most 512 are allowed"},
		{"long pattern of names", `{"patternProperties":{"` + strings.Repeat("a", 513) + `":{}}}`, "the pattern has 513 bytes"},
		{"look-ahead", `{"properties":{"a":{"pattern":"^(?!x)"}}}`, "/properties/a/pattern: unsupported pattern: look-ahead (?!…) is not part of RE2 (pattern)"},
		{"look-behind", `{"pattern":"(?<=x)y"}`, "unsupported pattern: look-behind (?<=…) is not part of RE2"},
		{"back reference", `{"pattern":"(a)\\1"}`, `unsupported pattern: a back reference, \1, is not part of RE2`},
		{"atomic group", `{"pattern":"(?>a)"}`, "unsupported pattern: an atomic group (?>…) is not part of RE2"},
		{"repetition", `{"pattern":"a{1001}"}`, "unsupported pattern: invalid repeat count"},
		{"repeated repetition", `{"pattern":"((a{100}){100}){100}"}`, "unsupported pattern: invalid repeat count"},
		{"huge number", `{"maximum":1e1000000000}`, "a number with an exponent beyond"},
		{"small number", `{"multipleOf":1e-1000000000}`, "a number with an exponent beyond"},
		{"long number", `{"maximum":` + strings.Repeat("9", 200_000) + `}`, "a number of more than 1000 characters"},
		{"file", `{"$ref":"file:///etc/passwd"}`, "refers to outside the document"},
		{"relative file", `{"$ref":"../../etc/passwd"}`, "refers to outside the document"},
		{"web", `{"$ref":"https://example.com/x.json"}`, "refers to outside the document"},
		{"dialect of the web", `{"$schema":"https://example.com/dialect"}`, "refers to outside the document"},
		{"dynamic", `{"$dynamicRef":"https://example.com/x.json#a"}`, "refers to outside the document"},
		{"base elsewhere", `{"$id":"https://example.com/a/","properties":{"a":{"$ref":"b.json"}}}`, "refers to outside the document"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bounded(t, 64<<20, func() {
				_, err := schema.Parse([]byte(tc.in))
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("Parse = %v, want %q in it", err, tc.want)
				}
			})
		})
	}
}

// TestNoReferenceOpensAnything: neither a connection nor a file, and what lies in the file is not told.
func TestNoReferenceOpensAnything(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var touched atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			touched.Store(true)
			_ = c.Close()
		}
	}()
	secret := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(secret, []byte(`{"secret":"hunter2","type":"string"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"http://" + l.Addr().String() + "/s.json", "https://" + l.Addr().String(), "file://" + secret, secret, "//" + l.Addr().String() + "/x"} {
		for _, form := range []string{`{"$ref":%q}`, `{"$schema":%q}`, `{"properties":{"payload":{"$ref":%q}}}`, `{"$dynamicRef":%q}`, `{"$id":%q,"$ref":"x.json"}`} {
			doc := fmt.Sprintf(form, url)
			_, err := schema.Parse([]byte(doc))
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", doc, err)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	if touched.Load() {
		t.Error("a connection was opened")
	}
}

// TestAnIDShadowsNothing: a document that calls itself the dialect changes nothing for others.
func TestAnIDShadowsNothing(t *testing.T) {
	_, err := schema.Parse([]byte(`{"$id":"https://json-schema.org/draft/2020-12/schema","type":"string"}`))
	t.Logf("refused: %v", err) // either way: what matters comes next
	s, err := schema.Parse([]byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"integer"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Scan([]byte(`1`)); err != nil {
		t.Error(err)
	}
}

func TestHostileValuesAreRefused(t *testing.T) {
	const anyKind = `{"type":["object","array","number"]}`
	// Each level is held against two branches that both go on: 2^depth checks.
	const branching = `{"$ref":"#/$defs/n","$defs":{"n":{"allOf":[{"properties":{"a":{"$ref":"#/$defs/n"}}},{"properties":{"a":{"$ref":"#/$defs/n"}}}]}}}`
	const hidden = `{"$ref":"#/$defs/n","$defs":{"n":{"unevaluatedItems":false,"prefixItems":[{"$ref":"#/$defs/n"}],"anyOf":[{"prefixItems":[{"$ref":"#/$defs/n"}]},{"contains":{"$ref":"#/$defs/n"}}]}}}`
	distinct := make([]string, 10_001)
	for i := range distinct {
		distinct[i] = fmt.Sprintf(`{"a":%d}`, i)
	}
	var undeclared strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&undeclared, `"k%06d":1,`, i)
	}
	nested := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	for _, tc := range []struct{ name, schema, value, want string }{
		{"a million levels", anyKind, strings.Repeat(`[`, 1_000_000), "nested more than 64 deep"},
		{"65 levels", anyKind, nested(`[`, ``, `]`, 65), "nested more than 64 deep"},
		{"huge exponent", anyKind, `[1e1000000000]`, "an exponent beyond"},
		{"huge negative exponent", `{"multipleOf":0.1}`, `1e-1000000000`, "an exponent beyond"},
		{"long number", `{"multipleOf":0.1}`, strings.Repeat("7", 1_000_000), "more than 1000 characters"},
		{"exponential branches", branching, nested(`{"a":`, `1`, `}`, 60), "takes more than 200000 checks"},
		{"exponential branches beyond the program", hidden, nested(`[`, `1`, `]`, 60), "takes more than 200000 checks"},
		{"too many to tell apart", `{"uniqueItems":true}`, `[` + strings.Join(distinct, ",") + `]`, "more than 10000 items cannot be told apart"},
		{"many undeclared members", `{"additionalProperties":false,"properties":{"a":{}}}`, `{` + undeclared.String() + `"a":1}`, "/k000000: is not declared in the schema (additionalProperties), and 99999 more"},
		{"backtracking", `{"pattern":"^(a+)+$"}`, `"` + strings.Repeat("a", 50_000) + `!"`, "must match"},
		{"backtracking with alternatives", `{"pattern":"^(a|aa|[a-c]*)*d$"}`, `"` + strings.Repeat("ab", 25_000) + `"`, "must match"},
		{"many values of an enum", `{"enum":[` + strings.TrimSuffix(strings.Repeat(`"abcdefgh",`, 1)+numbered(5000), ",") + `]}`, `"x"`, "and 4981 more (enum)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := schema.Parse([]byte(tc.schema))
			if err != nil {
				t.Fatal(err)
			}
			bounded(t, 512<<20, func() {
				_, err := s.Scan([]byte(tc.value))
				if _, ok := errors.AsType[*schema.Invalid](err); !ok {
					t.Fatalf("Scan = %.200v, want an *Invalid", err)
				}
				if msg := err.Error(); !strings.Contains(msg, tc.want) || len(msg) > 2000 {
					t.Errorf("Scan = %.300s, want %q in it", msg, tc.want)
				}
			})
		})
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"v%04d",`, i)
	}
	return b.String()
}

// TestLargeValuesPass: the limits are far from what is meant to be sent.
func TestLargeValuesPass(t *testing.T) {
	s, err := schema.Parse([]byte(`{"type":"object","additionalProperties":{"type":"array","uniqueItems":true,"items":{"type":"integer"}},"unevaluatedItems":false}`))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, `"m%d":[%d,2000,3000],`, i, i)
	}
	if _, err := s.Scan([]byte(`{` + b.String() + `"m":[]}`)); err != nil {
		t.Errorf("2000 members: %v", err)
	}
	if diff := cmp.Diff(schema.Counts{Slow: 1}, s.Counts()); diff != "" {
		t.Errorf("more than 256 undeclared members are the library's: -want +got\n%s", diff)
	}
}

// TestReportsAreBounded: what is told of a value has an end, and is the same each time.
func TestReportsAreBounded(t *testing.T) {
	s, err := schema.Parse([]byte(`{"items":{"type":"integer"},"additionalProperties":false}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{`[` + strings.TrimSuffix(strings.Repeat(`"x",`, 5000), ",") + `]`, `{` + strings.TrimSuffix(numberedMembers(5000), ",") + `}`} {
		var reports []*schema.Invalid
		for range 2 {
			_, err := s.Scan([]byte(value))
			invalid, ok := errors.AsType[*schema.Invalid](err)
			if !ok {
				t.Fatalf("Scan = %v, want an *Invalid", err)
			}
			reports = append(reports, invalid)
		}
		if diff := cmp.Diff(reports[0], reports[1]); diff != "" {
			t.Errorf("not the same twice: -first +second\n%s", diff)
		}
		if n := len(reports[0].Others); n > 100 || 1+n+reports[0].Omitted != 5000 {
			t.Errorf("%d told and %d omitted, of 5000", 1+n, reports[0].Omitted)
		}
	}
}

func numberedMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"v%04d":1,`, i)
	}
	return b.String()
}

// BenchmarkRefuse is what poison costs: a value that breaks one rule, and one that breaks a thousand.
func BenchmarkRefuse(b *testing.B) {
	ours, _, value := speed(b, "event492")
	var undeclared strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&undeclared, `"k%04d":1,`, i)
	}
	for name, poison := range map[string]string{
		"one":      strings.Replace(string(value), `"effect"`, `"nobody"`, 1),
		"thousand": strings.Replace(string(value), `{"event_id"`, `{`+undeclared.String()+`"event_id"`, 1),
		"noJSON":   string(value[:len(value)-1]),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ours.Scan([]byte(poison)); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
