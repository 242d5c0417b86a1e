package bus_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

const envSecret = "hunter2-do-not-show"

func envCatalog(tb testing.TB) *event.Catalog {
	tb.Helper()
	c, err := event.NewCatalog(
		event.Spec{Topic: "omninode.codegen.request.validate.v1"},
		event.Spec{Topic: "omninode.codegen.response.validate.v1"},
		event.Spec{Topic: "omninode.codegen.request.mixin.v1"},
		event.Spec{Topic: "omninode.codegen.request.mixin.v2"},
		event.Spec{Topic: "omninode.intelligence.event.quality_assessed.v1"},
	)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func configFrom(tb testing.TB, vars map[string]string) (bus.Config, error) {
	tb.Helper()
	lookup := func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
	return bus.ConfigFrom(lookup, slices.Collect(maps.Keys(vars)), "test", envCatalog(tb))
}

// with adds variables to those that are needed.
func with(pairs ...string) map[string]string {
	vars := map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "one:9092"}
	for i := 0; i < len(pairs); i += 2 {
		vars[pairs[i]] = pairs[i+1]
	}
	return vars
}

func TestConfigFromEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(" from file \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		vars map[string]string
		want bus.Config
	}{
		{"brokers", map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "one:9092, [::1]:9093"}, bus.Config{Brokers: []string{"one:9092", "[::1]:9093"}}},
		{"brokers by the old name", map[string]string{"KAFKA_BROKERS": "one:9092"}, bus.Config{Brokers: []string{"one:9092"}}},
		{"both names say the same", with("KAFKA_BROKERS", "one:9092"), bus.Config{Brokers: []string{"one:9092"}}},
		{"schema id", with("OMNIBUS_SCHEMA_ID", "header"), bus.Config{Brokers: []string{"one:9092"}, SchemaID: bus.HeaderSchemaID}},
		{"instance", with("OMNIBUS_INSTANCE", "i-1"), bus.Config{Brokers: []string{"one:9092"}, Instance: "i-1"}},
		{
			"login", with("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM", "SCRAM-SHA-512", "KAFKA_SASL_USERNAME", "me", "KAFKA_SASL_PASSWORD", " s "),
			bus.Config{Brokers: []string{"one:9092"}, SASL: bus.SASL{Mechanism: "SCRAM-SHA-512", User: "me", Password: " s "}},
		},
		{
			"login from a file", with("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM", "PLAIN", "KAFKA_SASL_USERNAME", "me", "KAFKA_SASL_PASSWORD_FILE", file),
			bus.Config{Brokers: []string{"one:9092"}, SASL: bus.SASL{Mechanism: "PLAIN", User: "me", Password: " from file "}},
		},
		{"empty is not set", with("KAFKA_SASL_PASSWORD", "", "KAFKA_MAX_IN_FLIGHT", "", "KAFKA_CODEGEN_VALIDATE_REQUEST", ""), bus.Config{Brokers: []string{"one:9092"}}},
		{
			"of others", with("KAFKA_HEAP_OPTS", "-Xmx1g", "KAFKA_OPTS", "x", "KAFKA_HOME", "/opt/kafka", "KAFKA_LOG4J_OPTS", "x", "KAFKA_JMX_OPTS", "x",
				"KAFKA_SERVICE_HOST", "10.0.0.1", "KAFKA_SERVICE_PORT", "9092", "KAFKA_PORT", "tcp://10.0.0.1:9092", "KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1",
				"KAFKA_UI_SERVICE_PORT_HTTP", "80", "KAFKAESQUE", "x", "SOMETHING_KAFKA_LIKE", "x"),
			bus.Config{Brokers: []string{"one:9092"}},
		},
		{
			"topics", with(
				"KAFKA_CODEGEN_VALIDATE_REQUEST", "omninode.codegen.request.validate.v1", // the one that it has anyway
				"KAFKA_CODEGEN_VALIDATE_RESPONSE", "house.codegen-validated",
				"KAFKA_CODEGEN_MIXIN_REQUEST", "omninode.other.request.mixin.v1",
			),
			bus.Config{Brokers: []string{"one:9092"}, Topics: map[event.Topic]event.Topic{
				"omninode.codegen.response.validate.v1": "house.codegen-validated",
				"omninode.codegen.request.mixin.v1":     "omninode.other.request.mixin.v1",
			}},
		},
		{
			"the newest where the topic does not tell", with("KAFKA_CODEGEN_MIXIN_REQUEST", "mixins"),
			bus.Config{Brokers: []string{"one:9092"}, Topics: map[event.Topic]event.Topic{"omninode.codegen.request.mixin.v2": "mixins"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := configFrom(t, tt.vars)
			if err != nil {
				t.Fatal(err)
			}
			if got.Service != "test" || got.Catalog == nil {
				t.Errorf("service %q, catalogue %v", got.Service, got.Catalog)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(bus.Config{}, "Service", "Catalog")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvironmentIsRefused(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte(envSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	login := []string{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "KAFKA_SASL_MECHANISM", "PLAIN", "KAFKA_SASL_USERNAME", "me"}
	for _, tt := range []struct {
		name string
		vars map[string]string
		says []string
	}{
		{"nothing set", nil, []string{"KAFKA_BOOTSTRAP_SERVERS: not set", "host:port"}},
		{"brokers empty", map[string]string{"KAFKA_BOOTSTRAP_SERVERS": " "}, []string{"KAFKA_BOOTSTRAP_SERVERS: not set"}},
		{"no port", with("KAFKA_BOOTSTRAP_SERVERS", "one"), []string{`KAFKA_BOOTSTRAP_SERVERS: "one": want host:port`}},
		{"port 0", with("KAFKA_BOOTSTRAP_SERVERS", "one:0"), []string{"KAFKA_BOOTSTRAP_SERVERS"}},
		{"one empty among several", with("KAFKA_BOOTSTRAP_SERVERS", "one:9092,"), []string{"KAFKA_BOOTSTRAP_SERVERS"}},
		{"a login in the address", with("KAFKA_BOOTSTRAP_SERVERS", "me:"+envSecret+"@one:9092"), []string{"KAFKA_BOOTSTRAP_SERVERS", "login"}},
		{"two names, two values", with("KAFKA_BROKERS", "two:9092"), []string{"KAFKA_BROKERS: differs from KAFKA_BOOTSTRAP_SERVERS"}},
		{"in flight", with("KAFKA_MAX_IN_FLIGHT", "many"), []string{`KAFKA_MAX_IN_FLIGHT: "many"`}},
		{"none in flight", with("KAFKA_MAX_IN_FLIGHT", "0"), []string{"KAFKA_MAX_IN_FLIGHT"}},
		{"reset", with("KAFKA_AUTO_OFFSET_RESET", "none"), []string{`KAFKA_AUTO_OFFSET_RESET: "none": want earliest or latest`}},
		{"protocol", with("KAFKA_SECURITY_PROTOCOL", "TLS"), []string{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"}},
		{"login without password", with(login...), []string{"KAFKA_SASL_PASSWORD: not set"}},
		{"password without protocol", with("KAFKA_SASL_PASSWORD", envSecret), []string{"KAFKA_SASL_PASSWORD: has no effect unless KAFKA_SECURITY_PROTOCOL"}},
		{"password twice", with(append(login, "KAFKA_SASL_PASSWORD", envSecret, "KAFKA_SASL_PASSWORD_FILE", junk)...), []string{"KAFKA_SASL_PASSWORD: set, and so is KAFKA_SASL_PASSWORD_FILE"}},
		{"password as the name of a file", with(append(login, "KAFKA_SASL_PASSWORD_FILE", envSecret)...), []string{"KAFKA_SASL_PASSWORD_FILE: read the file"}},
		{
			"mechanism", with("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "KAFKA_SASL_MECHANISM", "GSSAPI", "KAFKA_SASL_USERNAME", "me", "KAFKA_SASL_PASSWORD", envSecret),
			[]string{"KAFKA_SASL_MECHANISM: want PLAIN"},
		},
		{"CA without TLS", with("KAFKA_SSL_CA", junk), []string{"KAFKA_SSL_CA: has no effect"}},
		{"CA that is none", with("KAFKA_SECURITY_PROTOCOL", "SSL", "KAFKA_SSL_CA", junk), []string{"KAFKA_SSL_CA: no certificate"}},
		{"certificate without key", with("KAFKA_SECURITY_PROTOCOL", "SSL", "KAFKA_SSL_CERT", junk), []string{"KAFKA_SSL_KEY: not set"}},
		{"key without certificate", with("KAFKA_SECURITY_PROTOCOL", "SSL", "KAFKA_SSL_KEY", junk), []string{"KAFKA_SSL_CERT: not set"}},
		{"key that is none", with("KAFKA_SECURITY_PROTOCOL", "SSL", "KAFKA_SSL_CERT", junk, "KAFKA_SSL_KEY", junk), []string{"KAFKA_SSL_CERT"}},
		{"key in place of its file", with("KAFKA_SECURITY_PROTOCOL", "SSL", "KAFKA_SSL_CERT", junk, "KAFKA_SSL_KEY", "-----BEGIN "+envSecret), []string{"KAFKA_SSL_KEY: read the file"}},
		{"typing error", with("KAFKA_BOOTSTRAP_SERVER", envSecret), []string{"KAFKA_BOOTSTRAP_SERVER: unknown variable; did you mean KAFKA_BOOTSTRAP_SERVERS?"}},
		{"nothing like it", with("KAFKA_ENABLE_AUTO_COMMIT", envSecret), []string{"KAFKA_ENABLE_AUTO_COMMIT: unknown variable"}},
		{"unknown request", with("KAFKA_CODEGEN_VALIDTE_REQUEST", "t"), []string{"KAFKA_CODEGEN_VALIDTE_REQUEST: the catalogue has no such request or response; did you mean KAFKA_CODEGEN_VALIDATE_REQUEST?"}},
		{"an event is no request", with("KAFKA_INTELLIGENCE_QUALITY_ASSESSED_REQUEST", "t"), []string{"KAFKA_INTELLIGENCE_QUALITY_ASSESSED_REQUEST: the catalogue has no such"}},
		{"illegal topic", with("KAFKA_CODEGEN_VALIDATE_REQUEST", "a b"), []string{"KAFKA_CODEGEN_VALIDATE_REQUEST", "a b"}},
		{"dead letters", with("KAFKA_CODEGEN_VALIDATE_REQUEST", "a.dlq"), []string{"KAFKA_CODEGEN_VALIDATE_REQUEST", "dead letters"}},
		{"topic of another type", with("KAFKA_CODEGEN_VALIDATE_REQUEST", "omninode.codegen.request.mixin.v1"), []string{"KAFKA_CODEGEN_VALIDATE_REQUEST", "declared for another"}},
		{"two types in a topic", with("KAFKA_CODEGEN_VALIDATE_REQUEST", "t", "KAFKA_CODEGEN_VALIDATE_RESPONSE", "t"), []string{"KAFKA_CODEGEN_VALIDATE_RESPONSE", "carries omninode.codegen.request.validate.v1"}},
		{"all of them at once", map[string]string{"KAFKA_X": "1", "KAFKA_MAX_IN_FLIGHT": "x"}, []string{"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_X", "KAFKA_MAX_IN_FLIGHT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := configFrom(t, tt.vars)
			if err == nil {
				t.Fatalf("no error: %+v", got)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
			if strings.Contains(err.Error(), envSecret) {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

func TestEnvironmentTLS(t *testing.T) {
	cert, key := keyPair(t)
	got, err := configFrom(t, with("KAFKA_SECURITY_PROTOCOL", "SSL", "KAFKA_SSL_CA", cert, "KAFKA_SSL_CERT", cert, "KAFKA_SSL_KEY", key))
	if err != nil {
		t.Fatal(err)
	}
	if c := got.TLS; c == nil || len(c.Certificates) != 1 || c.RootCAs == nil || c.RootCAs.Equal(x509.NewCertPool()) || c.MinVersion != tls.VersionTLS12 || c.InsecureSkipVerify {
		t.Errorf("got %+v", got.TLS)
	}
	got, err = configFrom(t, with("KAFKA_SECURITY_PROTOCOL", "SSL"))
	if err != nil || got.TLS == nil || got.TLS.RootCAs != nil {
		t.Errorf("with the system's authorities: %+v, %v", got.TLS, err)
	}
}

func keyPair(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert", "CERTIFICATE", cert), write("key", "PRIVATE KEY", keyDER)
}

func TestConfigFromEnvReadsTheProcess(t *testing.T) {
	for _, kv := range os.Environ() { // of the machine that the test runs on
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "KAFKA_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("KAFKA_BOOTSTRAP_SERVERS", "one:9092")
	t.Setenv("OMNIBUS_INSTANCE", "i")
	got, err := bus.ConfigFromEnv("test", envCatalog(t))
	if err != nil || got.Instance != "i" || len(got.Brokers) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	t.Setenv("KAFKA_BOOTSTRAP_SERVER", "one:9092")
	if _, err := bus.ConfigFromEnv("test", envCatalog(t)); err == nil {
		t.Error("a typing error passed")
	}
}

func TestConsumerFromEnvFillsInWhatIsOpen(t *testing.T) {
	t.Setenv("KAFKA_CONSUMER_GROUP", "g")
	t.Setenv("KAFKA_MAX_IN_FLIGHT", "7")
	t.Setenv("KAFKA_AUTO_OFFSET_RESET", "latest")
	for _, tt := range []struct{ have, want bus.Consumer }{
		{bus.Consumer{}, bus.Consumer{Group: "g", MaxInFlight: 7, From: bus.Latest}},
		{bus.Consumer{Group: "mine", MaxInFlight: 1, From: bus.Earliest}, bus.Consumer{Group: "mine", MaxInFlight: 1, From: bus.Earliest}},
		{bus.Consumer{Broadcast: true}, bus.Consumer{Broadcast: true, MaxInFlight: 7, From: bus.Latest}},
	} {
		got, err := bus.ConsumerFromEnv(tt.have)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	t.Setenv("KAFKA_MAX_IN_FLIGHT", "-1")
	if _, err := bus.ConsumerFromEnv(bus.Consumer{}); err == nil || !strings.Contains(err.Error(), "KAFKA_MAX_IN_FLIGHT") {
		t.Errorf("malformed: %v", err)
	}
}

func FuzzConfigFrom(f *testing.F) {
	f.Add("KAFKA_BOOTSTRAP_SERVERS", "one:9092")
	f.Add("KAFKA_SASL_PASSWORD", "x")
	f.Add("KAFKA_CODEGEN_MIXIN_REQUEST", "omninode.codegen.request.mixin.v9")
	f.Add("KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092")
	f.Fuzz(func(t *testing.T, name, value string) {
		vars := with("KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "KAFKA_SASL_MECHANISM", "PLAIN", "KAFKA_SASL_USERNAME", "me", "KAFKA_SASL_PASSWORD", envSecret)
		vars[name] = value
		cfg, err := configFrom(t, vars)
		if err != nil && strings.Contains(err.Error(), envSecret) && !strings.Contains(name+value, envSecret) {
			t.Errorf("%q=%q: the error tells the password: %v", name, value, err)
		}
		if err == nil && len(cfg.Brokers) == 0 {
			t.Errorf("%q=%q: no error and no brokers", name, value)
		}
	})
}
