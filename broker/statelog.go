package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// frameHeader is before each entry of a state log: length, checksum, and the version, which the length counts.
const frameHeader = 10

// readStateLog calls each for every entry of a state log and returns where the last whole one ends, and the file's length.
func readStateLog(root, name string, each func(data []byte) error) (end, size int64, err error) {
	raw, err := os.ReadFile(filepath.Join(root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	pos := 0
	for pos < len(raw) {
		rest := raw[pos:]
		data, n, why := frame(rest)
		if why == "" && n > len(rest) {
			why = notBeginningFrame(rest)
			if why == "" {
				break
			}
		}
		if why == "" {
			if err := each(data); err != nil {
				why = err.Error()
			}
		}
		if why != "" {
			return 0, 0, &CorruptError{File: fileName(name), Offset: int64(pos), Why: why}
		}
		pos += n
	}
	return int64(pos), int64(len(raw)), nil
}

// frame returns the first entry and its size, or why it cannot be one. A size beyond the bytes says that it is incomplete.
func frame(raw []byte) (data []byte, size int, why string) {
	if len(raw) < 8 {
		return nil, 8 + len(raw), ""
	}
	length := binary.LittleEndian.Uint32(raw)
	if length < frameHeader-8 || length > 1<<30 {
		return nil, 0, fmt.Sprintf("an entry of %d bytes cannot be", length)
	}
	size = 8 + int(length)
	if size > len(raw) {
		return nil, size, ""
	}
	stored := binary.LittleEndian.Uint32(raw[4:])
	if sum := crc32.Checksum(raw[8:size], castagnoli()); sum != stored {
		return nil, 0, fmt.Sprintf("the entry's checksum is %08x instead of %08x", sum, stored)
	}
	if version := binary.LittleEndian.Uint16(raw[8:]); version != 1 {
		return nil, 0, fmt.Sprintf("the entry has format %d instead of 1", version)
	}
	return raw[frameHeader:size], size, ""
}

// notBeginningFrame is [notBeginning] for a state log.
func notBeginningFrame(tail []byte) string {
	if len(tail) >= frameHeader && crc32.Checksum(tail[8:], castagnoli()) == binary.LittleEndian.Uint32(tail[4:]) {
		return "the entry is whole, but claims to be longer"
	}
	for at := 1; at+frameHeader <= len(tail); at++ {
		if _, n, why := frame(tail[at:]); why == "" && n <= len(tail)-at {
			return "the entry claims to be longer than the file, but other entries follow it"
		}
	}
	return ""
}

func appendFrame(raw []byte, v any) ([]byte, error) {
	data, err := jsonx.Marshal(v)
	if err != nil {
		return nil, err
	}
	head := make([]byte, frameHeader)
	binary.LittleEndian.PutUint32(head, uint32(len(data)+2))
	binary.LittleEndian.PutUint16(head[8:], 1)
	sum := crc32.Checksum(append(head[8:frameHeader:frameHeader], data...), castagnoli())
	binary.LittleEndian.PutUint32(head[4:], sum)
	return append(append(raw, head...), data...), nil
}
