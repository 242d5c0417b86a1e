package broker

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// salvaged is what is left of a segment file, and what it lacks. It is made from the bytes alone.
type salvaged struct {
	raw      []byte // the file as it should be
	next     int64  // the offset after its last entry
	damage   []spot
	lost     []span
	restored int   // entries whose head was damaged and could be told from what is around it
	cut      int64 // bytes at the end that are no entry that was acknowledged
}

// spot is a place that does not match.
type spot struct {
	at  int64
	why string
}

// span is a range of offsets, without its end.
type span struct{ from, to int64 }

// salvage keeps every entry that verifies at its offset, and puts a batch without records where one is lost: what follows keeps
// its offset, and no offset is given twice. A reader passes over such a batch as over one that compaction emptied.
//
// epochs has the leader's epoch of each entry as far as the index tells. follows is the offset at which the next segment
// begins, -1 for the last; end is how far the partition is known to have reached; whole says that the file was left in order,
// so that there is no entry that was being written.
func salvage(raw []byte, base int64, epochs []int32, follows, end int64, whole bool) salvaged {
	s := salvaged{next: base}
	epoch := int32(0)
	entries, listed := 0, len(epochs)
	keep := func(entry []byte) {
		s.raw = append(s.raw, entry...)
		b := readBatch(entry)
		s.next, epoch = b.next(), b.epoch
		entries++
	}
	lose := func(to int64) {
		if to <= s.next {
			return
		}
		s.lost = append(s.lost, span{s.next, to})
		epochs = nil // nobody knows how many entries that were
		for s.next < to {
			keep(hole(s.next, to, epoch))
		}
	}
	for at := 0; at < len(raw); {
		want := epoch
		if entries < len(epochs) {
			want = epochs[entries]
		}
		entry, why := entryAt(raw[at:], s.next)
		if why == "" && entries < len(epochs) && readBatch(entry).epoch != want {
			why = "the entry's leader epoch is not the one in its index"
		}
		if why == "" {
			keep(entry)
			at += len(entry)
			continue
		}
		to, found := resync(raw, at, s.next)
		bad := raw[at:to]
		if !found && !whole && follows < 0 && notBeginning(bad, s.next) == "" && s.next >= end {
			s.cut = int64(len(bad))
			break
		}
		s.damage = append(s.damage, spot{int64(at), why})
		fixed := restore(bad, s.next, want)
		switch expected := follows >= 0 || end > s.next || entries < listed; {
		case found && fixed != nil && readBatch(fixed).next() == int64(binary.BigEndian.Uint64(raw[to:])):
			keep(fixed)
			s.restored++
		case found:
			lose(int64(binary.BigEndian.Uint64(raw[to:])))
		case !expected: // it was never one of the partition's entries
		case fixed != nil:
			keep(fixed)
			s.restored++
		case follows < 0:
			lose(max(end, claimed(bad, s.next)))
		}
		at = to
	}
	if follows < 0 {
		follows = end
	}
	if follows > s.next {
		if len(s.damage) == 0 {
			s.damage = append(s.damage, spot{int64(len(raw)), "what followed here is missing"})
		}
		lose(follows)
	}
	return s
}

// entryAt returns the entry at the beginning of raw, or why there is none with the offset.
func entryAt(raw []byte, offset int64) (entry []byte, why string) {
	be := binary.BigEndian
	if len(raw) < batchHeader {
		return nil, "the entry is not whole"
	}
	n := batchPrefix + int64(be.Uint32(raw[8:]))
	switch {
	case n < batchHeader || n > math.MaxInt32:
		return nil, "the entry's length cannot be"
	case n > int64(len(raw)):
		return nil, "the entry is not whole"
	}
	if why := notWhole(raw[:n]); why != "" {
		return nil, why
	}
	if int64(be.Uint64(raw)) != offset {
		return nil, "the entry's offset does not follow"
	}
	return raw[:n], ""
}

// resync finds where the next entry that verifies begins after at, with an offset that can follow.
func resync(raw []byte, at int, offset int64) (to int, found bool) {
	for p := at + 1; p+batchHeader <= len(raw); p++ {
		if raw[p+16] != 2 { // which most places do not pass
			continue
		}
		if o := int64(binary.BigEndian.Uint64(raw[p:])); o < offset || o-offset > math.MaxInt32 {
			continue
		}
		if _, why := entryAt(raw[p:], int64(binary.BigEndian.Uint64(raw[p:]))); why == "" {
			return p, true
		}
	}
	return len(raw), false
}

// restore returns the bytes as the entry that they are where only its head is damaged, which the checksum does not cover: all
// of it follows from what is around. nil: there is more.
func restore(bad []byte, offset int64, epoch int32) []byte {
	if len(bad) < batchHeader {
		return nil
	}
	be := binary.BigEndian
	fixed := append([]byte(nil), bad...)
	be.PutUint64(fixed, uint64(offset))
	be.PutUint32(fixed[8:], uint32(len(fixed)-batchPrefix))
	be.PutUint32(fixed[12:], uint32(epoch))
	fixed[16] = 2
	if notWhole(fixed) != "" {
		return nil
	}
	return fixed
}

// claimed is the offset after an entry by what its damaged bytes say: the number of its records is in them twice, and the
// larger counts, so that no offset is given again.
func claimed(bad []byte, offset int64) int64 {
	if len(bad) < batchHeader {
		return offset + 1
	}
	b := readBatch(bad)
	return offset + max(int64(b.lastDelta)+1, int64(b.records), 1)
}

// hole is a batch without records in place of those from an offset up to another, or as many of them as a batch can count.
func hole(from, to int64, epoch int32) []byte {
	raw := endMarker(from+1, epoch)
	binary.BigEndian.PutUint32(raw[23:], uint32(min(to-from-1, math.MaxInt32)))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli()))
	return raw
}

// salvageFrames keeps the entries of a state log that verify. damaged gets the bytes between them.
func salvageFrames(raw []byte, keep func(entry, data []byte) error, damaged func(at int64, bytes []byte, why string)) {
	for at := 0; at < len(raw); {
		data, n, why := frame(raw[at:])
		if why == "" && n > len(raw)-at {
			why = "the entry is not whole"
		}
		if why == "" {
			if err := keep(raw[at:at+n], data); err != nil {
				why = err.Error()
			}
		}
		if why == "" {
			at += n
			continue
		}
		to := at + 1
		for ; to < len(raw); to++ {
			if _, n, why := frame(raw[to:]); why == "" && n <= len(raw)-to {
				break
			}
		}
		damaged(int64(at), raw[at:to], why)
		at = to
	}
}
