package bridge_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/services/bridge"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	operation = event.ID{0x6f, 0x0c, 0x7a, 0x9e, 0x0f, 0x3b, 0x4d, 0x58, 0x9f, 0x5e, 0x6f, 0x1d, 0x2c, 0x3b, 0x4a, 0x59}
	noon      = time.Date(2026, 11, 24, 12, 0, 0, 5e6, time.UTC)
)

// stampFor is the stamp that the bridge would put on content.
func stampFor(kind bridge.Kind, content []byte) bridge.Stamp {
	h := bridge.Sum(content)
	s := bridge.Stamp{Kind: kind, UID: bridge.UID(operation, h), Hash: h, Time: noon}
	if kind == bridge.Rich {
		s.File = bridge.File{Size: int64(len(bridge.Strip(content))), MetadataVersion: "0.1"}
	}
	return s
}

// reporter is what testing.TB and rapid.T share.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func apply(tb reporter, content []byte, s bridge.Stamp) []byte {
	tb.Helper()
	out, err := bridge.Apply(content, s)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func text(tb reporter, s bridge.Stamp) string {
	tb.Helper()
	out, err := s.Text()
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// checkLaws asserts everything that the package promises about any content at all.
func checkLaws(tb reporter, content []byte) {
	tb.Helper()
	before := bytes.Clone(content)
	body := bridge.Strip(content)
	if !bytes.Equal(bridge.Strip(body), body) {
		tb.Fatalf("stripping %q leaves %q, which has a stamp", content, body)
	}
	found, rest := bridge.Find(content)
	if !bytes.Equal(rest, body) {
		tb.Fatalf("find leaves %q, strip %q", rest, body)
	}
	if len(found) == 0 && !bytes.Equal(body, content) {
		tb.Fatalf("no stamp in %q, but stripping changes it to %q", content, body)
	}
	if got, want := bridge.Sum(content), bridge.Hash(blake3.Sum256(body)); got != want {
		tb.Fatalf("hash %s, want that of the exact bytes, %s", got, want)
	}
	for _, kind := range []bridge.Kind{bridge.Lightweight, bridge.Rich} {
		s := stampFor(kind, content)
		stamped := apply(tb, content, s)
		if got := bridge.Strip(stamped); !bytes.Equal(got, body) {
			tb.Fatalf("%s: strip(stamp(%q)) is %q, want %q", kind, content, got, body)
		}
		got, _ := bridge.Find(stamped)
		if diff := cmp.Diff([]bridge.Stamp{s}, got); diff != "" {
			tb.Fatalf("%s: stamps of %q (-want +got):\n%s", kind, stamped, diff)
		}
		if v := bridge.Verify(stamped, nil); !v.Valid {
			tb.Fatalf("%s: %q is not valid: %s", kind, stamped, v.Reason)
		}
		for _, other := range []bridge.Kind{bridge.Lightweight, bridge.Rich} {
			again := stampFor(other, stamped)
			if got, want := apply(tb, stamped, again), apply(tb, content, again); !bytes.Equal(got, want) {
				tb.Fatalf("%s over %s gives %q, want %q", other, kind, got, want)
			}
		}
	}
	if !bytes.Equal(content, before) {
		tb.Fatalf("content was changed from %q to %q", before, content)
	}
}

// fragments are what content is put together from, so that whole stamps, halves of them and the newlines that they might
// claim meet in every order.
func fragments(tb reporter) []string {
	line := text(tb, stampFor(bridge.Lightweight, nil))
	block := text(tb, stampFor(bridge.Rich, nil))
	return []string{
		"\n", "\r\n", "\r", "", "text", "#!/bin/sh", "\ufeff", "\xff\x00",
		line, line + ",v=2", line + ",v=\x01", strings.ToUpper(line), line[:40],
		block, strings.ReplaceAll(block, "\n", "\r\n"), block[:60], block[28:],
		"<!-- ONEX_METADATA_START -->", "<!-- ONEX_METADATA_END -->", "<!-- {} -->",
	}
}

func TestStripUndoesStampForAnyContent(t *testing.T) {
	fragments := fragments(t)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom(fragments), 0, 8).Draw(t, "parts")
		checkLaws(t, []byte(strings.Join(parts, "")))
	})
}

