package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/registry/client"
)

// recorded stands for a make of registry that cannot be run here: what its documentation says that it answers, by method and path
// from the root. What it does not serve it answers with unknown.
type recorded struct {
	under   string // where its API lies
	unknown string
	answers map[string]string
}

func (r recorded) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path, ok := strings.CutPrefix(req.URL.EscapedPath(), r.under)
	answer, served := r.answers[req.Method+" "+path]
	switch {
	case !ok || !served:
		w.WriteHeader(http.StatusNotFound)
		answer = r.unknown
	case strings.HasPrefix(answer, `{"error_code":404`):
		w.WriteHeader(http.StatusNotFound)
	case strings.HasPrefix(answer, `{"error_code":422`):
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	_, _ = w.Write([]byte(answer))
}

const (
	types    = `["JSON","PROTOBUF","AVRO"]`
	noGUID   = `{"error_code":40403,"message":"Schema 00000000-0000-0000-0000-000000000000 not found"}`
	noSchema = `{"error_code":40403,"message":"Schema 9 not found"}`
)

func confluent8() recorded {
	return recorded{unknown: `{"error_code":404,"message":"HTTP 404 Not Found"}`, answers: map[string]string{
		"GET /schemas/types":                                      types,
		"GET /v1/metadata/version":                                `{"version":"8.1.0","commitId":"1a2b3c"}`,
		"GET /schemas/guids/00000000-0000-0000-0000-000000000000": noGUID,
		"GET /contexts":                                           `["."]`,
		"GET /schemas/ids/9":                                      noSchema,
		"POST /compatibility/subjects/a/versions":                 `{"is_compatible":false,"messages":["{errorType:\"TYPE_CHANGED\", description:\"the type at path '#/x' changed\"}","{compatibility: 'BACKWARD'}"]}`,
		"PUT /config/a":                                           `{"compatibility":"FULL","compatibilityPolicy":"LENIENT"}`,
		"GET /config/a":                                           `{"compatibilityLevel":"FULL","compatibilityPolicy":"LENIENT"}`,
		"POST /subjects/a/versions":                               `{"id":3,"version":2,"guid":"0f0e0d0c-0b0a-0908-0706-050403020100","schemaType":"JSON","schema":"{}"}`,
	}}
}

// redpanda24 serves neither GUIDs nor contexts, and compares with one version at a time.
func redpanda24() recorded {
	return recorded{unknown: `{"code":404,"message":"Not found"}`, answers: map[string]string{
		"GET /schemas/types":                        types,
		"GET /status/ready":                         ``,
		"GET /schemas/ids/9":                        noSchema,
		"GET /subjects/a/versions":                  `[1,2]`,
		"POST /compatibility/subjects/a/versions/2": `{"is_compatible":true}`,
		"POST /compatibility/subjects/a/versions/1": `{"is_compatible":false,"messages":["{errorType:'TYPE_CHANGED'}"]}`,
		"PUT /config/a":                             `{"compatibility":"FULL"}`,
		"GET /config/a":                             `{"compatibilityLevel":"FULL"}`,
		"POST /subjects/a/versions":                 `{"id":3}`,
		"POST /subjects/a":                          `{"subject":"a","version":2,"id":3,"schemaType":"JSON","schema":"{}"}`,
	}}
}

func karapace() recorded {
	r := redpanda24()
	r.unknown = `{"detail":"Not Found"}`
	delete(r.answers, "GET /status/ready")
	r.answers["GET /_health"] = `{"process_uptime_sec":12,"karapace_version":"5.0.1","healthy":true}`
	return r
}

func apicurio() recorded {
	r := redpanda24()
	r.under, r.unknown = "/apis/ccompat/v7", `{"error_code":404,"message":"RESTEASY003210: Could not find resource"}`
	delete(r.answers, "GET /status/ready")
	return r
}

func TestMakesOfRegistries(t *testing.T) {
	for name, tc := range map[string]struct {
		fake recorded
		want client.Server
	}{
		"Confluent 8":   {confluent8(), client.Server{Make: client.Confluent, Version: "8.1.0", GUIDs: true, Contexts: true}},
		"Redpanda 24.3": {redpanda24(), client.Server{Make: client.Redpanda}},
		"Karapace 5":    {karapace(), client.Server{Make: client.Karapace, Version: "5.0.1"}},
		"Apicurio":      {apicurio(), client.Server{Make: client.Apicurio}},
		"another":       {recorded{answers: map[string]string{"GET /schemas/types": types}}, client.Server{}},
	} {
		t.Run(name, func(t *testing.T) {
			c, ctx := open(t, client.Config{URL: "http://r" + tc.fake.under, Transport: handled{tc.fake}}), t.Context()
			got, err := c.Probe(ctx)
			if err != nil || got != tc.want {
				t.Fatalf("%v (-want +got):\n%s", err, cmp.Diff(tc.want, got))
			}
			before := c.Stats().Requests
			if again, err := c.Probe(ctx); err != nil || again != got || c.Stats().Requests != before {
				t.Errorf("probed again: %v, %v, %d requests more", again, err, c.Stats().Requests-before)
			}
			if _, served := tc.fake.answers["GET /schemas/ids/9"]; !served {
				return
			}
			if _, err := c.ByID(ctx, 9); !errors.Is(err, client.ErrNotFound) {
				t.Errorf("an unknown id: %v", err)
			}
			guid := client.ErrUnsupported
			if tc.want.GUIDs {
				guid = client.ErrNotFound
			}
			if _, err := c.ByGUID(ctx, "00000000-0000-0000-0000-000000000000"); !errors.Is(err, guid) {
				t.Errorf("an unknown GUID: %v", err)
			}
			v, err := c.Compatible(ctx, "a", client.AllVersions, client.Schema{Text: "{}"})
			if err != nil || v.Compatible || len(v.Messages) == 0 || !strings.Contains(v.Messages[0], "TYPE_CHANGED") {
				t.Errorf("compatible with all: %+v, %v", v, err)
			}
			err = c.SetLevel(ctx, "a", client.Rule{Level: "FULL", Policy: "LENIENT"})
			if kept := tc.want.Make == client.Confluent; kept != (err == nil) || !kept && !errors.Is(err, client.ErrUnsupported) {
				t.Errorf("set the policy: %v", err)
			}
			if made, err := c.Register(ctx, "a", client.Schema{Text: "{}"}); err != nil || made.ID != 3 || made.Version != 2 || made.Subject != "a" {
				t.Errorf("register: %+v, %v", made, err)
			}
		})
	}
}

func TestWhatIsNoRegistryKnowsNothing(t *testing.T) {
	c := open(t, client.Config{URL: "http://r", Transport: handled{apicurio()}}) // its API lies below a path that the address lacks
	if _, err := c.Probe(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("probe: %v", err)
	}
	if _, err := c.ByID(t.Context(), 9); !errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrNotFound) {
		t.Errorf("by id: %v", err)
	}
}
