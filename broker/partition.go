package broker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

const snapshotName = "snapshot.json"

// partition is a partition's directory.
type partition struct {
	topic    string
	number   int32
	path     string
	name     string // below the log directory
	segments []*segment
	indexes  []int64 // base offsets of the index files
	old      snapshot
}

// snapshot is what the broker inside writes of a partition when it stops cleanly. It takes one that matches the segments for
// true, and else starts from the segments alone.
type snapshot struct {
	Version          int           `json:"version"`
	HighWatermark    int64         `json:"high_watermark"`
	LastStableOffset int64         `json:"last_stable_offset"`
	LogStartOffset   int64         `json:"log_start_offset"`
	Epoch            int32         `json:"epoch"`
	MaxTimestamp     int64         `json:"max_timestamp"`
	CreatedAt        time.Time     `json:"created_at"`
	Segments         []snapSegment `json:"segments"`
}

type snapSegment struct {
	BaseOffset int64 `json:"base_offset"`
	Size       int64 `json:"size"`
	MinEpoch   int32 `json:"min_epoch,omitzero"`
	MaxEpoch   int32 `json:"max_epoch,omitzero"`
}

// namedPartition is the partition that a directory's name says; nothing of it has been read.
func namedPartition(root, dirName string) (*partition, error) {
	p := &partition{path: filepath.Join(root, "partitions", dirName), name: "partitions/" + dirName}
	dash := strings.LastIndexByte(dirName, '-')
	number, err := strconv.ParseInt(dirName[dash+1:], 10, 32)
	if dash < 0 || err != nil {
		return nil, &CorruptError{File: fileName(p.name), Why: "the directory's name is not a topic and a partition"}
	}
	p.number = int32(number)
	if p.topic, err = url.PathUnescape(dirName[:dash]); err != nil {
		return nil, &CorruptError{File: fileName(p.name), Why: "the directory's name is not a topic and a partition"}
	}
	return p, nil
}

// openPartition lists the files of a partition's directory.
func openPartition(root, dirName string) (*partition, error) {
	p, err := namedPartition(root, dirName)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p.path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		stem, suffix := e.Name(), filepath.Ext(e.Name())
		base, err := strconv.ParseInt(strings.TrimSuffix(stem, suffix), 10, 64)
		if err != nil {
			continue
		}
		switch suffix {
		case segmentSuffix:
			p.segments = append(p.segments, &segment{path: filepath.Join(p.path, e.Name()), name: p.name + "/" + e.Name(), base: base})
		case indexSuffix:
			p.indexes = append(p.indexes, base)
		}
	}
	slices.SortFunc(p.segments, func(a, b *segment) int { return cmp.Compare(a.base, b.base) })
	return p, p.readSnapshot()
}

