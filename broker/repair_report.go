package broker

import "fmt"

// RepairReport says what is wrong with a data directory and what is done about it. Files are named from the data directory.
type RepairReport struct {
	// Damage lists what does not match; nothing where the directory is in order.
	Damage []Damage
	// Changes lists the files that are changed. Each is copied to the quarantine before.
	Changes []Change
	// Lost lists the records that are gone. Their offsets stay empty: everything else keeps its own.
	Lost []LostRecords
	// Positions lists the groups' positions that fall back: those groups get again what they had settled since.
	Positions []LostPosition
	// Notes lists what else is not as before, in words.
	Notes []string
	// Quarantine is where the damaged files were copied to; empty in a plan.
	Quarantine string
}

// Damage is a place where a file is not what the broker left there.
type Damage struct {
	File   string
	Offset int64 // the byte at which it begins
	Why    string
}

// Change is what happens to a file.
type Change struct {
	File string
	What string
}

// LostRecords are those of a partition from an offset up to another, which is not among them.
type LostRecords struct {
	Topic     string
	Partition int32
	From, To  int64
}

func (l LostRecords) String() string {
	return fmt.Sprintf("%s[%d]: offsets %d to %d", l.Topic, l.Partition, l.From, l.To-1)
}

// LostPosition is a position that falls back.
type LostPosition struct {
	Group     string // empty where it cannot be read any more
	Topic     string // likewise
	Partition int32  // -1 likewise
	Before    int64  // -1 likewise
	Now       int64  // -1: none, the group begins anew
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
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("group %s, %s[%s]: from %s to %s", text(p.Group), text(p.Topic), number(int64(p.Partition), "?"),
		number(p.Before, "unreadable"), number(p.Now, "none"))
}
