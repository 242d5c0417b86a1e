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
