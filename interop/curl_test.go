package interop_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the outputs in the pages")

const (
	curlPage = "../docs/reference/interop.md"
	curlMark = "<!-- executed by interop: curl -->\n```console\n"
	firstID  = 64 // after the catalogue
)

var idMember = regexp.MustCompile(`"id":([0-9]+)`)

// curl executes the lines of the page against a registry at url. The page's ids stand for those that the registry gives.
func curl(t *testing.T, url string) {
	t.Helper()
	ctx := t.Context()
	page, err := os.ReadFile(curlPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), curlMark)
	block, after, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatalf("%s has no block of curl", curlPage)
	}
	var ids []string // what the registry gave, in order; the page calls the first firstID
	said := func(out string) string {
		return idMember.ReplaceAllStringFunc(out, func(m string) string {
			id := strings.TrimPrefix(m, `"id":`)
			for i, known := range ids {
				if known == id {
					return fmt.Sprintf(`"id":%d`, firstID+i)
				}
			}
			ids = append(ids, id)
			return fmt.Sprintf(`"id":%d`, firstID+len(ids)-1)
		})
	}
	var got strings.Builder
	lines := 0
	for line := range strings.Lines(block) {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		lines++
		asked := strings.ReplaceAll(command, "localhost:8084", strings.TrimPrefix(url, "http://"))
		for i, id := range ids {
			asked = strings.ReplaceAll(asked, fmt.Sprintf("/ids/%d/", firstID+i), "/ids/"+id+"/")
		}
		out := run(ctx, t, exec.CommandContext(ctx, "bash", "-c", asked), nil)
		fmt.Fprintf(&got, "%s%s\n", line, strings.TrimSpace(said(string(out))))
	}
	if lines < 15 {
		t.Errorf("%d lines of curl: some are gone", lines)
	}
	if *update {
		if err := os.WriteFile(curlPage, []byte(before+curlMark+got.String()+"```\n"+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(block, got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", curlPage, diff)
	}
}
