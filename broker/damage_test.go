package broker_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/omninode-ai/omnibus/broker"
)

const (
	segmentFile = "log/partitions/app.a-0/0.dat"
	indexFile   = "log/partitions/app.a-0/0.idx"
)

// filled returns directories with three records and a commit: one left in order, and one as a kill leaves it.
func filled(t *testing.T) (clean, killed string) {
	t.Helper()
	clean, killed = t.TempDir(), t.TempDir()
	b := start(t, broker.Config{Dir: clean})
	cl := client(t, b)
	createTopic(t, cl, "app.a", 2)
	produce(t, cl, "app.a", "1", "2", "3")
	commit(t, cl, "g", "app.a", 1)
	commit(t, cl, "g", "app.a", 2)
	copyDir(t, killed, clean)
	cl.Close()
	stop(t, b)
	return clean, killed
}

func copyDir(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func copyOf(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	copyDir(t, dir, from)
	return dir
}

func edit(t *testing.T, dir, name string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 0x10
		return b
	}
}

func without(last int) func([]byte) []byte {
	return func(b []byte) []byte { return b[:len(b)-last] }
}

func with(more []byte) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, more...) }
}

func refused(t *testing.T, dir, file string) {
	t.Helper()
	_ = refusal(t, dir, file) // naming the file is all
}

// refusal starts a broker that must refuse and name the file.
func refusal(t *testing.T, dir, file string) *broker.CorruptError {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err == nil {
		stop(t, b)
		t.Fatalf("the broker started on a damaged %s: %+v", file, b.Recovery())
	}
	var corrupt *broker.CorruptError
	if !errors.As(err, &corrupt) {
		t.Fatalf("start with a damaged %s: %v", file, err)
	}
	if corrupt.File != file {
		t.Errorf("error names %s instead of %s: %v", corrupt.File, file, err)
	}
	return corrupt
}

// files lists the files of a directory with their sizes.
func files(t *testing.T, dir string) map[string]int {
	t.Helper()
	found := make(map[string]int)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		found[path] = int(info.Size())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAfterACleanStopAnyFlippedByteIsRefused(t *testing.T) {
	clean, _ := filled(t)
	sizes := files(t, clean)
	for name, size := range sizes {
		if name == "broker.lock" {
			continue
		}
		for _, at := range []int{0, size / 2, size - 1} {
			if size == 0 {
				continue
			}
			edit(t, clean, name, flip(at))
			refused(t, clean, name)
			edit(t, clean, name, flip(at))
		}
	}
	if sizes[segmentFile] == 0 || sizes["log/groups.log"] == 0 || sizes["manifest"] == 0 {
		t.Fatalf("files: %v", sizes)
	}
	if b := start(t, broker.Config{Dir: clean}); !b.Recovery().Clean {
		t.Errorf("recovery with all bytes in place: %+v", b.Recovery())
	}
}

func TestAfterACleanStopTheBlockIsNamed(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	cl := client(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()))
	createTopic(t, cl, "app.a", 1)
	produce(t, cl, "app.a", strings.Repeat("x", 200_000))
	cl.Close()
	stop(t, b)
	edit(t, dir, segmentFile, flip(150_000))
	if got := refusal(t, dir, segmentFile); got.Offset != 2*64<<10 || !strings.Contains(got.Why, "block 2") {
		t.Errorf("error: %v", got)
	}
}

func TestAfterACleanStopFilesMustBeTheSame(t *testing.T) {
	clean, _ := filled(t)
	for _, test := range []struct {
		name, file string
		change     func([]byte) []byte
	}{
		{"shorter", segmentFile, without(1)},
		{"longer", segmentFile, with([]byte{0})},
		{"empty", "log/topics.json", without(0)},
		{"new", "log/partitions/app.a-1/0.dat", with([]byte("x"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyOf(t, clean)
			edit(t, dir, test.file, func(b []byte) []byte {
				if test.name == "empty" {
					return nil
				}
				return test.change(b)
			})
			refused(t, dir, test.file)
		})
	}
	t.Run("missing", func(t *testing.T) {
		dir := copyOf(t, clean)
		remove(t, dir, segmentFile)
		refused(t, dir, segmentFile)
	})
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
		t.Fatal(err)
	}
}

func TestAfterAKillAnyFlippedByteOfTheRecordsIsRefused(t *testing.T) {
	_, killed := filled(t)
	sizes := files(t, killed)
	for name, step := range map[string]int{segmentFile: 1, "log/groups.log": 5, "log/pids.log": 5} {
		if sizes[name] == 0 {
			t.Fatalf("%s is empty", name)
		}
		for at := 0; at < sizes[name]; at += step {
			edit(t, killed, name, flip(at))
			refused(t, killed, name)
			edit(t, killed, name, flip(at))
		}
	}
}

