package histcheck

import (
	"encoding/binary"
	"hash/crc32"
)

// Event is the payload of a test event. It says of itself where it belongs, so that the checker can tell from any copy, however
// it came about, whether it is the right one in the right place.
type Event struct {
	Run      string `json:"run"`           // the run that it was made for
	Producer string `json:"producer"`      // who published it
	Seq      int64  `json:"pseq"`          // 1, 2, 3, ... of its producer
	Key      string `json:"key"`           // its record key; one producer owns a key
	KeySeq   int64  `json:"kseq"`          // 1, 2, 3, ... of its key
	ID       string `json:"event_id"`      // its envelope's id
	Fate     Fate   `json:"fate,omitzero"` // what is to become of it
	Body     string `json:"body,omitzero"` // makes it as large as wanted; ledgers do not repeat it
	CRC      uint32 `json:"crc"`           // of all of the above, see Sum
}

// Fate is what the handlers of a run make of an event.
type Fate string

// The fates.
const (
	Fine Fate = ""     // handlers succeed in the end; to dead-letter it is wrong
	Dead Fate = "dead" // handlers fail for good: it belongs to the dead letters
)

// Sum is the CRC-32C of everything in e but CRC itself.
func (e Event) Sum() uint32 {
	var b []byte
	for _, s := range []string{e.Run, e.Producer, e.Key, e.ID, string(e.Fate), e.Body} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendVarint(b, e.Seq)
	b = binary.AppendVarint(b, e.KeySeq)
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

// plausible reports whether e can be one of a run at all.
func (e Event) plausible() bool {
	const most = 1 << 24 // of one producer: the checker keeps a few bytes for each number below
	return e.Seq >= 1 && e.Seq < most && e.KeySeq >= 1 && e.KeySeq < most
}

// Sealed is e with its CRC.
func (e Event) Sealed() Event {
	e.CRC = e.Sum()
	return e
}

// Schema is the JSON Schema of an event's payload.
const Schema = `{"type":"object","properties":{` +
	`"run":{"type":"string"},"producer":{"type":"string","minLength":1},"pseq":{"type":"integer","minimum":1},` +
	`"key":{"type":"string","minLength":1},"kseq":{"type":"integer","minimum":1},"event_id":{"type":"string"},` +
	`"fate":{"type":"string"},"body":{"type":"string"},"crc":{"type":"integer","minimum":0}},` +
	`"required":["run","producer","pseq","key","kseq","event_id","crc"]}`
