package schema_test

import (
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/schema"
)

// What Confluent's registry computes for these, as its own tests hold it: three texts with and without references, metadata, rules.
func TestGUIDIsThatOfOtherRegistries(t *testing.T) {
	const (
		avro = `{"type":"record","name":"Person","namespace":"io.confluent.kafka.example","fields":[` +
			`{"name":"name","type":"string"},{"name":"age","type":"int"},{"name":"ssn","type":"string"},` +
			`{"name":"user","type":"io.confluent.kafka.example.User"},{"name":"address","type":"io.confluent.kafka.example.Address"}]}`
		proto = "syntax = \"proto3\";\npackage io.confluent.kafka.example;\nimport \"google/protobuf/timestamp.proto\";\n" +
			"message Person {\n  string name = 1;\n  int32 age = 2;\n  string ssn = 3;\n  User user = 4;\n  Address address = 5;\n}\n" +
			"message User {\n  string id = 1;\n  string email = 2;\n}\n" +
			"message Address {\n  string street = 1;\n  string city = 2;\n  string zip = 3;\n}"
		jsonText = `{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "title": "Person",
  "properties": {
    "name": {
      "type": "string"
    },
    "age": {
      "type": "integer",
      "minimum": 0
    },
    "ssn": {
      "type": "string",
      "pattern": "^[0-9]{3}-[0-9]{2}-[0-9]{4}$"
    },
    "user": {
      "$ref": "#/definitions/User"
    },
    "address": {
      "$ref": "#/definitions/Address"
    }
  },
  "required": ["name", "age"],
  "definitions": {
    "User": {
      "type": "object",
      "properties": {
        "id": {"type": "string"},
        "email": {"type": "string", "format": "email"}
      }
    },
    "Address": {
      "type": "object",
      "properties": {
        "street": {"type": "string"},
        "city": {"type": "string"},
        "zip": {"type": "string"}
      }
    }
  }
}`
	)
	refs := []schema.Reference{
		{Name: "io.confluent.kafka.example.User", Subject: "User", Version: 1},
		{Name: "io.confluent.kafka.example.Address", Subject: "Address", Version: 2},
	}
	metadata := &schema.Metadata{
		Tags:       map[string][]string{"team": {"data-engineering"}, "environment": {"staging", "production", "staging"}},
		Properties: map[string]string{"version": "1.0.0", "owner": "data-team", "description": "Person schema for user management"},
		Sensitive:  []string{"ssn", "credit-card"},
	}
	rule := func(name, doc, kind, mode, typ, field, expr string) schema.Rule {
		return schema.Rule{
			Name: name, Doc: doc, Kind: kind, Mode: mode, Type: typ, Tags: []string{"PERSON"}, Params: map[string]string{"field": field},
			Expr: expr, OnSuccess: "none", OnFailure: "error",
		}
	}
	rules := &schema.RuleSet{
		MigrationRules: []schema.Rule{
			rule("upgrade-rule-1", "Upgrade rule for field changes", "TRANSFORM", "UPGRADE", "FIELD_UPDATE", "name", "field.name = field.name.toUpperCase()"),
			rule("downgrade-rule-1", "Downgrade rule for compatibility", "TRANSFORM", "DOWNGRADE", "FIELD_DELETE", "ssn", "delete field.ssn"),
		},
		DomainRules: []schema.Rule{
			rule("validation-rule-1", "Validate age field", "CONDITION", "WRITE", "FIELD_VALIDATION", "age", "field.age >= 0 && field.age <= 150"),
			rule("masking-rule-1", "Mask sensitive data on read", "TRANSFORM", "READ", "DATA_MASKING", "ssn", "field.ssn = '***-**-****'"),
		},
	}
	// In the order of: nothing, rules, metadata, both, and the same with references.
	for text, want := range map[string]string{
		avro: "d629bb05-ad85-3d20-fbcb-895de3c459f7 c0708b8f-65f6-b698-bffe-45c1dfa8987c 2034166c-90a8-1166-0ff2-f5f62c80dbe0 d9877161-cfdf-d8c5-4eb4-ab37ed50e9d5 " +
			"5c08d70e-5347-41b2-6369-199425d044eb 96825311-eb10-b7f5-48be-2a023b4c018e 3619d8e0-2ee8-de51-0d9e-2520d39174d5 589556fb-ad98-e8e0-94fa-e6da3455433a",
		proto: "fd291f54-9ebf-6b66-69c4-d7c94f57d765 e0a5944a-07ec-f8b3-2e65-d618095d9b93 56052a3d-b48e-0af1-2f4e-fb4fc5defed4 89665e7a-68a3-0750-503e-cab9c5ab6494 " +
			"2acee2f0-10ab-9e39-ff5e-a3c6301a16fc ca144a0b-d04f-9cdf-5576-bc3e0872c2ec 1b1cd912-56b3-5aec-ed5e-628e4f8d6b99 6e27c5d9-341f-eedd-8d14-8e32f414f50e",
		jsonText: "8d9ce1c2-8624-0d98-53ec-66d14051c703 b1dd5216-670b-476a-bba4-2763ff8720d6 c1410156-b1ec-346c-3b3b-e8ef9df4fd20 4f438fbe-c518-fea5-e433-82bd8c77e72f " +
			"ee6044f3-6476-c191-e6b6-e3eceeea87d6 0476399c-ee06-5d92-14fd-f3afe300b400 916dad4b-fef3-50ed-25ab-de84bd91c74a fbab57e1-71f5-063c-288a-03fbfb24c505",
	} {
		for i, want := range strings.Fields(want) {
			var with []schema.Reference
			var m *schema.Metadata
			var r *schema.RuleSet
			if i&4 != 0 {
				with = refs
			}
			if i&2 != 0 {
				m = metadata
			}
			if i&1 != 0 {
				r = rules
			}
			if got := schema.GUIDText(schema.GUID(text, with, m, r)); got != want {
				t.Errorf("%.20q, case %03b: %s, want %s", text, i, got, want)
			}
		}
	}
}

func TestCanonicalIsOneTextForEqualSchemas(t *testing.T) {
	const want = `{"a":{"x":[1.0,true,null,"é\u0000"]},"b":1e2}`
	for _, text := range []string{want, "{ \"b\":1e2,\n\"a\":{\"x\":[1.0, true ,null,\"\\u00e9\\u0000\"]} }"} {
		got, err := schema.Canonical([]byte(text))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{``, `{"a":1,"a":2}`, `{}{}`, `{a:1}`} {
		if got, err := schema.Canonical([]byte(text)); err == nil {
			t.Errorf("%s: no error, and %s", text, got)
		}
	}
}

func TestRegistrableIsOneTextForEqualSchemas(t *testing.T) {
	a, err := schema.Registrable([]byte(`{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	b, err := schema.Registrable([]byte("{ \"properties\": {\"a\": {\"type\": \"integer\"},\n\"b\": {\"type\": \"string\"}}, \"type\": \"object\" }"))
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("two texts of equal schemas:\n%s\n%s", a, b)
	}
	if _, err := schema.Registrable([]byte(`[]`)); err == nil {
		t.Error("what is no schema of an object has a text")
	}
}
