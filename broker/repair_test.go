package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/broker"
)

// left returns directories with ten records, a deleted one, and commits of two groups: left in order, and as a kill leaves it.
func left(t *testing.T) (clean, killed string) {
	t.Helper()
	clean, killed = t.TempDir(), t.TempDir()
	b := start(t, broker.Config{Dir: clean})
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	createTopic(t, cl, "app.b", 2)
	for i := range 10 {
		produce(t, cl, "app.a", strconv.Itoa(i))
	}
	produce(t, cl, "app.b", "b")
	commit(t, cl, "g", "app.a", 3)
	commit(t, cl, "g", "app.a", 7)
	commit(t, cl, "h", "app.b", 1)
	copyDir(t, killed, clean)
	cl.Close()
	stop(t, b)
	return clean, killed
}

// kept is what a broker has: values with their offsets, end offsets and positions.
func kept(t *testing.T, b *broker.Broker) (values []string, end int64, positions map[string]int64) {
	t.Helper()
	cl := client(t, b, kgo.ConsumeTopics("app.a", "app.b"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	adm := kadm.NewClient(cl)
	ends, err := adm.ListEndOffsets(t.Context(), "app.a")
	if err != nil {
		t.Fatal(err)
	}
	o, _ := ends.Lookup("app.a", 0)
	// A last record shows where everything before it has been read.
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "app.a", Value: []byte("last")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		fs := cl.PollFetches(t.Context())
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			if string(r.Value) == "last" {
				done = true
				if r.Offset != o.Offset {
					t.Errorf("the next record has offset %d, and the end was %d", r.Offset, o.Offset)
				}
				return
			}
			if r.Topic == "app.a" {
				values = append(values, strconv.FormatInt(r.Offset, 10)+"="+string(r.Value))
			}
		})
	}
	positions = make(map[string]int64)
	for _, g := range []string{"g", "h"} {
		all, err := adm.FetchOffsets(t.Context(), g)
		if errors.Is(err, kerr.GroupIDNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all.Each(func(r kadm.OffsetResponse) { positions[g+" "+r.Topic] = r.At })
	}
	return values, o.Offset, positions
}

func numbered(without ...int) []string {
	var out []string
	for i := range 10 {
		if !slices.Contains(without, i) {
			out = append(out, strconv.Itoa(i)+"="+strconv.Itoa(i))
		}
	}
	return out
}

