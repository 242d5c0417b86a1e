package bus

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plainSet is what offsets must be, said plainly.
type plainSet struct {
	unsettled map[int64]bool
	next      int64
}

func (p plainSet) watermark() int64 {
	at := p.next
	for off := range p.unsettled {
		at = min(at, off)
	}
	return at
}

func unsettledOf(o *offsets) []int64 {
	var out []int64
	if o.n == 0 {
		return out
	}
	for off := o.low; off >= 0; off = o.following(off + 1) {
		out = append(out, off)
	}
	return out
}

func (p plainSet) equal(t *rapid.T, o *offsets) {
	if got, want := o.watermark(), p.watermark(); got != want {
		t.Fatalf("watermark %d, want %d", got, want)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(p.unsettled)), unsettledOf(o)); diff != "" {
		t.Fatalf("unsettled (-want +got):\n%s", diff)
	}
	if o.n > 0 && o.next-o.low > maxSpan {
		t.Fatalf("span %d", o.next-o.low)
	}
	if m := o.metadata(note{}); len(m) > maxMetadata {
		t.Fatalf("%d bytes of metadata", len(m))
	}
}

// TestOffsetsAgreeWithSet delivers, settles and restarts at random: dense and sparse, across the end of the ring, up to the limits.
func TestOffsetsAgreeWithSet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 1<<20), rapid.Int64Range(1<<40, 1<<62)).Draw(t, "start")
		gap := rapid.SampledFrom([]int64{1, 1, 3, 40, 900, 70_000}).Draw(t, "gap")
		var o offsets
		o.startAt(start)
		want := plainSet{map[int64]bool{}, start}
		seen := start // how far the log arrived since the last restart
		arrive := func(off int64, many int) {
			for range many {
				o.arrived(off)
				for u := range want.unsettled {
					if u >= seen && u < min(off, o.restored) {
						delete(want.unsettled, u) // it did not come again
					}
				}
				if o.full(off) {
					if len(want.unsettled) == 0 || off < want.next {
						t.Fatalf("no room for %d", off)
					}
					return
				}
				fresh := off >= want.next
				again := off >= seen && want.unsettled[off]
				if got := o.deliver(off); got != (fresh || again) {
					t.Fatalf("deliver(%d) = %v", off, got)
				}
				if fresh {
					want.unsettled[off], want.next = true, off+1
				}
				seen = max(seen, off+1)
				off += rapid.Int64Range(1, gap).Draw(t, "gap")
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { want.equal(t, &o) },
			"records": func(t *rapid.T) {
				arrive(seen+rapid.Int64Range(0, gap-1).Draw(t, "skip"), rapid.IntRange(1, 300).Draw(t, "many"))
			},
			"copy": func(t *rapid.T) {
				if seen > start {
					off := rapid.Int64Range(max(start, seen-100), seen-1).Draw(t, "off")
					if o.deliver(off) {
						t.Fatalf("%d again", off)
					}
				}
			},
			"settle": func(t *rapid.T) {
				all := unsettledOf(&o)
				for range min(len(all), rapid.IntRange(1, 300).Draw(t, "many")) {
					off := rapid.SampledFrom(all).Draw(t, "off")
					o.settle(off)
					o.settle(off) // a second time is nothing
					delete(want.unsettled, off)
				}
			},
			"settle first": func(*rapid.T) {
				o.settle(o.watermark())
				delete(want.unsettled, want.watermark())
			},
			"restart": func(t *rapid.T) {
				said := drawNote(t, &o)
				at, metadata := o.watermark(), o.metadata(said)
				o = offsets{}
				found, ok := o.restore(at, metadata)
				if !ok {
					t.Fatalf("restore(%d, %q) refused", at, metadata)
				}
				if diff := cmp.Diff(said, found, unexported); diff != "" {
					t.Fatalf("note (-want +got):\n%s", diff)
				}
				if again := o.metadata(found); again != metadata {
					t.Fatalf("metadata %q became %q", metadata, again)
				}
				seen = at
				if len(want.unsettled) == 0 {
					want.next = at
				}
			},
		})
	})
}

var unexported = cmp.AllowUnexported(note{}, startCount{})

