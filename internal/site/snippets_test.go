package site_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/omninode-ai/omnibus/contracts"
)

// snippet is the text of a snippet as a reader copies it from the page.
func snippet(t *testing.T, page []byte, id string) string {
	t.Helper()
	doc, err := parseHTML(page)
	if err != nil {
		t.Fatal(err)
	}
	for e := range doc.all() {
		if e.attr["id"] == id+"-text" {
			return e.text()
		}
	}
	t.Fatalf("the page has no snippet %s", id)
	return ""
}

// TestGoSnippetsCompile compiles them as packages of this module that are on no disk.
func TestGoSnippetsCompile(t *testing.T) {
	ours, others := pages(t, configOf(t, contracts.Catalog())), pages(t, odd(t))
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay := map[string]map[string]string{"Replace": {}}
	args := []string{"list", "-export", "-overlay", filepath.Join(dir, "overlay.json")}
	for i, text := range []string{
		snippet(t, ours["events/omninode.codegen.request.validate.v1.html"], "go-publish"), snippet(t, ours["events/omninode.codegen.request.validate.v1.html"], "go-read"),
		snippet(t, others["events/omninode.shop.request.order.v1.html"], "go-publish"), snippet(t, others["events/Bare_topic-1.html"], "go-publish"),
	} {
		file := filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][filepath.Join(here, "snippet", strconv.Itoa(i), "main.go")] = file
		args = append(args, fmt.Sprintf("./snippet/%d", i))
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What is to be pasted into a shell must reach the program as it is, whatever the example holds.
func TestShellSnippetSurvivesTheShell(t *testing.T) {
	for topic, files := range map[string]map[string][]byte{
		"omninode.shop.request.order.v1": pages(t, odd(t)), "omninode.bridge.request.stamp.v1": pages(t, configOf(t, contracts.Catalog())),
	} {
		line, _, _ := strings.Cut(snippet(t, files["events/"+topic+".html"], "shell"), "\n")
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "omnibus() { printf '%s\\n' \"$@\"; }\n"+line).Output()
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(args) != 3 || args[0] != "publish" || args[1] != topic || !json.Valid([]byte(args[2])) {
			t.Errorf("%s: %q", line, args)
		}
	}
}
