package client_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/registry/client"
)

func TestConfigFrom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "login")
	if err := os.WriteFile(file, []byte("me:se:cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	type vars map[string]string
	for _, tc := range []struct {
		name    string
		vars    vars
		want    client.Config
		ok      bool
		problem string
	}{
		{"none", vars{"SCHEMA_REGISTRY_BASIC_AUTH": "x"}, client.Config{}, false, ""},
		{"plain", vars{"SCHEMA_REGISTRY_URL": "http://r:8081"}, client.Config{URL: "http://r:8081"}, true, ""},
		{
			"login in a file",
			vars{"SCHEMA_REGISTRY_URL": "http://r", "SCHEMA_REGISTRY_BASIC_AUTH_FILE": file},
			client.Config{URL: "http://r", User: "me", Password: "se:cret"},
			true, "",
		},
		{
			"login",
			vars{"SCHEMA_REGISTRY_URL": "http://r", "SCHEMA_REGISTRY_BASIC_AUTH": "me:secret"},
			client.Config{URL: "http://r", User: "me", Password: "secret"},
			true, "",
		},
		{
			"both",
			vars{"SCHEMA_REGISTRY_URL": "http://r", "SCHEMA_REGISTRY_BASIC_AUTH": "me:secret", "SCHEMA_REGISTRY_BASIC_AUTH_FILE": file},
			client.Config{},
			false, "keep one of them",
		},
		{"no password", vars{"SCHEMA_REGISTRY_URL": "http://r", "SCHEMA_REGISTRY_BASIC_AUTH": "secret"}, client.Config{}, false, "want user:password"},
		{"no file", vars{"SCHEMA_REGISTRY_URL": "http://r", "SCHEMA_REGISTRY_BASIC_AUTH_FILE": "secret"}, client.Config{}, false, "SCHEMA_REGISTRY_BASIC_AUTH_FILE"},
		{"no certificate", vars{"SCHEMA_REGISTRY_URL": "https://r", "SCHEMA_REGISTRY_SSL_CA": file}, client.Config{}, false, "no certificate"},
		{"address", vars{"SCHEMA_REGISTRY_URL": "r:8081"}, client.Config{}, false, "SCHEMA_REGISTRY_URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok, err := client.ConfigFrom(func(name string) (string, bool) { v, ok := tc.vars[name]; return v, ok })
			if got != tc.want || ok != tc.ok {
				t.Errorf("got %+v, %v", got, ok)
			}
			if (err != nil) != (tc.problem != "") || err != nil && (!strings.Contains(err.Error(), tc.problem) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("error: %v", err)
			}
		})
	}
}
