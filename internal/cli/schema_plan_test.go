package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/schemas"
)

const becomesWriter = 20 * time.Second

// inShop gives a shell whose catalogue is a directory that may be changed, with a registry of its own.
func inShop(t *testing.T) shell {
	t.Helper()
	addr := startBroker(t)
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr, "SCHEMA_REGISTRY_URL="+startRegistry(t, addr), "OMNIBUS_CATALOG=events")
	if err := os.CopyFS(s.dir, schemas.FS); err != nil {
		t.Fatal(err)
	}
	for _, domain := range []string{"bridge", "codegen", "document", "infra", "intelligence", "onex", "search", "service", "system"} {
		if err := os.RemoveAll(filepath.Join(s.dir, "events", domain)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// change edits the schema of the quality snapshot.
func (s shell) change(t *testing.T, edit func(schema map[string]any)) {
	t.Helper()
	name := filepath.Join(s.dir, "events", "audit", "quality_snapshot.v1.json")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	edit(doc)
	if text, err = json.MarshalIndent(doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func member(schema map[string]any, name string, required bool) {
	schema["properties"].(map[string]any)[name] = map[string]any{"type": "string", "maxLength": 10, "description": "New."}
	if required {
		schema["required"] = append(schema["required"].([]any), name)
		delete(schema, "examples")
	}
}

func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", what, want, text)
		}
	}
}

func TestSchemaPlanIsAppliedOnce(t *testing.T) {
	s := inShop(t)
	contains(t, "the first plan", s.must(t, "", "schema", "plan", "--out", "plan.json"), "omninode.audit.pattern_creation.v1.dlq", snapshot+"-value", "version 1")
	contains(t, "what was done", s.must(t, "", "schema", "apply", "plan.json", "--execute"), "done: the cluster and the registry show them all")
	if again := s.must(t, "", "schema", "plan"); again != "No changes\n" {
		t.Errorf("the second run says %q", again)
	}
	if again := s.must(t, "", "schema", "apply"); again != "No changes\n" {
		t.Errorf("to apply it again says %q", again)
	}
	r := s.run(t.Context(), "", "schema", "apply", "plan.json", "--execute")
	check(t, wrong{exit: 9, code: "OMB-0908", says: "a plan is for one time", advice: "without --plan"}, r)
	contains(t, "the audit", s.must(t, "", "consume", "omninode.audit.operator_action.v1", "-o", "raw"), `"action":"apply"`, `"outcome":"started"`, `"outcome":"done"`)

	s.change(t, func(schema map[string]any) { member(schema, "hint", false) })
	s.must(t, "", "schema", "plan", "--out", "old.json")
	contains(t, "registered by hand", s.must(t, "", "schema", "register", snapshot), "registered", " 2 ")
	contains(t, "registered again", s.must(t, "", "schema", "register", snapshot), "exists", " 2 ")
	r = s.run(t.Context(), "", "schema", "apply", "old.json", "--execute")
	check(t, wrong{exit: 9, code: "OMB-0908", says: "was version 1", advice: "make a new plan"}, r)
}

func TestSchemaPlanWithABreakingChangeDoesNothing(t *testing.T) {
	s := inShop(t)
	s.must(t, "", "schema", "apply", "--execute")
	s.change(t, func(schema map[string]any) { member(schema, "zeal", true) })
	for _, args := range [][]string{{"schema", "plan"}, {"schema", "apply", "--execute"}, {"schema", "register", "--all"}} {
		r := s.run(t.Context(), "", args...)
		if r.code != 7 {
			t.Errorf("%v: exit %d, want 7", args, r.code)
		}
		contains(t, "the error", r.stderr, "OMB-0708", "zeal", "schema check")
	}
	if r := s.run(t.Context(), "", "catalog", "drift"); r.code != 10 || !strings.Contains(r.out, "the registry would refuse ours") {
		t.Errorf("drift: exit %d\n%s%s", r.code, r.out, r.stderr)
	}
	if out := s.must(t, "", "schema", "pull", snapshot+"-value", "--versions"); strings.Contains(out, "/2.json") {
		t.Errorf("a refused schema is registered:\n%s", out)
	}
}

func TestSchemaApplyOfAFile(t *testing.T) {
	s := inShop(t)
	for name, text := range map[string]string{
		"onex.yaml":   "topics:\n  - name: house.orders.v1\n    partitions: 2\nregistry: {level: FULL}\nsubjects:\n  - subject: house.orders.v1-value\n    schema: orders.json\n    level: BACKWARD\n    policy: STRICT\n",
		"orders.json": `{"type": "object", "properties": {"n": {"type": "integer"}}}`,
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	contains(t, "the plan", s.must(t, "", "schema", "plan", "-f", "onex.yaml"), "house.orders.v1.dlq", "(the registry)", "left: it protects no more", "BACKWARD, STRICT", "version 1")
	s.must(t, "", "schema", "apply", "-f", "onex.yaml", "--execute", "--shrink")
	if again := s.must(t, "", "schema", "apply", "-f", "onex.yaml"); again != "No changes\n" {
		t.Errorf("the second run says %q", again)
	}
	contains(t, "drift", s.run(t.Context(), "", "catalog", "drift").out, "house.orders.v1-value", "belongs to no event of the catalogue", "nothing declares it")
	s.must(t, "", "schema", "pull", "house.*")
	pulled, err := os.ReadFile(filepath.Join(s.dir, "registered", "house.orders.v1-value.json"))
	if err != nil || !strings.Contains(string(pulled), "\"n\": {\n") {
		t.Errorf("pulled %q, %v", pulled, err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "registered", "house.orders.v1-value.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, wrong{exit: 9, code: "OMB-0913", says: "holds something else", advice: "--force"}, s.run(t.Context(), "", "schema", "pull", "house.*"))
	contains(t, "with force", s.must(t, "", "schema", "pull", "house.*", "--force"), "written")
}

func TestDriftLooksAtTheTraffic(t *testing.T) {
	s := inShop(t)
	s.must(t, "", "schema", "apply", "--execute")
	if out := s.run(t.Context(), "", "catalog", "drift").out; strings.Contains(out, "registry ") || strings.Contains(out, "traffic ") {
		t.Errorf("drift after apply:\n%s", out)
	}
	s.must(t, "", "publish", snapshot, "--raw", "--key", "k", `{"event_type":"house.unknown.v1","payload":{}}`)
	s.must(t, "", "publish", snapshot, "--raw", "--key", "k", `{"event_type":"`+snapshot+`","source":{"service":"stranger"},"payload":{"quality_score":"high"}}`)
	s.must(t, "", "publish", snapshot, "--raw", "--key", "k", "no JSON")
	r := s.run(t.Context(), "", "catalog", "drift")
	if r.code != 10 {
		t.Errorf("exit %d, want 10", r.code)
	}
	contains(t, "drift", r.out, "house.unknown.v1, which nothing declares", "a producer that it does not name: stranger", "payloads that break their schema",
		"records that are no events", "omnibus consume "+snapshot+" --offset 0:2 -n 1")
}
