package stack_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/stack"
)

// redpandaLike hides of a registry what Redpanda does not serve, by its documentation: GUIDs.
type redpandaLike struct {
	http.Handler
	down atomic.Bool
}

func (r *redpandaLike) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case r.down.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case req.URL.Path == "/schemas/types":
		_, _ = w.Write([]byte(`["JSON"]`))
	case strings.HasPrefix(req.URL.Path, "/schemas/guids/"):
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"code":404,"message":"Not found"}`))
	default:
		clean := httptest.NewRecorder()
		r.Handler.ServeHTTP(clean, req)
		w.WriteHeader(clean.Code)
		_, _ = w.Write([]byte(strings.ReplaceAll(clean.Body.String(), `"guid"`, `"other"`)))
	}
}

func TestSchemasAreFoundInARegistry(t *testing.T) {
	fake := srfake.NewRegistry()
	front := &redpandaLike{Handler: fake.Handler()}
	server := httptest.NewServer(front)
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const subject = "orders-value"
	var last client.Registered
	for i := range 3 {
		last, err = c.Register(t.Context(), subject, client.Schema{Text: fmt.Sprintf(`{"title":"%d"}`, i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	guid := func(text string) [16]byte { return schema.GUID(text, nil, nil, nil) }
	s := stack.Schemas{Registry: c}
	for _, tc := range []struct {
		name string
		ref  bus.SchemaRef
		text string // empty: there is none
	}{
		{"by id", bus.SchemaRef{ID: uint32(last.ID), Subject: subject}, `{"title":"2"}`},
		{"by another id", bus.SchemaRef{ID: 404, Subject: subject}, ""},
		{"newest", bus.SchemaRef{Subject: subject}, `{"title":"2"}`},
		{"of no subject", bus.SchemaRef{Subject: "other-value"}, ""},
		{"by text", bus.SchemaRef{Subject: subject, Text: []byte(`{"title":"0"}`)}, `{"title":"0"}`},
		{"by another text", bus.SchemaRef{Subject: subject, Text: []byte(`{"title":"7"}`)}, ""},
		{"by GUID", bus.SchemaRef{GUID: guid(`{"title":"1"}`), Subject: subject}, `{"title":"1"}`},
		{"by another GUID", bus.SchemaRef{GUID: guid(`{}`), Subject: subject}, ""},
		{"by GUID, of no subject", bus.SchemaRef{GUID: guid(`{}`), Subject: "other-value"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, err := s.FindSchema(t.Context(), tc.ref)
			if string(found.Text) != tc.text || errors.Is(err, bus.ErrNoSchema) != (tc.text == "") || tc.text == "" && err == nil {
				t.Fatalf("found %q, %v", found.Text, err)
			}
			if tc.text != "" && found.GUID != guid(tc.text) {
				t.Errorf("GUID %x", found.GUID)
			}
		})
	}
	front.down.Store(true)
	for _, ref := range []bus.SchemaRef{{ID: 9}, {GUID: guid(`{"x":1}`), Subject: subject}, {Subject: subject}} {
		if _, err := s.FindSchema(t.Context(), ref); err == nil || errors.Is(err, bus.ErrNoSchema) {
			t.Errorf("%s of a registry that is away: %v", ref, err)
		}
	}
}

func TestClientKnowsOurRegistry(t *testing.T) {
	cfg := config()
	cfg.Registry = &stack.Registry{Addr: "127.0.0.1:0", Catalogue: true, Version: "1.2.3"}
	err := whileUp(t, cfg, func(info stack.Info) {
		c, err := client.New(client.Config{URL: info.Registry})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		is, err := c.Probe(t.Context())
		if want := (client.Server{Make: client.Omnibus, Version: "1.2.3", GUIDs: true, Contexts: true}); err != nil || is != want {
			t.Errorf("it is %+v, %v", is, err)
		}
		if rule, err := c.Level(t.Context(), ""); err != nil || rule != (client.Rule{Level: "FULL_TRANSITIVE", Policy: "ROLE"}) {
			t.Errorf("its rule is %+v, %v", rule, err)
		}
		s := stack.Schemas{Registry: c}
		for spec := range contracts.Catalog().All() {
			text, err := schema.Registrable(spec.Schema)
			if err != nil {
				t.Fatal(err)
			}
			byText, err := s.FindSchema(t.Context(), bus.SchemaRef{Subject: spec.Topic.Subject(), Text: text})
			if err != nil || byText.GUID != schema.GUID(string(text), nil, nil, nil) {
				t.Fatalf("%s by its text: %+v, %v", spec.Topic, byText, err)
			}
			for _, ref := range []bus.SchemaRef{{ID: byText.ID}, {GUID: byText.GUID}, {Subject: spec.Topic.Subject()}} {
				if found, err := s.FindSchema(t.Context(), ref); err != nil || string(found.Text) != string(text) {
					t.Errorf("%s by %s: %+v, %v", spec.Topic, ref, found, err)
				}
			}
			if v, err := c.Compatible(t.Context(), spec.Topic.Subject(), client.AllVersions, client.Schema{Text: string(text)}); err != nil || !v.Compatible {
				t.Errorf("%s with itself: %+v, %v", spec.Topic, v, err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
