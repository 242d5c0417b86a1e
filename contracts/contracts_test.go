package contracts_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/internal/gen"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

var update = flag.Bool("update", false, "write the generated files")

const registry = "payloads.gen_test.go"

func TestGeneratedFilesFollowTheSchemas(t *testing.T) {
	files, err := gen.Contracts(contracts.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	payloads, err := gen.Registry(contracts.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if _, err := gen.Write(".", files); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(registry, payloads, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	stale, err := gen.Stale(".", files)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(registry); err != nil || string(got) != string(payloads) {
		stale = append(stale, registry)
	}
	if len(stale) > 0 {
		t.Errorf("not as schemas/events has it: %v\nrun: go test ./contracts -run GeneratedFiles -update", stale)
	}
}

func TestEveryExampleSurvivesItsGoType(t *testing.T) {
	for spec := range contracts.Catalog().All() {
		t.Run(string(spec.Topic), func(t *testing.T) {
			empty := payloads[spec.Topic]
			if empty == nil {
				t.Fatal("no Go type")
			}
			if got := empty().EventTopic(); got != spec.Topic {
				t.Errorf("EventTopic = %s", got)
			}
			for _, example := range spec.Examples {
				p := empty()
				if err := jsonx.UnmarshalStrict(example, p); err != nil {
					t.Fatal(err)
				}
				b, err := jsonx.Marshal(p)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tree(t, example), tree(t, b)); diff != "" {
					t.Errorf("-example +through the Go type\n%s", diff)
				}
			}
		})
	}
}

func tree(t *testing.T, b []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
