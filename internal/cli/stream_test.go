package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/cli"
)

// follow runs a command line and sends each write to standard output to seen.
func (s shell) follow(ctx context.Context, seen chan<- string, args ...string) int {
	return s.into(ctx, writes{ctx, seen}, args...)
}

// into runs a command line whose standard output is w.
func (s shell) into(ctx context.Context, w io.Writer, args ...string) int {
	p := cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: w, Stderr: io.Discard, Environ: s.env, Dir: s.dir}
	return p.Run(ctx)
}

type writes struct {
	ctx  context.Context //nolint:containedctx // a writer has no other way to end
	seen chan<- string
}

func (w writes) Write(p []byte) (int, error) {
	select {
	case w.seen <- string(p):
		return len(p), nil
	case <-w.ctx.Done():
		return len(p), nil
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", syscall.EPIPE) }

func globsOf(topics ...event.Glob) []event.Glob { return topics }

func globOf(topic string) event.Glob { return event.Glob(topic) }

func itoa(n int) string { return strconv.Itoa(n) }

// pidText is the process of these tests, which holds the ports and directories that are in the way.
func pidText() string { return strconv.Itoa(os.Getpid()) }

// freeAddr is a loopback address where nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func cmdlineWith(fill *strings.Replacer, line []string) []string {
	return strings.Split(fill.Replace(strings.Join(line, "\x00")), "\x00")
}

// whileUp runs "up" and, once it is ready, fn with the addresses of its broker.
func (s shell) whileUp(t *testing.T, args []string, fn func(brokers string)) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := make(chan string)
	code := make(chan int, 1)
	go func() { code <- s.follow(ctx, seen, append(args, "-o", "json")...) }()
	var doc struct{ Brokers []string }
	select {
	case out := <-seen:
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatal(err)
		}
	case c := <-code:
		t.Fatalf("omnibus %s: exit %d", strings.Join(args, " "), c)
	}
	fn(strings.Join(doc.Brokers, ","))
	stop()
	if c := <-code; c != 0 {
		t.Errorf("told to stop, it exits with %d, want 0", c)
	}
}

func lineSet(s string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(s) {
		set[line] = true
	}
	return set
}

// differ compares what a record is, not where it lies.
func differ(x, y bus.Record) string {
	return cmp.Diff(x, y, cmpopts.IgnoreFields(bus.Record{}, "Partition", "Offset", "Timestamp"))
}
