package broker

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// FuzzSegment scans files of any bytes: whatever is whole is read, and what would be cut holds no whole entry.
func FuzzSegment(f *testing.F) {
	entry := func(offset int64) []byte {
		raw := append(endMarker(offset+1, 0), "records"...)
		binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-batchPrefix))
		binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli()))
		return raw
	}
	two := append(entry(0), entry(1)...)
	f.Add(two)
	f.Add(two[:len(two)-1])
	f.Add(two[:5])
	f.Add([]byte{})
	longer := append([]byte(nil), two...)
	longer[10] = 1
	f.Add(longer)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(dir, "0.dat")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		s := &segment{path: path, name: "0.dat"}
		read := int64(0)
		err := s.scan(t.Context(), func(b batch) { read++ })
		var corrupt *CorruptError
		if err != nil && !errors.As(err, &corrupt) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if s.size+s.tail != int64(len(raw)) || s.batches() != read {
			t.Errorf("%d bytes: %d read in %d entries, %d left", len(raw), s.size, read, s.tail)
		}
		for at := s.size; at+batchHeader <= int64(len(raw)); at++ {
			rest := raw[at:]
			n := batchPrefix + int64(binary.BigEndian.Uint32(rest[8:]))
			if n >= batchHeader && n <= int64(len(rest)) && binary.BigEndian.Uint64(rest) == uint64(s.next) && notWhole(rest[:n]) == "" {
				t.Errorf("a whole entry at %d would be cut", at)
			}
		}
	})
}

// FuzzSalvage salvages files of any bytes: what comes out is whole entries that follow each other up to where it says, and
// nothing of a file that is whole is lost.
func FuzzSalvage(f *testing.F) {
	entry := func(offset int64) []byte {
		raw := append(endMarker(offset+1, 3), "records"...)
		binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-batchPrefix))
		binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli()))
		return raw
	}
	three := append(append(entry(5), entry(6)...), entry(7)...)
	f.Add(three, int64(-1), int64(8), true)
	f.Add(three[:len(three)-1], int64(-1), int64(0), false)
	f.Add(append(append([]byte(nil), three[:80]...), three[90:]...), int64(12), int64(0), false)
	f.Add(append(three, three[:70]...), int64(-1), int64(8), true)
	f.Add([]byte{}, int64(9), int64(0), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte, follows, end int64, whole bool) {
		if follows > 1<<40 || follows < -1 || end > 1<<40 || end < 0 || follows >= 0 && follows <= 5 {
			return
		}
		got := salvage(raw, 5, nil, follows, end, whole)
		path := filepath.Join(dir, "5.dat")
		if err := os.WriteFile(path, got.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		s := &segment{path: path, name: "5.dat", base: 5}
		if err := s.scan(t.Context(), func(batch) {}); err != nil {
			t.Fatalf("what was salvaged is refused: %v", err)
		}
		if s.next != got.next || s.tail != 0 || follows >= 0 && s.next < follows {
			t.Errorf("it ends at %d with %d bytes more, want %d, and %d follows", s.next, s.tail, got.next, follows)
		}
		at := int64(5)
		for _, l := range got.lost {
			if l.from < at || l.to <= l.from || l.to > got.next {
				t.Errorf("lost %v", got.lost)
			}
			at = l.to
		}
		if len(got.damage) == 0 && len(got.raw) != len(raw)-int(got.cut) {
			t.Errorf("%d of %d bytes are kept, and nothing is damaged", len(got.raw), len(raw))
		}
	})
}

// FuzzStateLog reads state logs of any bytes.
func FuzzStateLog(f *testing.F) {
	one, err := appendFrame(nil, producerEntry{Type: "init", Producer: 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(one)
	f.Add(append(one, one[:7]...))
	f.Add(append(one, 200, 0, 0, 0, 1, 2, 3, 4, 1, 0, '{'))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(filepath.Join(dir, "pids.log"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		read := 0
		end, size, err := readStateLog(dir, "pids.log", func([]byte) error {
			read++
			return nil
		})
		var corrupt *CorruptError
		if err != nil && !errors.As(err, &corrupt) {
			t.Fatal(err)
		}
		if err == nil && (size != int64(len(raw)) || end > size || end > 0 && read == 0) {
			t.Errorf("%d bytes: %d entries up to %d of %d", len(raw), read, end, size)
		}
	})
}

// FuzzManifest reads manifests of any bytes; one that is none is damaged.
func FuzzManifest(f *testing.F) {
	f.Add([]byte("omnibus broker manifest 1 00\n{}\n"))
	f.Add([]byte("omnibus broker manifest 1 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n{}\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(filepath.Join(dir, manifestName), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := readManifest(dir)
		var corrupt *CorruptError
		if (err == nil) == (m == nil) || err != nil && !errors.As(err, &corrupt) {
			t.Errorf("manifest %v, error %v", m, err)
		}
	})
}
