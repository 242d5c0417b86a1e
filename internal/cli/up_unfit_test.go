package cli_test

import (
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/registry"
)

// A topic that cannot keep schemas stops "up", and mending it takes the broker.
func TestUpWithoutRegistryMendsTheTopicOfSchemas(t *testing.T) {
	s := newShell(t)
	up := s.upOn("data")
	alone := append(s.upOn("data"), "--no-registry")
	topic := string(registry.Topic)
	s.whileUp(t, up, func(brokers string) {
		s.must(t, "", "topics", "config", topic, "-b", brokers, "--set", "cleanup.policy=delete", "--execute")
	})
	r := s.run(t.Context(), "", up...)
	check(t, wrong{exit: 9, code: "OMB-0915", says: "cleanup.policy is delete", advice: "omnibus up --no-registry"}, r)
	s.whileUp(t, alone, func(brokers string) {
		if out := s.must(t, "", "status", "--data", "data", "-o", "json"); !strings.Contains(out, `"registry": ""`) {
			t.Errorf("a registry runs: %s", out)
		}
		s.must(t, "", "topics", "config", topic, "-b", brokers, "--set", "cleanup.policy=compact", "--execute")
	})
	s.whileUp(t, up, func(string) {
		if out := s.must(t, "", "status", "--data", "data", "-o", "json"); strings.Contains(out, `"registry": ""`) {
			t.Errorf("no registry runs: %s", out)
		}
	})
}
