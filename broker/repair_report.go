package broker

import (
	"fmt"
	"strconv"
)

// RepairReport says what is wrong with a data directory and what is done about it. Files are named from the data directory.
type RepairReport struct {
	// Damage lists what does not match; nothing where the directory is in order.
	Damage []Damage `json:"damage"`
	// Changes lists the files that are changed. Each is copied to the quarantine before.
	Changes []Change `json:"changes"`
	// Lost lists the records that are gone. Their offsets stay empty: everything else keeps its own.
	Lost []LostRecords `json:"lost_records"`
	// Positions lists the groups' positions that fall back: those groups get again what they had settled since.
	Positions []LostPosition `json:"lost_positions"`
	// Notes lists what else is not as before, in words.
	Notes []string `json:"notes"`
	// Quarantine is where the damaged files were copied to; empty in a plan.
	Quarantine string `json:"quarantine,omitzero"`
}

// Damage is a place where a file is not what the broker left there.
type Damage struct {
	File   string `json:"file"`
	Offset int64  `json:"byte"` // at which it begins
	Why    string `json:"why"`
}

// Change is what happens to a file.
type Change struct {
	File string `json:"file"`
	What string `json:"what"`
}

// LostRecords are those of a partition from an offset up to another, which is not among them.
type LostRecords struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from_offset"`
	To        int64  `json:"to_offset"`
}

func (l LostRecords) String() string {
	if l.To == l.From+1 {
		return fmt.Sprintf("%s[%d]: offset %d", l.Topic, l.Partition, l.From)
	}
	return fmt.Sprintf("%s[%d]: offsets %d to %d", l.Topic, l.Partition, l.From, l.To-1)
}

// LostPosition is a position that falls back. What it was is read from bytes that do not verify: it tells what to look at, and
// may itself be what is damaged.
type LostPosition struct {
	Group     string `json:"group"`     // empty where it cannot be read any more
	Topic     string `json:"topic"`     // likewise
	Partition int32  `json:"partition"` // -1 likewise
	Before    int64  `json:"before"`    // -1 likewise
	Now       int64  `json:"now"`       // -1: none, the group begins anew
}

func (p LostPosition) String() string {
	text := func(s string) string {
		if s == "" {
			return "unreadable"
		}
		return s
	}
	number := func(n int64, none string) string {
		if n < 0 {
			return none
		}
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("group %s, %s[%s]: from %s to %s", text(p.Group), text(p.Topic), number(int64(p.Partition), "?"),
		number(p.Before, "unreadable"), number(p.Now, "none"))
}
