package gen_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/gen"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// catalog makes a catalogue of payload schemas by topic.
func catalog(t *testing.T, files map[string]string) *event.Catalog {
	t.Helper()
	fsys := fstest.MapFS{}
	for topic, src := range files {
		if !strings.Contains(src, `"x-omnibus"`) {
			src = `{"x-omnibus":{"topic":"` + topic + `"},` + strings.TrimPrefix(src, "{")
		}
		fsys[topic+".json"] = &fstest.MapFile{Data: []byte(src)}
	}
	c, err := event.ReadCatalog(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryKindOfMember freezes what each construct of a schema becomes.
func TestEveryKindOfMember(t *testing.T) {
	c := catalog(t, map[string]string{
		"omninode.shop.request.buy.v1": `{"x-omnibus":{"topic":"omninode.shop.request.buy.v1","replies":"omninode.shop.response.buy.v1"},
			"description":"Asks for an article. A long description is broken into several lines where it would otherwise run beyond what an editor shows without scrolling.",
			"type":"object","properties":{
				"article_id":{"type":"string","format":"uuid","description":"Which article."},
				"count":{"type":"integer"},"price":{"type":"number"},"gift":{"type":"boolean"},"at":{"type":"string","format":"date-time"},
				"note":{"type":"string"},"api_url":{"type":"string"},"payment_kind":{"type":"string","enum":["cash","credit-card"],"description":"How it is paid."},
				"address":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"description":"Where to."},
				"items":{"type":"array","items":{"type":"object","properties":{"status":{"type":"string","enum":["new"]}}}},
				"tags":{"type":"array","items":{"type":"string"}},"times":{"type":"array","items":{"type":"string","format":"date-time"}},
				"prices":{"type":"object","additionalProperties":{"type":"number"}},"free":{"type":"object","additionalProperties":true},
				"mixed":{"type":["string","object"]},"any":{},"size":{"$ref":"#/$defs/size","description":"How large."}},
			"required":["article_id","count","at","address","mixed"],
			"$defs":{"size":{"type":"object","properties":{"cm":{"type":"number"}}}}}`,
		"omninode.shop.response.buy.v1": `{"type":"object","properties":{
			"address":{"type":"object","properties":{"street":{"type":"string"}}},
			"payment_kind":{"type":"string","enum":["cash","credit-card"]}},"additionalProperties":true}`,
		"omninode.shop.event.buy.v2":        `{"type":"object","properties":{"a":{"type":"string"}}}`,
		"omninode.shop.event.address.v1":    `{"type":"object","properties":{"a":{"type":"string"}}}`,
		"omninode.audit.agent_execution.v1": `{"type":"object","properties":{"a":{"type":"string"}}}`,
	})
	files, err := gen.Contracts(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Errorf("%d files, want one for each of audit and shop", len(files))
	}
	golden := filepath.Join("testdata", "shop.golden")
	got := files["shop/shop.gen.go"]
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for range 5 {
		again, err := gen.Contracts(c)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(files, again); diff != "" {
			t.Fatalf("not the same the second time\n%s", diff)
		}
	}
}

func TestContractsRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		files      map[string]string
	}{
		{"topic outside the grammar", "does not follow the grammar", map[string]string{"onex.evt.shop.v1": `{"type":"object"}`}},
		{"two events of one name", "would be the type Buy", map[string]string{
			"omninode.shop.event.buy.v1": `{"type":"object"}`, "omninode.shop.audit.buy.v1": `{"type":"object"}`,
		}},
		{"reply that nobody declares", "replies to omninode.shop.response.buy.v1", map[string]string{
			"omninode.shop.request.buy.v1": `{"x-omnibus":{"topic":"omninode.shop.request.buy.v1","replies":"omninode.shop.response.buy.v1"},"type":"object"}`,
		}},
		{"definition within itself", "within itself", map[string]string{
			"omninode.shop.event.buy.v1": `{"properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"properties":{"a":{"$ref":"#/$defs/a"}}}}}`,
		}},
		{"reference elsewhere", "$ref other.json", map[string]string{
			"omninode.shop.event.buy.v1": `{"properties":{"a":{"$ref":"other.json"}}}`,
		}},
		{"two constants of one name", "two constants", map[string]string{
			"omninode.shop.event.buy.v1": `{"properties":{"a":{"type":"string","enum":["x-y","x_y"]}}}`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := gen.Contracts(catalog(t, tc.files))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func TestWriteChangesOnlyWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	first, err := gen.Contracts(catalog(t, map[string]string{
		"omninode.shop.event.sold.v1": `{"type":"object"}`, "omninode.bank.event.paid.v1": `{"type":"object"}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	second, err := gen.Contracts(catalog(t, map[string]string{"omninode.shop.event.sold.v1": `{"type":"object"}`}))
	if err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(dir, "shop", "mine.gen.go")
	for i, step := range []struct {
		files map[string][]byte
		want  []string
	}{
		{first, []string{"bank/bank.gen.go", "shop/shop.gen.go"}},
		{first, nil},
		{second, []string{"bank/bank.gen.go"}},
		{second, nil},
	} {
		stale, err := gen.Stale(dir, step.files)
		if err != nil {
			t.Fatal(err)
		}
		changed, err := gen.Write(dir, step.files)
		if err != nil {
			t.Fatal(err)
		}
		if !cmp.Equal(step.want, changed) || !cmp.Equal(step.want, stale) {
			t.Errorf("step %d: Stale %v, Write %v, want %v", i, stale, changed, step.want)
		}
		if i == 0 {
			if err := os.WriteFile(ours, []byte("package shop\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bank", "bank.gen.go")); !os.IsNotExist(err) {
		t.Error("the file of a domain that is gone is still there")
	}
	if _, err := os.Stat(ours); err != nil {
		t.Errorf("a file that the generator did not write is gone: %v", err)
	}
}
