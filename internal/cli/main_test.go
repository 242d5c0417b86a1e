package cli_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/internal/cli"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	assessed = "omninode.intelligence.event.quality_assessed.v1" // six partitions
	snapshot = "omninode.audit.quality_snapshot.v1"              // one partition, so that its order is one
	validate = "omninode.codegen.request.validate.v1"
)

// startBroker runs a broker for the test, with the topics that these tests use.
func startBroker(tb testing.TB) (addr string) {
	tb.Helper()
	br, err := broker.Start(tb.Context(), broker.Config{MinSessionTimeout: time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := br.Close(); err != nil {
			tb.Error(err)
		}
	})
	b := openBus(tb, br.Addrs()[0])
	if _, err := b.EnsureTopics(tb.Context(), assessed, snapshot, validate); err != nil {
		tb.Fatal(err)
	}
	return br.Addrs()[0]
}

func openBus(tb testing.TB, addr string) *bus.Bus {
	tb.Helper()
	b, err := bus.Open(tb.Context(), bus.Config{Brokers: []string{addr}, Service: "cli-test", Catalog: contracts.Catalog()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// result is what a command line did.
type result struct {
	code        int
	out, stderr string
}

// shell runs command lines in this process, in a directory and an environment of their own.
type shell struct {
	dir string
	env []string
}

func newShell(tb testing.TB, env ...string) shell {
	dir := tb.TempDir()
	return shell{dir: dir, env: append([]string{"HOME=" + dir, "OMNIBUS_TZ=utc", "CLI_TEST_PROGRAM=1"}, env...)}
}

func (s shell) run(ctx context.Context, stdin string, args ...string) result {
	var out, errs bytes.Buffer
	p := cli.Process{Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Environ: s.env, Dir: s.dir}
	code := p.Run(ctx)
	return result{code, out.String(), errs.String()}
}

// broker is the address of the broker in the shell's environment.
func (s shell) broker() string {
	for _, e := range s.env {
		if addr, ok := strings.CutPrefix(e, "KAFKA_BOOTSTRAP_SERVERS="); ok {
			return addr
		}
	}
	return ""
}

// must runs a command line that has to succeed.
func (s shell) must(tb testing.TB, stdin string, args ...string) string {
	tb.Helper()
	r := s.run(tb.Context(), stdin, args...)
	if r.code != 0 {
		tb.Fatalf("omnibus %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.stderr)
	}
	return r.out
}

// golden compares got with a file below testdata, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name)+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, diff)
	}
}

var scrubs = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(regexp.QuoteMeta(deadletter.Operator())), "ann@host"},
	{regexp.MustCompile(`((?:dead letter|draft of|dlq retry|dlq show) +|"(?:id|sample)": ?")[0-9a-hjkmnp-tv-z]{10}\b`), "${1}7k2m9qx4t0"},
	{regexp.MustCompile(`((?:plan|job|--plan|resume) +|"(?:id|job)": ?")[0-9a-hjkmnp-tv-z]{8}\b`), "${1}7f3a2b9c"},
	{regexp.MustCompile(`(?m)^[0-9a-hjkmnp-tv-z]{8}(  (?:retry|resolve|purge|restore) )`), "7f3a2b9c$1"},
	{regexp.MustCompile(`BY +CREATED`), "BY  CREATED"}, // as wide as the operator's name
	{regexp.MustCompile(`LAST +ERROR`), "LAST  ERROR"}, // as wide as an age
	{regexp.MustCompile(`(?m)^ *\d+ ms`), "0 ms"},
	{regexp.MustCompile(`\d+ ms`), "0 ms"},
	{regexp.MustCompile(`(?m)^ +\?  `), "?  "},
	{regexp.MustCompile(`(?m)^ *AFTER`), "AFTER"}, // as wide as a time
	{regexp.MustCompile(`("(?:milliseconds|after_ms|answer_ms)": )\d+`), "${1}0"},
	{regexp.MustCompile(`, [0-9.a-zµ]+ ago`), ", <age> ago"},
	{regexp.MustCompile(`(?m), \d+/s$`), ", 0/s"},
	{regexp.MustCompile(`(consumer-instance",\s*"value": ?)"[^"]*"`), `$1"<instance>"`},
	{regexp.MustCompile(`("instance": ?)"[^"]*"`), `$1"<instance>"`},
	{regexp.MustCompile(`("per_second": ?)[0-9.e-]+(,?\n *"?(?:errors|\}))`), "${1}0$2"},
	{regexp.MustCompile(`("topic_id": ?)"[^"]*"`), `$1"<id>"`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "00000000-0000-0000-0000-000000000000"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`), "2026-01-01T00:00:00.000Z"},
	{regexp.MustCompile(`\([0-9.a-zµ]+ ago\)`), "(<age> ago)"},
	{regexp.MustCompile(`127\.0\.0\.1:\d{5}`), "127.0.0.1:00000"},
	{regexp.MustCompile(`("hostname":\s*)"[^"]*"`), `$1"<host>"`},
	{regexp.MustCompile(`("(?:seconds|took_seconds)": ?)[0-9.e-]+`), `${1}0`},
	{regexp.MustCompile(`(?m) \d\.\d($| )`), " 0.0$1"},
}

// scrub replaces what differs from run to run, by as many characters where columns depend on it.
func scrub(s string) string {
	for _, r := range scrubs {
		s = r.pattern.ReplaceAllString(s, r.by)
	}
	return s
}
