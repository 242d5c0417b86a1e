package cli_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
	"github.com/omninode-ai/omnibus/broker/brokertest"
)

func TestSelftestSaysWhichPromisesAreHeld(t *testing.T) {
	s := newShell(t)
	r := s.run(t.Context(), "", "selftest", "-b", startBroker(t), "--events", "100", "--session-timeout", "1s")
	if r.code != 0 {
		t.Fatalf("exit %d\n%s%s", r.code, r.out, r.stderr)
	}
	golden(t, "output/selftest", scrubSelftest(r.out))
	if !strings.Contains(r.stderr, "P7: members join and leave\n") {
		t.Errorf("standard error does not tell how far it is:\n%s", r.stderr)
	}
}

// TestSelftestSaysWhatIsNotHeld: a broker that drops what a commit says beside its offset.
func TestSelftestSaysWhatIsNotHeld(t *testing.T) {
	c := brokertest.Start(t, broker.Config{MinSessionTimeout: time.Second})
	c.Control(kmsg.OffsetCommit, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		if req, ok := kreq.(*kmsg.OffsetCommitRequest); ok {
			for i := range req.Topics {
				for j := range req.Topics[i].Partitions {
					req.Topics[i].Partitions[j].Metadata = nil
				}
			}
		}
		return nil, nil, false
	})
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+c.Addrs()[0])
	r := s.run(t.Context(), "", "selftest", "-o", "json", "--events", "100", "--session-timeout", "1s", "--quiet", "--partitions", "1")
	var doc struct {
		Schema   string
		Held     bool
		Promises []struct {
			Promise, Title, Verdict, Evidence string
			Faults                            []string
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatalf("%v\n%s%s", err, r.out, r.stderr)
	}
	if r.code != 10 || !strings.Contains(r.stderr, "OMB-1002") || doc.Held || doc.Schema != "omnibus.selftest/v1" {
		t.Errorf("exit %d, %s%s", r.code, r.out, r.stderr)
	}
	for _, p := range doc.Promises {
		if p.Title == "commit metadata is kept" && (p.Verdict != "NOT HELD" || len(p.Faults) == 0 || !strings.Contains(p.Evidence, "came again")) {
			t.Errorf("%+v", p)
		}
	}
}

var selftestScrubs = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`selftest_[0-9a-f]{8}`), "selftest_00000000"},
	{regexp.MustCompile(`\d+`), "#"},
	{regexp.MustCompile(`(?m) {2,}`), "  "},
	{regexp.MustCompile(`(took +)\S+`), "${1}#s"},
}

func scrubSelftest(s string) string {
	for _, r := range selftestScrubs {
		s = r.pattern.ReplaceAllString(s, r.by)
	}
	return s
}
