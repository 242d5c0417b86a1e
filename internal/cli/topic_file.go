package cli

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// readTopicFile reads what topics should be.
func (a *app) readTopicFile(name string) ([]bus.DesiredTopic, error) {
	text, err := os.ReadFile(a.path(name))
	if err != nil {
		return nil, cannotRead(name, err)
	}
	return parseTopicFile(name, text)
}

// parseTopicFile reads a mapping with the one key "topics": a list of mappings. What is unknown is refused with its line.
func parseTopicFile(name string, text []byte) ([]bus.DesiredTopic, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fail(codeFile, "%s is not YAML", name).because("%s", strings.TrimPrefix(err.Error(), "yaml: ")).fix("omnibus topics apply --help shows one")
	}
	f := topicFile{name: name}
	if len(doc.Content) == 0 {
		return nil, f.wrong(&doc, "it is empty")
	}
	top, err := f.mapping(doc.Content[0], "topics")
	if err != nil {
		return nil, err
	}
	list := top["topics"]
	if list == nil || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return nil, f.wrong(doc.Content[0], "it has no list of topics")
	}
	var all []bus.DesiredTopic
	for _, item := range list.Content {
		d, err := f.topic(item)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o bus.DesiredTopic) bool { return o.Name == d.Name }) {
			return nil, f.wrong(item, "topic %s is there twice", clip(string(d.Name), 120))
		}
		all = append(all, d)
	}
	return all, nil
}

type topicFile struct{ name string }

func (f topicFile) wrong(at *yaml.Node, why string, args ...any) *failure {
	return fail(codeFile, "%s:%d: "+why, append([]any{f.name, max(1, at.Line)}, args...)...).because("that is not how topics are listed").
		fix("omnibus topics apply --help shows how")
}

func (f topicFile) mapping(n *yaml.Node, keys ...string) (map[string]*yaml.Node, error) {
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

func (f topicFile) topic(n *yaml.Node) (bus.DesiredTopic, error) {
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
