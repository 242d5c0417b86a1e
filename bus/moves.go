package bus

import (
	"fmt"

	"github.com/omninode-ai/omnibus/event"
)

// Move is what a reset does to one partition. All counts are of offsets: there may be fewer events.
type Move struct {
	Topic      event.Topic `json:"topic"`
	TopicID    string      `json:"topic_id,omitzero"`
	Partition  int32       `json:"partition"`
	From       int64       `json:"from"`  // -1: nothing committed
	To         int64       `json:"to"`    // -1: nothing to move
	Start      int64       `json:"start"` // of the log when this was planned
	End        int64       `json:"end"`
	Again      int64       `json:"again"`            // were handled, and will be again
	PassedOver int64       `json:"passed_over"`      // were not handled, and will not be
	Why        string      `json:"why,omitzero"`     // the partition does not go where was asked for
	Before     string      `json:"before,omitzero"`  // commit metadata at From
	Commits    string      `json:"commits,omitzero"` // commit metadata at To
}

// Moves reports whether the partition is to be committed anew. Where only the set of what is settled beyond the position
// changes, it is: those events come again.
func (m Move) Moves() bool { return m.To >= 0 && (m.To != m.From || m.Again > 0) }

// aim is where a partition is to go: an offset, or nowhere, and why it is not what was asked for.
type aim struct {
	offset int64
	ok     bool
	why    string
}

// move works out what it means for a partition to go to an offset. What the metadata knows to be settled beyond the position is
// forgotten: an event that is to be read again must not count as settled, and one that is passed over needs no count.
func move(m Move, to aim) Move {
	m.To, m.Why = -1, to.why
	if !to.ok {
		return m
	}
	m.To = to.offset
	switch {
	case m.To < m.Start:
		m.Why = fmt.Sprintf("%d is gone: the log begins at %d", m.To, m.Start)
		m.To = m.Start
	case m.To > m.End:
		m.Why = fmt.Sprintf("%d is not there yet: the log ends at %d", m.To, m.End)
		m.To = m.End
	}
	var done offsets
	before, used := note{clean: m.From < 0}, false
	unread := m.Start // everything before is behind the group, or gone
	if m.From >= 0 && m.From <= m.End {
		before, used = done.restore(m.From, m.Before)
		unread = max(m.Start, m.From)
	}
	settled := func(from, to int64) (n int64) {
		if !used {
			return 0
		}
		for off := max(from, m.From); off < min(to, done.next); off++ {
			if !done.unsettled(off) {
				n++
			}
		}
		return n
	}
	if m.To >= unread {
		m.PassedOver = m.To - unread - settled(unread, m.To)
		m.Again = settled(m.To, m.End)
	} else {
		m.Again = unread - m.To + settled(unread, m.End)
	}
	var after offsets
	after.startAt(m.To)
	m.Commits = after.metadata(note{clean: before.clean})
	return m
}