func TestAfterAKillRecordsMustBeWhole(t *testing.T) {
	_, killed := filled(t)
	size := files(t, killed)[segmentFile]
	for _, test := range []struct {
		name, edited string
		change       func([]byte) []byte
		file         string
	}{
		// The index lists three records, and in this run of the system every write arrived before it.
		{"last record cut short", segmentFile, without(1), segmentFile},
		{"last record gone", segmentFile, without(size / 3), segmentFile},
		{"a record twice", segmentFile, func(b []byte) []byte { return append(b, b[:size/3]...) }, segmentFile},
		{"zeros at the end", segmentFile, with(make([]byte, 100)), segmentFile},
		{"index changed", indexFile, flip(3), indexFile},
		{"topics gone", "log/topics.json", func([]byte) []byte { return []byte(`{"version":1,"topics":[]}`) }, "log/topics.json"},
		{"topics unreadable", "log/topics.json", func([]byte) []byte { return []byte(`{`) }, "log/topics.json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyOf(t, killed)
			edit(t, dir, test.edited, test.change)
			before := files(t, dir)
			refused(t, dir, test.file)
			if diff := cmp.Diff(before, files(t, dir)); diff != "" {
				t.Errorf("the refusal changed files:\n%s", diff)
			}
		})
	}
	for _, name := range []string{segmentFile, "log/meta.json"} {
		t.Run("missing "+filepath.Base(name), func(t *testing.T) {
			dir := copyOf(t, killed)
			remove(t, dir, name)
			refused(t, dir, name)
		})
	}
}

func TestAfterAKillAnIncompleteEntryIsCut(t *testing.T) {
	_, killed := filled(t)
	sizes := files(t, killed)
	raw, err := os.ReadFile(filepath.Join(killed, filepath.FromSlash(segmentFile)))
	if err != nil {
		t.Fatal(err)
	}
	next := append([]byte(nil), raw[len(raw)/3:]...) // as the record after the third would begin
	binary.BigEndian.PutUint64(next, 3)
	for _, bytes := range []int{1, 11, 40, 65} {
		t.Run(strconv.Itoa(bytes), func(t *testing.T) {
			dir := copyOf(t, killed)
			edit(t, dir, segmentFile, with(next[:bytes]))
			edit(t, dir, "log/groups.log", with([]byte{40, 0, 0}))
			edit(t, dir, "log/pids.log", with([]byte{40, 0, 0, 0, 1, 2, 3, 4, 5}))
			edit(t, dir, indexFile, without(1))
			b := start(t, broker.Config{Dir: dir})
			want := []broker.Cut{
				{File: "log/groups.log", Offset: int64(sizes["log/groups.log"]), Bytes: 3},
				{File: "log/pids.log", Offset: int64(sizes["log/pids.log"]), Bytes: 9},
				{File: segmentFile, Offset: int64(sizes[segmentFile]), Bytes: int64(bytes)},
			}
			r := b.Recovery()
			if diff := cmp.Diff(want, r.Cuts); diff != "" {
				t.Errorf("cuts (-want +got):\n%s", diff)
			}
			if r.Clean || r.Fresh || r.Segments != 1 || r.Producers != 1 {
				t.Errorf("recovery: %+v", r)
			}
			cl := client(t, b)
			produce(t, cl, "app.a", "4")
			if diff := cmp.Diff([]string{"1", "2", "3", "4"}, read(t, cl, "app.a")); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			// What is written after the cut counts after the next kill.
			commit(t, cl, "g", "app.a", 4)
			again := copyOf(t, dir)
			b = start(t, broker.Config{Dir: again})
			if cuts := b.Recovery().Cuts; len(cuts) > 0 {
				t.Errorf("cuts after the second kill: %v", cuts)
			}
			if got := committed(t, client(t, b), "g", "app.a"); got != 4 {
				t.Errorf("committed offset %d, want 4", got)
			}
		})
	}
}

