package cli_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
)

// TestGroupWithMembersIsRefusedAndTheyAreNamed is acceptance test 9: an active group is refused with 9, and its members are named.
func TestGroupWithMembersIsRefusedAndTheyAreNamed(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	s.must(t, "", "publish", snapshot, scored("0.5"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- openBus(t, addr).Consume(ctx, bus.Consumer{Group: "busy"}, bus.HandlePattern(snapshot, func(context.Context, bus.Delivery) error {
			close(seen)
			return nil
		}))
	}()
	<-seen
	for _, line := range []string{"groups reset busy --to earliest", "groups reset busy --to earliest --execute"} {
		r := s.run(t.Context(), "", strings.Fields(line)...)
		check(t, wrong{exit: 9, code: "OMB-0911", says: "omnibus-cli-test at ", advice: "stop them"}, r)
		if !regexp.MustCompile(`(?m)^  member +omnibus-cli-test at \S+ holds `+regexp.QuoteMeta(snapshot)+`\[0\]$`).MatchString(r.stderr) {
			t.Errorf("it does not say who holds what:\n%s", r.stderr)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.must(t, "", "groups", "reset", "busy", "--to", "earliest", "--execute")
}