// Every two fragments with every newline between them, so that none of the orders is left to chance.
func TestStripUndoesStampForEveryPair(t *testing.T) {
	fragments := fragments(t)
	for _, a := range fragments {
		for _, b := range fragments {
			for _, newline := range []string{"", "\n", "\r\n"} {
				checkLaws(t, []byte(a+newline+b))
			}
		}
	}
}

func FuzzStripUndoesStamp(f *testing.F) {
	for _, s := range fragments(f) {
		f.Add([]byte(s))
		f.Add([]byte(s + "\nbody\n" + s))
	}
	f.Fuzz(func(t *testing.T, content []byte) { checkLaws(t, content) })
}

func TestStampLooksAsDocumented(t *testing.T) {
	rich := bridge.File{
		Path: "docs/a-->b.md", ContentType: "text/markdown", Namespace: "omninode.services.metadata",
		Metadata: jsonx.Value(`{"note": "-- </script> ---", "n": 1}`),
	}
	tests := []struct {
		name, content string
		kind          bridge.Kind
		file          bridge.File
	}{
		{name: "lightweight", content: "package a\n", kind: bridge.Lightweight},
		{name: "lightweight-crlf", content: "package a\r\nvar b int\r\n", kind: bridge.Lightweight},
		{name: "lightweight-shebang", content: "#!/bin/sh\nexit\n", kind: bridge.Lightweight},
		{name: "lightweight-empty", content: "", kind: bridge.Lightweight},
		{name: "rich", content: "# Hello\n", kind: bridge.Rich, file: rich},
		{name: "rich-no-final-newline", content: "# Hello", kind: bridge.Rich},
		{name: "rich-crlf", content: "# Hello\r\n", kind: bridge.Rich},
		{name: "rich-empty", content: "", kind: bridge.Rich},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := stampFor(tt.kind, []byte(tt.content))
			s.File = tt.file
			s.File.Size = int64(len(tt.content))
			got := apply(t, []byte(tt.content), s)
			golden := filepath.Join("testdata", tt.name+".golden")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("stamped content (-want +got):\n%s", diff)
			}
			checkLaws(t, got)
			found, _ := bridge.Find(got)
			if len(found) != 1 || found[0].File.Path != tt.file.Path || found[0].File.Namespace != tt.file.Namespace {
				t.Errorf("found %+v, want the stamp with its file %+v", found, tt.file)
			}
		})
	}
}

func TestRichStampClosesNoCommentEarly(t *testing.T) {
	s := stampFor(bridge.Rich, nil)
	s.File.Path = "--> <script> -- --->"
	s.File.Metadata = jsonx.Value(`{"-->":"--!> \u003e","n":-1e-5}`)
	for line := range strings.SplitSeq(text(t, s), "\n") {
		inner := strings.TrimSuffix(strings.TrimPrefix(line, "<!--"), "-->")
		if strings.Contains(inner, "--") || strings.Contains(inner, ">") {
			t.Errorf("the comment ends inside: %s", line)
		}
	}
	found, _ := bridge.Find(apply(t, []byte("x"), s))
	if len(found) != 1 || found[0].File.Path != s.File.Path {
		t.Errorf("found %+v, want path %q", found, s.File.Path)
	}
}

