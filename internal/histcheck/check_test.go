package histcheck_test

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/internal/histcheck"
)

// A story is a history in few words. Each line of its ledgers is a process, a kind and what that takes; time goes on by 10 ms a
// line, or as "wait" says. An event is its key and number, "a/1"; with x it is made for the dead letters, with #name it has
// another id, with ! other bytes. A place is @offset of partition 0, or 1@offset.
type story struct {
	log     string // events in the order of partition 0, "-" for a gap; after a bar those of partition 1
	dead    string // dead letters: event@offset, with ~ for other bytes and ? for a missing header
	ledgers string
	reach   []string
}

const base = 1_800_000_000_000_000_000

type teller struct {
	t     *testing.T
	seqs  map[string]int64
	runs  map[string]int64
	count int64
}

var word = regexp.MustCompile(`^([a-z]+)/(\d+)(x?)(#\w+)?(!?)$`)

func (s *teller) event(w string) histcheck.Event {
	m := word.FindStringSubmatch(w)
	if m == nil {
		s.t.Fatalf("%q is no event", w)
	}
	name := m[1] + "/" + m[2]
	if s.seqs[name] == 0 {
		s.seqs[name] = int64(len(s.seqs)) + 1
	}
	n, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	e := histcheck.Event{Run: "r", Producer: "p", Seq: s.seqs[name], Key: m[1], KeySeq: n, ID: "id of " + name + m[4]}
	if m[3] != "" {
		e.Fate = histcheck.Dead
	}
	e.Body = m[5]
	e = e.Sealed()
	e.Body = ""
	return e
}

