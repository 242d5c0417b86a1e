package readme

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Python code on a page is a part of a program that the interop tests run: what stands there between "# snippet: NAME" and "# end".
func TestPythonCodeIsCopiedFromTheTestedPrograms(t *testing.T) {
	const page = "docs/how-to/python-services.md"
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	found := regexp.MustCompile("(?s)<!-- (interop/python/[^ ]+): ([^ ]+) -->\n```python\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(found) < 8 || len(found) != strings.Count(text, "```python") {
		t.Fatalf("%d of %d blocks of Python name their program, want at least 8 and all", len(found), strings.Count(text, "```python"))
	}
	for _, m := range found {
		source, err := os.ReadFile(filepath.Join(root, m[1]))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, begins := strings.Cut(string(source), "# snippet: "+m[2]+"\n")
		want, _, ends := strings.Cut(rest, "# end\n")
		if !begins || !ends {
			t.Errorf("%s has no snippet %s", m[1], m[2])
		}
		if strings.TrimSpace(want) != strings.TrimSpace(m[3]) {
			t.Errorf("%s: what it shows of %s, snippet %s, is\n%s\nand the program has\n%s", page, m[1], m[2], m[3], want)
		}
	}
}
