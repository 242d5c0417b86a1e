package bus

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMoveCountsWhatComesAgainAndWhatIsPassedOver(t *testing.T) {
	const beyond = "AQAVLReKZAoBCQA" // at 100: 101, 102 and 104 to 109 are settled, see docs/formats/commit-metadata.md
	to := func(n int64) aim { return aim{offset: n, ok: true} }
	for _, tt := range []struct {
		name string
		m    Move
		to   aim
		want Move // To, Again, PassedOver, Why
	}{
		{"back", Move{From: 10, End: 20}, to(4), Move{To: 4, Again: 6}},
		{"forward", Move{From: 10, End: 20}, to(20), Move{To: 20, PassedOver: 10}},
		{"where it is", Move{From: 10, End: 20}, to(10), Move{To: 10}},
		{"nothing committed", Move{From: -1, Start: 5, End: 20}, to(20), Move{To: 20, PassedOver: 15}},
		{"nothing committed, to the beginning", Move{From: -1, Start: 5, End: 20}, to(5), Move{To: 5}},
		{"before the log", Move{From: 10, Start: 5, End: 20}, to(2), Move{To: 5, Again: 5, Why: "2 is gone: the log begins at 5"}},
		{"beyond the log", Move{From: 10, End: 20}, to(30), Move{To: 20, PassedOver: 10, Why: "30 is not there yet: the log ends at 20"}},
		{"what is gone is not passed over", Move{From: 2, Start: 5, End: 20}, to(6), Move{To: 6, PassedOver: 1}},
		{"a log that was made anew", Move{From: 90, End: 3}, to(0), Move{}},
		{"no aim", Move{From: 10, End: 20}, aim{why: "x"}, Move{To: -1, Why: "x"}},
		{"where it is, with a completed set", Move{From: 100, End: 110, Before: beyond}, to(100), Move{To: 100, Again: 8}},
		{"back, with a completed set", Move{From: 100, End: 110, Before: beyond}, to(90), Move{To: 90, Again: 18}},
		{"into a completed set", Move{From: 100, End: 110, Before: beyond}, to(104), Move{To: 104, Again: 6, PassedOver: 2}},
		{"past a completed set", Move{From: 100, End: 120, Before: beyond}, to(120), Move{To: 120, PassedOver: 12}},
		{"metadata of another position", Move{From: 101, End: 120, Before: beyond}, to(101), Move{To: 101}},
		{"metadata of another tool", Move{From: 101, End: 120, Before: "seek"}, to(103), Move{To: 103, PassedOver: 2}},
	} {
		got := move(tt.m, tt.to)
		if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Move{}, "From", "Start", "End", "Before", "Commits")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if again := got.To == got.From && got.Again == 0; got.To >= 0 && got.Moves() == again {
			t.Errorf("%s: moves %t", tt.name, got.Moves())
		}
	}
}

// TestMoveKeepsTheCleanStop: a group that stopped in order needs no probation because of a reset; one that crashed does.
func TestMoveKeepsTheCleanStop(t *testing.T) {
	var at offsets
	at.startAt(10)
	for _, tt := range []struct {
		name, before string
		from         int64
		want         bool
	}{
		{"clean", at.metadata(note{clean: true}), 10, true},
		{"crashed", "", 10, false},
		{"another tool", "seek", 10, false},
		{"nothing committed", "", -1, true},
	} {
		m := move(Move{From: tt.from, Before: tt.before, End: 20}, aim{offset: 3, ok: true})
		var o offsets
		n, ok := o.restore(m.To, m.Commits)
		if !ok || n.clean != tt.want || o.n != 0 {
			t.Errorf("%s: clean %t, %d unsettled, usable %t; want clean %t and none", tt.name, n.clean, o.n, ok, tt.want)
		}
	}
}
