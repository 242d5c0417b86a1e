package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/cli"
)

// watched runs a command line that goes on, calls each with every line that it prints, and ends it when that returns false.
func (s shell) watched(t *testing.T, each func(line string) bool, args ...string) (code int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		p := cli.Process{Args: args, Stdin: strings.NewReader(""), Stdout: in, Stderr: io.Discard, Environ: s.env, Dir: s.dir}
		ended <- p.Run(ctx)
		in.Close()
	}()
	more := true
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if more = more && each(lines.Text()); !more {
			stop()
		}
	}
	return <-ended
}

func TestLagIsWatched(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	s.must(t, "", "publish", snapshot, scored("0.1"))
	s.must(t, "", "consume", snapshot, "--group", "reader", "-o", "raw")
	type look struct {
		Schema string
		Groups []struct {
			Messages int64
			Trend    *float64 `json:"trend_per_second"`
			ETA      *float64 `json:"eta_seconds"`
		}
	}
	var looks []look
	code := s.watched(t, func(line string) bool {
		var l look
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		looks = append(looks, l)
		if len(looks) == 1 {
			s.must(t, "", "publish", snapshot, scored("0.2"))
		}
		return l.Groups[0].Messages == 0
	}, "lag", "reader", "--watch", "--every", "100ms", "-o", "ndjson")
	if code != 130 {
		t.Errorf("interrupted, it exits with %d, want 130", code)
	}
	if first := looks[0].Groups[0]; looks[0].Schema != "omnibus.lag/v1" || first.Trend != nil || first.ETA != nil {
		t.Errorf("the first look: %+v", looks[0])
	}
	if last := looks[len(looks)-1].Groups[0]; last.Messages != 1 || last.Trend == nil || *last.Trend <= 0 || last.ETA != nil {
		t.Errorf("when one more came: %+v", last)
	}

	var lines []string
	s.watched(t, func(line string) bool {
		lines = append(lines, line)
		return len(lines) < 3
	}, "lag", "reader", "--watch", "--every", "100ms")
	if !strings.HasPrefix(lines[0], "TIME ") || strings.HasPrefix(lines[1], "TIME ") || !strings.Contains(lines[2], "  steady  ") || !strings.Contains(lines[2], "  never  ") {
		t.Errorf("as lines:\n%s", strings.Join(lines, "\n"))
	}
}

// TestWatchedLagEndsAtItsThreshold: what a check is for; on the way there it goes on.
func TestWatchedLagEndsAtItsThreshold(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	s.must(t, "", "publish", snapshot, scored("0.1"))
	s.must(t, "", "consume", snapshot, "--group", "reader", "-o", "raw")
	n := 0
	code := s.watched(t, func(string) bool {
		if n++; n == 3 {
			s.must(t, "", "publish", snapshot, scored("0.2"))
		}
		return true
	}, "lag", "reader", "--watch", "--every", "100ms", "--fail-over", "0")
	if code != 10 || n < 4 {
		t.Errorf("exit %d after %d lines, want 10 after 4 or more", code, n)
	}
}
