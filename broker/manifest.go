package broker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

const (
	manifestName  = "manifest"
	manifestMagic = "omnibus broker manifest 1 "
	blockBytes    = 64 << 10
)

// manifest lists every file of a directory that was left in order. It exists only while no broker runs there.
type manifest struct {
	Files map[string]fileHash `json:"files"` // by path below the log directory, with slashes
}

// fileHash is a file's size and the SHA-256 of each of its blocks.
type fileHash struct {
	Size    int64    `json:"size"`
	Changed int64    `json:"changed"` // nanoseconds of its last change
	Blocks  [][]byte `json:"blocks"`
}

// writeManifest hashes what is in the log directory and makes all of it durable. Records files that have not changed since the
// start keep the hash found then, so that what rotted meanwhile is noticed next time.
func writeManifest(dir string, before *manifest) error {
	m := manifest{Files: make(map[string]fileHash)}
	root := logDir(dir)
	dirs := []string{dir}
	err := walk(root, func(path, name string, info fs.FileInfo) error {
		if info.IsDir() {
			dirs = append(dirs, path)
			return nil
		}
		if old, ok := before.unchanged(name, info); ok {
			m.Files[name] = old
			return nil
		}
		h, err := hashFile(context.Background(), path, info)
		m.Files[name] = h
		return err
	})
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	body, err := jsonx.Marshal(m)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	text := seal(manifestMagic, body)
	for _, d := range dirs {
		if err := syncDir(d); err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
	}
	if err := replaceFile(filepath.Join(dir, manifestName), text); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return syncDir(dir)
}

// unchanged returns the hash of a records file that is the same as then.
func (m *manifest) unchanged(name string, info fs.FileInfo) (fileHash, bool) {
	if m == nil || !isRecords(name) {
		return fileHash{}, false
	}
	h, ok := m.Files[name]
	return h, ok && h.Size == info.Size() && h.Changed == info.ModTime().UnixNano()
}

func isRecords(name string) bool {
	return strings.HasSuffix(name, segmentSuffix) || strings.HasSuffix(name, indexSuffix)
}

// readManifest returns the manifest, or nil if the directory has none.
func readManifest(dir string) (*manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nil is a manifest that is not there
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m := new(manifest)
	if err := unseal(manifestName, manifestMagic, text, m); err != nil {
		return nil, err
	}
	return m, nil
}

// seal writes a hash of the content before it.
func seal(magic string, body []byte) []byte {
	return fmt.Appendf(nil, "%s%x\n%s\n", magic, sha256.Sum256(body), body)
}

// unseal reads what [seal] wrote into v.
func unseal(name, magic string, text []byte, v any) error {
	damaged := func(offset int, why string) error {
		return &CorruptError{File: name, Offset: int64(offset), Why: why}
	}
	head, body, _ := bytes.Cut(text, []byte("\n"))
	want, ok := bytes.CutPrefix(head, []byte(magic))
	if !ok {
		return damaged(0, "it does not begin as a "+name+" of this version")
	}
	body, ok = bytes.CutSuffix(body, []byte("\n"))
	if sum := sha256.Sum256(body); !ok || string(want) != hex.EncodeToString(sum[:]) {
		return damaged(len(head)+1, "it does not match its own hash")
	}
	if err := jsonx.Unmarshal(body, v); err != nil {
		return damaged(len(head)+1, err.Error())
	}
	return nil
}

// What a file is that only one of manifest and directory has.
const (
	strangerWhy = "it was not there when the broker stopped"
	missingWhy  = "it is missing"
)

// verify compares every file with the manifest.
func (m *manifest) verify(ctx context.Context, dir string) error {
	differ, err := m.differences(ctx, dir)
	if err == nil && len(differ) > 0 {
		err = differ[0]
	}
	return err
}

// differences lists the files that are not as the manifest says.
func (m *manifest) differences(ctx context.Context, dir string) (differ []*CorruptError, err error) {
	seen := make(map[string]bool)
	err = walk(logDir(dir), func(path, name string, info fs.FileInfo) error {
		if info.IsDir() {
			return nil
		}
		want, ok := m.Files[name]
		if !ok {
			differ = append(differ, &CorruptError{File: fileName(name), Why: strangerWhy})
			return nil
		}
		seen[name] = true
		got, err := hashFile(ctx, path, info)
		if err != nil {
			return err
		}
		if d := want.compare(name, got); d != nil {
			differ = append(differ, d)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) { // then all of it is missing
		err = nil
	}
	for name := range m.Files {
		if !seen[name] {
			differ = append(differ, &CorruptError{File: fileName(name), Why: missingWhy})
		}
	}
	slices.SortFunc(differ, func(a, b *CorruptError) int { return strings.Compare(a.File, b.File) })
	return differ, err
}

// compare says where a file is not the one with the hash; nil if it is.
func (h fileHash) compare(name string, got fileHash) *CorruptError {
	for i, block := range got.Blocks {
		if i >= len(h.Blocks) || !bytes.Equal(block, h.Blocks[i]) {
			return &CorruptError{
				File: fileName(name), Offset: int64(i) * blockBytes,
				Why: fmt.Sprintf("block %d of 64 KiB is not the one that the broker left", i),
			}
		}
	}
	if got.Size != h.Size {
		return &CorruptError{
			File: fileName(name), Offset: got.Size,
			Why: fmt.Sprintf("it has %d bytes instead of %d", got.Size, h.Size),
		}
	}
	return nil
}

// fileName is how errors name a file of the log directory, from the data directory.
func fileName(name string) string { return "log/" + name }

// walk calls fn for the directory and everything below, except what no broker writes: names with a leading dot.
func walk(root string, fn func(path, name string, info fs.FileInfo) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return fn(path, filepath.ToSlash(name), info)
	})
}

func hashFile(ctx context.Context, path string, info fs.FileInfo) (fileHash, error) {
	h := fileHash{Changed: info.ModTime().UnixNano()}
	f, err := os.Open(path)
	if err != nil {
		return h, err
	}
	defer func() { _ = f.Close() }() // it was only read
	block := make([]byte, blockBytes)
	for ctx.Err() == nil {
		n, err := io.ReadFull(f, block)
		if n > 0 {
			sum := sha256.Sum256(block[:n])
			h.Blocks = append(h.Blocks, sum[:])
			h.Size += int64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return h, nil
		}
		if err != nil {
			return h, err
		}
	}
	return h, ctx.Err()
}

// replaceFile writes a file that is there either as before or as a whole.
func replaceFile(path string, content []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
