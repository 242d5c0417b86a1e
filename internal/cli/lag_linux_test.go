package cli_test

import (
	"strings"
	"testing"
)

func TestWatchedLagIsDrawnAnewOnATerminal(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	s.must(t, "", "publish", snapshot, scored("0.1"))
	s.must(t, "", "consume", snapshot, "--group", "reader", "-o", "raw")
	s.must(t, "", "publish", snapshot, scored("0.2"))
	code, seen := s.typed(t, "", "lag", "reader", "--watch", "--fail-over", "0")
	if code != 10 || !strings.HasPrefix(seen, "\x1b[H\x1b[2J") || !strings.Contains(seen, "Ctrl-C ends it\n\nGROUP ") {
		t.Errorf("exit %d\n%q", code, seen)
	}
}
