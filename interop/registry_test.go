package interop_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/registry/client"
	"github.com/omninode-ai/omnibus/schema"
	"github.com/omninode-ai/omnibus/schemas"
	"github.com/omninode-ai/omnibus/stack"
)

// TestRegistry: one registry, a process of its own, and who talks to it. There is one on a cluster, so they come one after the other.
func TestRegistry(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	addrs := brokers(ctx, t)
	_, told := role(ctx, t, omnibus(ctx, t), addrs, "--roles", "registry", "--port-registry", "0")
	if told.Registry == "" {
		t.Fatal("it does not say where the registry is")
	}
	writable(ctx, t, told.Registry)
	t.Run("curl", func(t *testing.T) { curl(t, told.Registry) })
	t.Run("franz-go", func(t *testing.T) { franzGo(t, told.Registry) })
	t.Run("confluent-kafka", func(t *testing.T) { confluent(t, addrs, told.Registry) })
	t.Run("ours", func(t *testing.T) { ours(t, addrs, told.Registry) })
}

// writable waits until the registry is the one on its cluster that writes.
func writable(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	c, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	for {
		var deployment json.RawMessage
		if err := c.Do(ctx, http.MethodGet, "/v1/metadata/deployment", nil, &deployment); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(deployment, []byte("writer")) {
			return
		}
	}
}

// The versions of a schema: with a member more, and without one that readers demand.
const (
	firstVersion  = `{"type":"object","properties":{"name":{"type":"string"},"n":{"type":"integer"}},"required":["name"]}`
	memberAdded   = `{"type":"object","properties":{"name":{"type":"string"},"n":{"type":"integer"},"note":{"type":"string"}},"required":["name"]}`
	memberRemoved = `{"type":"object","properties":{"n":{"type":"integer"}}}`
)

func valueSchema(text string) sr.Schema { return sr.Schema{Schema: text, Type: sr.TypeJSON} }

