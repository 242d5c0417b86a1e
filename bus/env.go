package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/near"
)

// The variables that are read. Where a _FILE variant is given the value is what the file holds.
const (
	envPrefix    = "KAFKA_"
	envBrokers   = "KAFKA_BOOTSTRAP_SERVERS"
	envBrokers2  = "KAFKA_BROKERS" // an alias that older services use
	envInFlight  = "KAFKA_MAX_IN_FLIGHT"
	envGroup     = "KAFKA_CONSUMER_GROUP"
	envReset     = "KAFKA_AUTO_OFFSET_RESET"
	envProtocol  = "KAFKA_SECURITY_PROTOCOL"
	envMechanism = "KAFKA_SASL_MECHANISM"
	envUser      = "KAFKA_SASL_USERNAME"
	envPassword  = "KAFKA_SASL_PASSWORD"
	envCA        = "KAFKA_SSL_CA"
	envCert      = "KAFKA_SSL_CERT"
	envKey       = "KAFKA_SSL_KEY"
	envInstance  = "OMNIBUS_INSTANCE"
	envSchemaID  = "OMNIBUS_SCHEMA_ID"
	fileSuffix   = "_FILE"
)

func knownVariables() []string {
	return []string{
		envBrokers, envBrokers2, envInFlight, envGroup, envReset, envProtocol, envMechanism, envUser, envPassword,
		envMechanism + fileSuffix, envUser + fileSuffix, envPassword + fileSuffix, envCA, envCert, envKey,
	}
}

// foreignVariables begin with KAFKA_ too and are not ours: what the start scripts of Kafka's Java tools read, and what
// Kubernetes sets in every container next to a Service called "kafka".
var foreignVariables = regexp.MustCompile(`^KAFKA_(` +
	`HOME|OPTS|HEAP_OPTS|JVM_PERFORMANCE_OPTS|GC_LOG_OPTS|JMX_OPTS|JMX_PORT|LOG4J_OPTS|LOG4J_CMD_OPTS|DEBUG|DEBUG_PORT|CLASSPATH|VERSION|` +
	`([A-Z0-9_]+_)?SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|([A-Z0-9_]+_)?PORT(_[0-9]+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$`)

// ConfigFromEnv reads the KAFKA_* variables of the process, OMNIBUS_INSTANCE and OMNIBUS_SCHEMA_ID, for [Open]. An empty variable counts as not
// set. Every variable that is malformed or unknown is an error that names it: a typing error must not pass for a setting.
//
//	KAFKA_BOOTSTRAP_SERVERS   host:port, several with commas; needed
//	KAFKA_SECURITY_PROTOCOL   PLAINTEXT (default), SSL, SASL_PLAINTEXT or SASL_SSL
//	KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD   or each with _FILE: a file that holds it
//	KAFKA_SSL_CA, KAFKA_SSL_CERT, KAFKA_SSL_KEY   files in PEM
//	OMNIBUS_SCHEMA_ID   none (default), header or prefix
//	KAFKA_<DOMAIN>_<OPERATION>_<REQUEST|RESPONSE>   the topic for that request or response of the catalogue
//	KAFKA_MAX_IN_FLIGHT, KAFKA_CONSUMER_GROUP, KAFKA_AUTO_OFFSET_RESET   see [ConsumerFromEnv]
func ConfigFromEnv(service string, c *event.Catalog) (Config, error) {
	var names []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	return ConfigFrom(os.LookupEnv, names, service, c)
}

// ConfigFrom is [ConfigFromEnv] for variables from elsewhere: lookup finds one, and names are those that are set.
func ConfigFrom(lookup func(string) (string, bool), names []string, service string, c *event.Catalog) (Config, error) {
	e := env{lookup: lookup}
	cfg := Config{Service: service, Catalog: c, Instance: e.get(envInstance), SchemaID: e.schemaID()}
	cfg.Brokers = e.brokers()
	e.security(&cfg)
	cfg.Topics = e.topics(names, c)
	e.consumer(Consumer{})
	if err := errors.Join(e.errs...); err != nil {
		return Config{}, fmt.Errorf("environment: %w", err)
	}
	return cfg, nil
}

// ConsumerFromEnv fills in what c leaves open: Group from KAFKA_CONSUMER_GROUP (not where c is a broadcast), MaxInFlight from
// KAFKA_MAX_IN_FLIGHT, and From from KAFKA_AUTO_OFFSET_RESET, which is earliest or latest.
func ConsumerFromEnv(c Consumer) (Consumer, error) {
	e := env{lookup: os.LookupEnv}
	c = e.consumer(c)
	if err := errors.Join(e.errs...); err != nil {
		return Consumer{}, fmt.Errorf("environment: %w", err)
	}
	return c, nil
}

