package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
)

// desiredState is what a file says that a cluster and its registry should be.
type desiredState struct {
	topics   []bus.DesiredTopic
	registry client.Rule // empty: as it is
	subjects []client.DesiredSubject
	files    map[string]string // subject → file of its schema, from where the list is; those without are of the catalogue
}

// readDesired reads what topics and subjects should be.
func (a *app) readDesired(name string) (desiredState, error) {
	text, err := os.ReadFile(a.path(name))
	if err != nil {
		return desiredState{}, cannotRead(name, err)
	}
	return parseDesired(name, text)
}

// parseDesired reads a mapping of the lists "topics" and "subjects", and of what holds for the "registry". What is unknown is refused
// with its line.
func parseDesired(name string, text []byte) (desiredState, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return desiredState{}, fail(codeFile, "%s is not YAML", name).because("%s", strings.TrimPrefix(err.Error(), "yaml: ")).fix(desiredFix)
	}
	f := desiredFile{name: name}
	if len(doc.Content) == 0 {
		return desiredState{}, f.wrong(&doc, "it is empty")
	}
	top, err := f.mapping(doc.Content[0], "topics", "registry", "subjects")
	if err != nil {
		return desiredState{}, err
	}
	d := desiredState{files: map[string]string{}}
	if n := top["registry"]; n != nil {
		if d.registry, err = f.rule(n); err != nil {
			return desiredState{}, err
		}
	}
	for _, key := range []string{"topics", "subjects"} {
		list := top[key]
		if list == nil {
			continue
		}
		if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
			return desiredState{}, f.wrong(list, "it has no list of %s", key)
		}
		for _, item := range list.Content {
			if key == "topics" {
				err = f.addTopic(&d, item)
			} else {
				err = f.addSubject(&d, item)
			}
			if err != nil {
				return desiredState{}, err
			}
		}
	}
	if len(top) == 0 {
		return desiredState{}, f.wrong(doc.Content[0], "it has no list of topics")
	}
	return d, nil
}

const desiredFix = "omnibus schema plan --help shows one"

type desiredFile struct{ name string }

func (f desiredFile) wrong(at *yaml.Node, why string, args ...any) *failure {
	return fail(codeFile, "%s:%d: "+why, append([]any{f.name, max(1, at.Line)}, args...)...).because("that is not how it is written").fix(desiredFix)
}

func (f desiredFile) mapping(n *yaml.Node, keys ...string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, f.wrong(n, "here should be \"%s: …\"", keys[0])
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if !slices.Contains(keys, key) {
			return nil, f.wrong(n.Content[i], "unknown key %q", clip(key, 60)).meant(key, keys)
		}
		if out[key] != nil {
			return nil, f.wrong(n.Content[i], "key %q is there twice", key)
		}
		out[key] = n.Content[i+1]
	}
	return out, nil
}

func (f desiredFile) addTopic(d *desiredState, n *yaml.Node) error {
	t, err := f.topic(n)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(d.topics, func(o bus.DesiredTopic) bool { return o.Name == t.Name }) {
		return f.wrong(n, "topic %s is there twice", clip(string(t.Name), 120))
	}
	d.topics = append(d.topics, t)
	return nil
}

func (f desiredFile) addSubject(d *desiredState, n *yaml.Node) error {
	m, err := f.mapping(n, "subject", "schema", "level", "policy")
	if err != nil {
		return err
	}
	name := word(m["subject"])
	if name == "" {
		return f.wrong(n, "a subject has no name")
	}
	if slices.ContainsFunc(d.subjects, func(o client.DesiredSubject) bool { return o.Subject == name }) {
		return f.wrong(n, "subject %s is there twice", clip(name, 120))
	}
	s := client.DesiredSubject{Subject: name}
	if s.Rule, err = f.ruleOf(m); err != nil {
		return err
	}
	if file := m["schema"]; file != nil {
		path := word(file)
		if path == "" {
			return f.wrong(file, "schema must be the name of a file")
		}
		d.files[name] = filepath.Join(filepath.Dir(f.name), filepath.FromSlash(path))
	}
	d.subjects = append(d.subjects, s)
	return nil
}