// franzGo does with its client what a registry is for.
func franzGo(t *testing.T, url string) { //nolint:gocyclo // one thing after the other
	ctx := t.Context()
	c, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	no := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	code := func(want int, err error) {
		t.Helper()
		if got, ok := errors.AsType[*sr.ResponseError](err); !ok || got.ErrorCode != want {
			t.Errorf("error %v, want one with code %d", err, want)
		}
	}
	same := func(what string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	const subject = "omninode.interop.event.franz/go.v1-value" // it has to be escaped

	_, err = c.SchemaByVersion(ctx, subject, -1)
	code(40401, err)
	one, err := c.CreateSchema(ctx, subject, valueSchema(firstVersion))
	no(err)
	if one.Version != 1 || one.ID == 0 {
		t.Errorf("registered as version %d with id %d", one.Version, one.ID)
	}
	again, err := c.CreateSchema(ctx, subject, valueSchema(firstVersion))
	no(err)
	same("registered twice", one, again)
	two, err := c.CreateSchema(ctx, subject, valueSchema(memberAdded))
	no(err)

	byID, err := c.SchemaByID(ctx, two.ID)
	no(err)
	byVersion, err := c.SchemaByVersion(ctx, subject, 2)
	no(err)
	latest, err := c.SchemaByVersion(ctx, subject, -1)
	no(err)
	same("latest", byVersion, latest)
	same("by id", byVersion.Schema, byID)
	guid := event.ID(schema.GUID(byID.Schema, nil, nil, nil)).String()
	byGUID, err := c.SchemaByGUID(ctx, guid)
	no(err)
	same("by GUID", byID, byGUID.Schema)
	ids, err := c.SchemaIDsByGUID(ctx, guid)
	no(err)
	same("ids of a GUID", []sr.ContextID{{Context: ".", ID: two.ID}}, ids)
	text, err := c.SchemaTextByVersion(ctx, subject, 1)
	no(err)
	same("its text", one.Schema.Schema, text)
	found, err := c.LookupSchema(ctx, subject, valueSchema(firstVersion))
	no(err)
	same("version found", 1, found.Version)
	_, err = c.LookupSchema(ctx, subject, valueSchema(memberRemoved))
	code(40403, err)
	versions, err := c.SubjectVersions(ctx, subject)
	no(err)
	same("versions", []int{1, 2}, versions)
	uses, err := c.SchemaVersionsByID(ctx, two.ID)
	no(err)
	same("uses of an id", []sr.SubjectVersion{{Subject: subject, Version: 2}}, uses)

	verdict, err := c.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -1, valueSchema(memberAdded))
	no(err)
	if !verdict.Is {
		t.Errorf("an optional member more is not compatible: %q", verdict.Messages)
	}
	verdict, err = c.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -1, valueSchema(memberRemoved))
	no(err)
	if said := strings.Join(verdict.Messages, "\n"); verdict.Is || !strings.Contains(said, "_REMOVED") || !strings.Contains(said, "#/properties/name") {
		t.Errorf("a required member less is compatible (%t), or nothing says why: %q", verdict.Is, said)
	}
	_, err = c.CreateSchema(ctx, subject, valueSchema(memberRemoved))
	code(409, err)

	same("the level of all", []string{"FULL_TRANSITIVE"}, levels(t, c.Compatibility(ctx)))
	same("its level, set", []string{"NONE"}, levels(t, c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone}, subject)))
	same("its level", []string{"NONE"}, levels(t, c.Compatibility(ctx, subject)))
	three, err := c.CreateSchema(ctx, subject, valueSchema(memberRemoved))
	no(err)
	same("its level, taken back", []string{"NONE"}, levels(t, c.ResetCompatibility(ctx, subject)))
	code(40408, c.Compatibility(ctx, subject)[0].Err)

	same("its mode, set", sr.ModeReadOnly, c.SetMode(ctx, sr.ModeReadOnly, subject)[0].Mode)
	_, err = c.CreateSchema(ctx, subject, valueSchema(`{"type":"object"}`))
	code(42205, err)
	no(c.ResetMode(ctx, subject)[0].Err)
	same("the mode of all", sr.ModeReadWrite, c.Mode(ctx)[0].Mode)

	const common = "omninode.interop.event.franz-common.v1-value"
	_, err = c.CreateSchema(ctx, common, valueSchema(`{"type":"string","maxLength":9}`))
	no(err)
	referring := valueSchema(`{"type":"object","properties":{"a":{"$ref":"common.json"}}}`)
	referring.References = []sr.SchemaReference{{Name: "common.json", Subject: common, Version: 1}}
	const outer = "omninode.interop.event.franz-outer.v1-value"
	refers, err := c.CreateSchema(ctx, outer, referring)
	no(err)
	by, err := c.SchemaReferences(ctx, common, 1)
	no(err)
	same("referred to by", refers.ID, by[0].ID)
	_, err = c.DeleteSubject(ctx, common, sr.SoftDelete)
	code(42206, err)

	no(c.DeleteSchema(ctx, subject, three.Version, sr.SoftDelete))
	_, err = c.SchemaByVersion(ctx, subject, three.Version)
	code(40402, err)
	if _, err := c.SchemaByID(ctx, three.ID); err != nil {
		t.Errorf("what was deleted softly is not there by its id: %v", err)
	}
	deleted, err := c.DeleteSubject(ctx, subject, sr.SoftDelete)
	no(err)
	same("versions deleted", []int{1, 2}, deleted)
	if has(ctx, t, c, subject) {
		t.Error("a deleted subject is still listed")
	}
	if !has(sr.WithParams(ctx, sr.ShowDeleted), t, c, subject) {
		t.Error("a deleted subject is not listed where one asks for it")
	}
	restored, err := c.CreateSchema(ctx, subject, valueSchema(firstVersion))
	no(err)
	if restored.ID != one.ID || restored.Version <= three.Version {
		t.Errorf("registered again as version %d with id %d: want the id %d and a new version", restored.Version, restored.ID, one.ID)
	}
	_, err = c.DeleteSubject(ctx, subject, sr.SoftDelete)
	no(err)
	_, err = c.DeleteSubject(ctx, subject, sr.HardDelete)
	no(err)
	if has(sr.WithParams(ctx, sr.ShowDeleted), t, c, subject) {
		t.Error("a subject that was deleted for good is still listed")
	}
	_, err = c.SchemaByVersion(sr.WithParams(ctx, sr.ShowDeleted), subject, 1)
	code(40401, err)

	// The whole catalogue, as it is registered and as it is read.
	for spec := range catalogue(t).All() {
		text, err := schema.Registrable(spec.Schema)
		no(err)
		_, err = c.CreateSchema(ctx, spec.Topic.Subject(), valueSchema(string(text)))
		no(err)
		got, err := c.SchemaTextByVersion(ctx, spec.Topic.Subject(), -1)
		no(err)
		same(spec.Topic.Subject(), string(text), got)
	}
}

func has(ctx context.Context, t *testing.T, c *sr.Client, subject string) bool {
	t.Helper()
	all, err := c.Subjects(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(all, subject)
}

func levels(t *testing.T, results []sr.CompatibilityResult) (out []string) {
	t.Helper()
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		out = append(out, r.Level.String())
	}
	return out
}

