package stack_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/stack"
)

// listed is what a registry says of all versions.
func listed(t *testing.T, url string) (all []struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	Schema  string `json:"schema"`
},
) {
	t.Helper()
	res := get(t, url+"/schemas")
	if res.status != http.StatusOK {
		t.Fatalf("/schemas answers %d %s", res.status, res.body)
	}
	if err := jsonx.Unmarshal([]byte(res.body), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStackRegistersTheCatalogueOnce(t *testing.T) {
	cfg := config()
	cfg.Broker.Dir = filepath.Join(t.TempDir(), "kafka")
	cfg.Registry = &stack.Registry{Addr: "127.0.0.1:0", Catalogue: true, Version: "test"}
	var before any
	err := whileUp(t, cfg, func(info stack.Info) {
		if len(info.Unregistered) > 0 {
			t.Errorf("not registered: %v", info.Unregistered)
		}
		all := listed(t, info.Registry)
		want := map[string]string{}
		for spec := range contracts.Catalog().All() {
			text, err := schema.Compose(spec.Schema, schema.Consumer)
			if err != nil {
				t.Fatal(err)
			}
			want[string(spec.Topic)+"-value"] = string(text)
		}
		got := map[string]string{}
		for _, v := range all {
			got[v.Subject] = v.Schema
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("registered (-want +got):\n%s", diff)
		}
		if status, r := readiness(t, info.URL); status != http.StatusOK || len(r.Degraded) > 0 {
			t.Errorf("readyz says %d %+v", status, r)
		}
		t.Logf("up with %d schemas after %v", len(all), info.Took)
		before = all
	})
	if err != nil {
		t.Fatal(err)
	}
	err = whileUp(t, cfg, func(info stack.Info) {
		if diff := cmp.Diff(before, any(listed(t, info.Registry))); diff != "" {
			t.Errorf("the second start changed what is registered (-first +second):\n%s", diff)
		}
		t.Logf("again after %v", info.Took)
	})
	if err != nil {
		t.Fatal(err)
	}
}