// env reads variables and collects what is wrong with them. Values that may be secret never get into errs.
type env struct {
	lookup func(string) (string, bool)
	errs   []error
}

func (e *env) get(name string) string {
	v, _ := e.lookup(name)
	return strings.TrimSpace(v)
}

func (e *env) bad(name, format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf("%s: %w", name, fmt.Errorf(format, args...)))
}

func (e *env) brokers() []string {
	name, list := envBrokers, e.get(envBrokers)
	switch other := e.get(envBrokers2); {
	case list == "" && other == "":
		e.bad(envBrokers, "not set; set it to the host:port of one or more brokers, localhost:9092 say")
		return nil
	case list == "":
		name, list = envBrokers2, other
	case other != "" && other != list:
		e.bad(envBrokers2, "differs from %s; keep one of them", envBrokers)
	}
	var brokers []string
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		host, port, err := net.SplitHostPort(item)
		n, numErr := strconv.ParseUint(port, 10, 16)
		switch {
		case strings.ContainsAny(item, "@/"): // may hold a login
			e.bad(name, "want host:port, several with commas, without a scheme or a login")
			return nil
		case err != nil || numErr != nil || n == 0 || host == "":
			e.bad(name, "%q: want host:port", item)
			return nil
		}
		brokers = append(brokers, item)
	}
	return brokers
}

