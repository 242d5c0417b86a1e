package broker_test

import (
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/broker"
)

// segmented returns a killed directory whose topic has a segment for every two records or so, and the segments in order.
func segmented(t *testing.T) (killed string, segments, values []string) {
	t.Helper()
	dir, killed := t.TempDir(), t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	cl := client(t, b)
	configs := map[string]*string{"segment.bytes": new("100")}
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, configs, "app.a"); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		values = append(values, strconv.Itoa(i))
	}
	produce(t, cl, "app.a", values...)
	copyDir(t, killed, dir)
	for name := range files(t, killed) {
		if strings.HasSuffix(name, ".dat") {
			segments = append(segments, name)
		}
	}
	base := func(name string) int {
		n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".dat"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	sort.Slice(segments, func(i, j int) bool { return base(segments[i]) < base(segments[j]) })
	if len(segments) < 4 {
		t.Fatalf("segments: %v", segments)
	}
	return killed, segments, values
}

func TestAfterAKillManySegmentsAreOneLog(t *testing.T) {
	killed, segments, values := segmented(t)
	for range 2 { // a start that does nothing, and one more kill
		again := copyOf(t, killed)
		b := start(t, broker.Config{Dir: killed})
		if r := b.Recovery(); r.Segments != len(segments) || r.Producers != 1 {
			t.Errorf("recovery: %+v, want %d segments of 1 producer", r, len(segments))
		}
		cl := client(t, b)
		if diff := cmp.Diff(values, read(t, cl, "app.a")); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		killed = again
	}
}

func TestAfterAKillSegmentsMustFollowEachOther(t *testing.T) {
	killed, segments, _ := segmented(t)
	last := segments[len(segments)-1]
	for _, test := range []struct {
		name  string
		spoil func(dir string)
		file  string
	}{
		{"middle one missing", func(dir string) {
			remove(t, dir, segments[1])
			remove(t, dir, strings.TrimSuffix(segments[1], ".dat")+".idx")
		}, segments[2]},
		{"last one missing", func(dir string) { remove(t, dir, last) }, last},
		{"middle one shorter", func(dir string) { edit(t, dir, segments[1], without(1)) }, segments[1]},
		{"middle one longer", func(dir string) { edit(t, dir, segments[1], with([]byte{0, 0, 0})) }, segments[1]},
		{"middle one flipped", func(dir string) { edit(t, dir, segments[1], flip(70)) }, segments[1]},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyOf(t, killed)
			test.spoil(dir)
			refused(t, dir, test.file)
		})
	}
}

func TestAfterAKillRetentionIsFinished(t *testing.T) {
	killed, segments, values := segmented(t)
	remove(t, killed, segments[0]) // and the kill came before its index
	b := start(t, broker.Config{Dir: killed})
	got := read(t, client(t, b), "app.a")
	if len(got) == 0 || len(got) >= len(values) {
		t.Fatalf("records: %v", got)
	}
	if diff := cmp.Diff(values[len(values)-len(got):], got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestAfterAKillAnOpenTransactionIsAborted(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	produce(t, cl, "app.a", "before")
	tx := client(t, b, kgo.TransactionalID("tx"))
	for _, value := range []string{"committed", "open"} {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, tx, "app.a", value)
		if value == "committed" {
			if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
		}
	}
	b = start(t, broker.Config{Dir: copyOf(t, dir)})
	plain := client(t, b)
	produce(t, plain, "app.a", "after")
	reader := client(t, b, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeTopics("app.a"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var got []string
	for len(got) < 3 {
		fs := reader.PollFetches(t.Context())
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fs.Records() {
			got = append(got, string(r.Value))
		}
	}
	if diff := cmp.Diff([]string{"before", "committed", "after"}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestRetentionIsTheTopicsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n broker.Network
		b := start(t, broker.Config{Network: &n})
		cl := client(t, b, kgo.Dialer(n.Dial))
		adm := kadm.NewClient(cl)
		for topic, configs := range map[string]map[string]*string{
			"app.kept":      nil,
			"app.day":       {"retention.ms": new("86400000")},
			"app.compacted": {"cleanup.policy": new("compact")},
		} {
			if _, err := adm.CreateTopic(t.Context(), 1, 1, configs, topic); err != nil {
				t.Fatal(err)
			}
			produce(t, cl, topic, "1", "2")
		}
		cl.Close()
		<-time.After(8 * 24 * time.Hour) // longer than what is usual where a topic says nothing
		adm = kadm.NewClient(client(t, b, kgo.Dialer(n.Dial)))
		starts, err := adm.ListStartOffsets(t.Context(), "app.kept", "app.day", "app.compacted")
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int64)
		starts.Each(func(o kadm.ListedOffset) { got[o.Topic] = o.Offset })
		if diff := cmp.Diff(map[string]int64{"app.kept": 0, "app.day": 2, "app.compacted": 0}, got); diff != "" {
			t.Errorf("start offsets (-want +got):\n%s", diff)
		}
	})
}
