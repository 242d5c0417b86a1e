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
	holds := regexp.MustCompile(`(?m)^  member +omnibus-cli-test at \S+ holds ` + regexp.QuoteMeta(snapshot) + `\[0\]$`)
	for _, line := range []string{
		"groups reset busy --to earliest", "groups reset busy --to earliest --execute", "groups delete busy", "groups delete busy --execute --confirm busy",
	} {
		r := s.run(t.Context(), "", strings.Fields(line)...)
		check(t, wrong{exit: 9, code: "OMB-0911", says: "omnibus-cli-test at ", advice: "stop them"}, r)
		if !holds.MatchString(r.stderr) {
			t.Errorf("it does not say who holds what:\n%s", r.stderr)
		}
	}
	r := s.run(t.Context(), "", "topics", "delete", snapshot)
	check(t, wrong{exit: 9, code: "OMB-0912", says: "busy: omnibus-cli-test at ", advice: "omnibus groups members busy"}, r)
	if out := s.must(t, "", "groups", "members", "busy"); !strings.Contains(out, "omnibus-cli-test") || !strings.Contains(out, snapshot+"[0]") {
		t.Errorf("groups members says\n%s", out)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.must(t, "", "groups", "reset", "busy", "--to", "earliest", "--execute")
}
