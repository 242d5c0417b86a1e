package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
)

// A segment file is record batches one after the other, as they travel. Its index has an entry for each batch.
const (
	segmentSuffix = ".dat"
	indexSuffix   = ".idx"

	batchHeader = 61 // up to the records
	batchPrefix = 12 // offset and length, which the length does not count
	indexEntry  = 15
)

const (
	attrTransaction = 0x10
	attrControl     = 0x20
)

// batch is the header of a record batch.
type batch struct {
	offset    int64
	epoch     int32 // of the partition's leader
	attrs     uint16
	lastDelta int32
	firstTime int64
	maxTime   int64
	producer  int64
	prodEpoch int16
	sequence  int32
	records   int32
}

// next is the offset after the batch.
func (b batch) next() int64 { return b.offset + int64(b.lastDelta) + 1 }

func readBatch(raw []byte) batch {
	be := binary.BigEndian
	return batch{
		offset:    int64(be.Uint64(raw)),
		epoch:     int32(be.Uint32(raw[12:])),
		attrs:     be.Uint16(raw[21:]),
		lastDelta: int32(be.Uint32(raw[23:])),
		firstTime: int64(be.Uint64(raw[27:])),
		maxTime:   int64(be.Uint64(raw[35:])),
		producer:  int64(be.Uint64(raw[43:])),
		prodEpoch: int16(be.Uint16(raw[51:])),
		sequence:  int32(be.Uint32(raw[53:])),
		records:   int32(be.Uint32(raw[57:])),
	}
}

// segment is what a scan of a segment file found.
type segment struct {
	path, name         string
	base               int64 // the first offset, which names the file
	size               int64 // of the whole entries
	tail               int64 // bytes of an incomplete entry after them
	next               int64 // the offset after the last entry
	minEpoch, maxEpoch int32
	firstTime          int64
	index              []byte  // as it should be
	at                 []int64 // where each entry begins
}

func (s *segment) batches() int64 { return int64(len(s.index) / indexEntry) }

func (s *segment) damaged(at int64, format string, args ...any) error {
	return &CorruptError{File: fileName(s.name), Offset: at, Why: fmt.Sprintf(format, args...)}
}

// scan reads the whole file and checks length, checksum and offset of every entry. Only what can be the beginning of one
// entry may follow the last whole one.
func (s *segment) scan(ctx context.Context, each func(batch)) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	left := info.Size()
	r := bufio.NewReaderSize(f, 1<<20)
	s.next = s.base
	var maxTime int64
	buf := make([]byte, 64<<10)
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := left // the entry's size
		if left >= batchPrefix {
			prefix, err := r.Peek(batchPrefix)
			if err != nil {
				return err
			}
			n = batchPrefix + int64(binary.BigEndian.Uint32(prefix[8:]))
		}
		if left < batchPrefix || n > left {
			tail, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			if why := notBeginning(tail, s.next); why != "" {
				return s.damaged(s.size, "%s", why)
			}
			s.tail = left
			return nil
		}
		if n < batchHeader {
			return s.damaged(s.size, "an entry of %d bytes cannot be", n)
		}
		if int64(cap(buf)) < n {
			buf = make([]byte, n)
		}
		buf = buf[:n]
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		if why := notWhole(buf); why != "" {
			return s.damaged(s.size, "%s", why)
		}
		b := readBatch(buf)
		if b.offset != s.next {
			return s.damaged(s.size, "the entry has offset %d where %d follows", b.offset, s.next)
		}
		if len(s.index) == 0 {
			s.minEpoch, s.maxEpoch, s.firstTime = b.epoch, b.epoch, b.firstTime
			maxTime = b.maxTime
		}
		s.minEpoch, s.maxEpoch = min(s.minEpoch, b.epoch), max(s.maxEpoch, b.epoch)
		maxTime = max(maxTime, b.maxTime)
		s.index = appendIndex(s.index, b, maxTime)
		s.at = append(s.at, s.size)
		s.size += n
		s.next = b.next()
		left -= n
		each(b)
	}
	return nil
}

// notWhole says why the bytes are not one whole batch, "" if they are.
func notWhole(raw []byte) string {
	if raw[16] != 2 {
		return fmt.Sprintf("the entry has format %d instead of 2", raw[16])
	}
	stored := binary.BigEndian.Uint32(raw[17:])
	if sum := crc32.Checksum(raw[21:], castagnoli()); sum != stored {
		return fmt.Sprintf("the entry's checksum is %08x instead of %08x", sum, stored)
	}
	if delta := readBatch(raw).lastDelta; delta < 0 {
		return fmt.Sprintf("the entry's last offset is %d after its first", delta)
	}
	return ""
}

