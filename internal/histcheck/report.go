package histcheck

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// ID names a check.
type ID string

// The checks.
const (
	H1  ID = "H1"  // lost: acknowledged and not in the log, or never settled though the group has passed it
	H2  ID = "H2"  // phantom or corrupt: never published, refused, or other bytes
	H3  ID = "H3"  // log order: the events of a key in order, and every reader sees the same record in a place
	H4  ID = "H4"  // log duplicates: twice in the log only where a publish of unknown outcome was repeated under its id
	H5  ID = "H5"  // key order: handled in the order of the log
	H6  ID = "H6"  // mutual exclusion: one handler at a time for a key of an assignment
	H7  ID = "H7"  // commit: nothing committed that is not settled, nothing after the partition was lost
	H8  ID = "H8"  // duplicates: only what was unfinished, or finished since the last commit, and only after a kill or a loss
	H9  ID = "H9"  // dead letters: one for each event that deserves it, whole, and none for another
	H14 ID = "H14" // stuck: everything settled and committed soon after the last fault
	H15 ID = "H15" // reach: the run hit what it was made to hit
	H16 ID = "H16" // callers: one that gives up fails nobody else
)

// Rare things that the checker itself notices, for [Input.Reach].
const (
	Redelivered    = "redelivered after a kill or a loss"
	Zombie         = "a handler ran on after its partition had gone to another"
	Repeated       = "a publish of unknown outcome was repeated"
	UnknownArrived = "a publish of unknown outcome had arrived"
	LostRunning    = "a partition was lost while a handler ran"
	RevokedRunning = "a partition was revoked while a handler ran"
)

// Report is what a check found.
type Report struct {
	Lines, Events, Records, DeadLetters int
	Findings                            []Finding
	Count                               map[ID]int // of findings, also of those that are not kept

	Duplicates int            // events handled again after they were settled, within the bound
	Worst      int            // of them after one kill or loss
	Zombies    int            // handlers of a key that ran at once, each for another assignment
	Reached    map[string]int // marker → how often
	Torn       []string       // ledgers whose last line is incomplete
	Recovery   time.Duration  // from the end of the last fault until everything was committed
}

// OK reports whether nothing was found.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Finding is one breach of a rule.
type Finding struct {
	Check   ID
	What    string
	Event   string   // producer/sequence; "" where it is about no event
	History []string // its lines of all ledgers, in order
	about   subject
}

// subject is what a finding's history is gathered for.
type subject struct {
	producer  string
	seq       int64
	topic     string
	partition int32
	offset    int64 // -1: no place
}

func (f Finding) String() string {
	s := string(f.Check) + " " + f.What
	if f.Event != "" {
		s += " (event " + f.Event + ")"
	}
	return s
}

// Write writes the report for people.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events, %d records, %d dead letters, %d ledger lines\n", r.Events, r.Records, r.DeadLetters, r.Lines)
	fmt.Fprintf(&b, "%d duplicates within the bound, at most %d after one kill or loss; %d zombies; recovered in %s\n", r.Duplicates, r.Worst, r.Zombies, r.Recovery.Round(time.Millisecond))
	for _, m := range slices.Sorted(maps.Keys(r.Reached)) {
		fmt.Fprintf(&b, "reached %6d times: %s\n", r.Reached[m], m)
	}
	for _, name := range r.Torn {
		fmt.Fprintf(&b, "torn: the last line of %s\n", name)
	}
	for _, id := range slices.Sorted(maps.Keys(r.Count)) {
		fmt.Fprintf(&b, "%s: %d findings\n", id, r.Count[id])
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s\n", f)
		for _, l := range f.History {
			fmt.Fprintf(&b, "    %s\n", l)
		}
	}
	if r.OK() {
		b.WriteString("nothing found\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const keepFindings = 20 // of each check

// find notes a breach.
func (r *Report) find(id ID, about subject, format string, args ...any) {
	r.Count[id]++
	if r.Count[id] > keepFindings {
		return
	}
	f := Finding{Check: id, What: fmt.Sprintf(format, args...), about: about}
	if about.producer != "" {
		f.Event = fmt.Sprintf("%s/%d", about.producer, about.seq)
	}
	r.Findings = append(r.Findings, f)
}
