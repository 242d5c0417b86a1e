package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// settingsFile is the file of a project; it lies in the working directory.
const settingsFile = "omnibus.yaml"

// setting is one value that a flag, the environment or the file may set. The environment name is its identity: the bus
// reads the same names.
type setting struct {
	env      string
	also     []string // other names of it in the environment, which tools of the neighbourhood use
	key      string   // in omnibus.yaml
	flag     string   // "" where there is none, as for every secret
	fallback string
	doc      string
	secret   bool
}

// settingTable lists the settings, in the order in which "config show" prints them.
func settingTable() []setting {
	return []setting{
		{env: "KAFKA_BOOTSTRAP_SERVERS", also: []string{"KAFKA_BROKERS", "RPK_BROKERS", "BROKERS"}, key: "bootstrap", flag: "bootstrap", fallback: defaultBootstrap, doc: "brokers, host:port[,host:port…]"},
		{env: "KAFKA_SECURITY_PROTOCOL", key: "security_protocol", doc: "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"},
		{env: "KAFKA_SASL_MECHANISM", key: "sasl_mechanism", doc: "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"},
		{env: "KAFKA_SASL_MECHANISM_FILE", key: "sasl_mechanism_file", doc: "file that holds the mechanism"},
		{env: "KAFKA_SASL_USERNAME", key: "sasl_username", doc: "login name"},
		{env: "KAFKA_SASL_USERNAME_FILE", key: "sasl_username_file", doc: "file that holds the login name"},
		{env: "KAFKA_SASL_PASSWORD", doc: "login password", secret: true},
		{env: "KAFKA_SASL_PASSWORD_FILE", key: "sasl_password_file", doc: "file that holds the password"},
		{env: "KAFKA_SSL_CA", key: "ssl_ca", doc: "file of the certificates to trust"},
		{env: "KAFKA_SSL_CERT", key: "ssl_cert", doc: "file of the client's certificate"},
		{env: "KAFKA_SSL_KEY", key: "ssl_key", doc: "file of the client's key"},
		{env: "KAFKA_CONSUMER_GROUP", key: "consumer_group", doc: "group of services that name none, and of a plain \"consume\""},
		{env: "KAFKA_AUTO_OFFSET_RESET", key: "auto_offset_reset", fallback: "earliest", doc: "where a new group begins: earliest or latest"},
		{env: "KAFKA_MAX_IN_FLIGHT", key: "max_in_flight", fallback: "100", doc: "handlers of a consumer that run at once"},
		{env: "OMNIBUS_CATALOG", key: "catalog", flag: "catalog", doc: "directory of schema files; empty is the built-in catalogue"},
		{env: "OMNIBUS_UNDECLARED", key: "undeclared", doc: "topics that the catalogue lacks: refuse, warn or allow"},
		{env: "OMNIBUS_INSTANCE", key: "instance", doc: "name of this process in the source of events"},
		{env: "SCHEMA_REGISTRY_URL", key: "registry", flag: "registry", doc: "schema registry, http://host:port"},
		{env: "SCHEMA_REGISTRY_BASIC_AUTH", doc: "login of the registry, user:password", secret: true},
		{env: "SCHEMA_REGISTRY_BASIC_AUTH_FILE", key: "registry_basic_auth_file", doc: "file that holds the login of the registry"},
		{env: "SCHEMA_REGISTRY_SSL_CA", key: "registry_ssl_ca", doc: "file of the certificates to trust of the registry"},
		{env: "OMNIBUS_SCHEMA_ID", key: "schema_id", fallback: "none", doc: "how published events name their schema: none, header or prefix"},
		{env: "OMNIBUS_DATA", key: "data", flag: "data", doc: "directory of the embedded broker"},
		{env: "OMNIBUS_PORT_KAFKA", key: "port_kafka", flag: "port-kafka", fallback: "9092", doc: "port of the embedded broker"},
		{env: "OMNIBUS_PORT_CONSOLE", key: "port_console", flag: "port-console", fallback: "8050", doc: "port of /livez and /readyz"},
		{env: "OMNIBUS_PORT_REGISTRY", key: "port_registry", flag: "port-registry", fallback: "8084", doc: "port of the schema registry"},
		{env: "OMNIBUS_REGISTRY_USERS_FILE", key: "registry_users_file", doc: "file of those who may use the schema registry; empty is everybody"},
		{env: "OMNIBUS_OUTPUT", key: "output", flag: "output", doc: "how to print, see --output"},
		{env: "OMNIBUS_TIMEOUT", key: "timeout", flag: "timeout", fallback: "10s", doc: "how long a command waits for the bus"},
		{env: "OMNIBUS_TZ", key: "tz", flag: "tz", fallback: "local", doc: "zone of printed times: local, utc or a name"},
		{env: "OMNIBUS_COLOR", key: "color", flag: "color", fallback: "auto", doc: "when to colour: auto, always or never"},
		{env: "OMNIBUS_LOG_LEVEL", key: "log_level", fallback: "off", doc: "what to log on standard error: debug, info, warn, error or off; -v is info, -vv debug"},
		{env: "OMNIBUS_LOG_FORMAT", key: "log_format", flag: "log-format", fallback: "text", doc: "how to log: text or json"},
	}
}

const defaultBootstrap = "127.0.0.1:9092"

// resolved is the winning value of a setting, where it is from, and what it won over.
type resolved struct {
	setting
	value  string
	origin string
	losers []origin
}

type origin struct{ from, value string }

// settings are all values by their environment name.
type settings struct {
	all    []resolved
	byName map[string]int
	also   map[string]bool // other names: what they say is in the setting
	env    environment

	user    userFile
	profile origin // the profile of this run, and what chose it
}

