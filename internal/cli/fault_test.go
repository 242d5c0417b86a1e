package cli_test

import (
	"strings"
	"testing"
)

func TestFaultsFromTheCommandLine(t *testing.T) {
	s := newShell(t)
	args := []string{"up", "--services", "none", "--port-kafka", "0", "--port-console", "0", "--port-registry", "0", "--ephemeral"}
	s.whileUp(t, args, func(brokers string) {
		var said strings.Builder
		run := func(line string) result {
			r := s.run(t.Context(), "", strings.Fields(line)...)
			said.WriteString("$ omnibus " + line + "\n" + r.out + r.stderr)
			return r
		}
		run("fault list")
		run("fault add --key produce --topic omninode.intelligence.* --error message_too_large --count 2")
		run("fault add --key fetch --delay 5ms")
		run("fault add --key commit --error DROP --count 1")
		publish := []string{"publish", "-b", brokers, assessed, `{"entity_id":"a","quality_score":1}`}
		if r := s.run(t.Context(), "", publish...); r.code != 7 || !strings.Contains(r.stderr, "OMB-0703") {
			t.Errorf("publish exits %d and says %s, want what the fault answers", r.code, r.stderr)
		}
		if status := s.must(t, "", "status"); !strings.Contains(status, "fault 2 is on: fetch is answered 5ms late") {
			t.Errorf("status does not tell of the faults:\n%s", status)
		}
		run("fault list")
		run("fault clear 2")
		run("fault list -o json")
		run("fault clear")
		run("fault clear")
		golden(t, "output/fault", said.String())
		s.must(t, "", publish...)
		r := run("fault clear 2")
		check(t, wrong{exit: 9, code: "OMB-0907", says: "fault 2 is not active", advice: "omnibus fault list"}, r)
	})
}
