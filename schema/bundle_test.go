package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/schema"
)

func TestBundle(t *testing.T) {
	address := `{"$id":"https://example.com/address.json","type":"object","properties":{"country":{"$ref":"#/$defs/code"},"next":{"$ref":"#"},` +
		`"zip":{"$ref":"zip.json"}},"$defs":{"code":{"type":"string","maxLength":2}}}`
	for _, tt := range []struct {
		name, root string
		refs       map[string]string
		want       string
		err        string
	}{
		{
			"no references", `{"type":"object", "$defs":{"x":{"type":"string"}}, "properties":{"a":{"$ref":"#/$defs/x"}}}`, nil,
			`{"$defs":{"x":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/x"}},"type":"object"}`, "",
		},
		{
			"by name, and from there", `{"properties":{"home":{"$ref":"address.json"},"land":{"$ref":"address.json#/$defs/code"}}}`,
			map[string]string{"address.json": address, "zip.json": `{"type":"string"}`},
			`{"$defs":{"address.json":{"$defs":{"code":{"maxLength":2,"type":"string"}},"properties":{"country":{"$ref":"#/$defs/address.json/$defs/code"},` +
				`"next":{"$ref":"#/$defs/address.json"},"zip":{"$ref":"#/$defs/zip.json"}},"type":"object"},"zip.json":{"type":"string"}},` +
				`"properties":{"home":{"$ref":"#/$defs/address.json"},"land":{"$ref":"#/$defs/address.json/$defs/code"}}}`, "",
		},
		{
			"relative to the $id", `{"$id":"https://example.com/root.json","$schema":"http://json-schema.org/draft-07/schema#","items":{"$ref":"zip.json"}}`,
			map[string]string{"https://example.com/zip.json": `{"type":"string"}`},
			`{"$id":"https://example.com/root.json","$schema":"http://json-schema.org/draft-07/schema#",` +
				`"definitions":{"https___example.com_zip.json":{"type":"string"}},"items":{"$ref":"#/definitions/https___example.com_zip.json"}}`, "",
		},
		{
			"each other", `{"$ref":"a"}`,
			map[string]string{"a": `{"items":{"$ref":"b"}}`, "b": `{"items":{"$ref":"a"}}`},
			`{"$defs":{"a":{"items":{"$ref":"#/$defs/b"}},"b":{"items":{"$ref":"#/$defs/a"}}},"$ref":"#/$defs/a"}`, "",
		},
		{
			"a key that is taken", `{"$ref":"a","$defs":{"a":{"type":"null"}}}`,
			map[string]string{"a": `true`},
			`{"$defs":{"a":{"type":"null"},"a_2":true},"$ref":"#/$defs/a_2"}`, "",
		},
		{"outside", `{"$ref":"https://example.com/x.json"}`, map[string]string{"a": `true`}, "", `"https://example.com/x.json" is outside the document and not among its references ("a")`},
		{"a file", `{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`, nil, "", `not among its references (there are none)`},
		{"outside, from a reference", `{"$ref":"a"}`, map[string]string{"a": `{"$ref":"b"}`}, "", `the referenced schema "a": "b" is outside`},
		{"no JSON", `{"$ref":"a"}`, map[string]string{"a": `{`}, "", `the referenced schema "a": line 1`},
		{
			"two dialects", `{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"a"}`,
			map[string]string{"a": `{"$schema":"http://json-schema.org/draft-07/schema#"}`},
			"", `is written in http://json-schema.org/draft-07/schema#`,
		},
		{"too large", `{"$ref":"a"}`, map[string]string{"a": `{"description":"` + strings.Repeat("x", 600<<10) + `"}`}, "", `bytes are referred to`},
		{"data that looks like a reference", `{"examples":[{"$ref":"a"}],"properties":{"$ref":{"type":"string"}}}`, nil, `{"examples":[{"$ref":"a"}],"properties":{"$ref":{"type":"string"}}}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refs := map[string][]byte{}
			for name, s := range tt.refs {
				refs[name] = []byte(s)
			}
			got, err := schema.Bundle([]byte(tt.root), refs)
			switch {
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Fatalf("error %v, want %q", err, tt.err)
			case tt.err != "":
				return
			case err != nil:
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if _, err := schema.Parse(got); err != nil {
				t.Errorf("the bundle does not compile: %v", err)
			}
		})
	}
}

// A change within what is referred to is a change of the schema.
func TestBundledReferencesAreCompared(t *testing.T) {
	root := []byte(`{"type":"object","properties":{"home":{"$ref":"address"}}}`)
	older, err := schema.Bundle(root, map[string][]byte{"address": []byte(`{"type":"object","properties":{"zip":{"type":"string"}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	newer, err := schema.Bundle(root, map[string][]byte{"address": []byte(`{"type":"object","properties":{"zip":{"type":"integer"}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	v, err := schema.Check(newer, []schema.Version{{Number: 1, Schema: older}}, schema.FullTransitive, schema.ByRole)
	if err != nil {
		t.Fatal(err)
	}
	if v.Compatible || len(v.Differences) == 0 || v.Differences[0].Type != "TYPE_CHANGED" || v.Differences[0].Path != "#/properties/home/$ref/properties/zip" {
		t.Errorf("%+v", v)
	}
}