// drawNote is a note about some of what is unsettled.
func drawNote(t *rapid.T, o *offsets) note {
	n := note{clean: rapid.Bool().Draw(t, "clean")}
	all := unsettledOf(o)
	few := rapid.IntRange(0, min(len(all), maxStarts)).Draw(t, "starts")
	for i := range few {
		n.starts = append(n.starts, startCount{all[i*len(all)/few], rapid.IntRange(1, 255).Draw(t, "times")})
	}
	return n
}

// TestOffsetsFillUp goes to the limits on purpose: at them, one more would be too many.
func TestOffsetsFillUp(t *testing.T) {
	t.Parallel()
	for _, gap := range []int64{1, 2, 7, 8, 9, 23, 24, 25, 60, 1_000, 33_333, 99_998} {
		for _, start := range []int64{0, 1<<17 - 5, math.MaxInt64 - 3*maxSpan} {
			var o offsets
			o.startAt(start)
			off, n := start, 0
			for ; !o.full(off); off += gap {
				if !o.deliver(off) {
					t.Fatalf("gap %d: %d not delivered", gap, off)
				}
				n++
				if len(o.metadata(note{})) > maxMetadata {
					t.Fatalf("gap %d: %d bytes for %d offsets", gap, len(o.metadata(note{})), n)
				}
			}
			if o.next-o.low >= maxSpan {
				t.Errorf("gap %d: span %d", gap, o.next-o.low)
			}
			if n < 700 && off-o.low < maxSpan-1 {
				t.Errorf("gap %d from %d: full after %d offsets and a span of %d", gap, start, n, o.next-o.low)
			}
			full := note{clean: true}
			for all := unsettledOf(&o); len(full.starts) < min(maxStarts, len(all)); {
				full.starts = append(full.starts, startCount{all[len(all)-min(maxStarts, len(all))+len(full.starts)], 255})
			}
			if n := len(o.metadata(full)); n > maxMetadata {
				t.Errorf("gap %d: %d bytes with a table of starts", gap, n)
			}
			var back offsets
			if found, ok := back.restore(o.watermark(), o.metadata(full)); !ok || !cmp.Equal(found, full, unexported) {
				t.Fatalf("gap %d: its own metadata refused, or read as %v", gap, found)
			}
			for at := start; at < off; at += gap { // what was in hand has room at the next start
				back.arrived(at)
				if back.full(at) || !back.deliver(at) {
					t.Fatalf("gap %d: %d has no room after a restart", gap, at)
				}
			}
			for at := start; at < off; at += gap {
				o.settle(at)
				if len(o.metadata(note{})) > maxMetadata {
					t.Fatalf("gap %d: settling made %d bytes", gap, len(o.metadata(note{})))
				}
			}
			if o.watermark() != off-gap+1 || o.metadata(note{}) != "" || o.full(off) {
				t.Errorf("gap %d: watermark %d after all of it", gap, o.watermark())
			}
		}
	}
}

// The goldens hold the bytes: what one release commits, every later one reads. A changed line is a broken format.
func TestCommitMetadataGolden(t *testing.T) {
	t.Parallel()
	file := filepath.Join("testdata", "commit-metadata.txt")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			out = append(out, line)
			continue
		}
		f := strings.Fields(line) // name, range, unsettled, perhaps a note, metadata
		last := len(f) - 1
		said := noteOf(t, f[3:last])
		var low, next int64
		if _, err := fmt.Sscanf(f[1], "%d..%d", &low, &next); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var unsettled []int64
		if f[2] != "-" {
			unsettled = offsetList(t, f[2])
		}
		var o offsets
		o.startAt(low)
		for _, off := range unsettled {
			o.deliver(off)
		}
		if next > low && o.deliver(next-1) {
			o.settle(next - 1)
		}
		metadata := o.metadata(said)
		if *update {
			f[last] = metadata
		}
		if metadata != f[last] {
			t.Errorf("%s: wrote %q, want %q", f[0], metadata, f[last])
		}
		var back offsets
		if found, ok := back.restore(low, f[last]); !ok || !cmp.Equal(found, said, unexported) {
			t.Errorf("%s: read %v, %v", f[0], found, ok)
		}
		if diff := cmp.Diff(unsettled, unsettledOf(&back)); diff != "" || back.next != next {
			t.Errorf("%s: read up to %d (-want +got):\n%s", f[0], back.next, diff)
		}
		out = append(out, strings.Join(f, " "))
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil { //nolint:gosec // a golden
			t.Fatal(err)
		}
	}
}

