package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// examinePartitions examines every partition that is there, or of which a file is missing.
func (r *repair) examinePartitions(ctx context.Context) error {
	entries, err := os.ReadDir(filepath.Join(r.root, "partitions"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, e.Name())
		}
	}
	for name := range r.bad {
		if rest, ok := strings.CutPrefix(name, "partitions/"); ok {
			dirs = append(dirs, path.Dir(rest))
		}
	}
	slices.Sort(dirs)
	for _, name := range slices.Compact(dirs) {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := openPartition(r.root, name)
		if errors.Is(err, fs.ErrNotExist) { // all of its files are missing
			p, err = namedPartition(r.root, name)
		}
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			r.damage(corrupt)
			r.note("move %s away by hand: its name is not one that the broker gives", corrupt.File)
			continue
		}
		if err != nil {
			return err
		}
		if err := r.examinePartition(p); err != nil {
			return err
		}
	}
	return nil
}

func (r *repair) examinePartition(p *partition) error {
	end, err := r.examineSnapshot(p)
	if err != nil {
		return err
	}
	r.addMissing(p)
	for i, s := range p.segments {
		follows := int64(-1)
		if i+1 < len(p.segments) {
			follows = p.segments[i+1].base
		}
		if err := r.examineSegment(p, s, follows, end); err != nil {
			return err
		}
	}
	return nil
}

// examineSnapshot returns the offset up to which the partition reached when it was last left in order.
func (r *repair) examineSnapshot(p *partition) (end int64, err error) {
	name := p.name + "/" + snapshotName
	raw, there, err := r.read(name)
	if err != nil || !there {
		return 0, err
	}
	var v snapshot
	if r.bad[name] == nil && jsonx.Unmarshal(raw, &v) == nil {
		return v.HighWatermark, nil
	}
	p.old = snapshot{}
	r.found(name, 0, "it cannot be read")
	r.change(fileName(name), nil, "set aside: it is made again from the records")
	if len(p.segments) == 0 {
		r.note("%s[%d] has no records, and goes on behind the highest position of a group", p.topic, p.number)
	}
	return 0, nil
}

// addMissing adds the segments that are known by their index, or by the manifest, only.
func (r *repair) addMissing(p *partition) {
	missing := func(base int64) {
		if !slices.ContainsFunc(p.segments, func(s *segment) bool { return s.base == base }) {
			file := strconv.FormatInt(base, 10) + segmentSuffix
			p.segments = append(p.segments, &segment{path: filepath.Join(p.path, file), name: p.name + "/" + file, base: base})
		}
	}
	first := int64(-1)
	if len(p.segments) > 0 {
		first = p.segments[0].base
	}
	for _, base := range p.indexes {
		if info, err := os.Stat(p.indexPath(base)); err == nil && info.Size() > 0 && base > first {
			missing(base)
		}
	}
	for name, d := range r.bad {
		stem, ok := strings.CutSuffix(strings.TrimPrefix(name, p.name+"/"), segmentSuffix)
		if base, err := strconv.ParseInt(stem, 10, 64); ok && err == nil && d.Why == missingWhy {
			missing(base)
		}
	}
	slices.SortFunc(p.segments, func(a, b *segment) int { return cmp.Compare(a.base, b.base) })
}

func (r *repair) examineSegment(p *partition, s *segment, follows, end int64) error {
	raw, there, err := r.read(s.name)
	if err != nil {
		return err
	}
	indexName := strings.TrimSuffix(s.name, segmentSuffix) + indexSuffix
	index, _, err := r.read(indexName)
	if err != nil {
		return err
	}
	epochs := indexedEpochs(index)
	if r.bad[indexName] != nil {
		epochs = nil
	}
	if !there && follows < 0 { // one record at least, and as many as the index lists or a group has read
		end = max(end, r.commits[partitionKey{p.topic, p.number}], s.base+max(int64(len(epochs)), 1))
	}
	got := salvage(raw, s.base, epochs, follows, end, r.clean)
	if follows < 0 && len(got.damage) > 0 {
		// A position behind the end would make its group pass over what comes to have that offset.
		if at := r.commits[partitionKey{p.topic, p.number}]; at > got.next && at-got.next < math.MaxInt32 {
			got = salvage(raw, s.base, epochs, follows, at, r.clean)
		}
	}
	if listed := len(indexedEpochs(index)); follows < 0 && !r.clean && len(got.damage) == 0 {
		if more := int64(listed) - int64(len(indexOf(got.raw))/indexEntry); more > 1 || more == 1 && r.sameBoot {
			got = salvage(raw[:len(raw)-int(got.cut)], s.base, epochs, follows, got.next+more, r.clean)
		}
	}
	for _, l := range got.lost {
		r.report.Lost = append(r.report.Lost, LostRecords{Topic: p.topic, Partition: p.number, From: l.from, To: l.to})
	}
	rebuilt := indexOf(got.raw)
	if len(got.damage) > 0 || r.bad[s.name] != nil {
		for _, d := range got.damage {
			r.damage(&CorruptError{File: fileName(s.name), Offset: d.at, Why: d.why}) // nearer than the block
		}
		r.change(fileName(s.name), notNil(got.raw), segmentWhat(got, len(rebuilt)/indexEntry))
		if string(index) != string(rebuilt) {
			r.change(fileName(indexName), notNil(rebuilt), "made again from the records")
		}
		return nil
	}
	if at, why := indexDamage(index, rebuilt); r.bad[indexName] != nil || why != "" {
		r.found(indexName, at, why)
		r.change(fileName(indexName), notNil(rebuilt), "made again from the records")
	}
	return nil
}

func segmentWhat(s salvaged, entries int) string {
	what := fmt.Sprintf("kept: %d entries", entries-len(s.lost))
	if s.restored > 0 {
		what += fmt.Sprintf(", %d of them with their head put right", s.restored)
	}
	switch n := len(s.lost); {
	case n == 1:
		what += "; one range of offsets is left empty"
	case n > 1:
		what += fmt.Sprintf("; %d ranges of offsets are left empty", n)
	}
	return what
}

// indexedEpochs are the leader's epochs in an index, up to the first entry that does not verify.
func indexedEpochs(index []byte) []int32 {
	var epochs []int32
	for ; len(index) >= indexEntry; index = index[indexEntry:] {
		if index[0] != 1 || index[1] != indexSum(index[:indexEntry]) {
			break
		}
		epochs = append(epochs, int32(uint32(index[2])|uint32(index[3])<<8|uint32(index[4])<<16|uint32(index[5])<<24))
	}
	return epochs
}

// indexOf makes the index of whole entries.
func indexOf(raw []byte) []byte {
	var index []byte
	maxTime := int64(math.MinInt64)
	for len(raw) >= batchHeader {
		entry, why := entryAt(raw, readBatch(raw).offset)
		if why != "" {
			break
		}
		b := readBatch(entry)
		maxTime = max(maxTime, b.maxTime)
		index = appendIndex(index, b, maxTime)
		raw = raw[len(entry):]
	}
	return index
}

// indexDamage says where an index does not fit its segment. The times in it may be those of records that are gone, and entries
// may be missing at its end.
func indexDamage(index, rebuilt []byte) (at int64, why string) {
	for i := 0; i+indexEntry <= min(len(index), len(rebuilt)); i += indexEntry {
		e := index[i : i+indexEntry]
		if e[1] != indexSum(e) {
			return int64(i), "the index entry does not match its checksum"
		}
		if !sameIndex(e, rebuilt[i:i+indexEntry]) {
			return int64(i), "the index entry is not that of its records"
		}
	}
	return 0, ""
}
