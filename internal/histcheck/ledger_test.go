package histcheck_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/omninode-ai/omnibus/internal/histcheck"
)

func TestLedgerKeepsLinesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "consumer-1")
	l, err := histcheck.Open(path, "consumer-1")
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				l.Append(histcheck.Line{Kind: histcheck.Done, Group: "g", Topic: "t", Partition: int32(w), Offset: int64(i), Note: strings.Repeat("x", i)})
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next := map[int32]int64{}
	for line, err := range histcheck.File(path).Lines() {
		if err != nil {
			t.Fatal(err)
		}
		if line.Process != "consumer-1" || line.Wall == 0 || line.Mono == 0 {
			t.Fatalf("line %+v", line)
		}
		if line.Offset != next[line.Partition] {
			t.Fatalf("writer %d: line %d where %d follows", line.Partition, line.Offset, next[line.Partition])
		}
		next[line.Partition]++
	}
	if len(next) != writers || next[0] != each {
		t.Errorf("lines %v, want %d of %d writers", next, each, writers)
	}
}

func TestLedgerReportsWhatItCouldNotWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l, err := histcheck.Open(path, "p")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Append(histcheck.Line{Kind: histcheck.Exit})
	if err := l.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("close: %v, want the error of the write", err)
	}
}

func TestLinesEndAtATornLine(t *testing.T) {
	whole := `{"k":"exit","p":"a","w":1,"m":1}` + "\n"
	for _, tc := range []struct {
		name, text string
		lines      int
		torn, bad  bool
	}{
		{"empty", "", 0, false, false},
		{"whole", whole + whole, 2, false, false},
		{"torn", whole + whole[:20], 1, true, false},
		{"torn at its line feed", whole + whole[:len(whole)-1], 1, true, false},
		{"broken within", whole + whole[:20] + "\n" + whole, 1, false, true},
		{"no line at all", "\n", 0, false, true},
		{"without a process", `{"k":"exit","w":1,"m":1}` + "\n", 0, false, true},
		{"start of nothing", `{"k":"start","p":"a","w":1,"m":1}` + "\n", 0, false, true},
		{"too long", `{"k":"exit","p":"` + strings.Repeat("a", 1<<20) + `"}` + "\n", 0, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := 0
			var last error
			for _, err := range text("l", tc.text).Lines() {
				if last = err; err == nil {
					n++
				}
			}
			if n != tc.lines || errors.Is(last, histcheck.ErrTorn) != tc.torn || (last != nil && !errors.Is(last, histcheck.ErrTorn)) != tc.bad {
				t.Errorf("%d lines, then %v", n, last)
			}
		})
	}
}

// text is a ledger in memory.
func text(name, content string) histcheck.Source {
	return histcheck.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

func FuzzParseLine(f *testing.F) {
	e := histcheck.Event{Run: "r", Producer: "p", Seq: 1, Key: "k", KeySeq: 1, ID: "id"}.Sealed()
	for _, l := range []histcheck.Line{
		{Kind: histcheck.Invoke, Process: "p", Topic: "t", Event: &e},
		{Kind: histcheck.Start, Process: "p", Group: "g", Topic: "t", Partition: 1, Offset: 7, Attempt: 2, Event: &e, Run: 3},
		{Kind: histcheck.Commit, Process: "p", Group: "g", Topic: "t", Offset: 1 << 60, Taken: -1, Note: "\u2028\x00"},
	} {
		b, err := l.AppendJSON(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := histcheck.ParseLine(b)
		if err != nil {
			return
		}
		_ = l.String()
		again, err := l.AppendJSON(nil)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", l, err)
		}
		back, err := histcheck.ParseLine(bytes.TrimSuffix(again, []byte{'\n'}))
		if err != nil {
			t.Fatalf("%s does not come back: %v", again, err)
		}
		if diff := cmp.Diff(l, back, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("changed (-first +second):\n%s", diff)
		}
	})
}

func TestEventSumCoversEveryField(t *testing.T) {
	e := histcheck.Event{Run: "r", Producer: "p", Seq: 1, Key: "k", KeySeq: 2, ID: "i", Fate: histcheck.Dead, Body: "b"}.Sealed()
	for name, change := range map[string]func(*histcheck.Event){
		"run": func(e *histcheck.Event) { e.Run += "x" }, "producer": func(e *histcheck.Event) { e.Producer = "" },
		"seq": func(e *histcheck.Event) { e.Seq++ }, "key": func(e *histcheck.Event) { e.Key = "kp" },
		"key seq": func(e *histcheck.Event) { e.KeySeq = -2 }, "id": func(e *histcheck.Event) { e.ID = "j" },
		"fate": func(e *histcheck.Event) { e.Fate = "" }, "body": func(e *histcheck.Event) { e.Body = "" },
	} {
		other := e
		change(&other)
		if other.Sum() == e.CRC {
			t.Errorf("the sum does not see %s", name)
		}
	}
	if e.Sum() != e.CRC {
		t.Error("the sum sees itself")
	}
}
