package readme

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A promise that names a test which is not there is not defended by anything.
func TestPromisesNameTestsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "promises.md"))
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != "." {
			return fs.SkipDir
		}
		if script, ok := strings.CutSuffix(d.Name(), ".txt"); ok && strings.Contains(name, "testdata/") {
			source.WriteString(`{"` + script + `", `) // a script is a scenario of the test that runs its directory
		}
		if strings.HasSuffix(name, "_test.go") {
			b, err := os.ReadFile(filepath.Join(root, name))
			source.Write(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)(?:/(\\w+))?`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 20 {
		t.Errorf("%d tests are named, want at least 20", len(named))
	}
	for _, m := range named {
		if !strings.Contains(source.String(), "func "+m[1]+"(") {
			t.Errorf("there is no test %s", m[1])
		}
		if m[2] != "" && !strings.Contains(source.String(), `{"`+m[2]+`", `) {
			t.Errorf("%s has no scenario %s", m[1], m[2])
		}
	}
}
