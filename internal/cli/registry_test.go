package cli_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

// registeredAssessed registers one event type as "up" does, and gives its id.
func registeredAssessed(t *testing.T, url string) int {
	t.Helper()
	spec, _ := contracts.Catalog().Lookup(assessed)
	text, err := schema.Compose(spec.Schema, schema.Consumer)
	if err == nil {
		text, err = schema.Canonical(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	made, err := c.Register(t.Context(), assessed+"-value", client.Schema{Text: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func TestPublishAsksTheRegistryForItsIDs(t *testing.T) {
	addr := startBroker(t)
	fake := srfake.New()
	defer fake.Close()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer refusing.Close()
	publish := []string{"publish", assessed, `{"entity_id":"d","quality_score":0.5}`}
	in := func(form, url string) shell {
		return newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+addr, "OMNIBUS_SCHEMA_ID="+form, "SCHEMA_REGISTRY_URL="+url)
	}
	for _, tc := range []struct {
		name, form, url string
		want            wrong
	}{
		{"away", "prefix", away.URL, wrong{exit: 4, code: "OMB-0404", says: "connection refused", advice: "omnibus doctor"}},
		{"not a registry", "prefix", page.URL, wrong{exit: 4, code: "OMB-0404", says: "not served by this registry", advice: "--registry URL"}},
		{"no login", "prefix", refusing.URL, wrong{exit: 5, code: "OMB-0501", says: "registry", advice: "SCHEMA_REGISTRY_BASIC_AUTH_FILE"}},
		{"not registered", "prefix", fake.URL(), wrong{exit: 7, code: "OMB-0711", says: "40401", advice: "OMNIBUS_SCHEMA_ID=header"}},
		{"none", "prefix", "", wrong{exit: 7, code: "OMB-0711", says: "no registry to ask", advice: "--registry URL"}},
		{"form", "guid", "", wrong{exit: 2, code: "OMB-0207", says: "want none, header or prefix", advice: "config show"}},
		{"address", "none", "localhost:8081", wrong{exit: 2, code: "OMB-0207", says: "want http://host:port", advice: "config show"}},
	} {
		t.Run(tc.name, func(t *testing.T) { check(t, tc.want, in(tc.form, tc.url).run(t.Context(), "", publish...)) })
	}
	if id := registeredAssessed(t, fake.URL()); id != 1 {
		t.Fatalf("id %d", id)
	}
	in("prefix", fake.URL()).must(t, "", publish...)
	in("header", away.URL).must(t, "", publish...) // which needs no registry
	printed := in("none", away.URL).must(t, "", "consume", assessed, "-o", "ndjson")
	if !strings.Contains(printed, `"__value_schema_id"`) || strings.Count(printed, `"value":{"event_id":`) != 2 || strings.Count(printed, `"schema_id":1,`) != 1 {
		t.Errorf("printed:\n%s", printed)
	}
	// What was printed can be published again, byte for byte, whatever the form that is set.
	elsewhere := startBroker(t)
	there := newShell(t, "KAFKA_BOOTSTRAP_SERVERS="+elsewhere, "OMNIBUS_SCHEMA_ID=header")
	there.must(t, printed, "publish", "--batch", "-")
	again := there.must(t, "", "consume", assessed, "-o", "ndjson")
	if place.ReplaceAllString(again, "") != place.ReplaceAllString(printed, "") {
		t.Errorf("printed again:\n%s\nwant\n%s", again, printed)
	}
}
