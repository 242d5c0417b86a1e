package selftest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestLedgersAreJudged(t *testing.T) {
	a := func(n ...int) (out []entry) {
		for _, i := range n {
			out = append(out, entry{mark: mark{"a", i}})
		}
		return out
	}
	for _, c := range []struct {
		name  string
		ended []entry
		want  []string
	}{
		{"in order", a(0, 1, 2), nil},
		{"a retry", a(0, 1, 1, 2), nil},
		{"overtaken", a(0, 2, 1), []string{"event 2 of key a was handled before the one in front of it", "event 1 of key a was handled after event 2"}},
		{"overtaken during a retry", a(0, 1, 2, 1), []string{"event 1 of key a was handled after event 2"}},
		{"begun in the middle", a(1), []string{"event 1 of key a was handled before the one in front of it"}},
		{"two keys", append(a(0, 1), entry{mark: mark{"b", 0}}), nil},
	} {
		if diff := cmp.Diff(c.want, disordered(c.ended)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	times := map[mark]int{{"a", 0}: 1, {"a", 1}: 2}
	if got := twice(times); len(got) != 1 || got[0] != "event 1 of key a was handled 2 times" {
		t.Errorf("twice: %q", got)
	}
	if got := lost(setOf(series(51, 0)), map[mark]int{{"k00", 0}: 1}); len(got) != 50 || got[0] != "event 1 of key k00 was never handled" {
		t.Errorf("lost: %d, first %q", len(got), got)
	}
}

func TestKillMayRepeatOnlyTheLastSecond(t *testing.T) {
	at := time.Unix(1000, 0)
	k := &killing{
		at:       at,
		finished: map[mark]time.Time{{"a", 0}: at.Add(-2 * time.Second), {"a", 1}: at.Add(-time.Second / 2), {"a", 2}: at.Add(-3 * time.Second)},
		again:    map[mark]int{{"a", 0}: 1, {"a", 1}: 1, {"a", 3}: 1},
	}
	want := []string{"event 0 of key a came again, finished 2s before the kill"}
	if diff := cmp.Diff(want, k.late(func(mark) bool { return true })); diff != "" {
		t.Errorf("late (-want +got):\n%s", diff)
	}
}

func TestPartitionIsThatOfTheClient(t *testing.T) {
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	for i := range 1000 {
		key := fmt.Appendf(nil, "key-%d-%d", i*i, 1000+i)[:4+i%7]
		for _, n := range []int{1, 3, 6, 50} {
			if got, want := partitionOf(key, n), partitioner.Partition(&kgo.Record{Key: key}, n); int(got) != want {
				t.Fatalf("key %q of %d partitions: %d, the client says %d", key, n, got, want)
			}
		}
	}
}
