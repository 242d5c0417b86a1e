package bus

import "time"

// recordWithin is how long what is settled may be without a commit before nothing new begins: PROMISES P4 lets a kill undo the
// work of a second. Commits come every half second; they are late where the coordinator is away, or where the member waits for
// an answer to its join, during which the client holds them back.
const recordWithin = time.Second

// unrecorded keeps since when something is settled that no commit says. It is pure, like the lanes that ask it.
type unrecorded struct {
	within time.Duration // 0: nobody commits, so nobody waits for it
	since  time.Time     // when the first such event was settled; zero: there is none
	later  time.Time     // the same, of those that the commit on its way does not have
}

// settled notes that events were settled.
func (u *unrecorded) settled(now time.Time) {
	if u.since.IsZero() {
		u.since = now
	}
	if u.later.IsZero() {
		u.later = now
	}
}

// taken notes that the positions of all partitions are about to be committed.
func (u *unrecorded) taken() { u.later = time.Time{} }

// recorded notes that the broker has all of those positions.
func (u *unrecorded) recorded() { u.since = u.later }

// overdue reports whether nothing new is to begin until a commit succeeds.
func (u *unrecorded) overdue(now time.Time) bool {
	return u.within > 0 && !u.since.IsZero() && now.Sub(u.since) >= u.within
}

// withheld reports whether what is ready waits for a commit. A run whose start is on record does not: it counts as one that has
// begun, and the guard would take it for one that did not end.
func (s *lanes) withheld(now time.Time) bool {
	return s.unrecorded.overdue(now) && (s.ready.len() == 0 || !s.ready.peek().cleared)
}
