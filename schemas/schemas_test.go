package schemas

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// file is one schema file, read.
type file struct {
	path string
	doc  map[string]any
	meta map[string]any // x-omnibus
}

func (f file) topic() string { return text(f.meta["topic"]) }

// text is v when it is a string, else "".
func text(v any) string { s, _ := v.(string); return s }

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func list(v any) []any { l, _ := v.([]any); return l }

// load reads every file afresh, so that a test may change what it gets.
func load(t *testing.T) map[string]file {
	t.Helper()
	files := map[string]file{}
	err := fs.WalkDir(FS, "events", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := FS.ReadFile(name)
		if err != nil {
			return err
		}
		var doc map[string]any
		if err := jsonx.Unmarshal(b, &doc); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		f := file{path: name, doc: doc, meta: object(doc["x-omnibus"])}
		if other, ok := files[f.topic()]; ok {
			return fmt.Errorf("%s and %s describe the same topic", name, other.path)
		}
		files[f.topic()] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// compile compiles f; closed refuses unknown members of objects that declare theirs, as on publish.
func compile(t *testing.T, f file, closed bool) *jsonschema.Schema {
	t.Helper()
	if closed {
		walk(f.doc, "", func(_ string, s map[string]any) {
			if _, ok := s["additionalProperties"]; !ok && s["properties"] != nil {
				s["additionalProperties"] = false
			}
		})
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	id := text(f.doc["$id"])
	if err := c.AddResource(id, f.doc); err != nil {
		t.Fatalf("%s: %v", f.path, err)
	}
	s, err := c.Compile(id)
	if err != nil {
		t.Fatalf("%s: %v", f.path, err)
	}
	return s
}

// walk calls fn for s and every schema inside it, with the JSON pointer that leads there.
func walk(s map[string]any, at string, fn func(at string, s map[string]any)) {
	fn(at, s)
	for name, p := range object(s["properties"]) {
		walk(object(p), at+"/properties/"+name, fn)
	}
	if items, ok := s["items"].(map[string]any); ok {
		walk(items, at+"/items", fn)
	}
	if more, ok := s["additionalProperties"].(map[string]any); ok {
		walk(more, at+"/additionalProperties", fn)
	}
}

// complete is payload after the aliases and defaults of f, as the bus applies them before it validates.
func (f file) complete(payload map[string]any) map[string]any {
	out := maps.Clone(payload)
	for alias, name := range object(f.meta["aliases"]) {
		v, ok := out[alias]
		if _, both := out[text(name)]; ok && !both {
			delete(out, alias)
			out[text(name)] = v
		}
	}
	for name, v := range object(f.meta["defaults"]) {
		if _, ok := out[name]; !ok {
			out[name] = v
		}
	}
	return out
}

func parse(t *testing.T, s string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := jsonx.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

// typeNames are the types that a schema allows.
func typeNames(s map[string]any) []string {
	if one := text(s["type"]); one != "" {
		return []string{one}
	}
	var names []string
	for _, v := range list(s["type"]) {
		names = append(names, text(v))
	}
	return names
}

func TestFileIsWhereItsTopicSays(t *testing.T) {
	grammar := regexp.MustCompile(`^omninode\.(?:audit|[a-z][a-z0-9_]*\.(?:request|response|event))\.[a-z][a-z0-9_]*\.v[1-9][0-9]*$`)
	for topic, f := range load(t) {
		if !grammar.MatchString(topic) {
			t.Errorf("%s: topic %q is outside the grammar", f.path, topic)
		}
		parts := strings.Split(strings.TrimPrefix(topic, "omninode."), ".")
		last := len(parts) - 1
		want := path.Join("events", path.Join(parts[:last]...)) + "." + parts[last] + ".json"
		if f.path != want {
			t.Errorf("%s: topic %s belongs in %s", f.path, topic, want)
		}
		if got, want := text(f.doc["$id"]), "https://omninode.ai/schemas/"+topic+".json"; got != want {
			t.Errorf("%s: $id is %s, want %s", f.path, got, want)
		}
	}
}

func TestEveryDocumentedTopicIsThere(t *testing.T) {
	files := load(t)
	for topic := range strings.FieldsSeq(`
		omninode.codegen.request.validate.v1 omninode.codegen.response.validate.v1
		omninode.codegen.request.analyze.v1 omninode.codegen.response.analyze.v1
		omninode.codegen.request.pattern.v1 omninode.codegen.response.pattern.v1
		omninode.codegen.request.mixin.v1 omninode.codegen.response.mixin.v1
		omninode.intelligence.event.quality_assessed.v1 omninode.intelligence.event.pattern_learned.v1
		omninode.intelligence.event.performance_baseline.v1 omninode.intelligence.event.optimization_identified.v1
		omninode.bridge.request.stamp.v1 omninode.bridge.response.stamp.v1
		omninode.bridge.request.batch_stamp.v1 omninode.bridge.response.batch_stamp.v1
		omninode.bridge.request.verify.v1 omninode.bridge.response.verify.v1
		omninode.bridge.event.metadata_stamped.v1 omninode.bridge.event.document_processed.v1
		omninode.bridge.event.validation_failed.v1 omninode.bridge.event.performance_metrics.v1
		omninode.search.event.document_indexed.v1 omninode.search.event.collection_updated.v1
		omninode.search.event.vector_optimized.v1 omninode.document.event.indexed.v1
		omninode.onex.event.node_started.v1 omninode.onex.event.node_completed.v1
		omninode.onex.event.node_failed.v1 omninode.onex.event.workflow_state.v1
		omninode.onex.request.workflow_trigger.v1 omninode.onex.request.node_invoke.v1
		omninode.audit.agent_execution.v1 omninode.audit.quality_snapshot.v1
		omninode.audit.pattern_creation.v1 omninode.audit.performance_baseline.v1
		omninode.system.event.alert.v1 omninode.service.event.lifecycle.v1 omninode.service.event.health.v1
		omninode.infra.event.service_registered.v1 omninode.infra.event.service_health.v1
		omninode.infra.event.service_deregistered.v1 omninode.infra.request.health_check.v1

		omninode.onex.response.workflow_trigger.v1 omninode.onex.response.node_invoke.v1
		omninode.infra.response.health_check.v1

		omninode.codegen.event.status.v1 omninode.infra.event.heartbeat.v1 omninode.infra.event.introspection.v1
		omninode.infra.request.introspection.v1 omninode.infra.response.introspection.v1
		omninode.search.request.query.v1 omninode.search.response.query.v1
		omninode.search.request.index.v1 omninode.search.response.index.v1
		omninode.intelligence.request.assess.v1 omninode.intelligence.response.assess.v1
		omninode.system.event.dlq.v1 omninode.system.event.schema_changed.v1 omninode.system.event.replay.v1
		omninode.system.event.consumer_health.v1 omninode.onex.event.saga.v1`) {
		if _, ok := files[topic]; !ok {
			t.Errorf("no file for %s", topic)
		}
	}
}

func TestFilesUseOnlyTheKeywordsThatOurToolsKnow(t *testing.T) {
	known := strings.Fields(`type properties required additionalProperties items enum const minimum maximum
		exclusiveMinimum minLength maxLength minItems maxItems pattern format anyOf description title examples default`)
	atRoot := strings.Fields("$schema $id x-version x-omnibus")
	for _, f := range load(t) {
		walk(f.doc, "", func(at string, s map[string]any) {
			for keyword := range s {
				if !slices.Contains(known, keyword) && (at != "" || !slices.Contains(atRoot, keyword)) {
					t.Errorf("%s#%s: keyword %q", f.path, at, keyword)
				}
			}
			for _, branch := range list(s["anyOf"]) {
				if keys := slices.Collect(maps.Keys(object(branch))); at != "" || !slices.Equal(keys, []string{"required"}) {
					t.Errorf("%s#%s: anyOf holds more than required", f.path, at)
				}
			}
			if len(typeNames(s)) == 0 {
				t.Errorf("%s#%s: no type", f.path, at)
			}
		})
	}
}

func TestEveryValueIsDescribedAndBounded(t *testing.T) {
	for _, f := range load(t) {
		if text(f.doc["title"]) == "" || text(f.doc["x-version"]) != "1.0.0" {
			t.Errorf("%s: title or x-version is missing", f.path)
		}
		walk(f.doc, "", func(at string, s map[string]any) {
			isItems := strings.HasSuffix(at, "/items")
			if d := text(s["description"]); !isItems && (len(d) < 12 || !strings.HasSuffix(d, ".")) {
				t.Errorf("%s#%s: description %q", f.path, at, d)
			}
			for _, name := range list(s["required"]) {
				if object(s["properties"])[text(name)] == nil {
					t.Errorf("%s#%s: requires %v, which it does not describe", f.path, at, name)
				}
			}
			has := func(keywords ...string) bool {
				return slices.ContainsFunc(keywords, func(k string) bool { _, ok := s[k]; return ok })
			}
			for _, typ := range typeNames(s) {
				switch {
				case typ == "string" && !has("maxLength", "enum", "const", "format") && text(s["pattern"]) != "^[0-9a-f]{64}$":
					t.Errorf("%s#%s: string without a bound", f.path, at)
				case typ == "array" && (!has("maxItems") || !has("items")):
					t.Errorf("%s#%s: array without items or a bound", f.path, at)
				case typ == "object" && !has("properties", "additionalProperties"):
					t.Errorf("%s#%s: object that says nothing of its members", f.path, at)
				}
			}
		})
	}
}

func TestExamplesAreValidForAStrictProducer(t *testing.T) {
	for _, f := range load(t) {
		examples := list(f.doc["examples"])
		if len(examples) == 0 {
			t.Errorf("%s: no example", f.path)
		}
		s := compile(t, f, true)
		for i, example := range examples {
			if err := s.Validate(f.complete(object(example))); err != nil {
				t.Errorf("%s: example %d: %v", f.path, i, err)
			}
		}
	}
}

func TestConsumersTakeMembersThatTheyDoNotKnow(t *testing.T) {
	for _, f := range load(t) {
		payload := f.complete(object(list(f.doc["examples"])[0]))
		payload["member_of_a_later_minor_version"] = true
		if err := compile(t, f, false).Validate(payload); err != nil {
			t.Errorf("%s: open: %v", f.path, err)
		}
		if err := compile(t, f, true).Validate(payload); err == nil {
			t.Errorf("%s: closed: an unknown member is accepted", f.path)
		}
	}
}

func TestMetadataFitsThePayload(t *testing.T) {
	known := strings.Fields("topic owner producers consumers key tier retention aliases defaults replies alias_of")
	tiers := map[string]string{
		"codegen": "high", "intelligence": "high", "bridge": "medium", "search": "medium",
		"audit": "low", "system": "low", "service": "low",
	}
	files := load(t)
	for topic, f := range files {
		for name := range f.meta {
			if !slices.Contains(known, name) {
				t.Errorf("%s: x-omnibus has %q", f.path, name)
			}
		}
		if text(f.meta["owner"]) == "" || len(list(f.meta["producers"])) == 0 || len(list(f.meta["consumers"])) == 0 {
			t.Errorf("%s: owner, producers or consumers are missing", f.path)
		}
		if text(f.meta["retention"]) != "168h" {
			t.Errorf("%s: retention is %v", f.path, f.meta["retention"])
		}
		want, ok := tiers[strings.Split(topic, ".")[1]]
		if !ok {
			want = "default"
		}
		if got := text(f.meta["tier"]); got != want {
			t.Errorf("%s: tier is %q, want %q", f.path, got, want)
		}
		properties := object(f.doc["properties"])
		if key, ok := f.meta["key"]; ok {
			name := strings.TrimPrefix(text(key), "/")
			if !slices.Contains(list(f.doc["required"]), any(name)) || text(object(properties[name])["type"]) != "string" {
				t.Errorf("%s: key %v is not a required string", f.path, key)
			}
		}
		for alias, name := range object(f.meta["aliases"]) {
			if properties[text(name)] == nil {
				t.Errorf("%s: alias %s leads to %v, which does not exist", f.path, alias, name)
			}
			if properties[alias] != nil {
				t.Errorf("%s: alias %s is a property itself", f.path, alias)
			}
		}
		for name := range object(f.meta["defaults"]) {
			if properties[name] == nil {
				t.Errorf("%s: default of %s, which does not exist", f.path, name)
			}
		}
		if original, ok := f.meta["alias_of"]; ok {
			if diff := cmp.Diff(files[text(original)].doc["properties"], f.doc["properties"]); diff != "" {
				t.Errorf("%s: differs from %v:\n%s", f.path, original, diff)
			}
		}
	}
}

func TestDefaultsAreValidValues(t *testing.T) {
	for _, f := range load(t) {
		properties := object(f.doc["properties"])
		for name, value := range object(f.meta["defaults"]) {
			one := file{path: f.path, doc: map[string]any{
				"$id": "https://omninode.ai/test/" + name, "type": "object", "properties": map[string]any{name: properties[name]},
			}}
			if err := compile(t, one, true).Validate(map[string]any{name: value}); err != nil {
				t.Errorf("%s: default of %s: %v", f.path, name, err)
			}
		}
	}
}

func TestRequestsNameTheirResponsesAndNothingElseDoes(t *testing.T) {
	files := load(t)
	answered := map[string]bool{}
	for topic, f := range files {
		if !strings.Contains(topic, ".request.") {
			if f.meta["replies"] != nil {
				t.Errorf("%s: replies on what is no request", f.path)
			}
			continue
		}
		want := strings.Replace(topic, ".request.", ".response.", 1)
		if got := text(f.meta["replies"]); got != want {
			t.Errorf("%s: replies is %q, want %q", f.path, got, want)
		}
		if _, ok := files[want]; !ok {
			t.Errorf("%s: no file for its response", f.path)
		}
		if f.meta["key"] != nil {
			t.Errorf("%s: a request is keyed by its correlation", f.path)
		}
		answered[want] = true
	}
	for topic := range files {
		if strings.Contains(topic, ".response.") && !answered[topic] {
			t.Errorf("%s answers no request", topic)
		}
	}
}

const hash = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"

// The payloads that the ONEX quick reference shows, as it shows them.
func TestQuickReferencePayloadsAreAccepted(t *testing.T) {
	files := load(t)
	for _, c := range []struct{ topic, payload string }{
		{"omninode.codegen.request.validate.v1", `{"code":"class Test: pass"}`},
		{"omninode.codegen.request.validate.v1", `{"code_content":"class Test: pass","node_type":"compute"}`},
		{"omninode.intelligence.event.quality_assessed.v1", `{"entity_id":"doc-123","quality_score":0.92,"onex_compliance":0.88}`},
		{"omninode.intelligence.event.quality_assessed.v1", `{"entity_id":"doc-123","quality_score":0.92}`},
		{"omninode.intelligence.event.quality_assessed.v1", `{"entity_id":"doc-123","quality_score":0.92,"dimensions":{}}`},
		{"omninode.intelligence.event.pattern_learned.v1", `{"pattern_id":"p","pattern_type":"onex","pattern_data":{}}`},
		{"omninode.bridge.event.metadata_stamped.v1", `{"blake3_hash":"` + hash + `","namespace":"n","content_type":"text/plain"}`},
		{"omninode.bridge.request.stamp.v1", `{"content":"x","namespace":"n"}`},
		{"omninode.search.event.document_indexed.v1", `{"document_id":"doc-123","collection":"c","vector_dims":1536}`},
		{"omninode.onex.event.node_started.v1", `{"node_type":"effect","node_name":"n","contract":{}}`},
		{"omninode.onex.event.node_completed.v1", `{"node_type":"effect","result":{},"duration_ms":1}`},
		{"omninode.audit.agent_execution.v1", `{"agent_name":"agent-code-quality","task":{"a":1},"result":{"b":[]},"duration_ms":1234}`},
	} {
		f := files[c.topic]
		if err := compile(t, f, true).Validate(f.complete(parse(t, c.payload))); err != nil {
			t.Errorf("%s %s: %v", c.topic, c.payload, err)
		}
	}
}

// Payloads of older services, which name some members differently.
func TestOlderPayloadsAreAcceptedByConsumers(t *testing.T) {
	files := load(t)
	for _, c := range []struct{ topic, payload string }{
		{"omninode.codegen.response.validate.v1", `{"is_valid":false,"quality_score":0,"onex_compliance_score":0,"violations":["v"],"warnings":[],"suggestions":[],"details":{"error":"e"}}`},
		{"omninode.codegen.response.pattern.v1", `{"similar_nodes":[{"node_id":"n","similarity_score":0.9,"mixins_used":[]}],"count":1,"avg_similarity":0.9}`},
		{"omninode.codegen.request.analyze.v1", `{"prd_content":"p","analysis_type":"full","context":{}}`},
		{"omninode.codegen.request.pattern.v1", `{"node_description":"d","node_type":"reducer","limit":5}`},
		{"omninode.codegen.request.mixin.v1", `{"node_type":"effect","requirements":["r"]}`},
		{"omninode.bridge.response.stamp.v1", `{"file_hash":"` + hash + `","metadata":{},"created_at":"2026-01-15T10:00:00Z","stamp_id":"0f4c1c5e-6f5b-4a0e-8b1f-9f0c2f0f2b61"}`},
		{"omninode.service.event.health.v1", `{"service_name":"s","status":"healthy","checks":[]}`},
		{"omninode.search.request.index.v1", `{"file_path":"a.md","content":"x"}`},
	} {
		f := files[c.topic]
		if err := compile(t, f, false).Validate(f.complete(parse(t, c.payload))); err != nil {
			t.Errorf("%s %s: %v", c.topic, c.payload, err)
		}
	}
}

func TestWrongPayloadsAreRefused(t *testing.T) {
	files := load(t)
	for _, c := range []struct{ name, topic, payload string }{
		{"blank code", "omninode.codegen.request.validate.v1", `{"code_content":" \n"}`},
		{"code twice", "omninode.codegen.request.validate.v1", `{"code":"x","code_content":"y"}`},
		{"no code", "omninode.codegen.request.validate.v1", `{"node_type":"effect"}`},
		{"unknown node type", "omninode.codegen.request.validate.v1", `{"code":"x","node_type":"gateway"}`},
		{"score above one", "omninode.intelligence.event.quality_assessed.v1", `{"entity_id":"d","quality_score":1.01}`},
		{"score as text", "omninode.intelligence.event.quality_assessed.v1", `{"entity_id":"d","quality_score":"0.9"}`},
		{"dimension below zero", "omninode.intelligence.event.quality_assessed.v1", `{"entity_id":"d","quality_score":1,"dimensions":{"a":-0.1}}`},
		{"empty key", "omninode.intelligence.event.quality_assessed.v1", `{"entity_id":"","quality_score":1}`},
		{"neither code nor text", "omninode.codegen.request.analyze.v1", `{"analysis_type":"full"}`},
		{"neither code nor description", "omninode.codegen.request.pattern.v1", `{"node_type":"effect"}`},
		{"neither code nor requirements", "omninode.codegen.request.mixin.v1", `{"node_type":"effect"}`},
		{"no requirement in the list", "omninode.codegen.request.mixin.v1", `{"node_type":"effect","requirements":[]}`},
		{"limit above 20", "omninode.codegen.request.pattern.v1", `{"node_description":"d","limit":21}`},
		{"no content", "omninode.bridge.request.stamp.v1", `{"namespace":"n"}`},
		{"no base64", "omninode.bridge.request.stamp.v1", `{"content_base64":"é"}`},
		{"upper-case hash", "omninode.bridge.request.verify.v1", `{"blake3_hash":"` + strings.ToUpper(hash) + `"}`},
		{"empty batch", "omninode.bridge.request.batch_stamp.v1", `{"contents":[]}`},
		{"number in a batch", "omninode.bridge.request.batch_stamp.v1", `{"contents":[1]}`},
		{"batch item without id", "omninode.bridge.request.batch_stamp.v1", `{"contents":[{"content":"x"}]}`},
		{"time without a zone", "omninode.audit.quality_snapshot.v1", `{"entity_id":"e","quality_scores":{},"timestamp":"2026-01-15T10:00:00"}`},
		{"no uuid", "omninode.codegen.event.status.v1", `{"session_id":"s-1","status":"pending"}`},
		{"port above range", "omninode.service.event.lifecycle.v1", `{"service":"s","event_type":"started","status":"ready","service_info":{"name":"s","version":"1.0.0","port":65536}}`},
		{"nine samples", "omninode.intelligence.event.performance_baseline.v1", `{"operation":"o","baseline_metrics":{"p50":1,"mean":1,"sample_size":9}}`},
		{"unknown nested member", "omninode.onex.event.node_failed.v1", `{"node_type":"effect","node_name":"n","error":{"type":"t","message":"m","detail":"d"}}`},
	} {
		f := files[c.topic]
		if err := compile(t, f, true).Validate(f.complete(parse(t, c.payload))); err == nil {
			t.Errorf("%s is accepted by %s", c.name, c.topic)
		}
	}
}

func TestCataloguePageSaysWhatTheFilesSay(t *testing.T) {
	b, err := os.ReadFile("../docs/reference/catalogue.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	names := func(v any) string {
		var out []string
		for _, name := range list(v) {
			out = append(out, strings.Replace(text(name), "*", "any", 1))
		}
		return strings.Join(out, ", ")
	}
	want := map[string]string{}
	for topic, f := range load(t) {
		pattern := "audit"
		if parts := strings.Split(topic, "."); len(parts) == 5 {
			pattern = parts[2]
		}
		key := "correlation"
		if f.meta["key"] != nil {
			key = "`" + text(f.meta["key"]) + "`"
		}
		want[topic] = fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s | %s |", topic, pattern,
			names(f.meta["producers"]), names(f.meta["consumers"]), key, text(f.meta["tier"]), text(f.doc["description"]))
	}
	got := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `(omninode\\.[a-z0-9_.]+)` \\|.*$")
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		got[m[1]] = m[0]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-files +page):\n%s", diff)
	}
	if count := fmt.Sprintf("There are %d events", len(want)); !strings.Contains(page, count) {
		t.Errorf("the page does not say %q", count)
	}
	for n := 1; n <= 19; n++ {
		if !strings.Contains(page, fmt.Sprintf("\n**X%d. ", n)) {
			t.Errorf("contradiction X%d is not decided", n)
		}
	}
}
