package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSchemaListPutsTheRegistryBesideTheCatalogue(t *testing.T) {
	s := inShop(t)
	out := squeezed(s.must(t, "", "schema", "list"))
	contains(t, "the list", out, "SUBJECT VERSION FILE SUNSET\n", snapshot+"-value 1.0.0 audit/quality_snapshot.v1.json -\n")
	s.must(t, "", "schema", "register", snapshot)
	if err := os.WriteFile(filepath.Join(s.dir, "orders.json"), []byte(`{"type": "object"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "", "schema", "register", "house.orders.v1-value", "-f", "orders.json")
	contains(t, "the same", squeezed(s.must(t, "", "schema", "list", "--registered")), "the same", "not registered", "house.orders.v1-value - - - 1 2 FULL_TRANSITIVE", "of no event")
	s.change(t, func(schema map[string]any) {
		member(schema, "hint", false)
		schema["x-deprecated"] = map[string]any{"since": "2026-01-01", "sunset": "2027-06-01"}
	})
	out = squeezed(s.must(t, "", "schema", "list", "--registered", snapshot))
	contains(t, "different", out, "2027-06-01", " different\n")
	if strings.Count(out, "\n") != 2 {
		t.Errorf("one was asked for:\n%s", out)
	}
	contains(t, "the document", s.must(t, "", "schema", "list", "--registered", "-o", "json", "house.*"), `"same": null`)
	check(t, wrong{exit: 3, code: "OMB-0306", says: "none by that name", advice: "schema list"}, s.run(t.Context(), "", "schema", "list", "none.*"))
}

func TestSchemaShowPrintsWhatIsMeant(t *testing.T) {
	s := inShop(t)
	s.must(t, "", "schema", "register", snapshot)
	read := func(args ...string) (doc map[string]any) {
		t.Helper()
		if err := json.Unmarshal([]byte(s.must(t, "", append([]string{"schema", "show", snapshot}, args...)...)), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	if doc := read(); doc["x-omnibus"] == nil {
		t.Errorf("the payload's: %v", doc)
	}
	consumer, producer, registered := read("--composed", "consumer"), read("--composed", "producer"), read("--version", "1")
	text := func(doc map[string]any) string {
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if text(consumer) != text(registered) {
		t.Errorf("registered:\n%s\nwant\n%s", text(registered), text(consumer))
	}
	if text(consumer) == text(producer) || !strings.Contains(text(producer), `"additionalProperties":false`) {
		t.Errorf("producers write:\n%s", text(producer))
	}
	contains(t, "the document", s.must(t, "", "schema", "show", snapshot+"-value", "--version", "latest", "-o", "json"), `"version": 1`, `"id": 1`, `"json_schema": {`)
	check(t, wrong{exit: 3, code: "OMB-0313", says: "it has version 1", advice: "name one of them"}, s.run(t.Context(), "", "schema", "show", snapshot, "--version", "9"))
	check(t, wrong{exit: 3, code: "OMB-0303", says: "does not declare it", advice: "catalog list"}, s.run(t.Context(), "", "schema", "show", "none"))
}
