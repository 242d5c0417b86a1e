package cli

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// documents are the types of what -o json prints, by name. Their schemas are the reference that scripts are written against: they
// are made from the types, kept in docs/reference/outputs, and every command's output is held against its own.
func documents() map[string]any {
	return map[string]any{
		"catalog.build":  catalogBuildDoc{},
		"catalog.export": catalogExportDoc{},
		"catalog.list":   catalogListDoc{}, "catalog.show": catalogShowDoc{},
		"catalog.drift":   catalogDriftDoc{},
		"schema.apply":    wholePlanDoc{},
		"schema.plan":     wholePlanDoc{},
		"schema.pull":     schemaPullDoc{},
		"schema.register": schemaRegisterDoc{},
		"config.list":     configListDoc{}, "config.path": configPathDoc{}, "config.set": configSetDoc{}, "config.use": configUseDoc{},
		"bench": benchDoc{}, "completion": completionDoc{},
		"cheat":       cheatDoc{},
		"config.show": configDoc{}, "config.validate": configValidateDoc{},
		"consume": struct {
			Schema  string      `json:"schema"`
			Records []recordDoc `json:"records"`
		}{},
		"consume.explain": consumeExplainDoc{},
		"demo":            demoDoc{},
		"dlq.edit":        dlqEditDoc{},
		"dlq.export":      dlqExportDoc{},
		"dlq.groups":      dlqGroupsDoc{},
		"dlq.import":      dlqImportDoc{},
		"dlq.list":        dlqListDoc{},
		"dlq.parked":      parkedDoc{},
		"dlq.purge":       planDoc{},
		"dlq.release":     releaseDoc{},
		"dlq.resolve":     planDoc{},
		"dlq.restore":     planDoc{},
		"dlq.retry":       planDoc{},
		"dlq.show":        dlqShowDoc{},
		"doctor":          doctorDoc{},
		"down":            downDoc{},
		"error":           errorDoc{},
		"explain":         explainDoc{},
		"fault.add":       faultDoc{},
		"fault.clear":     faultDoc{},
		"fault.list":      faultDoc{},
		"groups.delete":   groupsDeleteDoc{},
		"groups.list":     groupsListDoc{},
		"groups.members":  groupsMembersDoc{},
		"groups.reset":    groupsResetDoc{},
		"groups.show":     groupsShowDoc{},
		"jobs.cancel":     jobsCancelDoc{},
		"jobs.list":       jobsListDoc{},
		"jobs.resume":     planDoc{},
		"jobs.show":       planDoc{},
		"lag":             lagDoc{},
		"publish":         publishDoc{},
		"publish.batch":   batchDoc{},
		"publish.dry-run": dryRunDoc{},
		"repair":          repairDoc{},
		"run":             runDoc{},
		"schema.check":    schemaCheckDoc{},
		"schema.diff":     schemaDiffDoc{},
		"schema.gen":      schemaGenDoc{},
		"schema.lint":     schemaLintDoc{},
		"schema.list":     schemaListDoc{},
		"schema.show":     schemaShowDoc{},
		"schema.usage":    schemaUsageDoc{},
		"selftest":        selftestDoc{},
		"status":          statusDoc{},
		"topics.apply":    topicsPlanDoc{},
		"topics.config":   topicsConfigDoc{},
		"topics.create":   topicsCreateDoc{},
		"topics.delete":   topicsDeleteDoc{},
		"topics.diff":     topicsPlanDoc{},
		"topics.list":     topicsListDoc{},
		"topics.show":     topicsShowDoc{},
		"trace":           traceDoc{},
		"up":              upDoc{},
		"version":         versionDoc{},
	}
}

func outputFile(name string) string {
	return filepath.Join("..", "..", "docs", "reference", "outputs", name+".v1.json")
}

func TestSchemasOfOutputsAreThoseOfTheTypes(t *testing.T) {
	for name, doc := range documents() {
		s := shapeOf(reflect.TypeOf(doc))
		s["$schema"], s["title"] = "https://json-schema.org/draft/2020-12/schema", "omnibus."+name+"/v1"
		s["properties"].(map[string]any)["schema"] = map[string]any{"const": schemaOf(name)} //nolint:forcetypeassert // made above
		want, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		file := outputFile(name)
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the type says (%v): go test ./internal/cli -run TestSchemasOfOutputs -update writes it", file, err)
		}
	}
	kept, err := filepath.Glob(outputFile("*"))
	if err != nil || len(kept) != len(documents()) {
		t.Errorf("%d files for %d documents (%v)", len(kept), len(documents()), err)
	}
}

// CheckOutput holds a document that a command printed against its schema.
func CheckOutput(doc []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		return err
	}
	name, _ := v.(map[string]any)["schema"].(string)
	name = strings.TrimSuffix(strings.TrimPrefix(name, "omnibus."), "/v1")
	s, err := jsonschema.NewCompiler().Compile(outputFile(name))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

var anyJSON = []reflect.Type{reflect.TypeFor[json.RawMessage](), reflect.TypeFor[any]()}

// shapeOf is the schema of a type, as internal/jsonx writes its values.
func shapeOf(t reflect.Type) map[string]any {
	switch {
	case slices.Contains(anyJSON, t), t.Name() == "Value" && strings.Contains(t.PkgPath(), "json"):
		return map[string]any{}
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.Number]():
		return map[string]any{"type": "number"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := shapeOf(t.Elem())
		if len(s) == 0 {
			return s
		}
		return map[string]any{"anyOf": []any{s, map[string]any{"type": "null"}}}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": shapeOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": shapeOf(t.Elem())}
	case reflect.Struct:
		properties, required := map[string]any{}, []string{}
		membersOf(t, properties, &required)
		s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
		if len(required) > 0 {
			slices.Sort(required)
			s["required"] = required
		}
		return s
	default:
		return map[string]any{"type": "integer"}
	}
}

func membersOf(t reflect.Type, properties map[string]any, required *[]string) {
	for f := range t.Fields() {
		tag := strings.Split(f.Tag.Get("json"), ",")
		if f.Anonymous && tag[0] == "" {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			membersOf(inner, properties, required)
			continue
		}
		if !f.IsExported() || tag[0] == "-" {
			continue
		}
		name := cmp.Or(tag[0], f.Name)
		properties[name] = shapeOf(f.Type)
		if !slices.Contains(tag[1:], "omitzero") && !slices.Contains(tag[1:], "omitempty") {
			*required = append(*required, name)
		}
	}
}

func TestShapeOfKeepsTheNamesOfMembers(t *testing.T) {
	got := shapeOf(reflect.TypeFor[headerDoc]())
	if want := []string{"name", "name_b64", "value", "value_b64"}; !slices.Equal(slices.Sorted(maps.Keys(got["properties"].(map[string]any))), want) { //nolint:forcetypeassert // as above
		t.Errorf("members %v, want %v", got["properties"], want)
	}
}
