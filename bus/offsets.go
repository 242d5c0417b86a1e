package bus

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"slices"
)

// Limits of what a partition may hold delivered and unsettled (PROMISES P4).
const (
	maxSpan     = 100_000 // offsets between the smallest unsettled one and the next
	maxMetadata = 3_072   // bytes of commit metadata; brokers refuse more than 4,096
	ringWords   = 2_048   // 131,072 offsets, more than maxSpan
)

// offsets knows one partition: which delivered offsets are not settled. Offsets are sparse: a gap in the log is never
// delivered and so never unsettled. The zero value begins at offset 0.
type offsets struct {
	low  int64 // nothing below is unsettled; where n > 0 it is the smallest unsettled offset
	next int64 // one past the highest delivered offset
	n    int64
	ring []uint64 // bit of an offset is set while it is unsettled

	restored int64 // offsets below are known from the commit metadata, see restore
	seen     int64 // how far the log arrived, at most to restored
}

// startAt begins at a position with nothing outstanding.
func (o *offsets) startAt(pos int64) {
	*o = offsets{low: pos, next: pos, restored: pos, seen: pos}
}

// arrived notes that the log goes on at off. What the metadata knows as unsettled but is passed over so is gone from the log
// (retention, compaction).
func (o *offsets) arrived(off int64) {
	end := min(off, o.restored)
	for o.n > 0 && o.seen < end {
		gone := o.following(max(o.seen, o.low))
		if gone < 0 || gone >= end {
			break
		}
		o.settle(gone)
	}
	o.seen = max(o.seen, end)
}

// deliver notes that the record at off arrived, and reports whether it still has to be handled.
func (o *offsets) deliver(off int64) bool {
	o.arrived(off)
	if off < o.seen {
		return false // a second copy of a fetch: it is in hand already
	}
	if off < o.restored {
		o.seen = off + 1
		return o.unsettled(off)
	}
	if off < o.next {
		return false // a second copy here too
	}
	o.set(off)
	o.next = off + 1
	return true
}

func (o *offsets) set(off int64) {
	if o.ring == nil {
		o.ring = make([]uint64, ringWords)
	}
	if o.n == 0 {
		o.low = off
	}
	o.ring[(off>>6)&(ringWords-1)] |= 1 << (off & 63)
	o.n++
}

func (o *offsets) unsettled(off int64) bool {
	return o.n > 0 && off >= o.low && off < o.next && o.ring[(off>>6)&(ringWords-1)]&(1<<(off&63)) != 0
}

// settle notes that off needs nothing more.
func (o *offsets) settle(off int64) {
	if !o.unsettled(off) {
		return
	}
	o.ring[(off>>6)&(ringWords-1)] &^= 1 << (off & 63)
	o.n--
	if o.n > 0 && off == o.low {
		o.low = o.following(off + 1)
	}
}

// following is the smallest unsettled offset at or after off, or -1.
func (o *offsets) following(off int64) int64 {
	for base := off &^ 63; base < o.next; base += 64 {
		w := o.ring[(base>>6)&(ringWords-1)]
		if base < off {
			w &= ^uint64(0) << (off & 63)
		}
		if w != 0 {
			if found := base + int64(bits.TrailingZeros64(w)); found < o.next {
				return found
			}
			return -1
		}
	}
	return -1
}

// watermark is the offset to commit: every delivered offset below it is settled.
func (o *offsets) watermark() int64 {
	if o.n == 0 {
		return o.next
	}
	return o.low
}

// full reports whether off, as one more unsettled offset, could pass the span or the size of the metadata. What the metadata
// brought is counted already: it never has to wait for room.
func (o *offsets) full(off int64) bool {
	if o.n == 0 || off < o.next {
		return false
	}
	span := off + 1 - o.low
	return span >= maxSpan || (min(3*(o.n+1), span/8+2)+20+startsRoom)*4/3 > maxMetadata
}

// note is what the commit metadata says beside the completed set.
type note struct {
	clean  bool         // the committer stopped in order, see guard
	starts []startCount // by rising offset, of unsettled offsets only
}

// startCount is how often an event was started that did not end since.
type startCount struct {
	offset int64
	times  int
}

// The completed set in the commit metadata: version, flags, CRC-32, watermark, width of the range, how often events were
// started, kind, and then the unsettled offsets of that range as gaps (varints) or as a bitmap, the smaller; base64, as metadata
// is a string. It is written as what is unsettled: everything else in the range is completed. docs/formats/commit-metadata.md
// says it byte by byte.
const (
	setVersion    = 1
	setGaps       = 0
	setBitmap     = 1
	setHeaderSize = 6

	flagClean  = 1 // the committer stopped in order
	flagStarts = 2 // a table of starts follows the width

	maxStarts  = 32
	startsRoom = 1 + 4*maxStarts // bytes: a gap within the span takes three at most, a count one
)

