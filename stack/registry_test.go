package stack_test

import (
	"net/http"
	"path/filepath"
	"strings"
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
	if err := jsonx.Unmarshal(res.body, &all); err != nil {
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

func TestAStoredVersionThatDoesNotFitIsReportedAndStopsNothing(t *testing.T) {
	cfg := config()
	cfg.Broker.Dir = filepath.Join(t.TempDir(), "kafka")
	cfg.Registry = &stack.Registry{Addr: "127.0.0.1:0"}
	const subject = "omninode.bridge.request.stamp.v1-value"
	err := whileUp(t, cfg, func(info stack.Info) {
		if all := listed(t, info.Registry); len(all) > 0 {
			t.Errorf("registered unasked: %v", all)
		}
		var answer struct {
			Code int `json:"error_code"`
		}
		body := `{"schemaType":"JSON","schema":"{\"type\":\"string\"}"}`
		for range 200 { // until it may write
			if status := call(t, http.MethodPost, info.Registry+"/subjects/"+subject+"/versions", body, &answer); status == http.StatusOK {
				return
			}
		}
		t.Errorf("not registered: %+v", answer)
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Registry.Catalogue = true
	err = whileUp(t, cfg, func(info stack.Info) {
		if len(info.Unregistered) != 1 || !strings.HasPrefix(info.Unregistered[0], subject+": Schema being registered is incompatible") {
			t.Errorf("reported: %v", info.Unregistered)
		}
		if all := listed(t, info.Registry); len(all) != contracts.Catalog().Len() {
			t.Errorf("%d subjects, want %d", len(all), contracts.Catalog().Len())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
