package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
)

func TestTallyCountsEachFileOnce(t *testing.T) {
	id := func(b byte) event.ID { return event.ID{b} }
	tally := newTally()
	tally.announce(id(1), id(101), "h1", false) // an earlier run's, read before the file was
	tally.request(id(1), request{"again", "h1"})
	tally.request(id(2), request{"fresh", "h2"})
	tally.request(id(3), request{"doubled", "h3"})
	tally.request(id(4), request{"wrong", "h4"})
	tally.request(id(5), request{"unanswered", "h5"})
	tally.request(id(6), request{"only before", "h6"})
	tally.request(id(7), request{"big", "h7"})
	tally.refuse(id(7), refusal{"big", "too large"})
	tally.refuse(event.ID{}, refusal{"a link to nowhere", "gone"})

	tally.announce(id(1), id(101), "h1", true)
	tally.announce(id(2), id(102), "h2", true)
	tally.announce(id(3), id(103), "h3", true)
	tally.announce(id(3), id(203), "h3", true)
	tally.announce(id(4), id(104), "other", true)
	tally.announce(id(6), id(106), "h6", false)
	tally.announce(id(9), id(109), "h9", true) // a file that has changed since

	want := summary{
		files: 8, requested: 6, stamped: 4, repeated: 1,
		refused:    []refusal{{"a link to nowhere", "gone"}, {"big", "too large"}},
		duplicates: []string{"doubled"},
		missing:    []string{"only before", "unanswered"},
		mismatches: []string{"wrong"},
	}
	got := tally.summary(8)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(summary{}, refusal{})); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if got.ok() {
		t.Error("all is well")
	}
}

func TestProgressSaysHowLongItTakes(t *testing.T) {
	begin := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := progress{begin: begin, total: 100}
	for _, tt := range []struct {
		done, refused int
		after         time.Duration
		want          string
	}{
		{0, 0, 0, "[..............................] 0 of 100 stamped"},
		{40, 10, 4 * time.Second, "[###############...............] 40 of 100 stamped, 10 refused, 10/s, 5s left"},
		{90, 10, 9 * time.Second, "[##############################] 90 of 100 stamped, 10 refused, 10/s, 0s left"},
	} {
		if got := p.line(tt.done, tt.refused, begin.Add(tt.after)); got != tt.want {
			t.Errorf("%d done, %d refused:\n got %q\nwant %q", tt.done, tt.refused, got, tt.want)
		}
	}
}

func TestProgressClearsALongerLine(t *testing.T) {
	var out strings.Builder
	p := progress{w: &out, terminal: true, total: 1000, begin: time.Unix(0, 0)}
	p.draw(10, 0, time.Unix(1, 0))
	p.draw(1000, 0, time.Unix(1, 0))
	p.end()
	lines := strings.Split(strings.TrimSpace(out.String()), "\r")
	if len(lines) != 2 || len(lines[1]) < len(strings.TrimRight(lines[0], " ")) {
		t.Errorf("the second line leaves some of the first: %q", lines)
	}
}
