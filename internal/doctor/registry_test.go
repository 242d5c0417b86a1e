package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/internal/doctor"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

func registryAt(t *testing.T, url string) (doctor.Config, *client.Client) {
	t.Helper()
	c, err := client.New(client.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return doctor.Config{Bus: bus.Config{Catalog: contracts.Catalog()}, Registry: c}, c
}

func TestRegistryIsHeldAgainstTheCatalogue(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	cfg, c := registryAt(t, fake.URL())
	want(t, examine(t, cfg, "registry"), "registry", doctor.Warn, "not registered (omninode.", "register what the catalogue says")
	register := func(topic string, text []byte) {
		t.Helper()
		if _, err := c.Register(t.Context(), topic+"-value", client.Schema{Text: string(text)}); err != nil {
			t.Fatal(err)
		}
	}
	var first string
	var right []byte
	for spec := range contracts.Catalog().All() {
		text, err := schema.Compose(spec.Schema, schema.Consumer)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first, right, text = string(spec.Topic), text, []byte(`{}`)
		}
		register(string(spec.Topic), text)
	}
	want(t, examine(t, cfg, "registry"), "registry", doctor.Warn, "1 registered otherwise ("+first+"-value)")
	register(first, right)
	want(t, examine(t, cfg, "registry"), "registry", doctor.OK, "level BACKWARD", "agree on")
	if err := c.SetMode(t.Context(), "", "READONLY"); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, cfg, "registry"), "registry", doctor.Warn, "takes no new schemas")
}

func TestRegistryThatDoesNotAnswer(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	cfg, _ := registryAt(t, gone.URL)
	want(t, examine(t, cfg, "registry"), "registry", doctor.Fail, "is there a registry", "SCHEMA_REGISTRY_URL") // a page of something else
	gone.Close()
	want(t, examine(t, cfg, "registry"), "registry", doctor.Fail, gone.URL, "connection refused")
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer refusing.Close()
	cfg, _ = registryAt(t, refusing.URL)
	want(t, examine(t, cfg, "registry"), "registry", doctor.Fail, "refused the login", "SCHEMA_REGISTRY_BASIC_AUTH_FILE")
	cfg.Registry = nil
	want(t, examine(t, cfg, "registry"), "registry", doctor.Skip, "no schema registry is configured")
}
