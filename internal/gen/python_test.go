package gen_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/gen"
)

// shop is a catalogue with every construct that a language says in its own way. The programs of interop run what is made of the real one.
var shop = map[string]string{
	"omninode.shop.request.buy.v1": `{"x-version":"1.2.0","x-omnibus":{"topic":"omninode.shop.request.buy.v1","replies":"omninode.shop.response.buy.v1",
			"key":"/article_id","aliases":{"article":"article_id"},"defaults":{"count":1,"colours":["red"],"address":{"city":"Ulm"}}},
		"description":"Asks for an article. It says \"how\", with a \\ and a \"\"\" in it, and is long enough to be broken into several lines.",
		"type":"object","anyOf":[{"required":["email","class"]},{"required":["phone"]}],"properties":{
			"article_id":{"type":"string","format":"uuid","description":"Which article."},
			"count":{"type":"integer","minimum":1,"exclusiveMaximum":100,"multipleOf":1},"price":{"type":"number","minimum":0.5,"multipleOf":0.01},
			"gift":{"type":"boolean"},"at":{"type":"string","format":"date-time"},"email":{"type":"string","format":"email","maxLength":100},
			"phone":{"type":"string","pattern":"^\\+?\\d{3,20}$"},"class":{"type":"string","enum":["first","second"]},
			"colour":{"type":"string","enum":["red"],"x-extensible-enum":["red","blue"]},
			"code-2":{"type":"string","pattern":"^[A-Z]{2}$"},"code_2":{"type":"string","pattern":"\\bx"},"model_dump":{"type":"string"},
			"payment":{"type":"string","enum":["cash","card"],"x-extensible-enum":true,"deprecated":true,"description":"How it is paid."},
			"level":{"type":"integer","enum":[1,2]},"share":{"type":"number","enum":[0.5,1]},"fixed":{"const":true},"maybe":{"enum":["a",null]},
			"address":{"type":"object","properties":{"city":{"type":"string"},"text":{"type":"object","properties":{"de":{"type":"string"}}}},"required":["city"]},
			"items":{"type":"array","minItems":1,"maxItems":9,"uniqueItems":true,"items":{"type":"object","properties":{"status":{"type":"string","enum":["new"]}}}},
			"colours":{"type":"array","items":{"type":"string","maxLength":5}},
			"prices":{"type":"object","additionalProperties":{"type":"number","minimum":0}},"free":{"type":"object","additionalProperties":true},
			"mixed":{"type":["string","object"],"maxLength":5},"or_null":{"type":["string","null"]},"any":{},"either":{"oneOf":[{"type":"string"},{"type":"integer"}]},
			"size":{"$ref":"#/$defs/size","description":"How large.","minProperties":1},
			"rest":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"integer"}}},
		"required":["article_id","mixed","or_null","any"],"dependentRequired":{"gift":["at"]},
		"$defs":{"size":{"type":"object","properties":{"cm":{"type":"number"}},"additionalProperties":false}}}`,
	"omninode.shop.response.buy.v1": `{"type":"object","properties":{"address":{"type":"object","properties":{"street":{"type":"string"}}}},"additionalProperties":true}`,
	"omninode.shop.event.text.v1":   `{"type":"object","properties":{"a":{"type":"string"}}}`,
	"omninode.shop.event.empty.v2":  `{"type":"object"}`,
}

// TestEveryKindOfMemberInPython freezes what each construct of a schema becomes, and that what it cannot become is said.
func TestEveryKindOfMemberInPython(t *testing.T) {
	goldens(t, "python", gen.Python, "__init__.py", "shop.py")
}

// TestEveryKindOfMemberInTypeScript freezes the same in TypeScript.
func TestEveryKindOfMemberInTypeScript(t *testing.T) {
	goldens(t, "typescript", gen.TypeScript, "index.ts", "shop.ts")
}

// goldens compares the files of shop in one language, of which these are frozen, and makes them again and again.
func goldens(t *testing.T, lang string, generate func(*event.Catalog) (map[string][]byte, error), frozen ...string) {
	t.Helper()
	c := catalog(t, shop)
	files, err := generate(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range frozen {
		golden := filepath.Join("testdata", lang, name+".golden")
		if *update {
			if err := os.WriteFile(golden, files[name], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(files[name])); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	for range 5 {
		again, err := generate(catalog(t, shop))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(files, again); diff != "" {
			t.Fatalf("not the same the second time\n%s", diff)
		}
	}
}

func TestNothingNotGeneratedIsWrittenOver(t *testing.T) {
	files, err := gen.Python(catalog(t, shop))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"shop.py": "mine = 1\n", "py.typed": "partial\n", "mine.py": "mine = 1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "envelope.py"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, work := range map[string]func(string, map[string][]byte) ([]string, error){"Write": gen.Write, "Stale": gen.Stale} {
		_, err := work(dir, files)
		clash, ok := errors.AsType[*gen.ClashError](err)
		if !ok {
			t.Fatalf("%s: error %v, want a ClashError", name, err)
		}
		if diff := cmp.Diff([]string{"envelope.py", "py.typed", "shop.py"}, clash.Names); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "__init__.py")); !os.IsNotExist(err) {
		t.Error("a part was written, though the whole could not be")
	}
}