func TestOnlyAWellFormedStampInItsPlaceCounts(t *testing.T) {
	line := text(t, stampFor(bridge.Lightweight, nil))
	block := text(t, stampFor(bridge.Rich, nil))
	tests := map[string]struct {
		content string
		want    int
	}{
		"line first":                        {line + "\nbody", 1},
		"line with more pairs":              {line + ",author=me,v=1\nbody", 1},
		"line alone":                        {line, 1},
		"line after CRLF conversion":        {line + "\r\nbody", 1},
		"lines stacked":                     {line + "\n" + line + "\nbody", 2},
		"line and block":                    {line + "\nbody\n" + block + "\n", 2},
		"line and block and nothing else":   {line + "\n" + block, 2},
		"block last":                        {"body\n" + block + "\n", 1},
		"block without its final newline":   {"body\n" + block, 1},
		"block with CRLF":                   {"body\r\n" + strings.ReplaceAll(block, "\n", "\r\n") + "\r\n", 1},
		"blocks stacked":                    {"body\n" + block + "\n\n" + block + "\n", 2},
		"line second":                       {"\n" + line + "\nbody", 0},
		"line after a shebang":              {"#!/bin/sh\n" + line + "\n", 0},
		"line after a byte order mark":      {"\ufeff" + line + "\n", 0},
		"line indented":                     {" " + line + "\n", 0},
		"line with upper-case hash":         {strings.Replace(line, "hash=af", "hash=AF", 1) + "\n", 0},
		"line with a space at its end":      {line + " \n", 0},
		"line with a bare uid":              {strings.Replace(line, "-", "", 1) + "\n", 0},
		"line in another order":             {"# ONEX:hash=a,uid=b,ts=c\n", 0},
		"line too long":                     {line + ",v=" + strings.Repeat("x", 1100) + "\n", 0},
		"block first":                       {block + "\nbody", 0},
		"block followed by an empty line":   {"body\n" + block + "\n\n", 0},
		"block glued to the text":           {"body" + block + "\n", 0},
		"block with two kinds of newline":   {"body\n" + strings.Replace(block, "\n", "\r\n", 1) + "\n", 0},
		"block with another integrity hash": {"body\n" + strings.Replace(block, `"BLAKE3","hash":"af`, `"BLAKE3","hash":"00`, 1) + "\n", 0},
		"block with a member twice":         {"body\n" + strings.Replace(block, `{"uid"`, `{"uid":"x","uid"`, 1) + "\n", 0},
		"block with a member of tomorrow":   {"body\n" + strings.Replace(block, `{"uid"`, `{"x":[1],"uid"`, 1) + "\n", 1},
		"block without JSON":                {"body\n<!-- ONEX_METADATA_START -->\n<!-- {} -->\n<!-- ONEX_METADATA_END -->\n", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, rest := bridge.Find([]byte(tt.content))
			if len(got) != tt.want {
				t.Errorf("%d stamps, want %d", len(got), tt.want)
			}
			if tt.want == 0 && string(rest) != tt.content {
				t.Errorf("left %q of %q", rest, tt.content)
			}
			checkLaws(t, []byte(tt.content))
		})
	}
}

func TestStampIsTheSameForTheSameOperation(t *testing.T) {
	h := bridge.Sum([]byte("abc"))
	// As Python's uuid.uuid5(operation, "6437b3ac…") computes it.
	if got, want := bridge.UID(operation, h).String(), "2a8ad3c9-6b49-5397-89eb-a132332c43eb"; got != want {
		t.Errorf("uid %s, want %s", got, want)
	}
	if bridge.UID(operation, h) == bridge.UID(event.ID{}, h) {
		t.Error("two operations made one uid")
	}
	if bridge.UID(operation, h) == bridge.UID(operation, bridge.Hash{}) {
		t.Error("two hashes made one uid")
	}
}

func TestApplyRefusesWhatIsNoStamp(t *testing.T) {
	if _, err := bridge.Apply(nil, bridge.Stamp{Kind: "heavy"}); err == nil {
		t.Error("an unknown kind was applied")
	}
	s := stampFor(bridge.Rich, nil)
	s.File.Metadata = jsonx.Value(`{"a":`)
	if _, err := bridge.Apply(nil, s); err == nil {
		t.Error("broken metadata was applied")
	}
}

func TestGrade(t *testing.T) {
	for took, want := range map[time.Duration]string{
		0: "A", time.Millisecond - 1: "A", time.Millisecond: "B", 2*time.Millisecond - 1: "B", 2 * time.Millisecond: "C", time.Hour: "C",
	} {
		if got := bridge.Grade(took); got != want {
			t.Errorf("grade of %s is %s, want %s", took, got, want)
		}
	}
}