// noteOf reads "clean" and "OFFSET:TIMES,...".
func noteOf(t *testing.T, fields []string) (n note) {
	t.Helper()
	for _, f := range fields {
		if f == "clean" {
			n.clean = true
			continue
		}
		for s := range strings.SplitSeq(f, ",") {
			var st startCount
			if _, err := fmt.Sscanf(s, "%d:%d", &st.offset, &st.times); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			n.starts = append(n.starts, st)
		}
	}
	return n
}

// offsetList reads "1,5,9-12" and "100-200/5".
func offsetList(t *testing.T, s string) []int64 {
	t.Helper()
	var out []int64
	for part := range strings.SplitSeq(s, ",") {
		span, every, _ := strings.Cut(part, "/")
		from, to, ok := strings.Cut(span, "-")
		if !ok {
			to = from
		}
		if every == "" {
			every = "1"
		}
		var n [3]int64
		for i, text := range []string{from, to, every} {
			v, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", s, err)
			}
			n[i] = v
		}
		for off := n[0]; off <= n[1]; off += n[2] {
			out = append(out, off)
		}
	}
	return out
}

// set builds metadata around a body, valid as far as version and checksum go.
func set(version, flags byte, body []byte) string {
	b := append([]byte{version, flags, 0, 0, 0, 0}, body...)
	sum := crc32.ChecksumIEEE(body)
	if flags != 0 {
		sum = crc32.ChecksumIEEE(append([]byte{flags}, body...))
	}
	binary.BigEndian.PutUint32(b[2:], sum)
	return base64.RawStdEncoding.EncodeToString(b)
}

func setBody(low, width uint64, kind byte, rest ...byte) []byte {
	b := binary.AppendUvarint(nil, low)
	b = binary.AppendUvarint(b, width)
	return append(append(b, kind), rest...)
}

// ignored fails unless o takes nothing as settled at or after at.
func ignored(t *testing.T, o *offsets, at int64) {
	t.Helper()
	if o.watermark() != at || o.n != 0 || o.metadata(note{}) != "" {
		t.Errorf("begins at %d with %d unsettled, want %d and none", o.watermark(), o.n, at)
	}
	for _, off := range []int64{at, at + 1, at + 64, at + 99_000} {
		if off >= at && off < math.MaxInt64 && !o.deliver(off) {
			t.Errorf("%d counts as settled", off)
		}
	}
}

func TestRestoreIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	good := setBody(100, 10, setGaps, 0, 3)
	starts := func(table ...byte) string { // of 100 and 103
		return set(1, flagStarts, append(append(setBody(100, 10, 0)[:2], table...), setGaps, 0, 3))
	}
	flipped, err := base64.RawStdEncoding.DecodeString(set(1, 0, good))
	if err != nil {
		t.Fatal(err)
	}
	flipped[1] ^= flagClean
	for name, metadata := range map[string]string{
		"text":                  "committed by another tool",
		"json":                  `{"version":1}`,
		"not base64":            "****",
		"too short":             base64.RawStdEncoding.EncodeToString([]byte{1, 0, 0, 0}),
		"a later version":       set(2, 0, good),
		"unknown flags":         set(1, 4, good),
		"a flag and no sum":     base64.RawStdEncoding.EncodeToString(flipped),
		"clean, no kind":        set(1, flagClean, setBody(100, 10, 0)[:2]),
		"clean, no width, more": set(1, flagClean, setBody(100, 0, setGaps, 0)),
		"starts of nothing":     set(1, flagStarts, setBody(100, 0, 0)[:2]),
		"starts, none":          starts(0),
		"starts, zero times":    starts(1, 0, 0),
		"starts of a settled":   starts(1, 1, 1),
		"starts twice":          starts(2, 0, 1, 0, 1),
		"starts out of range":   starts(1, 10, 1),
		"starts, absurd gap":    starts(1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 1),
		"starts cut off":        set(1, flagStarts, append(setBody(100, 10, 0)[:2], 1, 0)),
		"starts, too many":      starts(append([]byte{33}, make([]byte, 66)...)...),
		"nothing after":         set(1, 0, nil),
		"another offset":        set(1, 0, setBody(101, 10, setGaps, 0)),
		"no width":              set(1, 0, setBody(100, 0, setGaps, 0)),
		"too wide":              set(1, 0, setBody(100, maxSpan+1, setGaps, 0)),
		"absurdly wide":         set(1, 0, setBody(100, math.MaxUint64, setGaps, 0)),
		"unknown kind":          set(1, 0, setBody(100, 10, 7, 0)),
		"no kind":               set(1, 0, setBody(100, 10, 0)[:2]),
		"nothing unsettled":     set(1, 0, setBody(100, 10, setGaps)),
		"first not unsettled":   set(1, 0, setBody(100, 10, setGaps, 1)),
		"gap out of the range":  set(1, 0, setBody(100, 10, setGaps, 0, 10)),
		"gap of nothing":        set(1, 0, setBody(100, 10, setGaps, 0, 0)),
		"absurd gap":            set(1, 0, setBody(100, 10, setGaps, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1)),
		"gap cut off":           set(1, 0, setBody(100, 10, setGaps, 0, 128)),
		"bitmap too short":      set(1, 0, setBody(100, 10, setBitmap, 1)),
		"bitmap too long":       set(1, 0, setBody(100, 10, setBitmap, 1, 0, 0)),
		"bitmap without first":  set(1, 0, setBody(100, 10, setBitmap, 2, 0)),
		"varint that overflows": set(1, 0, []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o offsets
			if found, ok := o.restore(100, metadata); ok || !cmp.Equal(found, note{}, unexported) {
				t.Errorf("was used: %v", found)
			}
			ignored(t, &o, 100)
		})
	}
	var o offsets
	if _, ok := o.restore(math.MaxInt64-5, set(1, 0, setBody(math.MaxInt64-5, 10, setGaps, 0))); ok {
		t.Error("a range past the last offset was used")
	}
	for _, m := range []string{set(1, 0, good), set(1, flagClean, good), starts(2, 0, 1, 3, 200)} {
		if _, ok := o.restore(100, m); !ok {
			t.Errorf("the good one %q was refused", m)
		}
	}
}

