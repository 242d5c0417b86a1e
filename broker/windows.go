package broker

import (
	"cmp"
	"math"
	"slices"
)

// A producer numbers its batches for each partition, so that the broker can tell a batch sent again from a new one. The broker
// inside writes what it has seen only when it stops cleanly: after a kill it would take the resends of what it had already
// stored for new batches. The windows are therefore rebuilt from the stored batches.

// seqWindows is seq_windows.json.
type seqWindows struct {
	Version int          `json:"version"`
	Windows []*seqWindow `json:"windows"`
}

// seqWindow is the last five batches of one producer in one partition, and the number that comes next.
type seqWindow struct {
	Producer  int64       `json:"pid"`
	Topic     string      `json:"topic"`
	Partition int32       `json:"partition"`
	Entries   [5]seqEntry `json:"entries"`
	Count     int         `json:"count"`
	At        int         `json:"at"` // where the next entry goes
	Epoch     int16       `json:"epoch"`
	Seen      bool        `json:"seen"`
	Next      int32       `json:"next_seq"`
}

type seqEntry struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

// producers collects the windows of all partitions, and the newest epoch of each producer.
type producers struct {
	windows map[windowKey]*seqWindow
	epochs  map[int64]int16
}

type windowKey struct {
	producer  int64
	topic     string
	partition int32
}

func newProducers() *producers {
	return &producers{windows: make(map[windowKey]*seqWindow), epochs: make(map[int64]int16)}
}

// add takes the partition's next batch.
func (p *producers) add(topic string, partition int32, b batch) {
	if b.producer < 0 {
		return
	}
	if e, ok := p.epochs[b.producer]; !ok || e < b.prodEpoch {
		p.epochs[b.producer] = b.prodEpoch
	}
	if b.attrs&attrControl != 0 {
		return // the end of a transaction has no number
	}
	key := windowKey{b.producer, topic, partition}
	w := p.windows[key]
	if w == nil || w.Epoch != b.prodEpoch { // a new epoch begins a new numbering
		w = &seqWindow{Producer: b.producer, Topic: topic, Partition: partition, Epoch: b.prodEpoch, Seen: true}
		p.windows[key] = w
	}
	// The numbers wrap as the broker inside lets them.
	w.Next = int32((int64(b.sequence) + int64(b.records)) % math.MaxInt32)
	w.Entries[w.At] = seqEntry{First: b.sequence, Next: w.Next, Offset: b.offset}
	w.At = (w.At + 1) % len(w.Entries)
	w.Count = min(w.Count+1, len(w.Entries))
}

// file returns the content of seq_windows.json.
func (p *producers) file() seqWindows {
	f := seqWindows{Version: 1}
	for _, w := range p.windows {
		f.Windows = append(f.Windows, w)
	}
	slices.SortFunc(f.Windows, func(a, b *seqWindow) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Producer, b.Producer))
	})
	return f
}

// producerEntry is an entry of pids.log.
type producerEntry struct {
	Type     string `json:"type"` // init, endtx or timeout
	Producer int64  `json:"pid"`
	Epoch    int16  `json:"epoch"`
}

// missing returns the entries to add to pids.log. A window without its producer there is not loaded, and a number that is
// not there might be given to another producer. A producer need not have been told its number here: it may have kept it
// from before its entry was lost, and it raises its epoch by itself.
func (p *producers) missing(known map[int64]int16) []producerEntry {
	var add []producerEntry
	for id, epoch := range p.epochs {
		switch have, ok := known[id]; {
		case !ok:
			add = append(add, producerEntry{Type: "init", Producer: id, Epoch: epoch})
		case have < epoch:
			add = append(add, producerEntry{Type: "timeout", Producer: id, Epoch: epoch})
		}
	}
	slices.SortFunc(add, func(a, b producerEntry) int { return cmp.Compare(a.Producer, b.Producer) })
	return add
}
