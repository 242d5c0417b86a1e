package readme

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const quickReference = "docs/quick-reference.md"

// block is a block of the quick reference. Above it stand its source, where it is code, and its mark.
type block struct {
	line     int
	language string
	text     string
	source   string // the file that the code is copied from
	mark     string // works, not yet or nothing
	missing  string // what a block that is not yet waits for
}

func (b block) String() string { return fmt.Sprintf("%s:%d", quickReference, b.line) }

var (
	markForm   = regexp.MustCompile(`^\*(?:(works)|(not yet) \((.*)\))\*$`)
	sourceForm = regexp.MustCompile(`^<!-- (examples/\S+) -->$`)
)

// quickReferenceBlocks are the blocks of the page, in its order.
func quickReferenceBlocks(t *testing.T) (page string, blocks []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, quickReference))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	above := func(i int) string {
		if i < 0 {
			return ""
		}
		return lines[i]
	}
	for i := 0; i < len(lines); i++ {
		language, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		b := block{line: i + 1, language: language}
		if m := markForm.FindStringSubmatch(above(i - 1)); m != nil {
			b.mark, b.missing = m[1]+m[2], strings.TrimSpace(m[3])
		}
		if m := sourceForm.FindStringSubmatch(above(i - 2)); m != nil {
			b.source = m[1]
		}
		var body strings.Builder
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			body.WriteString(lines[i] + "\n")
		}
		b.text = body.String()
		blocks = append(blocks, b)
	}
	return string(text), blocks
}

// A block without a mark claims nothing, one that is not yet and names nothing waits for nobody, and a language that nobody
// executes is decoration.
func TestQuickReferenceMarksEveryBlock(t *testing.T) {
	page, blocks := quickReferenceBlocks(t)
	works, notYet := 0, 0
	for _, b := range blocks {
		switch b.mark {
		case "works":
			works++
		case "not yet":
			notYet++
			if len(b.missing) < 3 {
				t.Errorf("%s: not yet, and nothing says what is missing", b)
			}
			if b.language != "sh" {
				t.Errorf("%s: what is not yet has to be a command, so that the test sees when it works", b)
			}
		default:
			t.Errorf("%s: the block has no mark: *works* or *not yet (what is missing)*", b)
		}
		switch b.language {
		case "sh", "json", "ndjson", "yaml", "python":
		case "go":
			b.checkSource(t)
		default:
			t.Errorf("%s: nothing executes %q", b, b.language)
		}
	}
	count := fmt.Sprintf("%d work and %d do not yet", works, notYet)
	t.Logf("%s: of %d blocks, %s", quickReference, len(blocks), count)
	if !strings.Contains(page, "Of its blocks, "+count+".") {
		t.Errorf("the page does not say that of its blocks, %s", count)
	}
}

// checkSource holds the code of the page against the file that it was copied from, which is the one that is executed.
func (b block) checkSource(t *testing.T) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, b.source))
	if err != nil || b.source == "" {
		t.Errorf("%s: no file that the code is from: %v", b, err)
		return
	}
	if !strings.Contains(string(source), b.text) {
		t.Errorf("%s: the code is not in %s", b, b.source)
	}
}