// word is one plain value, and "" where there is none.
func word(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

func (f desiredFile) rule(n *yaml.Node) (client.Rule, error) {
	m, err := f.mapping(n, "level", "policy")
	if err != nil {
		return client.Rule{}, err
	}
	return f.ruleOf(m)
}

// ruleOf reads the keys "level" and "policy".
func (f desiredFile) ruleOf(m map[string]*yaml.Node) (client.Rule, error) {
	var r client.Rule
	if n := m["level"]; n != nil {
		l, err := schema.ParseLevel(word(n))
		if err != nil || word(n) == "" {
			return r, f.wrong(n, "level must be NONE, BACKWARD, FORWARD or FULL, the latter three also with _TRANSITIVE")
		}
		r.Level = string(l)
	}
	if n := m["policy"]; n != nil {
		p, err := schema.ParsePolicy(word(n))
		if err != nil || word(n) == "" {
			return r, f.wrong(n, "policy must be ROLE, STRICT or LENIENT")
		}
		r.Policy = string(p)
	}
	return r, nil
}

func (f desiredFile) topic(n *yaml.Node) (bus.DesiredTopic, error) {
	var d bus.DesiredTopic
	m, err := f.mapping(n, "name", "partitions", "replication", "dlq", "configs")
	if err != nil {
		return d, err
	}
	if m["name"] == nil || m["name"].Value == "" {
		return d, f.wrong(n, "a topic has no name")
	}
	d.Name = event.Topic(m["name"].Value)
	if _, err := event.NewCatalog(event.Spec{Topic: d.Name.Source()}); err != nil {
		return d, f.wrong(m["name"], "%s", err)
	}
	for key, into := range map[string]*int{"partitions": &d.Partitions, "replication": &d.Replication} {
		if v := m[key]; v != nil {
			if *into, err = strconv.Atoi(v.Value); err != nil || *into < 1 || *into > math.MaxInt16 {
				return d, f.wrong(v, "%s must be a number from 1 on", key)
			}
		}
	}
	if v := m["dlq"]; v != nil {
		var has bool
		if v.Decode(&has) != nil {
			return d, f.wrong(v, "dlq must be true or false")
		}
		d.NoDLQ = !has
	}
	configs := m["configs"]
	if configs == nil {
		return d, nil
	}
	if configs.Kind != yaml.MappingNode {
		return d, f.wrong(configs, "configs must be a mapping of settings")
	}
	d.Configs = map[string]string{}
	for i := 0; i+1 < len(configs.Content); i += 2 {
		key, v := configs.Content[i], configs.Content[i+1]
		text, ok := scalar(v)
		if _, twice := d.Configs[key.Value]; !ok || twice {
			return d, f.wrong(key, "setting %q needs one plain value", clip(key.Value, 60))
		}
		d.Configs[key.Value] = settingValue(key.Value, text)
	}
	return d, nil
}

var sizeForm = regexp.MustCompile(`^(\d{1,12})(KiB|MiB|GiB)$`)

// settingValue turns a value as people write it into one that Kafka takes: 14d of a setting in milliseconds, 2MiB of one in bytes.
func settingValue(name, value string) string {
	switch {
	case strings.HasSuffix(name, ".ms"):
		if d, ok := parseAgo(value); ok {
			return strconv.FormatInt(d.Milliseconds(), 10)
		}
		if d, err := time.ParseDuration(value); err == nil && value != "0" {
			return strconv.FormatInt(d.Milliseconds(), 10)
		}
	case strings.HasSuffix(name, ".bytes"):
		if m := sizeForm.FindStringSubmatch(value); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64) // twelve digits at most
			return strconv.FormatInt(n<<map[string]int{"KiB": 10, "MiB": 20, "GiB": 30}[m[2]], 10)
		}
	}
	return value
}

// parseSettings reads name=value pairs.
func parseSettings(flag string, pairs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fail(codeFlagValue, "%q is not a setting", clip(pair, 60)).because("%s takes name=value", flag).fix("%s retention.ms=14d", flag)
		}
		if _, twice := out[name]; twice {
			return nil, fail(codeConflict, "%s is set twice", name).fix("keep one of them")
		}
		out[name] = settingValue(name, value)
	}
	return out, nil
}

// settingText is a value with what it means where that is hard to see.
func settingText(name, value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/int64(time.Millisecond) {
		return value
	}
	switch {
	case strings.HasSuffix(name, ".ms") && n >= 10_000:
		return fmt.Sprintf("%s (%s)", value, durationText(time.Duration(n)*time.Millisecond))
	case strings.HasSuffix(name, ".bytes") && n >= 10_000:
		return fmt.Sprintf("%s (%s)", value, sizeText(n))
	}
	return value
}