// metadata is the completed set beyond the watermark and the note; "" where there is neither.
func (o *offsets) metadata(n note) string {
	if o.n == 0 {
		n.starts = nil
		if !n.clean {
			return ""
		}
	}
	b := make([]byte, setHeaderSize, 64)
	b[0] = setVersion
	if n.clean {
		b[1] |= flagClean
	}
	low := o.watermark()
	b = binary.AppendUvarint(b, uint64(low))
	b = binary.AppendUvarint(b, uint64(o.next-low))
	if len(n.starts) > 0 {
		b[1] |= flagStarts
		b = appendStarts(b, low, n.starts)
	}
	if o.n > 0 {
		b = o.appendSet(b)
	}
	binary.BigEndian.PutUint32(b[2:], setChecksum(b))
	return base64.RawStdEncoding.EncodeToString(b)
}

// setChecksum covers what follows it, and the flags where there are any: they change what the rest means.
func setChecksum(b []byte) uint32 {
	if b[1] == 0 {
		return crc32.ChecksumIEEE(b[setHeaderSize:])
	}
	return crc32.Update(crc32.ChecksumIEEE(b[1:2]), crc32.IEEETable, b[setHeaderSize:])
}

func (o *offsets) appendSet(b []byte) []byte {
	if 3*o.n <= (o.next-o.low)/8 {
		b = append(b, setGaps)
		last := o.low
		for off := o.low; off >= 0; off = o.following(off + 1) {
			b = binary.AppendUvarint(b, uint64(off-last))
			last = off
		}
		return b
	}
	b = append(b, setBitmap)
	for base := o.low; base < o.next; base += 8 {
		var octet byte
		for i := range min(8, o.next-base) {
			if o.unsettled(base + i) {
				octet |= 1 << i
			}
		}
		b = append(b, octet)
	}
	return b
}

func appendStarts(b []byte, low int64, starts []startCount) []byte {
	b = binary.AppendUvarint(b, uint64(len(starts)))
	last := low
	for _, s := range starts {
		b = binary.AppendUvarint(b, uint64(s.offset-last))
		b = append(b, byte(s.times))
		last = s.offset
	}
	return b
}

// restore begins at a committed position with the metadata that was committed with it. Foreign, corrupt or overflowing
// metadata is ignored, which only costs redelivery; it reports whether it used it.
func (o *offsets) restore(committed int64, metadata string) (note, bool) {
	o.startAt(committed)
	if metadata == "" {
		return note{}, true
	}
	b, err := base64.RawStdEncoding.DecodeString(metadata)
	if err != nil || len(b) < setHeaderSize || b[0] != setVersion || b[1]&^(flagClean|flagStarts) != 0 || binary.BigEndian.Uint32(b[2:]) != setChecksum(b) {
		return note{}, false
	}
	flags, b := b[1], b[setHeaderSize:]
	low, i := binary.Uvarint(b)
	if i <= 0 || low != uint64(committed) {
		return note{}, false
	}
	width, j := binary.Uvarint(b[i:])
	if j <= 0 || width > maxSpan || committed > math.MaxInt64-2*maxSpan {
		return note{}, false
	}
	b = b[i+j:]
	n := note{clean: flags&flagClean != 0}
	if width == 0 { // nothing is outstanding, which only a flag can be a reason to say
		if flags != flagClean || len(b) != 0 {
			return note{}, false
		}
		return n, true
	}
	ok := true
	if flags&flagStarts != 0 {
		n.starts, b, ok = readStarts(b, committed, int64(width))
	}
	if !ok || len(b) == 0 {
		return note{}, false
	}
	unsettled, ok := readSet(b[0], b[1:], committed, int64(width))
	if !ok || !within(n.starts, unsettled) {
		return note{}, false
	}
	o.next = committed + int64(width)
	for _, off := range unsettled {
		o.set(off)
	}
	o.restored = o.next
	return n, true
}

// within reports whether every start is of an unsettled offset. Both rise.
func within(starts []startCount, unsettled []int64) bool {
	for _, s := range starts {
		i, ok := slices.BinarySearch(unsettled, s.offset)
		if !ok {
			return false
		}
		unsettled = unsettled[i+1:]
	}
	return true
}

func readStarts(b []byte, low, width int64) (starts []startCount, rest []byte, ok bool) {
	n, i := binary.Uvarint(b)
	if i <= 0 || n == 0 || n > maxStarts {
		return nil, nil, false
	}
	off := low
	for b = b[i:]; n > 0; n-- {
		gap, i := binary.Uvarint(b)
		if i <= 0 || len(b) <= i || gap > uint64(width) || int64(gap) >= low+width-off || b[i] == 0 {
			return nil, nil, false
		}
		off += int64(gap)
		starts = append(starts, startCount{off, int(b[i])})
		b = b[i+1:]
	}
	return starts, b, true
}

func readSet(kind byte, b []byte, low, width int64) (unsettled []int64, ok bool) {
	switch kind {
	case setGaps:
		off := low
		for len(b) > 0 {
			gap, n := binary.Uvarint(b)
			if n <= 0 || gap > uint64(width) || int64(gap) >= low+width-off || gap == 0 && len(unsettled) > 0 {
				return nil, false
			}
			off += int64(gap)
			unsettled = append(unsettled, off)
			b = b[n:]
		}
	case setBitmap:
		if int64(len(b)) != (width+7)/8 {
			return nil, false
		}
		for i := range width {
			if b[i/8]&(1<<(i%8)) != 0 {
				unsettled = append(unsettled, low+i)
			}
		}
	default:
		return nil, false
	}
	return unsettled, len(unsettled) > 0 && unsettled[0] == low
}
