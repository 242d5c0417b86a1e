package cli

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// pages is what "explain" and "cheat" print, in Markdown.
//
//go:embed pages
var pages embed.FS

// page is a heading and what stands below it.
type page struct{ title, text string }

// codePage is the page of an error code, "OMB-0201".
func codePage(code string) (page, error) { return readPage("pages/codes/" + code + ".md") }

// codeNames are the codes that have a page.
func codeNames() ([]string, error) {
	files, err := fs.Glob(pages, "pages/codes/*.md")
	if err != nil {
		return nil, err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".md")
	}
	return names, nil
}

func readPage(file string) (page, error) {
	b, err := pages.ReadFile(file)
	if err != nil {
		return page{}, fmt.Errorf("read built-in page: %w", err)
	}
	title, text, _ := strings.Cut(strings.TrimPrefix(string(b), "# "), "\n")
	return page{title, strings.Trim(text, "\n")}, nil
}

// sections cuts a page at its second headings: what is before the first, and one page each.
func (p page) sections() (page, []page) {
	head, rest, more := strings.Cut(p.text, "\n## ")
	var out []page
	for more {
		var one string
		one, rest, more = strings.Cut(rest, "\n## ")
		title, text, _ := strings.Cut(one, "\n")
		out = append(out, page{title, strings.Trim(text, "\n")})
	}
	return page{p.title, strings.Trim(head, "\n")}, out
}
