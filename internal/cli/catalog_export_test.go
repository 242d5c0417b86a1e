package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/omninode-ai/omnibus/contracts"
)

func TestCatalogExportAsyncAPIIsTheSameInJSONAndYAML(t *testing.T) {
	s := newShell(t, "KAFKA_BOOTSTRAP_SERVERS=one:9092,two:9093", "KAFKA_SECURITY_PROTOCOL=SASL_SSL", "SCHEMA_REGISTRY_URL=https://ann:secret@registry:8084")
	var plain, fromYAML, fromFile map[string]any
	if err := json.Unmarshal([]byte(s.must(t, "", "catalog", "export", "asyncapi")), &plain); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(s.must(t, "", "catalog", "export", "asyncapi", "-o", "yaml")), &fromYAML); err != nil {
		t.Fatal(err)
	}
	again := s.must(t, "", "catalog", "export", "asyncapi", "--out", "doc.yaml", "--title", "Event catalogue")
	b, err := os.ReadFile(filepath.Join(s.dir, "doc.yaml"))
	if err != nil || again != "" {
		t.Fatalf("%v, and on standard output %q", err, again)
	}
	if err := yaml.Unmarshal(b, &fromFile); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]any{"YAML": fromYAML, "the file": fromFile} {
		if diff := cmp.Diff(toJSON(t, plain), toJSON(t, other)); diff != "" {
			t.Errorf("JSON and %s are not the same document:\n%s", name, diff)
		}
	}
	servers := toJSON(t, plain["servers"])
	for _, want := range []string{`"host":"one:9092"`, `"host":"two:9093"`, `"protocol":"kafka-secure"`, `"schemaRegistryUrl":"https://registry:8084"`} {
		if !strings.Contains(servers, want) {
			t.Errorf("no %s in %s", want, servers)
		}
	}
	if strings.Contains(string(b), "ann:secret") {
		t.Error("the document holds the login of the registry")
	}
	if n := len(plain["channels"].(map[string]any)); n != contracts.Catalog().Len() { //nolint:forcetypeassert // the parser's test knows its shape
		t.Errorf("%d channels", n)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCatalogExportSaysWhatItCannot(t *testing.T) {
	for line, want := range map[string]wrong{
		"catalog export":                                      {exit: 2, code: "OMB-0204", says: "needs one of asyncapi, markdown and json", advice: "omnibus catalog export asyncapi"},
		"catalog export asynapi":                              {exit: 2, code: "OMB-0204", says: `no export "asynapi"`, advice: "did you mean asyncapi?"},
		"catalog export markdown -o yaml":                     {exit: 2, code: "OMB-0210", says: "printed as it is", advice: "leave -o out"},
		"catalog export markdown --out none/events.md":        {exit: 2, code: "OMB-0209", says: "cannot write none/events.md", advice: "another name"},
		"catalog export markdown --out events.md --catalog .": {exit: 2, code: "OMB-0208", says: "no schema file", advice: "omnibus schema lint"},
	} {
		check(t, want, newShell(t).run(t.Context(), "", strings.Fields(line)...))
	}
	check(t, wrong{exit: 2, code: "OMB-0207", says: "not the URL of a registry", advice: "http://127.0.0.1:8084"},
		newShell(t, "SCHEMA_REGISTRY_URL=registry").run(t.Context(), "", "catalog", "export", "asyncapi"))
}

func TestCatalogExportMarkdownIgnoresAGeneralWishForJSON(t *testing.T) {
	if out := newShell(t, "OMNIBUS_OUTPUT=json").must(t, "", "catalog", "export", "markdown", "--title", "Ours"); !strings.HasPrefix(out, "# Ours\n\n63 event types.\n") {
		t.Errorf("%.100q", out)
	}
}