func TestRepairKeepsWhatVerifies(t *testing.T) {
	clean, killed := left(t)
	size := files(t, clean)[segmentFile] / 10 // of one entry
	lost := func(from, to int64) []broker.LostRecords {
		return []broker.LostRecords{{Topic: "app.a", From: from, To: to}}
	}
	all := map[string]int64{"g app.a": 7, "h app.b": 1}
	positionOf := func(t *testing.T, dir, text string) int {
		raw, err := os.ReadFile(filepath.Join(dir, "log", "groups.log"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.LastIndex(string(raw), text)
	}
	for _, test := range []struct {
		name      string
		spoil     func(t *testing.T, dir string)
		damaged   string
		lost      []broker.LostRecords
		positions []broker.LostPosition
		values    []string
		kept      map[string]int64
		end       int64
		onlyClean bool
	}{
		{
			name: "a record", damaged: segmentFile, lost: lost(4, 5), values: numbered(4), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { edit(t, dir, segmentFile, flip(4*size+65)) },
		},
		{
			name: "the last record", damaged: segmentFile, lost: lost(9, 10), values: numbered(9), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { edit(t, dir, segmentFile, flip(9*size+65)) },
		},
		{
			name: "the first and the third", damaged: segmentFile, values: numbered(0, 2), kept: all, end: 10,
			lost: []broker.LostRecords{{Topic: "app.a", From: 0, To: 1}, {Topic: "app.a", From: 2, To: 3}},
			spoil: func(t *testing.T, dir string) {
				edit(t, dir, segmentFile, flip(65))
				edit(t, dir, segmentFile, flip(2*size+65))
			},
		},
		{
			name: "three in a row", damaged: segmentFile, lost: lost(5, 8), values: numbered(5, 6, 7), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) {
				edit(t, dir, segmentFile, func(b []byte) []byte { clear(b[5*size : 8*size]); return b })
			},
		},
		{
			name: "the end is zero", damaged: segmentFile, lost: lost(8, 10), values: numbered(8, 9), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) {
				edit(t, dir, segmentFile, func(b []byte) []byte { clear(b[8*size:]); return b })
			},
			onlyClean: true, // after a kill nobody knows how far it went: a case of its own
		},
		{
			name: "an offset", damaged: segmentFile, values: numbered(), kept: all, end: 10, // follows from its neighbours
			spoil: func(t *testing.T, dir string) { edit(t, dir, segmentFile, flip(4*size+7)) },
		},
		{
			name: "a length", damaged: segmentFile, values: numbered(), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { edit(t, dir, segmentFile, flip(4*size+11)) },
		},
		{
			name: "a leader's epoch", damaged: segmentFile, values: numbered(), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { edit(t, dir, segmentFile, flip(4*size+15)) },
		},
		{
			name: "a checksum", damaged: segmentFile, lost: lost(4, 5), values: numbered(4), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { edit(t, dir, segmentFile, flip(4*size+17)) },
		},
		{
			name: "all records gone", damaged: segmentFile, lost: lost(0, 10), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { remove(t, dir, segmentFile) },
		},
		{
			name: "a partition gone", damaged: segmentFile, lost: lost(0, 7), kept: all, end: 7, onlyClean: true, // as far as a group had read
			spoil: func(t *testing.T, dir string) {
				if err := os.RemoveAll(filepath.Join(dir, "log", "partitions", "app.a-0")); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "a record twice", damaged: segmentFile, values: numbered(), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) {
				edit(t, dir, segmentFile, func(b []byte) []byte { return append(b, b[3*size:4*size]...) })
			},
		},
		{
			name: "the index", damaged: indexFile, values: numbered(), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { edit(t, dir, indexFile, flip(17)) },
		},
		{
			name: "a position", damaged: "log/groups.log", values: numbered(), end: 10,
			spoil: func(t *testing.T, dir string) {
				edit(t, dir, "log/groups.log", flip(positionOf(t, dir, `"g":"h"`)+5))
			},
			positions: []broker.LostPosition{{Group: "x", Topic: "app.b", Before: 1, Now: -1}},
			kept:      map[string]int64{"g app.a": 7},
		},
		{
			name: "the topics", damaged: "log/topics.json", values: numbered(), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) {
				edit(t, dir, "log/topics.json", func([]byte) []byte { return []byte("{") })
			},
		},
		{
			name: "the version", damaged: "log/meta.json", values: numbered(), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { edit(t, dir, "log/meta.json", flip(0)) },
		},
		{
			name: "a producer", damaged: "log/pids.log", values: numbered(), kept: all, end: 10,
			spoil: func(t *testing.T, dir string) { edit(t, dir, "log/pids.log", flip(12)) },
		},
		{
			name: "a snapshot", damaged: "log/partitions/app.a-0/snapshot.json", values: numbered(), kept: all, end: 10, onlyClean: true,
			spoil: func(t *testing.T, dir string) { edit(t, dir, "log/partitions/app.a-0/snapshot.json", flip(30)) },
		},
		{
			name: "the manifest", damaged: "manifest", values: numbered(), kept: all, end: 10, onlyClean: true,
			spoil: func(t *testing.T, dir string) { edit(t, dir, "manifest", flip(100)) },
		},
		{
			name: "a file of somebody else", damaged: "log/notes.txt", values: numbered(), kept: all, end: 10, onlyClean: true,
			spoil: func(t *testing.T, dir string) { edit(t, dir, "log/notes.txt", with([]byte("hello"))) },
		},
	} {
		for name, from := range map[string]string{"clean": clean, "killed": killed} {
			if test.onlyClean && name == "killed" {
				continue
			}
			t.Run(test.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := copyOf(t, from)
				test.spoil(t, dir)
				refused(t, dir, test.damaged)
				before := files(t, dir)
				plan, err := broker.PlanRepair(t.Context(), dir)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, files(t, dir)); diff != "" {
					t.Errorf("the plan changed files:\n%s", diff)
				}
				if len(plan.Damage) == 0 || !slices.ContainsFunc(plan.Damage, func(d broker.Damage) bool { return d.File == test.damaged }) {
					t.Errorf("damage %+v, want some in %s", plan.Damage, test.damaged)
				}
				if diff := cmp.Diff(test.lost, plan.Lost); diff != "" {
					t.Errorf("lost (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.positions, plan.Positions); diff != "" {
					t.Errorf("positions (-want +got):\n%s", diff)
				}
				done, err := broker.Repair(t.Context(), dir)
				if err != nil {
					t.Fatal(err)
				}
				aside := done.Quarantine
				done.Quarantine = ""
				if diff := cmp.Diff(plan, done); diff != "" {
					t.Errorf("done differs from the plan:\n%s", diff)
				}
				now := files(t, dir)
				for _, c := range done.Changes {
					if was, there := before[c.File]; there && now[aside+"/"+c.File] != was {
						t.Errorf("%s had %d bytes, and the quarantine has %d", c.File, was, now[aside+"/"+c.File])
					}
				}
				if now[aside+"/report.json"] == 0 {
					t.Error("no report in the quarantine")
				}
				b := start(t, broker.Config{Dir: dir})
				values, end, positions := kept(t, b)
				if diff := cmp.Diff(test.values, values); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.kept, positions); diff != "" {
					t.Errorf("positions (-want +got):\n%s", diff)
				}
				if end != test.end {
					t.Errorf("the next offset is %d, want %d", end, test.end)
				}
				stop(t, b)
				again, err := broker.PlanRepair(t.Context(), dir)
				if err != nil || len(again.Damage) > 0 || len(again.Changes) > 0 {
					t.Errorf("a second repair: %+v, %v; want nothing to do", again, err)
				}
			})
		}
	}
}