// FuzzRestore: no metadata makes it panic, or takes an offset as settled without a checksum that says so.
func FuzzRestore(f *testing.F) {
	f.Add(int64(100), "", []byte(nil))
	f.Add(int64(100), "committed by another tool", setBody(100, 10, setGaps, 0, 3))
	f.Add(int64(100), "", append(setBody(100, 10, 0)[:2], 2, 0, 1, 3, 2, setGaps, 0, 3))
	f.Add(int64(100), set(1, flagClean, setBody(100, 0, 0)[:2]), setBody(100, 0, 0)[:2])
	f.Add(int64(0), set(1, 0, setBody(0, 9, setBitmap, 3, 1)), setBody(0, 9, setBitmap, 255, 255))
	f.Add(int64(math.MaxInt64), "AQ", setBody(math.MaxInt64, 3, setGaps, 0, 1))
	f.Add(int64(math.MaxInt64-10), "AQAAAAAA", setBody(math.MaxInt64-10, 10, setGaps, 0, 9))
	f.Fuzz(func(t *testing.T, committed int64, metadata string, body []byte) {
		if committed < 0 {
			committed = ^committed // there are no other committed offsets
		}
		for _, m := range []string{metadata, set(1, 0, body), set(1, flagClean, body), set(1, flagStarts, body), set(1, flagClean|flagStarts, body)} {
			var o offsets
			said, used := o.restore(committed, m)
			if !used && !cmp.Equal(said, note{}, unexported) {
				t.Fatalf("%q is ignored and says %v", m, said)
			}
			if o.n == 0 {
				ignored(t, &o, committed)
				continue
			}
			if o.watermark() != committed || !o.unsettled(committed) || o.next-o.low > maxSpan || o.next <= committed {
				t.Fatalf("restored %d..%d from %q at %d", o.low, o.next, m, committed)
			}
			for _, s := range said.starts {
				if !o.unsettled(s.offset) || s.times < 1 {
					t.Fatalf("%q says %d starts of %d", m, s.times, s.offset)
				}
			}
			var back offsets
			again, ok := back.restore(o.watermark(), o.metadata(said))
			if diff := cmp.Diff(said, again, unexported); !ok || diff != "" {
				t.Fatalf("its own metadata %q refused, or another note: %s", o.metadata(said), diff)
			}
			if diff := cmp.Diff(unsettledOf(&o), unsettledOf(&back)); diff != "" || back.next != o.next {
				t.Fatalf("written and read again, up to %d and %d (-first +second):\n%s", o.next, back.next, diff)
			}
		}
	})
}
