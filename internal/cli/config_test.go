package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func (s shell) file(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// origins are the settings as "config show --origin" tells them: where each is from.
func (s shell) origins(t *testing.T, args ...string) map[string]string {
	t.Helper()
	var doc struct {
		Settings []struct{ Name, Value, Origin string }
	}
	if err := json.Unmarshal([]byte(s.must(t, "", append([]string{"config", "show", "-o", "json"}, args...)...)), &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, x := range doc.Settings {
		out[x.Name] = x.Value + " by " + strings.ReplaceAll(x.Origin, s.dir+"/", "")
	}
	return out
}

func TestSettingsComeFromFlagThenEnvironmentThenProjectThenProfile(t *testing.T) {
	s := newShell(t)
	s.env = s.env[:1:1] // without OMNIBUS_TZ
	at := func(want string, args ...string) {
		t.Helper()
		if got := s.origins(t, args...)["OMNIBUS_TZ"]; got != want {
			t.Errorf("OMNIBUS_TZ is %s, want %s", got, want)
		}
	}
	at("local by default")
	s.file(t, ".config/omnibus/config.yaml", "profile: here\nprofiles:\n  here:\n    tz: Europe/Berlin\n  there:\n    tz: Asia/Tokyo\n")
	at("Europe/Berlin by .config/omnibus/config.yaml:4 (profile here)")
	at("Asia/Tokyo by .config/omnibus/config.yaml:6 (profile there)", "--profile", "there")
	s.file(t, "omnibus.yaml", "profile: there\n")
	at("Asia/Tokyo by .config/omnibus/config.yaml:6 (profile there)")
	s.file(t, "omnibus.yaml", "profile: there\ntz: Europe/Paris\n")
	at("Europe/Paris by omnibus.yaml:2")
	s.env = append(s.env, "OMNIBUS_PROFILE=here", "OMNIBUS_TZ=utc")
	at("utc by environment OMNIBUS_TZ")
	at("Europe/Rome by flag --tz", "--tz", "Europe/Rome")
	if over := s.must(t, "", "config", "show", "--origin", "--tz", "Europe/Rome"); !strings.Contains(over,
		"utc (environment OMNIBUS_TZ), Europe/Paris (omnibus.yaml:2), Europe/Berlin ("+s.dir+"/.config/omnibus/config.yaml:4 (profile here)), local (default)") {
		t.Errorf("config show --origin does not say what the flag won over:\n%s", over)
	}
	s.file(t, "other.yaml", "profiles: {here: {tz: Asia/Seoul}}\n")
	s.env = []string{s.env[0], "OMNIBUS_CONFIG=other.yaml", "OMNIBUS_PROFILE=here"}
	s.file(t, "omnibus.yaml", "")
	at("Asia/Seoul by other.yaml:1 (profile here)")
	s.env = []string{s.env[0], "XDG_CONFIG_HOME=" + filepath.Join(s.dir, "xdg")}
	s.file(t, "xdg/omnibus/config.yaml", "profiles: {default: {tz: Asia/Delhi}}\n")
	at("Asia/Seoul by other.yaml:1 (profile here)", "--config", "other.yaml", "--profile", "here")
	check(t, wrong{exit: 2, code: "OMB-0203", says: "xdg/omnibus/config.yaml:1 (profile default)", advice: "Europe/Berlin"}, s.run(t.Context(), "", "topics", "list"))
}

func TestProfilesFromSetToUse(t *testing.T) {
	addr := startBroker(t)
	s := newShell(t)
	s.must(t, "", "config", "set", "--profile", "staging", "bootstrap="+addr, "OMNIBUS_TIMEOUT=3s")
	s.must(t, "", "config", "set", "--profile", "prod", "bootstrap=kafka.example:9092")
	if out := s.must(t, "", "config", "use", "staging"); !strings.Contains(out, "before   default\n") {
		t.Errorf("config use says\n%s", out)
	}
	s.must(t, "", "topics", "list")
	file := readText(t, filepath.Join(s.dir, ".config", "omnibus", "config.yaml"))
	want := fmt.Sprintf("profiles:\n    staging:\n        bootstrap: %s\n        timeout: 3s\n    prod:\n        bootstrap: kafka.example:9092\nprofile: staging\n", addr)
	if file != want {
		t.Errorf("the file is\n%s\nwant\n%s", file, want)
	}
	if info, err := os.Stat(filepath.Join(s.dir, ".config", "omnibus", "config.yaml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v (%v), want 0600", info.Mode(), err)
	}
	narrow := func(out string) string { // columns are as wide as the directory of the test
		return regexp.MustCompile(` {2,}`).ReplaceAllString(strings.ReplaceAll(scrub(out), s.dir, "/home/ann"), "  ")
	}
	golden(t, "output/config_list", narrow(s.must(t, "", "config", "list")))
	golden(t, "output/config_path", narrow(s.must(t, "", "config", "path")))
	if out := s.must(t, "", "config", "validate", "--connect"); !strings.Contains(out, "connected  yes, in ") || !strings.Contains(out, "profile    staging\n") {
		t.Errorf("config validate says\n%s", out)
	}
	s.must(t, "", "config", "set", "timeout=")
	if got := s.origins(t)["OMNIBUS_TIMEOUT"]; got != "10s by default" {
		t.Errorf("removed, the timeout is %s", got)
	}
	r := s.run(t.Context(), "", "config", "set", "bootstrap="+addr)
	if r.code != 0 || !strings.Contains(r.stderr, "it was so already") {
		t.Errorf("setting what is set: exit %d, %s", r.code, r.stderr)
	}
	s.must(t, "", "config", "set", "--project", "tz=utc")
	if got := readText(t, filepath.Join(s.dir, "omnibus.yaml")); got != "tz: utc\n" {
		t.Errorf("omnibus.yaml has %q", got)
	}
	r = s.run(t.Context(), "", "config", "use", "prod", "--profile", "staging")
	if r.code != 0 || !strings.Contains(r.stderr, "here it is still staging (from flag --profile)") {
		t.Errorf("using another than the flag says: exit %d, %s", r.code, r.stderr)
	}
	s.env = append(s.env, "OMNIBUS_PROFILE=prd")
	check(t, wrong{exit: 2, code: "OMB-0216", says: "environment OMNIBUS_PROFILE", advice: "did you mean prod?"}, s.run(t.Context(), "", "topics", "list"))
}

func TestSetKeepsCommentsAndRefusesWhatCannotBe(t *testing.T) {
	s := newShell(t)
	const before = "# mine\nprofiles:\n  default:\n    tz: utc # as everybody\n    color: never\n"
	s.file(t, "c.yaml", before)
	s.env = append(s.env, "OMNIBUS_CONFIG=c.yaml")
	for _, c := range []struct {
		line string
		wrong
	}{
		{"config set tz=Mars/Olympus", wrong{exit: 2, code: "OMB-0203", says: "argument tz", advice: "Europe/Berlin"}},
		{"config set timeout=soon", wrong{exit: 2, code: "OMB-0203", says: "argument timeout", advice: "10s"}},
		{"config set log_level=loud", wrong{exit: 2, code: "OMB-0203", says: "argument log_level", advice: "debug, info"}},
		{"config set log_format=xml", wrong{exit: 2, code: "OMB-0203", says: "argument log_format", advice: "text or json"}},
		{"config set output=xml", wrong{exit: 2, code: "OMB-0205", says: "argument output", advice: "ndjson"}},
		{"config set port_kafka=many", wrong{exit: 2, code: "OMB-0203", says: "argument port_kafka", advice: "1 to 65535"}},
		{"config set bootstrap=nowhere", wrong{exit: 2, code: "OMB-0207", says: "(from argument bootstrap)", advice: "config show"}},
		{"config set max_in_flight=0", wrong{exit: 2, code: "OMB-0207", says: "(from argument max_in_flight)", advice: "config show"}},
		{"config set undeclared=maybe", wrong{exit: 2, code: "OMB-0207", says: "argument undeclared", advice: "refuse, warn or allow"}},
		{"config set catalog=none", wrong{exit: 2, code: "OMB-0208", says: "argument catalog", advice: "directory"}},
		{"config set bootstrp=a:1", wrong{exit: 2, code: "OMB-0207", says: "no setting", advice: "did you mean bootstrap?"}},
		{"config set bootstrap", wrong{exit: 2, code: "OMB-0204", says: "not NAME=VALUE", advice: "config set bootstrap=VALUE"}},
		{"config set KAFKA_SASL_PASSWORD=hunter2", wrong{exit: 2, code: "OMB-0218", says: "is a secret", advice: "sasl_password_file=FILE"}},
		{"config set --profile a/b tz=utc", wrong{exit: 2, code: "OMB-0216", says: "flag --profile", advice: "--profile staging"}},
		{"config use nobody", wrong{exit: 2, code: "OMB-0216", says: "argument", advice: "omnibus config list"}},
		{"config set --config /dev/null/c.yaml tz=utc", wrong{exit: 2, code: "OMB-0217", says: "cannot write", advice: "OMNIBUS_CONFIG"}},
	} {
		check(t, c.wrong, s.run(t.Context(), "", cmdline(c.line)...))
	}
	if got := readText(t, filepath.Join(s.dir, "c.yaml")); got != before {
		t.Errorf("what is refused was written:\n%s", got)
	}
	s.must(t, "", "config", "set", "tz=local", "color=")
	if got, want := readText(t, filepath.Join(s.dir, "c.yaml")), "# mine\nprofiles:\n    default:\n        tz: local # as everybody\n"; got != want {
		t.Errorf("the file is\n%s\nwant\n%s", got, want)
	}
}

func TestUsersFileIsChecked(t *testing.T) {
	for _, c := range []struct{ name, file, says, advice string }{
		{"setting at the top", "bootstrap: a:1\n", `c.yaml:1: unknown key "bootstrap"`, "omnibus config set bootstrap=VALUE"},
		{"misspelt setting", "profiles:\n  a:\n    bootstrp: b:1\n", `c.yaml:3: unknown key "bootstrp"`, "did you mean bootstrap?"},
		{"profiles of another kind", "profiles: [a]\n", `c.yaml:1: key "profiles"`, "omnibus config set --profile"},
		{"profile of another kind", "profiles:\n  a: [b]\n", `c.yaml:2: profile "a" is not a mapping`, "key: value"},
		{"a choice of another kind", "profile: {a: b}\n", `c.yaml:1: key "profile"`, "omnibus config use"},
		{"not YAML", "a: [\n", "c.yaml is not YAML", "key: value"},
		{"bad value", "profiles:\n  default:\n    bootstrap: nowhere\n", `c.yaml:3 (profile default))`, "config show"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t, "OMNIBUS_CONFIG=c.yaml")
			s.file(t, "c.yaml", c.file)
			check(t, wrong{exit: 2, code: "OMB-0207", says: c.says, advice: c.advice}, s.run(t.Context(), "", "config", "validate"))
		})
	}
}

