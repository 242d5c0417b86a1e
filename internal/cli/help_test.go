package cli_test

import (
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/internal/cli"
)

func TestHelpOfEveryCommandIsAsFrozen(t *testing.T) {
	s := newShell(t)
	all, _ := cli.Commands()
	for _, path := range all {
		name := strings.ReplaceAll(path, " ", "_")
		if name == "" {
			name = "omnibus"
		}
		t.Run(name, func(t *testing.T) {
			out := s.must(t, "", append(strings.Fields(path), "--help")...)
			golden(t, "help/"+name, out)
			if !strings.Contains(out, "\nExamples:\n  omnibus ") {
				t.Error("the help has no example")
			}
		})
	}
}

func TestCommandsThatOnlyHoldOthersPrintTheirHelp(t *testing.T) {
	s := newShell(t)
	for _, path := range []string{"", "topics", "groups", "dlq", "jobs", "catalog", "schema", "config", "fault"} {
		got, want := s.must(t, "", strings.Fields(path)...), s.must(t, "", append(strings.Fields(path), "--help")...)
		if got != want {
			t.Errorf("omnibus %s prints\n%s\nwant its help", path, got)
		}
	}
}