func (e *env) security(cfg *Config) {
	protocol := e.get(envProtocol)
	var login, secure bool
	switch protocol {
	case "", "PLAINTEXT":
	case "SSL":
		secure = true
	case "SASL_PLAINTEXT":
		login = true
	case "SASL_SSL":
		login, secure = true, true
	default:
		e.bad(envProtocol, "%q: want PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", protocol)
		return
	}
	sasl := SASL{Mechanism: e.secret(envMechanism), User: e.secret(envUser), Password: e.secret(envPassword)}
	need := func(name, value string, wanted bool, by string) {
		switch {
		case wanted && value == "":
			e.bad(name, "not set; %s=%s needs it", envProtocol, protocol)
		case !wanted && value != "":
			e.bad(name, "has no effect unless %s is %s", envProtocol, by)
		}
	}
	need(envMechanism, sasl.Mechanism, login, "SASL_SSL or SASL_PLAINTEXT")
	need(envUser, sasl.User, login, "SASL_SSL or SASL_PLAINTEXT")
	need(envPassword, sasl.Password, login, "SASL_SSL or SASL_PLAINTEXT")
	if login {
		switch sasl.Mechanism {
		case "", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		default: // not shown: it may have come from a file with something else in it
			e.bad(envMechanism, "want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
		}
		cfg.SASL = sasl
	}
	if secure {
		cfg.TLS = e.tls()
		return
	}
	for _, name := range []string{envCA, envCert, envKey} {
		need(name, e.get(name), false, "SSL or SASL_SSL")
	}
}

// secret reads a variable or the file that its _FILE variant names.
func (e *env) secret(name string) string {
	value, _ := e.lookup(name) // not trimmed: blanks may be part of a password
	file := e.get(name + fileSuffix)
	switch {
	case file == "":
		return value
	case value != "":
		e.bad(name, "set, and so is %s; keep one of them", name+fileSuffix)
		return value
	}
	b := e.file(name + fileSuffix)
	return strings.TrimRight(string(b), "\r\n")
}

// file reads the file that a variable names. The name is not shown: it may be the secret itself, put into the wrong variable.
func (e *env) file(name string) []byte {
	b, err := os.ReadFile(e.get(name))
	switch pathErr := (*fs.PathError)(nil); {
	case errors.As(err, &pathErr):
		e.bad(name, "read the file that it names: %w", pathErr.Err)
	case err != nil:
		e.bad(name, "read the file that it names: %w", err)
	case len(strings.TrimSpace(string(b))) == 0:
		e.bad(name, "the file that it names is empty")
	}
	return b
}

func (e *env) tls() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	wrong := len(e.errs)
	if e.get(envCA) != "" {
		pem := e.file(envCA)
		cfg.RootCAs = x509.NewCertPool()
		if len(e.errs) == wrong && !cfg.RootCAs.AppendCertsFromPEM(pem) {
			e.bad(envCA, "no certificate in PEM in the file")
		}
	}
	cert, key := e.get(envCert), e.get(envKey)
	switch {
	case cert == "" && key == "":
		return cfg
	case cert == "":
		e.bad(envCert, "not set, but %s is; a client certificate needs both", envKey)
		return cfg
	case key == "":
		e.bad(envKey, "not set, but %s is; a client certificate needs both", envCert)
		return cfg
	}
	wrong = len(e.errs)
	certPEM, keyPEM := e.file(envCert), e.file(envKey)
	if len(e.errs) > wrong {
		return cfg
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		e.bad(envCert, "with %s: %w", envKey, err)
		return cfg
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg
}

// topics resolves the overrides among names, and refuses what is neither one nor known otherwise.
func (e *env) topics(names []string, c *event.Catalog) map[event.Topic]event.Topic {
	types := make(map[string][]event.Topic) // variable → the majors of its type, ascending
	if c != nil {
		for s := range c.All() {
			if p := s.Topic.Pattern(); p == event.Request || p == event.Response {
				v := variable(s.Topic)
				types[v] = append(types[v], s.Topic)
			}
		}
	}
	for _, majors := range types {
		slices.SortFunc(majors, func(x, y event.Topic) int { return x.Major() - y.Major() })
	}
	known := append(knownVariables(), slices.Sorted(maps.Keys(types))...)
	topics := make(map[event.Topic]event.Topic)
	for _, name := range slices.Sorted(slices.Values(names)) {
		switch {
		case !strings.HasPrefix(name, envPrefix) || slices.Contains(knownVariables(), name):
		case types[name] != nil:
			e.override(name, types[name], topics, c)
		case foreignVariables.MatchString(name):
		case strings.HasSuffix(name, "_REQUEST") || strings.HasSuffix(name, "_RESPONSE"):
			e.bad(name, "the catalogue has no such request or response%s", didYouMean(name, known))
		default:
			e.bad(name, "unknown variable%s", didYouMean(name, known))
		}
	}
	if len(topics) == 0 {
		return nil
	}
	return topics
}

// override says that the variable name moves its type to another topic: the type of the major version that the topic's name has,
// otherwise the newest.
func (e *env) override(name string, majors []event.Topic, topics map[event.Topic]event.Topic, c *event.Catalog) {
	to := event.Topic(e.get(name))
	if to == "" {
		return
	}
	if err := legalTopic(to); err != nil {
		e.bad(name, "%w", err)
		return
	}
	if to.IsDLQ() {
		e.bad(name, "topic %s is for dead letters", to)
		return
	}
	typ := majors[len(majors)-1]
	for _, m := range majors {
		if m.Major() == to.Major() {
			typ = m
		}
	}
	if to == typ {
		return
	}
	if _, ok := c.Lookup(to); ok {
		e.bad(name, "topic %s is declared for another event type", to)
		return
	}
	for other, at := range topics {
		if at == to {
			e.bad(name, "topic %s carries %s already", to, other)
			return
		}
	}
	topics[typ] = to
}

// variable is the name of the variable that overrides the topic of t.
func variable(t event.Topic) string {
	return envPrefix + strings.ToUpper(t.Domain()+"_"+t.Operation()+"_"+string(t.Pattern()))
}

func (e *env) schemaID() SchemaID {
	form := SchemaID(e.get(envSchemaID))
	if form.legal() != nil {
		e.bad(envSchemaID, "%q: want none, header or prefix", string(form))
	}
	return form
}

func (e *env) consumer(c Consumer) Consumer {
	if group := e.get(envGroup); c.Group == "" && !c.Broadcast {
		c.Group = group
	}
	if v := e.get(envInFlight); v != "" {
		n, err := strconv.Atoi(v)
		switch {
		case err != nil || n < 1:
			e.bad(envInFlight, "%q: want a number, 1 or more", v)
		case c.MaxInFlight == 0:
			c.MaxInFlight = n
		}
	}
	if v := e.get(envReset); v != "" {
		from, ok := map[string]Start{"earliest": Earliest, "latest": Latest}[v]
		switch {
		case !ok:
			e.bad(envReset, "%q: want earliest or latest", v)
		case c.From == DefaultStart:
			c.From = from
		}
	}
	return c
}

// didYouMean suggests what of known is nearest, if anything is near.
func didYouMean(name string, known []string) string {
	found := near.Names(name, known)
	if len(found) == 0 {
		return ""
	}
	return "; did you mean " + found[0] + "?"
}