func TestAfterALossOfPowerAnUnsyncedEntryIsCut(t *testing.T) {
	for _, missing := range []string{"part", "whole"} {
		t.Run(missing, func(t *testing.T) {
			_, killed := filled(t)
			size := files(t, killed)[segmentFile]
			gone := 1
			if missing == "whole" {
				gone = size / 3
			}
			// Another run of the system: the index of the third record reached the disk, the record did not.
			edit(t, killed, "broker.lock", func([]byte) []byte { return []byte("1\nanother-boot\n") })
			edit(t, killed, segmentFile, without(gone))
			b := start(t, broker.Config{Dir: killed})
			if diff := cmp.Diff([]string{"1", "2"}, read(t, client(t, b), "app.a")); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAfterAKillABatchSentAgainIsNotStoredAgain(t *testing.T) {
	_, killed := filled(t)
	for _, test := range []struct {
		name  string
		spoil func(dir string)
	}{
		{"producer known", func(string) {}},
		{"producer unknown", func(dir string) { remove(t, dir, "log/pids.log") }},
		{"windows of an older stop", func(dir string) {
			edit(t, dir, "log/seq_windows.json", func([]byte) []byte { return []byte(`{"version":1,"windows":[]}`) })
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyOf(t, killed)
			test.spoil(dir)
			raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(segmentFile)))
			if err != nil {
				t.Fatal(err)
			}
			size := len(raw) / 3
			b := start(t, broker.Config{Dir: dir})
			cl := client(t, b)
			for i := range 3 {
				batch := append([]byte(nil), raw[i*size:(i+1)*size]...)
				clear(batch[:8]) // a producer does not know the offset
				if got := sendAgain(t, cl, batch); got != int64(i) {
					t.Errorf("batch %d was stored at offset %d", i, got)
				}
			}
			if got := read(t, cl, "app.a"); len(got) != 3 {
				t.Errorf("records: %v", got)
			}
		})
	}
}

// sendAgain sends a batch as its producer would, and returns the offset that the broker says it has.
func sendAgain(t *testing.T, cl *kgo.Client, batch []byte) int64 {
	t.Helper()
	topics, err := kadm.NewClient(cl).ListTopics(t.Context(), "app.a")
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = "app.a", topics["app.a"].ID
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	answer := resp.Topics[0].Partitions[0]
	if answer.ErrorCode != 0 {
		t.Fatalf("produce: error code %d", answer.ErrorCode)
	}
	return answer.BaseOffset
}

func TestOffsetsGoOnWhereAllRecordsWereRemoved(t *testing.T) {
	dir := t.TempDir()
	b := start(t, broker.Config{Dir: dir})
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	produce(t, cl, "app.a", "1", "2", "3")
	commit(t, cl, "g", "app.a", 3)
	var all kadm.Offsets
	all.AddOffset("app.a", 0, -1, -1)
	if _, err := kadm.NewClient(cl).DeleteRecords(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	killed := copyOf(t, dir)
	cl.Close()
	stop(t, b)
	for name, dir := range map[string]string{"clean": dir, "killed": killed} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				b := start(t, broker.Config{Dir: dir})
				cl := client(t, b)
				for at, list := range map[string]func(context.Context, ...string) (kadm.ListedOffsets, error){
					"start": kadm.NewClient(cl).ListStartOffsets, "end": kadm.NewClient(cl).ListEndOffsets,
				} {
					offsets, err := list(t.Context(), "app.a")
					if err != nil {
						t.Fatal(err)
					}
					if o, _ := offsets.Lookup("app.a", 0); o.Offset != 3 {
						t.Errorf("%s offset %d, want 3", at, o.Offset)
					}
				}
				cl.Close()
				stop(t, b)
			}
			b := start(t, broker.Config{Dir: dir})
			cl := client(t, b)
			produce(t, cl, "app.a", "4")
			if diff := cmp.Diff([]string{"4"}, read(t, cl, "app.a")); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAFailedWriteStopsTheBroker(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(t.Context(), broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	// A directory where the segment belongs: the first write to it fails.
	if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(segmentFile)), 0o700); err != nil {
		t.Fatal(err)
	}
	produced := make(chan error, 1)
	cl.Produce(t.Context(), &kgo.Record{Topic: "app.a"}, func(_ *kgo.Record, err error) { produced <- err })
	failure := <-b.Failed()
	if failure == nil {
		t.Fatal("no failure")
	}
	cl.Close()
	if err := <-produced; err == nil {
		t.Error("a record that could not be written was acknowledged")
	}
	if err := b.Close(); !errors.Is(err, failure) {
		t.Errorf("close: %v, want %v", err, failure)
	}
	if _, ok := files(t, dir)["manifest"]; ok {
		t.Error("a broker that failed left the directory as in order")
	}
}

func TestAKillInTheFirstStart(t *testing.T) {
	_, killed := filled(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	meta, err := os.ReadFile(filepath.Join(killed, "log", "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	edit(t, dir, "log/meta.json", with(meta)) // it is written first, and nothing else was
	edit(t, dir, "log/topics.json.tmp", with([]byte("{")))
	b := start(t, broker.Config{Dir: dir})
	cl := client(t, b)
	createTopic(t, cl, "app.a", 1)
	produce(t, cl, "app.a", "1")
}

func TestAStartThatIsGivenUpLeavesTheDirectory(t *testing.T) {
	for _, left := range []string{"clean", "killed"} {
		t.Run(left, func(t *testing.T) {
			clean, killed := filled(t)
			dir := map[string]string{"clean": clean, "killed": killed}[left]
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := broker.Start(ctx, broker.Config{Dir: dir}); !errors.Is(err, context.Canceled) {
				t.Errorf("start with a context that is over: %v", err)
			}
			b := start(t, broker.Config{Dir: dir})
			if got := read(t, client(t, b), "app.a"); len(got) != 3 || b.Recovery().Clean != (left == "clean") {
				t.Errorf("records %v, recovery %+v", got, b.Recovery())
			}
		})
	}
}
