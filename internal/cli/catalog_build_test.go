package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCatalogBuildWritesASiteAndKeepsIt(t *testing.T) {
	s := newShell(t)
	if out := s.must(t, "", "catalog", "build", "site"); !strings.Contains(out, "events/omninode.codegen.request.validate.v1.html\n") {
		t.Errorf("%.300s", out)
	}
	if out := s.must(t, "", "catalog", "build", "site"); out != "" {
		t.Errorf("a second build changed\n%s", out)
	}
	s.must(t, "", "catalog", "build", "site", "--check")
	if err := os.WriteFile(filepath.Join(s.dir, "site", "index.html"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.run(t.Context(), "", "catalog", "build", "site", "--check")
	check(t, wrong{exit: 7, code: "OMB-0706", says: "1 page differs", advice: "omnibus catalog build site", out: "index.html\n"}, r)
}

func TestCatalogBuildRefuses(t *testing.T) {
	s := newShell(t)
	theirs := filepath.Join(s.dir, "theirs")
	if err := os.MkdirAll(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(theirs, "index.html"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]wrong{
		"catalog build":                                {exit: 2, code: "OMB-0204", says: "needs a DIR", advice: "omnibus catalog build ./site"},
		"catalog build theirs":                         {exit: 2, code: "OMB-0219", says: "is not a site of ours", advice: "new or empty"},
		"catalog build theirs/index.html":              {exit: 2, code: "OMB-0209", says: "cannot work on theirs/index.html", advice: "name a directory"},
		"catalog build site --history svn":             {exit: 2, code: "OMB-0203", says: `no history in "svn"`, advice: "--history git"},
		"catalog build site --history git":             {exit: 2, code: "OMB-0208", says: "no directory schemas", advice: "--catalog"},
		"catalog build site --catalog c --history git": {exit: 2, code: "OMB-0208", says: "not a git repository", advice: "leave --history out"},
	} {
		if strings.Contains(line, "--catalog c") {
			writeSchema(t, s.dir, "1.0.0", "")
		}
		check(t, want, s.run(t.Context(), "", strings.Fields(line)...))
	}
	if b, err := os.ReadFile(filepath.Join(theirs, "index.html")); err != nil || string(b) != "mine" {
		t.Errorf("their file is %q, %v", b, err)
	}
}

func writeSchema(t *testing.T, dir, version, more string) {
	t.Helper()
	file := filepath.Join(dir, "c", "events", "shop", "event", "sold.v1.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	text := `{"title":"Sold","description":"A thing was sold.","x-version":"` + version + `","x-omnibus":{"topic":"omninode.shop.event.sold.v1","producers":["till"],` +
		`"consumers":["*"]},"type":"object","properties":{"sku":{"type":"string","description":"Which."}` + more + `},"required":["sku"]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCatalogBuildShowsTheHistoryInGit(t *testing.T) {
	s := newShell(t)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", s.dir, "-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2026-02-03T04:05:06Z", "GIT_COMMITTER_DATE=2026-02-03T04:05:06Z", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	commit := func(message, version, more string) {
		t.Helper()
		writeSchema(t, s.dir, version, more)
		git("add", "c")
		git("commit", "-q", "-m", message)
	}
	git("init", "-q", "-b", "main")
	commit("shop: sell", "1.0.0", "")
	git("checkout", "-q", "-b", "price")
	commit("shop: a price", "1.1.0", `,"price":{"type":"number","description":"How much."}`)
	git("checkout", "-q", "main")
	git("merge", "-q", "--no-ff", "-m", "shop: prices come", "price")
	commit("shop: whole prices", "1.2.0", `,"price":{"type":"integer","description":"How much."}`)
	writeSchema(t, s.dir, "1.3.0", "")

	s.must(t, "", "catalog", "build", "site", "--catalog", "c", "--history", "git")
	b, err := os.ReadFile(filepath.Join(s.dir, "site", "events", "omninode.shop.event.sold.v1.html"))
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(b), `id="versions"`)
	for _, want := range []string{
		"1.3.0, not committed", "1.2.0, 2026-02-03", ">breaks new readers of old events<", "shop: whole prices", "1.1.0, 2026-02-03", ">compatible<", "shop: prices come",
		"1.0.0, 2026-02-03", ">new<", "shop: sell",
	} {
		_, rest, ok := strings.Cut(page, want)
		if !ok {
			t.Fatalf("the page does not say %q after what comes before it:\n%s", want, page)
		}
		page = rest
	}
}
