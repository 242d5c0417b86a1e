package cli_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// told is what "demo -o json" says, as far as this test reads it.
type told struct {
	Flows []struct {
		CorrelationID string `json:"correlation_id"`
		Works         bool
		Events        []struct {
			DeadLetter string `json:"dead_letter"`
		}
	}
	Next []string
}

// The commands that a demonstration ends with do what they say, also at the second time.
func TestDemoLeadsToWhatItNames(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	for range 2 {
		var doc told
		if err := json.Unmarshal([]byte(s.must(t, "", "demo", "-o", "json")), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Flows) != 2 || !doc.Flows[0].Works || doc.Flows[1].Works || len(doc.Next) != 3 {
			t.Fatalf("%+v", doc)
		}
		args := func(line string) []string { return strings.Fields(strings.TrimPrefix(line, "omnibus ")) }
		if good := s.trace(t, doc.Flows[0].CorrelationID); good.Failed != 0 || len(good.Tree) != 4 {
			t.Errorf("the flow that works: %+v", good)
		}
		tree := s.must(t, "", args(doc.Next[0])...)
		if !strings.Contains(tree, "✗ group demo-indexer · attempt 3 · retries_exhausted: too poor to be indexed") {
			t.Errorf("%s shows\n%s", doc.Next[0], tree)
		}
		if shown := s.must(t, "", args(doc.Next[1])...); !strings.Contains(shown, "too poor to be indexed") {
			t.Errorf("%s shows\n%s", doc.Next[1], shown)
		}
		s.must(t, "", s.planned(t, args(doc.Next[2])...)...)
	}
}

func TestDemoOutputsAreAsFrozen(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+startBroker(t))
	differs := regexp.MustCompile(`demo-[0-9a-f]{8}|p\d@\d+`)
	golden(t, "output/demo", differs.ReplaceAllString(scrub(s.must(t, "", "demo")), "…"))
	lines := strings.Split(scrub(s.must(t, "", "demo", "--ordering")), "\n")
	slices.Sort(lines) // keys run at once: only the order within a key is fixed, and that is tested where it is made
	golden(t, "output/demo_ordering", strings.Join(lines, "\n"))
}
