package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/cli"
)

func TestMain(m *testing.M) {
	omnibus := func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	if os.Getenv("CLI_TEST_PROGRAM") != "" { // a test that kills the program, as the command selftest does
		omnibus()
	}
	testscript.Main(m, map[string]func(){"omnibus": omnibus})
}

// TestScripts runs testdata/script/*.txtar as people type them. Each script has a home of its own and, in
// KAFKA_BOOTSTRAP_SERVERS, a broker of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": code, "brokers": brokers, "topics": topics, "ready": ready, "next": next},
		Setup: func(e *testscript.Env) error {
			br, err := broker.Start(context.Background(), broker.Config{})
			if err != nil {
				return err
			}
			e.Defer(func() {
				if err := br.Close(); err != nil {
					t.Error(err)
				}
			})
			e.Defer(func() { // a script that fails half-way leaves what it had started
				for _, data := range []string{"", "first"} {
					p := cli.Process{Args: []string{"down", "--data", data}, Environ: []string{"HOME=" + e.WorkDir}, Dir: e.WorkDir, Stdout: io.Discard, Stderr: io.Discard}
					p.Run(context.Background())
				}
			})
			e.Setenv("KAFKA_BOOTSTRAP_SERVERS", br.Addrs()[0])
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("OMNIBUS_TZ", "utc")
			e.Setenv("snapshot", snapshot)
			e.Setenv("assessed", "omninode.intelligence.event.quality_assessed.v1")
			return nil
		},
	})
}

// code runs a command and checks its exit code: code 3 omnibus topics show x.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// brokers makes the addresses in the output of "status -o json" those of the commands that follow: brokers FILE.
func brokers(ts *testscript.TestScript, _ bool, args []string) {
	var doc struct{ Brokers []string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	ts.Setenv("KAFKA_BOOTSTRAP_SERVERS", strings.Join(doc.Brokers, ","))
}

// topics makes the topics that it names.
func topics(ts *testscript.TestScript, _ bool, args []string) {
	b := open(ts)
	defer b.Close()
	for _, name := range args {
		_, err := b.EnsureTopics(context.Background(), event.Topic(name))
		ts.Check(err)
	}
}

// next runs the command that the last line of standard error, or of a file, is: next [FILE].
func next(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(append(args, "stderr")[0])), "\n")
	words := strings.Fields(strings.ReplaceAll(lines[len(lines)-1], "'", ""))
	if len(words) == 0 || words[0] != "omnibus" {
		ts.Fatalf("the last line is no command: %q", lines[len(lines)-1])
	}
	if err := ts.Exec(words[0], words[1:]...); (err == nil) == neg {
		ts.Fatalf("%s: %v", strings.Join(words, " "), err)
	}
}

// ready waits until a stack has published and read its first record.
func ready(ts *testscript.TestScript, _ bool, _ []string) {
	b := open(ts)
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, err := range b.Scan(ctx, bus.Range{Topics: []event.Glob{"_omnibus.ready*"}, Follow: true}) {
		ts.Check(err)
		return
	}
	ts.Fatalf("no stack was ready within a minute")
}

func open(ts *testscript.TestScript) *bus.Bus {
	b, err := bus.Open(context.Background(), bus.Config{
		Brokers: strings.Split(ts.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), Service: "script", Catalog: contracts.Catalog(),
	})
	ts.Check(err)
	return b
}

// binary runs the program itself, as a process of its own.
func binary(t *testing.T, s shell, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "omnibus", args...)
	cmd.Dir, cmd.Env = s.dir, append(s.env, "PATH="+os.Getenv("PATH"))
	b, err := cmd.CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return code, string(b)
}
