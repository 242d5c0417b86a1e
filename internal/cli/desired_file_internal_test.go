package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/registry/client"
)

func TestParseDesiredTopics(t *testing.T) {
	const head = "topics:\n  - name: a.b\n"
	for _, tt := range []struct {
		name, text string
		want       bus.DesiredTopic
		fails      string
	}{
		{name: "only a name", text: head, want: bus.DesiredTopic{Name: "a.b"}},
		{
			name: "everything", text: head + "    partitions: 6\n    replication: 3\n    dlq: false\n    configs:\n      retention.ms: 1d12h\n      segment.ms: -1\n      segment.bytes: 1GiB\n      cleanup.policy: compact\n",
			want: bus.DesiredTopic{Name: "a.b", Partitions: 6, Replication: 3, NoDLQ: true, Configs: map[string]string{"retention.ms": "129600000", "segment.ms": "-1", "segment.bytes": "1073741824", "cleanup.policy": "compact"}},
		},
		{name: "empty", text: "", fails: "f:1: it is empty"},
		{name: "a list", text: "- a", fails: "f:1: here should be \"topics: …\""},
		{name: "no topics", text: "topics: []", fails: "f:1: it has no list of topics"},
		{name: "a topic that is a word", text: "topics: [a]", fails: "f:1: here should be"},
		{name: "no name", text: "topics:\n  - partitions: 3\n", fails: "f:2: a topic has no name"},
		{name: "illegal name", text: "topics:\n  - name: a b\n", fails: "f:2: "},
		{name: "twice", text: head + "  - name: a.b\n", fails: "f:3: topic a.b is there twice"},
		{name: "unknown key", text: head + "    topic: x\n", fails: `f:3: unknown key "topic"`},
		{name: "no partitions", text: head + "    partitions: 0\n", fails: "f:3: partitions must be a number from 1 on"},
		{name: "dlq is a word", text: head + "    dlq: maybe\n", fails: "f:3: dlq must be true or false"},
		{name: "configs is a list", text: head + "    configs: [a]\n", fails: "f:3: configs must be a mapping"},
		{name: "a setting that is a mapping", text: head + "    configs:\n      a: {b: c}\n", fails: `f:4: setting "a" needs one plain value`},
		{name: "not YAML", text: "topics: [", fails: "f is not YAML"},
	} {
		got, err := parseDesired("f", []byte(tt.text))
		switch {
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.fails)
		case tt.fails == "" && (err != nil || !cmp.Equal([]bus.DesiredTopic{tt.want}, got.topics)):
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestParseDesiredSubjects(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       desiredState
		fails      string
	}{
		{
			name: "everything", text: "registry: {level: FULL_TRANSITIVE, policy: ROLE}\nsubjects:\n  - subject: a-value\n    schema: s/a.json\n    level: backward\n  - subject: b-value\n",
			want: desiredState{
				registry: client.Rule{Level: "FULL_TRANSITIVE", Policy: "ROLE"},
				subjects: []client.DesiredSubject{{Subject: "a-value", Rule: client.Rule{Level: "BACKWARD"}}, {Subject: "b-value"}},
				files:    map[string]string{"a-value": filepath.Join("d", "s", "a.json")},
			},
		},
		{name: "no subjects", text: "subjects: []", fails: "d/f:1: it has no list of subjects"},
		{name: "no name", text: "subjects:\n  - level: NONE\n", fails: "d/f:2: a subject has no name"},
		{name: "twice", text: "subjects:\n  - subject: a\n  - subject: a\n", fails: "d/f:3: subject a is there twice"},
		{name: "no such level", text: "subjects:\n  - subject: a\n    level: SIDEWAYS\n", fails: "d/f:3: "},
		{name: "no such policy", text: "registry:\n  policy: KIND\n", fails: "d/f:2: "},
		{name: "unknown key", text: "subjects:\n  - subject: a\n    compatibility: NONE\n", fails: `d/f:3: unknown key "compatibility"`},
		{name: "no file", text: "subjects:\n  - subject: a\n    schema: [a]\n", fails: "d/f:3: schema must be the name of a file"},
	} {
		got, err := parseDesired("d/f", []byte(tt.text))
		switch {
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.fails)
		case tt.fails == "" && (err != nil || !cmp.Equal(tt.want, got, cmp.AllowUnexported(desiredState{}))):
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func FuzzParseDesired(f *testing.F) {
	f.Add("topics:\n  - name: a.b\n    partitions: 6\n    dlq: no\n    configs: {retention.ms: 14d}\n")
	f.Add("topics: &a [*a]")
	f.Add("registry: {level: FULL_TRANSITIVE, policy: ROLE}\nsubjects:\n  - {subject: a-value, schema: a.json, level: NONE}\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseDesired("f", []byte(text))
		if _, explained := asFailure(err); err != nil && !explained {
			t.Errorf("an error without an explanation: %v", err)
		}
		for _, d := range got.topics {
			if d.Name == "" || d.Partitions < 0 || d.Replication < 0 {
				t.Errorf("%q gives %+v", text, d)
			}
		}
	})
}
