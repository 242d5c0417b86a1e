package interop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/gen"
	"github.com/omninode-ai/omnibus/schema"
)

// judged is a payload of an event type, and what its schemas say of it.
type judged struct {
	topic    event.Topic
	what     string
	payload  []byte   // as it is sent
	complete []byte   // with older names replaced and what is absent filled in; nil where that cannot be
	reads    bool     // consumers take it
	writes   bool     // publishers may send it
	breaks   []string // the keywords that keep publishers from it
}

// judgedPayloads are the examples of the catalogue, and each with one thing changed: every member of every object removed, every value
// replaced by others, and a member added to every object. The schemas, not the generator, say which of them are right.
func judgedPayloads(t *testing.T) []judged {
	t.Helper()
	catalog := catalogue(t)
	var out []judged
	for spec := range catalog.All() {
		consumer, producer := compiled(t, spec, schema.Consumer), compiled(t, spec, schema.Producer)
		seen := map[string]bool{}
		add := func(what string, payload any) {
			b, err := json.Marshal(payload)
			if err != nil {
				t.Fatal(err)
			}
			if seen[string(b)] {
				return
			}
			seen[string(b)] = true
			j := judged{topic: spec.Topic, what: what, payload: b}
			if j.complete, err = spec.Normalize(b); err == nil {
				j.reads = consumer.ScanPayload(j.complete) == nil
				err = producer.ScanPayload(j.complete)
				j.writes = err == nil
				if invalid, ok := errors.AsType[*schema.Invalid](err); ok {
					for _, v := range append([]schema.Violation{invalid.Violation}, invalid.Others...) {
						j.breaks = append(j.breaks, v.Rule)
					}
				}
			}
			out = append(out, j)
		}
		for i, e := range spec.Examples {
			var payload any
			if err := json.Unmarshal(e, &payload); err != nil {
				t.Fatal(err)
			}
			add(fmt.Sprintf("example %d", i), payload)
			mutate(payload, func(what string) { add(fmt.Sprintf("example %d: %s", i, what), payload) })
			if o, ok := payload.(map[string]any); ok {
				for alias, name := range spec.Aliases {
					if v, ok := o[name]; ok {
						o[alias] = v
						add(fmt.Sprintf("example %d: %s and %s", i, alias, name), payload)
						delete(o, name)
						add(fmt.Sprintf("example %d: %s for %s", i, alias, name), payload)
						o[name] = v
						delete(o, alias)
					}
				}
			}
		}
	}
	return out
}

func compiled(t *testing.T, spec event.Spec, role schema.Role) *schema.Schema {
	t.Helper()
	b, err := schema.Compose(spec.Schema, role)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// others are what a value is replaced by.
var others = []any{
	nil, true, -1.0, 0.0, 1.0, 1.5, 1e9, "", "x", " ", "5b0e8a8e4b0f4d4c9c530f0a3d1f6f11", "2026-01-15", "2026-01-15T10:00:00", "1",
	[]any{},
	[]any{"x"},
	[]any{nil},
	map[string]any{},
	map[string]any{"x": "y"},
}

// mutate changes one thing at a time in v, calls changed, and takes it back.
func mutate(v any, changed func(what string)) {
	visit := func(what string, was any, set func(any)) {
		for _, other := range others {
			set(other)
			changed(fmt.Sprintf("%s is %v", what, other))
		}
		set(was)
		mutate(was, func(within string) { changed(what + "/" + within) })
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			was := v[name]
			delete(v, name)
			changed("without " + name)
			v[name] = was
			visit(name, was, func(other any) { v[name] = other })
		}
		v["undeclared_member"] = 1.0
		changed("with another member")
		delete(v, "undeclared_member")
	case []any:
		for i := range v {
			visit(strconv.Itoa(i), v[i], func(other any) { v[i] = other })
		}
	}
}

// TestPythonModels: the generated models read what consumers take and refuse what they refuse, and publish what publishers may send as the
// bus would send it.
func TestPythonModels(t *testing.T) {
	t.Parallel()
	catalog := catalogue(t)
	files, err := gen.Python(catalog)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := gen.Write(filepath.Join(dir, "omnibus_events"), files); err != nil {
		t.Fatal(err)
	}
	payloads := judgedPayloads(t)
	var in bytes.Buffer
	for _, j := range payloads {
		e := fmt.Sprintf(`{"event_id":"7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a11","event_type":%q,"correlation_id":"c-1","timestamp":"2026-01-15T10:00:00.000Z",`+
			`"version":"1.0.0","source":{"service":"s","instance_id":"i","zone":"z"},"metadata":{"user_id":null},"payload":%s,"later":[1]}`, j.topic, j.payload)
		if err := json.NewEncoder(&in).Encode(map[string]string{"topic": string(j.topic), "event": e}); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t.Context(), t, pythonProgram(t.Context(), t, "models.py", dir), in.Bytes())
	answers := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(answers) != len(payloads) {
		t.Fatalf("%d answers to %d events", len(answers), len(payloads))
	}
	counts := map[string]int{}
	for i, line := range answers {
		j := payloads[i]
		var got struct {
			Read         bool
			Why, Refused string
			Written      map[string]any
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		counts[fmt.Sprintf("reads %t, writes %t", j.reads, j.writes)]++
		switch {
		case got.Read != j.reads:
			t.Errorf("%s, %s: read %t, want %t: %s", j.topic, j.what, got.Read, j.reads, got.Why)
		case got.Read && (got.Written != nil) != j.writes:
			t.Errorf("%s, %s: published %t, want %t: %s", j.topic, j.what, got.Written != nil, j.writes, got.Refused)
		case got.Written != nil:
			var want map[string]any
			if err := json.Unmarshal(j.complete, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Written["payload"]); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", j.topic, j.what, diff)
			}
			delete(got.Written, "payload")
			envelope := map[string]any{
				"event_id": "7a4c1f52-8f0a-4f0e-9a59-0d2d8c1b6a11", "event_type": string(j.topic), "correlation_id": "c-1",
				"timestamp": "2026-01-15T10:00:00.000Z", "version": "1.0.0", "source": map[string]any{"service": "s", "instance_id": "i", "zone": "z"},
				"metadata": map[string]any{"user_id": nil}, "later": []any{1.0},
			}
			if diff := cmp.Diff(envelope, got.Written); diff != "" {
				t.Errorf("%s, %s: envelope (-want +got):\n%s", j.topic, j.what, diff)
			}
		}
	}
	for _, kind := range []string{"reads true, writes true", "reads true, writes false", "reads false, writes false"} {
		if counts[kind] < 100 {
			t.Errorf("%d payloads of which consumers and publishers say %s: too few to tell", counts[kind], kind)
		}
	}
}