func (p *partition) readSnapshot() error {
	raw, err := os.ReadFile(filepath.Join(p.path, snapshotName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := jsonx.Unmarshal(raw, &p.old); err != nil {
		p.old = snapshot{} // it is made anew
	}
	return nil
}

// recover verifies the partition's records and plans what makes the broker inside see them as they are.
func (p *partition) recover(ctx context.Context, r *recovery) error {
	transactions := false
	for i, s := range p.segments {
		if i > 0 && s.base != p.segments[i-1].next {
			return s.damaged(0, "the segment begins at offset %d where %d follows", s.base, p.segments[i-1].next)
		}
		err := s.scan(ctx, func(b batch) {
			r.producers.add(p.topic, p.number, b)
			transactions = transactions || b.attrs&attrTransaction != 0
		})
		if err != nil {
			return err
		}
		last := i == len(p.segments)-1
		if !last && (s.tail > 0 || s.size == 0) {
			return s.damaged(s.size, "the segment ends within an entry, but another follows")
		}
		if err := p.mendIndex(s, last, r); err != nil {
			return err
		}
		if s.tail > 0 {
			r.cut(s.path, s.name, s.size, s.tail)
		}
		r.report.Segments++
		r.report.Bytes += s.size
	}
	if err := p.checkIndexes(r); err != nil {
		return err
	}
	return p.mendSnapshot(transactions, r)
}

func (p *partition) indexPath(base int64) string {
	return filepath.Join(p.path, strconv.FormatInt(base, 10)+indexSuffix)
}

func (p *partition) mendIndex(s *segment, last bool, r *recovery) error {
	path := p.indexPath(s.base)
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	good, err := s.checkIndex(raw, last, r.sameBoot)
	if err != nil || good == int64(len(raw)) && good == int64(len(s.index)) {
		return err
	}
	r.plan(func() error { return replaceFile(path, slices.Concat(raw[:good], s.index[good:])) })
	return nil
}

// checkIndexes looks for indexes without their segment. Retention removes a segment, oldest first, before its index: one that
// is older than all segments is a left-over of that.
func (p *partition) checkIndexes(r *recovery) error {
	for _, base := range p.indexes {
		if slices.ContainsFunc(p.segments, func(s *segment) bool { return s.base == base }) {
			continue
		}
		path := p.indexPath(base)
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() > 0 && (len(p.segments) == 0 || base > p.segments[0].base) {
			name := fmt.Sprintf("%s/%d%s", p.name, base, segmentSuffix)
			return &CorruptError{File: fileName(name), Why: "it is missing, but its index is there"}
		}
		r.remove(path)
	}
	return nil
}

// mendSnapshot writes the snapshot that matches the segments.
func (p *partition) mendSnapshot(transactions bool, r *recovery) error {
	if n := len(p.segments); n > 0 && p.segments[n-1].size == 0 { // begun, and nothing written
		s := p.segments[n-1]
		r.remove(s.path)
		r.remove(p.indexPath(s.base))
		p.segments = p.segments[:n-1]
	}
	if len(p.segments) == 0 {
		end := max(p.old.HighWatermark, r.commits[partitionKey{p.topic, p.number}])
		r.plan(func() error { return p.keepEnd(end) })
		return nil
	}
	first, last := p.segments[0], p.segments[len(p.segments)-1]
	if p.old.HighWatermark > last.next {
		return last.damaged(last.size, "the records end at offset %d, but ended at %d when the broker last stopped cleanly", last.next, p.old.HighWatermark)
	}
	path := filepath.Join(p.path, snapshotName)
	if transactions { // the broker inside finds out by itself which were open, and ends them
		r.remove(path)
		return nil
	}
	s := snapshot{
		Version:          1,
		HighWatermark:    last.next,
		LastStableOffset: last.next,
		LogStartOffset:   first.base,
		Epoch:            max(p.old.Epoch, last.maxEpoch),
		CreatedAt:        p.old.CreatedAt,
	}
	if start := p.old.LogStartOffset; start > first.base && (start < first.next || first == last && start == first.next) {
		s.LogStartOffset = start
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = time.UnixMilli(first.firstTime)
	}
	for _, seg := range p.segments {
		s.Segments = append(s.Segments, snapSegment{BaseOffset: seg.base, Size: seg.size, MinEpoch: seg.minEpoch, MaxEpoch: seg.maxEpoch})
	}
	r.plan(func() error { return p.writeSnapshot(s) })
	return nil
}

// keepEnd makes a partition whose records have all been removed go on at the offset where it ended.
func (p *partition) keepEnd(end int64) error {
	if end == 0 {
		return nil
	}
	base := strconv.FormatInt(end-1, 10)
	raw := endMarker(end, p.old.Epoch)
	index := appendIndex(nil, readBatch(raw), -1)
	s := p.old
	s.Version, s.HighWatermark, s.LastStableOffset, s.LogStartOffset = 1, end, end, end
	s.Segments = []snapSegment{{BaseOffset: end - 1, Size: int64(len(raw)), MinEpoch: s.Epoch, MaxEpoch: s.Epoch}}
	return errors.Join(
		replaceFile(filepath.Join(p.path, base+segmentSuffix), raw),
		replaceFile(filepath.Join(p.path, base+indexSuffix), index),
		p.writeSnapshot(s),
	)
}

func (p *partition) writeSnapshot(s snapshot) error {
	raw, err := jsonx.Marshal(s)
	if err != nil {
		return err
	}
	path := filepath.Join(p.path, snapshotName)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, raw) {
		return nil
	}
	return replaceFile(path, raw)
}