func TestNamesOfTheNeighboursAreReadAndNotedOnce(t *testing.T) {
	addr := startBroker(t)
	for _, name := range []string{"KAFKA_BROKERS", "RPK_BROKERS", "BROKERS"} {
		s := newShell(t, name+"="+addr)
		r := s.run(t.Context(), "", "topics", "list")
		if r.code != 0 || strings.Count(r.stderr, name+" is read as KAFKA_BOOTSTRAP_SERVERS") != 1 {
			t.Errorf("%s: exit %d\n%s", name, r.code, r.stderr)
		}
		if r := s.run(t.Context(), "", "topics", "list", "--quiet"); r.stderr != "" {
			t.Errorf("%s: --quiet says %s", name, r.stderr)
		}
	}
}

func TestLogsAreAsTheSettingsSay(t *testing.T) {
	addr := startBroker(t)
	if _, err := openBus(t, addr).EnsureTopics(t.Context(), "house.other.thing.v1"); err != nil {
		t.Fatal(err)
	}
	says := func(args []string, env ...string) string {
		t.Helper()
		s := newShell(t, append([]string{"KAFKA_BOOTSTRAP_SERVERS=" + addr, "OMNIBUS_UNDECLARED=warn"}, env...)...)
		r := s.run(t.Context(), "", append([]string{"publish", "house.other.thing.v1", `{"a":1}`}, args...)...)
		if r.code != 0 {
			t.Errorf("exit %d\n%s", r.code, r.stderr)
		}
		return r.stderr
	}
	var line struct{ Level, Msg string }
	if text := says(nil, "OMNIBUS_LOG_LEVEL=warn", "OMNIBUS_LOG_FORMAT=json"); json.Unmarshal([]byte(text), &line) != nil || line.Level != "WARN" {
		t.Errorf("the log is not JSON:\n%s", text)
	}
	if text := says([]string{"-v"}); !strings.Contains(text, "level=WARN") {
		t.Errorf("with -v, the log says\n%s", text)
	}
	for _, level := range []string{"", "off", "error"} {
		if text := says(nil, "OMNIBUS_LOG_LEVEL="+level); text != "" {
			t.Errorf("with level %q, the log says\n%s", level, text)
		}
	}
}