// notBeginning says why the end of a file is not the beginning of the entry with the offset, "" if it can be. An entry that
// claims to be longer than the file may be one whose length is damaged: then cutting it would lose what it really is, and
// what follows it.
func notBeginning(tail []byte, offset int64) string {
	be := binary.BigEndian
	if len(tail) >= 8 && int64(be.Uint64(tail)) != offset {
		return fmt.Sprintf("the entry has offset %d where %d follows", int64(be.Uint64(tail)), offset)
	}
	if len(tail) >= batchPrefix && be.Uint32(tail[8:]) > 1<<30 {
		return fmt.Sprintf("an entry of %d bytes cannot be", be.Uint32(tail[8:]))
	}
	if len(tail) < batchHeader {
		return ""
	}
	if why := notWhole(tail); why == "" {
		return "the entry is whole, but claims to be longer"
	}
	for at := 1; at+batchHeader <= len(tail); at++ {
		rest := tail[at:]
		n := batchPrefix + int64(be.Uint32(rest[8:]))
		if rest[16] == 2 && n >= batchHeader && n <= int64(len(rest)) && int64(be.Uint64(rest)) > offset && notWhole(rest[:n]) == "" {
			return "the entry claims to be longer than the file, but other entries follow it"
		}
	}
	return ""
}

// checkIndex compares the index file with the entries. It returns how many bytes of it are good: the rest is missing, which
// the scan makes good, or is that of an entry that never became whole.
func (s *segment) checkIndex(raw []byte, last, sameBoot bool) (good int64, err error) {
	listed := int64(len(raw) / indexEntry)
	have := s.batches()
	switch {
	case listed <= have:
	case last && !sameBoot && listed == have+1:
		// The power went before either file was synced: the index reached the disk, the entry did not.
	default:
		return 0, s.damaged(s.size, "its index lists %d entries, but %d are whole", listed, have)
	}
	for i := range min(listed, have) {
		at := i * indexEntry
		got, want := raw[at:at+indexEntry], s.index[at:at+indexEntry]
		if got[1] != indexSum(got) {
			return 0, &CorruptError{
				File:   fileName(strings.TrimSuffix(s.name, segmentSuffix) + indexSuffix),
				Offset: at, Why: "the index entry does not match its checksum",
			}
		}
		if !sameIndex(got, want) {
			return 0, s.damaged(s.at[i], "the entry's leader epoch is not the one in its index")
		}
	}
	return min(listed, have) * indexEntry, nil
}

// sameIndex compares version and leader's epoch; the times are a running maximum over records that may be gone.
func sameIndex(a, b []byte) bool { return a[0] == b[0] && string(a[2:6]) == string(b[2:6]) }

func appendIndex(index []byte, b batch, maxTime int64) []byte {
	e := make([]byte, indexEntry)
	e[0] = 1
	binary.LittleEndian.PutUint32(e[2:], uint32(b.epoch))
	binary.LittleEndian.PutUint64(e[6:], uint64(maxTime))
	if b.attrs&attrTransaction != 0 && b.attrs&attrControl == 0 {
		e[14] = 1
	}
	e[1] = indexSum(e)
	return append(index, e...)
}

func indexSum(e []byte) byte { return byte(crc32.Checksum(e[2:], castagnoli())) }

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// endMarker is a batch without records that ends before the offset: it stands for what retention removed, because a log
// without any entry begins again at 0.
func endMarker(offset int64, epoch int32) []byte {
	be := binary.BigEndian
	raw := make([]byte, batchHeader)
	be.PutUint64(raw, uint64(offset-1))
	be.PutUint32(raw[8:], batchHeader-batchPrefix)
	be.PutUint32(raw[12:], uint32(epoch))
	raw[16] = 2
	none := int64(-1)
	for _, at := range []int{27, 35, 43} { // times and producer
		be.PutUint64(raw[at:], uint64(none))
	}
	be.PutUint16(raw[51:], uint16(none&0xffff))
	be.PutUint32(raw[53:], uint32(none&0xffffffff))
	be.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli()))
	return raw
}