func (s *teller) records(st story) iter.Seq2[histcheck.Record, error] {
	return func(yield func(histcheck.Record, error) bool) {
		sums := map[int64]uint32{}
		for p, words := range strings.Split(st.log, "|") {
			for at, w := range strings.Fields(words) {
				if w == "-" {
					continue
				}
				e := s.event(w)
				sums[int64(at)] = e.CRC
				if !yield(histcheck.Record{Topic: "t", Partition: int32(p), Offset: int64(at), Event: e, Valid: true, Sum: e.CRC}, nil) {
					return
				}
			}
		}
		for at, w := range strings.Fields(st.dead) {
			altered, lacking := strings.HasSuffix(w, "~"), strings.HasSuffix(w, "?")
			ev, from, _ := strings.Cut(strings.TrimRight(w, "~?"), "@")
			offset, err := strconv.ParseInt(from, 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			d := &histcheck.DeadLetter{Group: "g", Topic: "t", Offset: offset}
			r := histcheck.Record{Topic: "t.dlq", Offset: int64(at), Event: s.event(ev), Valid: true, Sum: sums[offset], Dead: d}
			if altered {
				r.Sum++
			}
			if lacking {
				d.Lacks = []string{"error-class"}
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// sources makes the ledgers.
func (s *teller) sources(ledgers string) []histcheck.Source {
	now := time.Unix(0, base)
	texts := map[string][]byte{}
	var order []string
	for l := range strings.SplitSeq(strings.TrimSpace(ledgers), "\n") {
		w := strings.Fields(l)
		if len(w) == 0 {
			continue
		}
		if w[0] == "wait" {
			d, err := time.ParseDuration(w[1])
			if err != nil {
				s.t.Fatal(err)
			}
			now = now.Add(d)
			continue
		}
		now = now.Add(10 * time.Millisecond)
		line := histcheck.Line{Process: w[0], Kind: histcheck.Kind(w[1]), Wall: now.UnixNano(), Mono: 1}
		s.fill(&line, w[2:])
		if !slices.Contains(order, w[0]) {
			order = append(order, w[0])
		}
		b, err := line.AppendJSON(texts[w[0]])
		if err != nil {
			s.t.Fatal(err)
		}
		texts[w[0]] = b
	}
	var out []histcheck.Source
	for _, name := range order {
		out = append(out, text(name, string(texts[name])))
	}
	return out
}

func (s *teller) fill(line *histcheck.Line, words []string) {
	switch line.Kind {
	case histcheck.FaultOn, histcheck.FaultOff, histcheck.Reach, histcheck.Exit:
		line.Note = strings.Join(words, " ")
		return
	case histcheck.Commit:
		line.Taken = line.Wall - 1e6
	default:
	}
	line.Topic = "t"
	if !strings.HasPrefix(string(line.Kind), "pub.") {
		line.Group = "g"
	}
	for i, w := range words {
		p, at, isPlace := strings.Cut(w, "@")
		switch {
		case isPlace:
			if n, err := strconv.Atoi(p); err == nil {
				line.Partition = int32(n)
			}
			n, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			line.Offset = n
		case strings.HasPrefix(w, "-"):
			d, err := time.ParseDuration(w)
			if err != nil {
				s.t.Fatal(err)
			}
			line.Taken = line.Wall + int64(d)
		case word.MatchString(w):
			e := s.event(w)
			line.Event = &e
		default:
			line.Note = strings.Join(words[i:], " ")
		}
		if line.Note != "" {
			break
		}
	}
	run := fmt.Sprintf("%s %d@%d", line.Process, line.Partition, line.Offset)
	switch line.Kind {
	case histcheck.Start:
		s.count++
		s.runs[run] = s.count
		line.Run = s.count
	case histcheck.Done, histcheck.Skip, histcheck.Retry:
		line.Run = s.runs[run]
	default:
	}
}

// number gives the events of the log their numbers, so that those come before the others.
func (s *teller) number(st story) {
	for w := range strings.FieldsSeq(strings.ReplaceAll(st.log, "|", " ")) {
		if w != "-" {
			s.event(w)
		}
	}
}

func tell(t *testing.T, st story) *histcheck.Report {
	t.Helper()
	s := &teller{t: t, seqs: map[string]int64{}, runs: map[string]int64{}}
	s.number(st)
	rep, err := histcheck.Check(histcheck.Input{
		Ledgers: s.sources(st.ledgers), Log: s.records(st), Groups: map[string][]string{"g": {"t"}}, Reach: st.reach,
	})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// published is the part of a publisher to whom nothing happens.
func published(events ...string) string {
	var b strings.Builder
	for i, e := range events {
		fmt.Fprintf(&b, "p pub.invoke %s\np pub.ok %s @%d\n", e, e, i)
	}
	return b.String()
}

// handled is a consumer to whom nothing happens.
func handled(who string, events ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s assign @0\n", who)
	for i, e := range events {
		fmt.Fprintf(&b, "%s start %s @%d\n%s done @%d\n", who, e, i, who, i)
	}
	fmt.Fprintf(&b, "%s commit @%d\n%s exit\n", who, len(events), who)
	return b.String()
}

func TestChecks(t *testing.T) {
	for _, tc := range []struct {
		name string
		want histcheck.ID // "": nothing is wrong
		says string
		story
	}{
		{name: "nothing happens", story: story{log: "a/1 b/1 a/2", ledgers: published("a/1", "b/1", "a/2") + handled("c", "a/1", "b/1", "a/2")}},
		{name: "gaps in the log", story: story{log: "a/1 - - a/2", ledgers: `
			p pub.invoke a/1
			p pub.ok a/1 @0
			p pub.invoke a/2
			p pub.ok a/2 @3
			c assign @0
			c start a/1 @0
			c done @0
			c start a/2 @3
			c done @3
			c commit @4
			c exit`}},
		{name: "a retry, a skip and a dead letter", story: story{log: "a/1 a/2 a/3x a/4", dead: "a/3x@2", ledgers: published("a/1", "a/2", "a/3x", "a/4") + `
			c assign @0
			c start a/1 @0
			c retry @0 it failed
			c start a/1 @0
			c done @0
			c start a/2 @1
			c skip @1
			c start a/3x @2
			c retry @2 poison
			c dlq.ack @2
			c start a/4 @3
			c done @3
			c commit @4
			c exit`}},

		{name: "acknowledged and not in the log", want: histcheck.H1, says: "not in the log", story: story{log: "a/1", ledgers: published("a/1", "a/2") + handled("c", "a/1")}},
		{name: "the group began behind it", want: histcheck.H1, says: "never settled", story: story{log: "a/1 b/1", ledgers: published("a/1", "b/1") + `
			c assign @1
			c start b/1 @1
			c done @1
			c commit @2
			c exit`}},
		{name: "of unknown outcome, arrived, and passed over", want: histcheck.H1, says: "never settled", story: story{log: "a/1 b/1", ledgers: `
			p pub.invoke a/1
			p pub.unknown a/1 no answer
			p pub.invoke b/1
			p pub.ok b/1 @1
			c assign @1
			c start b/1 @1
			c done @1
			c commit @2
			c exit`}},

		{name: "nobody published it", want: histcheck.H2, says: "never published", story: story{log: "a/1 b/1", ledgers: published("a/1") + handled("c", "a/1", "b/1")}},
		{name: "it was refused and is there", want: histcheck.H2, says: "certainly is not", story: story{log: "a/1", ledgers: `
			p pub.invoke a/1
			p pub.fail a/1 full
			` + handled("c", "a/1")}},
		{name: "other bytes than published", want: histcheck.H2, says: "other bytes", story: story{log: "a/1!", ledgers: published("a/1") + handled("c", "a/1")}},
		{name: "an id that nobody gave", want: histcheck.H2, says: "nobody published", story: story{log: "a/1#other", ledgers: published("a/1") + handled("c", "a/1#other")}},
		{name: "refused and published again", story: story{log: "a/1", ledgers: `
			p pub.invoke a/1#first
			p pub.fail a/1#first full
			` + published("a/1") + handled("c", "a/1")}},

		{name: "a key goes back in the log", want: histcheck.H3, says: "number 1 of its key behind number 2", story: story{log: "a/2 a/1", ledgers: published("a/2", "a/1") + handled("c", "a/2", "a/1")}},
		{name: "a reader sees something else", want: histcheck.H3, says: "another content", story: story{log: "a/1 b/1", ledgers: published("a/1", "b/1") + `
			d assign 1@0
			d start a/1 1@0
			d retry 1@0
			` + handled("c", "a/1", "b/1")}},
		{name: "a reader sees other bytes", want: histcheck.H3, says: "another content", story: story{log: "a/1", ledgers: published("a/1") + handled("c", "a/1!")}},

		{name: "twice in the log", want: histcheck.H4, says: "2 times in the log, but published once", story: story{log: "a/1 a/1", ledgers: published("a/1") + handled("c", "a/1", "a/1")}},
		{name: "twice, as nobody knew", story: story{log: "a/1 a/1", reach: []string{histcheck.Repeated, histcheck.UnknownArrived}, ledgers: `
			p pub.invoke a/1
			p pub.unknown a/1 no answer
			` + published("a/1") + handled("c", "a/1", "a/1")}},
		{name: "twice, as its publisher was killed", story: story{log: "a/1 a/1", ledgers: `
			p pub.invoke a/1
			` + published("a/1") + handled("c", "a/1", "a/1")}},
		{name: "twice, though the first was acknowledged", want: histcheck.H4, says: "unknown outcome", story: story{log: "a/1 a/1", ledgers: published("a/1") + published("a/1") + handled("c", "a/1", "a/1")}},
		{name: "again under another id", want: histcheck.H4, says: "under another id", story: story{log: "a/1 a/1#two", ledgers: `
			p pub.invoke a/1
			p pub.unknown a/1 no answer
			p pub.invoke a/1#two
			p pub.ok a/1#two @1
			` + handled("c", "a/1", "a/1#two")}},

		{name: "the second before the first", want: histcheck.H5, says: "began after", story: story{log: "a/1 a/2", ledgers: published("a/1", "a/2") + `
			c assign @0
			c start a/1 @0
			c retry @0
			c start a/2 @1
			c retry @1
			c start a/1 @0
			c done @0
			c start a/2 @1
			c done @1
			c commit @2
			c exit`}},
		{name: "done before what lies before it", want: histcheck.H5, says: "was done before number 1", story: story{log: "a/1 a/2", ledgers: published("a/1", "a/2") + `
			c assign @0
			c start a/2 @1
			c done @1
			wait 30s
			c lost
			c assign @0
			c start a/1 @0
			c done @0
			c commit @2
			c exit`}},

		{name: "two of a key at once", want: histcheck.H6, says: "ran", story: story{log: "a/1 a/2", ledgers: published("a/1", "a/2") + `
			c assign @0
			c start a/1 @0
			c start a/2 @1
			c done @0
			c done @1
			c commit @2
			c exit`}},
		{name: "two of a key at once, one of them a zombie's", story: story{log: "a/1 a/2", reach: []string{histcheck.Zombie, histcheck.LostRunning}, ledgers: published("a/1", "a/2") + `
			f fault.on pause c
			c assign @0
			c start a/1 @0
			wait 20s
			f fault.off pause c
			d assign @0
			d start a/1 @0
			c lost
			c done @0
			d done @0
			d start a/2 @1
			d done @1
			d commit @2
			c exit
			d exit`}},
		{name: "what the next one had settled, begun by a zombie", story: story{log: "a/1 a/2", reach: []string{histcheck.Zombie}, ledgers: published("a/1", "a/2") + `
			f fault.on pause c
			c assign @0
			wait 20s
			d assign @0
			d start a/1 @0
			d done @0
			f fault.off pause c
			c start a/1 @0
			c lost
			c done @0
			wait 1s
			d start a/2 @1
			d done @1
			d commit @2
			c exit
			d exit`}},
		{name: "what a killed process ran is no zombie", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			wait 20s
			` + handled("d", "a/1")}},

		{name: "committed before it was settled", want: histcheck.H7, says: "was not settled", story: story{log: "a/1 b/1", ledgers: published("a/1", "b/1") + `
			c assign @0
			c start a/1 @0
			c start b/1 @1
			c done @1
			c commit @2
			c done @0
			c exit`}},
		{name: "committed with what another did too late", want: histcheck.H7, says: "was not settled", story: story{log: "a/1", ledgers: published("a/1") + `
			f fault.on pause c
			c assign @0
			c start a/1 @0
			wait 20s
			f fault.off pause c
			d assign @0
			d start a/1 @0
			c lost
			c done @0
			d commit @1
			d done @0
			c exit
			d exit`}},
		{name: "committed after the loss", want: histcheck.H7, says: "after its partition was lost", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c lost
			c done @0
			wait 1s
			c commit @1 UNKNOWN_MEMBER_ID
			` + handled("d", "a/1")}},
		{name: "a commit under way at the loss is refused", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c done @0
			c lost
			c commit @1 -1s UNKNOWN_MEMBER_ID
			` + handled("d", "a/1")}},
		{name: "the position goes back", want: histcheck.H7, says: "took the position back", story: story{log: "a/1 a/2", ledgers: published("a/1", "a/2") + `
			c assign @0
			c start a/1 @0
			c done @0
			c start a/2 @1
			c done @1
			c commit @2
			c commit @1
			c exit`}},

		{name: "killed before the commit", story: story{log: "a/1 b/1", reach: []string{histcheck.Redelivered}, ledgers: published("a/1", "b/1") + `
			c assign @0
			c start a/1 @0
			c done @0
			wait 800ms
			c start b/1 @1
			wait 15s
			` + handled("d", "a/1", "b/1")}},
		{name: "handled again though committed", want: histcheck.H8, says: "then committed", story: story{log: "a/1 b/1", ledgers: published("a/1", "b/1") + `
			c assign @0
			c start a/1 @0
			c start b/1 @1
			c done @1
			wait 1s
			c commit @0
			wait 15s
			` + handled("d", "a/1", "b/1")}},
		{name: "killed long before, and it was never committed", want: histcheck.H8, says: "commits are due", story: story{log: "a/1 b/1", ledgers: published("a/1", "b/1") + `
			c assign @0
			c start a/1 @0
			c done @0
			wait 3s
			c start b/1 @1
			wait 15s
			` + handled("d", "a/1", "b/1")}},
		{name: "commits had failed since", story: story{log: "a/1 b/1", ledgers: published("a/1", "b/1") + `
			c assign @0
			f fault.on broker
			c start a/1 @0
			c done @0
			wait 3s
			c commit @1 NOT_COORDINATOR
			c start b/1 @1
			f fault.off broker
			wait 15s
			` + handled("d", "a/1", "b/1")}},
		{name: "handled again by one who had it meanwhile, and committed after", story: story{log: "a/1 b/1", ledgers: published("a/1", "b/1") + `
			c assign @0
			f fault.on coordinator
			c start a/1 @0
			c done @0
			wait 500ms
			d assign @0
			d start a/1 @0
			d done @0
			d lost
			d exit
			wait 2s
			c commit @1
			f fault.off coordinator
			c start b/1 @1
			c done @1
			c commit @2
			c exit`}},
		{name: "handled again after a clean stop", want: histcheck.H8, says: "ended with its process, which commits", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c done @0
			c exit
			` + handled("d", "a/1")}},
		{name: "handled again after a revoke", want: histcheck.H8, says: "was revoked, which commits", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c done @0
			c revoke
			` + handled("d", "a/1") + `
			c exit`}},
		{name: "a revoke did not wait", want: histcheck.H8, says: "grace", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c revoke
			d assign @0
			d start a/1 @0
			c done @0
			d done @0
			d commit @1
			c exit
			d exit`}},
		{name: "a revoke did not wait, and it was done meanwhile", want: histcheck.H8, says: "grace", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c revoke
			c done @0
			` + handled("d", "a/1") + `
			c exit`}},
		{name: "a revoke waited long enough", story: story{log: "a/1", reach: []string{histcheck.RevokedRunning}, ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			wait 31s
			c revoke
			d assign @0
			d start a/1 @0
			c done @0
			d done @0
			d commit @1
			c exit
			d exit`}},
		{name: "handled twice by one assignment", want: histcheck.H8, says: "same assignment", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c done @0
			c start a/1 @0
			c done @0
			c commit @1
			c exit`}},
		{name: "taken over before the first one knew", story: story{log: "a/1", ledgers: published("a/1") + `
			f fault.on pause c
			c assign @0
			c start a/1 @0
			c done @0
			wait 20s
			d assign @0
			d start a/1 @0
			d done @0
			d commit @1
			f fault.off pause c
			c lost
			c exit
			d exit`}},

		{name: "a dead letter of a good event", want: histcheck.H9, says: "nothing is wrong", story: story{log: "a/1", dead: "a/1@0", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c retry @0
			c dlq.ack @0
			c commit @1
			c exit`}},
		{name: "an acknowledged dead letter that is not there", want: histcheck.H9, says: "is not there", story: story{log: "a/1x", ledgers: published("a/1x") + `
			c assign @0
			c start a/1x @0
			c retry @0
			c dlq.ack @0
			c commit @1
			c exit`}},
		{name: "a dead letter with other bytes", want: histcheck.H9, says: "differs from its origin", story: buried("a/1x@0~")},
		{name: "a dead letter without a header", want: histcheck.H9, says: "lacks [error-class]", story: buried("a/1x@0?")},
		{name: "a dead letter from nowhere", want: histcheck.H9, says: "where there is nothing", story: buried("a/1x@0 a/1x@7")},
		{name: "two dead letters of one event", want: histcheck.H9, says: "second dead letter", story: buried("a/1x@0 a/1x@0")},
		{name: "two dead letters, with a kill between", story: story{log: "a/1x", dead: "a/1x@0 a/1x@0", ledgers: published("a/1x") + `
			c assign @0
			c start a/1x @0
			c retry @0
			wait 15s
			d assign @0
			d start a/1x @0
			d retry @0
			d dlq.ack @0
			d commit @1
			d exit`}},

		{name: "not settled at the end", want: histcheck.H14, says: "is not settled", story: story{log: "a/1 b/1", ledgers: published("a/1", "b/1") + handled("c", "a/1")}},
		{name: "settled and not committed", want: histcheck.H14, says: "stands at 0 of 1", story: story{log: "a/1", ledgers: published("a/1") + `
			c assign @0
			c start a/1 @0
			c done @0
			c commit @0
			c exit`}},
		{name: "late after the last fault", want: histcheck.H14, says: "after the last fault", story: story{log: "a/1", ledgers: published("a/1") + `
			f fault.on broker
			f fault.off broker
			wait 70s
			` + handled("c", "a/1")}},
		{name: "a publish without an outcome", want: histcheck.H14, says: "without an outcome", story: story{log: "a/1", ledgers: `
			p pub.invoke a/1
			p exit
			` + handled("c", "a/1")}},

		{name: "a marker was hit", story: story{reach: []string{"disk full"}, log: "a/1", ledgers: published("a/1") + handled("c", "a/1") + "c reach disk full"}},
		{name: "a marker was not hit", want: histcheck.H15, says: "disk full", story: story{reach: []string{"disk full"}, log: "a/1", ledgers: published("a/1") + handled("c", "a/1")}},

		{name: "another caller gave up", want: histcheck.H16, says: "another caller", story: story{log: "a/1", ledgers: `
			p pub.invoke a/1
			p pub.unknown a/1 ` + histcheck.Foreign + `
			` + handled("c", "a/1")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rep := tell(t, tc.story)
			var got []histcheck.ID
			for _, f := range rep.Findings {
				if !slices.Contains(got, f.Check) {
					got = append(got, f.Check)
				}
				if !strings.Contains(f.String(), tc.says) || tc.says == "" {
					t.Errorf("it says %q, want %q", f, tc.says)
				}
			}
			var want []histcheck.ID
			if tc.want != "" {
				want = []histcheck.ID{tc.want}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("checks that fired (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindingShowsTheHistoryOfItsEvent(t *testing.T) {
	rep := tell(t, story{log: "b/1 a/1 b/2", ledgers: published("b/1", "a/1", "b/2") + `
		c assign @0
		c start b/1 @0
		c done @0
		c start a/1 @1
		c start b/2 @2
		c commit @1
		c done @2
		c commit @3
		c commit @3
		c done @1
		c exit`})
	if len(rep.Findings) != 1 {
		t.Fatalf("findings %v", rep.Findings)
	}
	f := rep.Findings[0]
	if want := "H7 c committed t[0]@3, but t[0]@1 was not settled (event p/2)"; f.String() != want {
		t.Errorf("finding %q, want %q", f, want)
	}
	var kinds []string
	for _, l := range f.History {
		kinds = append(kinds, strings.Join(strings.Fields(l)[1:3], " "))
	}
	want := []string{"p pub.invoke", "p pub.ok", "c assign", "c start", "c commit", "c done"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	var b strings.Builder
	if err := rep.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"3 events, 3 records", "H7: 1 findings", f.String(), f.History[0]} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the report lacks %q:\n%s", part, b.String())
		}
	}
}

func TestTornLedgerIsReported(t *testing.T) {
	s := &teller{t: t, seqs: map[string]int64{}, runs: map[string]int64{}}
	st := story{log: "a/1"}
	s.number(st)
	ledgers := append(s.sources(published("a/1")+handled("c", "a/1")), text("d", `{"k":"assign","p":"d","w":18`))
	rep, err := histcheck.Check(histcheck.Input{Ledgers: ledgers, Log: s.records(st)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"d"}, rep.Torn); diff != "" || !rep.OK() {
		t.Errorf("torn (-want +got):\n%s\nfindings %v", diff, rep.Findings)
	}
	ledgers = append(ledgers, text("e", "broken\n"+`{"k":"exit","p":"d","w":18}`+"\n"))
	if _, err := histcheck.Check(histcheck.Input{Ledgers: ledgers, Log: s.records(st)}); err == nil || !strings.Contains(err.Error(), "ledger e: line 1") {
		t.Errorf("a ledger that is broken within: %v", err)
	}
}

// buried is a history with one dead letter.
func buried(dead string) story {
	return story{log: "a/1x", dead: dead, ledgers: published("a/1x") + `
		c assign @0
		c start a/1x @0
		c retry @0
		c dlq.ack @0
		c commit @1
		c exit`}
}