// TestConfigurationReferenceIsTheTable: docs/reference/configuration.md is made of what "config show" lists.
func TestConfigurationReferenceIsTheTable(t *testing.T) {
	s := newShell(t)
	s.env = s.env[:1]
	var doc struct {
		Settings []struct {
			Name, Key, Flag, Doc, Default string
			Also                          []string
			Secret                        bool
		}
	}
	if err := json.Unmarshal([]byte(s.must(t, "", "config", "show", "-o", "json")), &doc); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString(`# Configuration

Made of the table in the code; ` + "`go test ./internal/cli -run ConfigurationReference -update`" + ` writes it.

A value is taken from the first of: a flag, the environment, ` + "`omnibus.yaml`" + ` in the working directory, the profile in use, the default.
` + "`omnibus config show --origin`" + ` says which it was, with file and line, and what it won over.

| variable | key in the files | flag | default | what |
| --- | --- | --- | --- | --- |
`)
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	for _, x := range doc.Settings {
		what := strings.ReplaceAll(x.Doc, "|", `\|`)
		if x.Secret {
			what += "; never in a file"
		}
		if x.Also != nil {
			what += "; also read: " + code(strings.Join(x.Also, "`, `"))
		}
		fmt.Fprintf(&want, "| %s | %s | %s | %s | %s |\n", code(x.Name), code(x.Key), code(x.Flag), code(x.Default), what)
	}
	want.WriteString(`
Further ` + "`KAFKA_<DOMAIN>_<OPERATION>_REQUEST`" + ` and ` + "`_RESPONSE`" + ` name the topic of a request or a response of the catalogue. Any other variable that begins with
` + "`KAFKA_`" + ` is an error: it is most likely a misspelt one. What other tools read is left alone.

Of the standard variables, ` + "`NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb`, `EDITOR`, `VISUAL`, `HOME`, `XDG_CONFIG_HOME` and `XDG_DATA_HOME`" + ` have their usual meaning.

## Profiles

The user's file is ` + "`~/.config/omnibus/config.yaml`" + `, or what ` + "`OMNIBUS_CONFIG` or `--config`" + ` names:

` + "```yaml" + `
profile: staging            # in use where nothing else chooses one
profiles:
  staging:
    bootstrap: kafka.staging:9092
  prod:
    bootstrap: [kafka-1.prod:9093, kafka-2.prod:9093]
    security_protocol: SASL_SSL
    sasl_mechanism: SCRAM-SHA-512
    sasl_username: ann
    sasl_password_file: /home/ann/.config/omnibus/prod.password
` + "```" + `

` + "`--profile`, `OMNIBUS_PROFILE` and `profile:` in `omnibus.yaml`" + ` go before what the file says is in use. ` + "`omnibus config set`, `use`, `list`, `path` and `validate`" + ` work
on it. Passwords are never in it: a ` + "`_file`" + ` key names the file that holds one.
`)
	reference(t, "configuration.md", want.String())
}