// environment is the variables of a process.
type environment map[string]string

func environmentOf(environ []string) environment {
	e := environment{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			e[name] = value
		}
	}
	return e
}

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

// get is the value of the setting called by its environment name, and its origin.
func (s settings) get(env string) resolved {
	i, ok := s.byName[env]
	if !ok {
		return resolved{}
	}
	return s.all[i]
}

// lookup has the form of os.LookupEnv and answers with the resolved values, so that what reads the environment obeys
// flags and the file too.
func (s settings) lookup(name string) (string, bool) {
	if i, ok := s.byName[name]; ok {
		r := s.all[i]
		return r.value, r.origin != "" && r.value != ""
	}
	if s.also[name] {
		return "", false
	}
	return s.env.lookup(name)
}

// names are those that lookup knows.
func (s settings) names() []string {
	var out []string
	for _, r := range s.all {
		if r.origin != "" {
			out = append(out, r.env)
		}
	}
	for name := range sorted(s.env) {
		if _, known := s.byName[name]; !known && !s.also[name] {
			out = append(out, name)
		}
	}
	return out
}

// resolve merges flags over environment over the project's file over the user's profile over defaults. given maps the flags that were set to their values.
func resolve(dir string, env environment, given map[string]string) (settings, error) {
	file, err := readSettingsFile(dir)
	if err != nil {
		return settings{}, err
	}
	s := settings{byName: map[string]int{}, also: map[string]bool{}, env: env}
	if s.user, err = readUserFile(userFilePath(dir, env, given)); err != nil {
		return settings{}, err
	}
	var chosen profile
	if s.profile, chosen, err = s.user.choose(env, given, file); err != nil {
		return s, err
	}
	for _, def := range settingTable() {
		r := resolved{setting: def}
		offer := func(from, value string) {
			if r.origin == "" {
				r.value, r.origin = value, from
			} else {
				r.losers = append(r.losers, origin{from, value})
			}
		}
		if v, ok := given[def.flag]; ok && def.flag != "" {
			offer("flag --"+def.flag, v)
		}
		if v, ok := env.lookup(def.env); ok && v != "" {
			offer("environment "+def.env, v)
		}
		for _, name := range def.also {
			if v, ok := env.lookup(name); ok && v != "" {
				offer("environment "+name, v)
			}
			s.also[name] = true
		}
		if v, ok := file[def.key]; ok && def.key != "" {
			offer(v.from, v.value)
		}
		if v, ok := chosen.values[def.key]; ok && def.key != "" {
			offer(v.from+" (profile "+s.profile.value+")", v.value)
		}
		if def.fallback != "" {
			offer("default", def.fallback)
		}
		s.byName[def.env] = len(s.all)
		s.all = append(s.all, r)
	}
	return s, nil
}

// readSettingsFile reads omnibus.yaml: one mapping of known keys to plain values; a sequence is joined with commas.
func readSettingsFile(dir string) (map[string]origin, error) {
	b, err := os.ReadFile(filepath.Join(dir, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fail(codeSettings, "cannot read %s", settingsFile).because("%s", plainPathError(err)).fix("make it readable, or remove it")
	}
	var doc yaml.Node
	root, err := rootMapping(settingsFile, b, &doc)
	if err != nil || root == nil {
		return nil, err
	}
	return settingsIn(settingsFile, root, "profile")
}

// rootMapping reads a file into doc and returns its mapping, or nil where it is empty.
func rootMapping(name string, b []byte, doc *yaml.Node) (*yaml.Node, error) {
	if err := yaml.Unmarshal(b, doc); err != nil {
		return nil, fail(codeSettings, "%s is not YAML", name).because("%s", strings.TrimPrefix(err.Error(), "yaml: ")).
			fix("write one \"key: value\" a line, as in \"bootstrap: %s\"", defaultBootstrap)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fail(codeSettings, "%s:%d: the file is not a mapping", name, root.Line).
			fix("write one \"key: value\" a line, as in \"bootstrap: %s\"", defaultBootstrap)
	}
	return root, nil
}

// settingsIn reads the settings of a mapping in the file called name; more are keys that it takes beside them.
func settingsIn(name string, root *yaml.Node, more ...string) (map[string]origin, error) {
	keys := append(settingKeys(), more...)
	values := map[string]origin{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		where := fmt.Sprintf("%s:%d", name, key.Line)
		if !slices.Contains(keys, key.Value) {
			return nil, fail(codeSettings, "%s: unknown key %q", where, key.Value).meant(key.Value, keys).fix("omnibus config show lists the keys")
		}
		if _, twice := values[key.Value]; twice {
			return nil, fail(codeSettings, "%s: key %q is there twice", where, key.Value).fix("keep one of them")
		}
		text, ok := scalar(value)
		if !ok {
			return nil, fail(codeSettings, "%s: key %q needs a plain value", where, key.Value).fix("write it on one line, as in \"%s: value\"", key.Value)
		}
		values[key.Value] = origin{from: where, value: text}
	}
	return values, nil
}

// settingKeys are the names of settings in files.
func settingKeys() []string {
	var keys []string
	for _, def := range settingTable() {
		if def.key != "" {
			keys = append(keys, def.key)
		}
	}
	return keys
}

func scalar(n *yaml.Node) (string, bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", false
		}
		return n.Value, true
	case yaml.SequenceNode:
		var parts []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return "", false
			}
			parts = append(parts, item.Value)
		}
		return strings.Join(parts, ","), len(parts) > 0
	default:
		return "", false
	}
}

// plainPathError is the reason of a file error without the operation and the path, which the message names itself.
func plainPathError(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
