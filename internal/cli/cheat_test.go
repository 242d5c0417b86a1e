package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestEveryCommandOfTheCheatSheetsWorks runs all of them, in an order in which each finds what it needs.
func TestEveryCommandOfTheCheatSheetsWorks(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr)
	s.file(t, "payload.json", `{"entity_id":"doc-123","quality_score":0.92}`)
	s.file(t, "events.ndjson", `{"topic":"`+assessed+`","payload":{"entity_id":"doc-124","quality_score":0.5}}`+"\n")
	ran := 0
	for _, name := range []string{"publish", "consume", "flows", "lag", "dead-letters", "settings", "scripts"} {
		var doc struct {
			Pages []struct {
				Name     string
				Commands []string
			}
		}
		if err := json.Unmarshal([]byte(s.must(t, "", "cheat", name, "-o", "json")), &doc); err != nil {
			t.Fatal(err)
		}
		for _, command := range doc.Pages[0].Commands {
			words := shellWords(command)
			if words[0] != "omnibus" {
				t.Fatalf("%q does not run omnibus", command)
			}
			if r := s.run(t.Context(), "", words[1:]...); r.code != 0 {
				t.Errorf("%s\nexit %d\n%s%s", command, r.code, r.out, r.stderr)
			}
			ran++
		}
		if out := s.must(t, "", "cheat", name); !strings.Contains(out, "    $ "+doc.Pages[0].Commands[0]+"\n") || strings.Contains(out, "```") {
			t.Errorf("cheat %s prints\n%s", name, out)
		}
	}
	var all struct {
		Pages []struct{ Commands []string }
	}
	if err := json.Unmarshal([]byte(s.must(t, "", "cheat", "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	for _, p := range all.Pages {
		ran -= len(p.Commands)
	}
	if ran != 0 {
		t.Errorf("%d commands of pages that this test does not name", -ran)
	}
	check(t, wrong{exit: 3, code: "OMB-0310", says: "there are: consume", advice: "did you mean publish?"}, s.run(t.Context(), "", "cheat", "publsh"))
}
