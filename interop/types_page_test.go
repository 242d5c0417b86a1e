package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestTypesPage does what the page about types shows.
func TestTypesPage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	page, err := os.ReadFile("../docs/how-to/types-for-python-and-typescript.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		blocks[m[1]] += m[2]
	}
	dir := t.TempDir()
	sh := exec.CommandContext(ctx, "sh", "-ec", blocks["sh"])
	sh.Dir = dir
	sh.Env = append(os.Environ(), "PATH="+filepath.Dir(omnibus(ctx, t))+string(os.PathListSeparator)+os.Getenv("PATH"))
	run(ctx, t, sh, nil)
	for name, text := range map[string]string{"page.py": blocks["python"], "page.ts": blocks["typescript"], "package.json": `{"type":"module"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	python := pythonProgram(ctx, t, filepath.Join(dir, "page.py"))
	python.Args[1] = filepath.Join(dir, "page.py")
	const want = "omninode.codegen.request.validate.v1 declares no /payload/langauge\n"
	if got := string(run(ctx, t, python, nil)); got != want {
		t.Errorf("the page's program prints %q, want %q", got, want)
	}
	run(ctx, t, typeScript(ctx, t, dir, "--noEmit", "page.ts"), nil)
}