func catalogue(t *testing.T) *event.Catalog {
	t.Helper()
	c, err := event.ReadCatalog(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// confluent publishes and reads with the serializers of confluent-kafka, in both forms.
func confluent(t *testing.T, addrs, url string) {
	ctx := t.Context()
	c, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	source, err := client.New(client.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	f := setUpOn(ctx, t, addrs, func(c *bus.Config) { c.Schemas = stack.Schemas{Registry: source} })
	text, err := schema.Registrable([]byte(probedSchema))
	if err != nil {
		t.Fatal(err)
	}
	registered, err := c.CreateSchema(ctx, f.topic+"-value", valueSchema(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	guid := schema.GUID(string(text), nil, nil, nil)
	inHeaders := append([]byte{1}, guid[:]...)
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(registered.ID)) //nolint:gosec // an id has 31 bits

	const each = 20
	want := map[float64]any{}
	for k, form := range []string{"header", "prefix"} {
		var events []record
		for i := range each {
			n := k*each + i
			events = append(events, record{Key: fmt.Appendf(nil, "key-%d", i%3), Value: foreign(event.NewID(), "x", n)})
		}
		run(ctx, t, pythonProgram(ctx, t, "confluent_registry_publish.py", addrs, f.topic, url, form), lines(t, events))
		for _, e := range events {
			var v any
			if err := json.Unmarshal(e.Value, &v); err != nil {
				t.Fatal(err)
			}
			want[number(v)] = v
		}
	}
	inHeader, inPrefix := 0, 0
	for _, r := range f.scan(ctx, t) {
		named := slices.ContainsFunc(r.Headers, func(h header) bool { return h.Name == "__value_schema_id" && bytes.Equal(h.Value, inHeaders) })
		switch {
		case named && r.Value[0] == '{':
			inHeader++
		case !named && bytes.HasPrefix(r.Value, prefix) && r.Value[len(prefix)] == '{':
			inPrefix++
		}
	}
	if inHeader != each || inPrefix != each {
		t.Errorf("%d events name their schema in a header and %d in a prefix, want %d of each", inHeader, inPrefix, each)
	}
	got := map[float64]any{}
	for line := range bytes.Lines(run(ctx, t, pythonProgram(ctx, t, "confluent_registry_consume.py", addrs, f.topic, url, "readers-"+f.topic, strconv.Itoa(2*each)), nil)) {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		got[number(v)] = v
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events that confluent-kafka reads (-want +got):\n%s", diff)
	}

	for _, e := range f.handleAll(ctx, t, 2*each) {
		if e.Payload.Name != "x" || e.Envelope.Source.Service != "librdkafka" {
			t.Errorf("our handler gets %+v", e.Envelope)
		}
	}

	wrong := pythonProgram(ctx, t, "confluent_registry_publish.py", addrs, f.topic, url, "header")
	wrong.Stdin = bytes.NewReader(lines(t, []record{{Key: []byte("k"), Value: []byte(`{"payload":{"n":"many"}}`)}}))
	if out, err := wrong.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("'many' is not of type 'integer'")) && !bytes.Contains(out, []byte("'name' is a required property")) {
		t.Errorf("an event that breaks its schema: %v\n%s", err, out)
	}
}

// ours: the bus publishes in each form, and confluent-kafka and a handler of ours read it.
func ours(t *testing.T, addrs, url string) {
	ctx := t.Context()
	c, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	text, err := schema.Registrable([]byte(probedSchema))
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []bus.SchemaID{bus.HeaderSchemaID, bus.PrefixSchemaID} {
		t.Run(string(form), func(t *testing.T) {
			source, err := client.New(client.Config{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(source.Close)
			f := setUpOn(ctx, t, addrs, func(c *bus.Config) { c.Schemas, c.SchemaID = stack.Schemas{Registry: source}, form })
			if _, err := c.CreateSchema(ctx, f.topic+"-value", valueSchema(string(text))); err != nil {
				t.Fatal(err)
			}
			const n = 20
			var outgoing []bus.Outgoing
			for i := range n {
				outgoing = append(outgoing, bus.Outgoing{Payload: probed{Name: fmt.Sprint("key-", i%3), N: i}})
			}
			if _, err := f.bus.PublishAll(ctx, outgoing...); err != nil {
				t.Fatal(err)
			}
			seen := map[float64]bool{}
			for line := range bytes.Lines(run(ctx, t, pythonProgram(ctx, t, "confluent_registry_consume.py", addrs, f.topic, url, "readers-"+f.topic, strconv.Itoa(n)), nil)) {
				var v any
				if err := json.Unmarshal(line, &v); err != nil {
					t.Fatal(err)
				}
				seen[number(v)] = true
			}
			if len(seen) != n {
				t.Errorf("confluent-kafka read %d of %d events", len(seen), n)
			}
			for _, r := range f.scan(ctx, t) {
				if plain := r.Value[0] == '{'; plain != (form == bus.HeaderSchemaID) {
					t.Errorf("the value begins with %x", r.Value[:1])
				}
			}
			if got := f.handleAll(ctx, t, n); len(got) != n {
				t.Errorf("we read %d of %d events", len(got), n)
			}
		})
	}
}

func number(v any) float64 {
	n, _ := v.(map[string]any)["payload"].(map[string]any)["n"].(float64) //nolint:forcetypeassert // events of this test
	return n
}