func TestRepairAfterAKillCountsWhatOnlyTheIndexKnows(t *testing.T) {
	_, killed := left(t)
	size := files(t, killed)[segmentFile] / 10
	edit(t, killed, segmentFile, without(2*size))
	refused(t, killed, segmentFile)
	done, err := broker.Repair(t.Context(), killed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]broker.LostRecords{{Topic: "app.a", From: 8, To: 10}}, done.Lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	b := start(t, broker.Config{Dir: killed})
	values, end, _ := kept(t, b)
	if diff := cmp.Diff(numbered(8, 9), values); diff != "" || end != 10 {
		t.Errorf("the next offset is %d, want 10; records (-want +got):\n%s", end, diff)
	}
}

func TestRepairOfManySegments(t *testing.T) {
	killed, segments, values := segmented(t)
	remove(t, killed, segments[1])
	edit(t, killed, segments[2], flip(65))
	plan, err := broker.PlanRepair(t.Context(), killed)
	if err != nil {
		t.Fatal(err)
	}
	done, err := broker.Repair(t.Context(), killed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plan.Lost, done.Lost); diff != "" || len(done.Lost) == 0 {
		t.Fatalf("lost %v; (-plan +done):\n%s", done.Lost, diff)
	}
	gone := make(map[string]bool)
	for _, l := range done.Lost {
		for o := l.From; o < l.To; o++ {
			gone[strconv.FormatInt(o, 10)] = true // the values are the offsets
		}
	}
	want := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return gone[v] })
	b := start(t, broker.Config{Dir: killed})
	cl := client(t, b, kgo.ConsumeTopics("app.a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var got []string
	for len(got) < len(want) {
		for _, r := range cl.PollFetches(t.Context()).Records() {
			got = append(got, string(r.Value))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestRepairOfADirectoryInOrderDoesNothing(t *testing.T) {
	clean, killed := left(t)
	for _, dir := range []string{clean, killed, t.TempDir()} {
		before := files(t, dir)
		done, err := broker.Repair(t.Context(), dir)
		if err != nil || len(done.Damage)+len(done.Changes)+len(done.Lost) > 0 || done.Quarantine != "" {
			t.Errorf("repair: %+v, %v; want nothing to do", done, err)
		}
		delete(before, "broker.lock")
		now := files(t, dir)
		delete(now, "broker.lock")
		if diff := cmp.Diff(before, now); diff != "" {
			t.Errorf("it changed files:\n%s", diff)
		}
	}
}

func TestRepairWaitsForNoBroker(t *testing.T) {
	dir := t.TempDir()
	start(t, broker.Config{Dir: dir})
	for name, repair := range map[string]func() (broker.RepairReport, error){
		"plan":    func() (broker.RepairReport, error) { return broker.PlanRepair(t.Context(), dir) },
		"execute": func() (broker.RepairReport, error) { return broker.Repair(t.Context(), dir) },
	} {
		var inUse *broker.DirInUseError
		if _, err := repair(); !errors.As(err, &inUse) {
			t.Errorf("%s while a broker runs: %v", name, err)
		}
	}
}
