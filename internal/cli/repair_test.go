package cli_test

import (
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keepSome runs a stack on a data directory, publishes to it and reads as a group, and stops it.
func (s shell) keepSome(t *testing.T, data string) {
	t.Helper()
	s.whileUp(t, s.upOn(data), func(brokers string) {
		for i := range 5 {
			s.must(t, "", "publish", "-b", brokers, snapshot, scored("0."+strconv.Itoa(i)))
		}
		s.must(t, "", "consume", "-b", brokers, snapshot, "-g", "reader")
	})
}

func (shell) upOn(data string) []string {
	return []string{"up", "--services", "none", "--port-kafka", "0", "--port-console", "0", "--port-registry", "0", "--data", data}
}

// seen is what the stack on a data directory serves.
func (s shell) seen(t *testing.T, data string) (out string) {
	t.Helper()
	s.whileUp(t, s.upOn(data), func(brokers string) {
		out = s.must(t, "", "consume", "-b", brokers, snapshot, "-o", "raw") + s.must(t, "", "groups", "show", "-b", brokers, "reader")
	})
	return out
}

func spoil(t *testing.T, path string, at int, by byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= by
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRepairFromTheCommandLine(t *testing.T) {
	s := newShell(t)
	if out := s.must(t, "", "repair", "--data", "data"); !strings.Contains(out, "no broker's data") {
		t.Errorf("repair of nothing says %s", out)
	}
	s.keepSome(t, "data")
	if out := s.must(t, "", "repair", "--data", "data"); !strings.HasPrefix(out, "nothing is damaged") {
		t.Errorf("repair of a directory in order says %s", out)
	}
	segment := filepath.Join(s.dir, "data", "kafka", "log", "partitions", snapshot+"-0", "0.dat")
	info, err := os.Stat(segment)
	if err != nil {
		t.Fatal(err)
	}
	spoil(t, segment, int(info.Size())-1, 1)
	r := s.run(t.Context(), "", s.upOn("data")...)
	check(t, wrong{exit: 7, code: "OMB-0707", says: "block 0 of 64 KiB", advice: "omnibus repair says what can be kept"}, r)
	plan := s.must(t, "", "repair", "--data", "data")
	r = s.run(t.Context(), "", s.upOn("data")...)
	check(t, wrong{exit: 7, code: "OMB-0707", says: "0.dat", advice: "omnibus repair"}, r) // a plan changes nothing
	done := s.must(t, "", "repair", "--data", "data", "--execute")
	said := strings.ReplaceAll("$ omnibus repair\n"+plan+"$ omnibus repair --execute\n"+done, s.dir, "<dir>")
	for pattern, by := range map[string]string{`\d{8}T\d{6}\.\d{3}Z`: "<time>", `byte [1-9]\d*`: "byte <n>", `[0-9a-f]{8} instead of [0-9a-f]{8}`: "<sum> instead of <sum>"} {
		said = regexp.MustCompile(pattern).ReplaceAllString(said, by)
	}
	golden(t, "output/repair", said)
	if got := s.seen(t, "data"); strings.Count(got, "quality") == 0 || strings.Contains(got, "0.4") {
		t.Errorf("after the repair there is\n%s", got)
	}
	s.whileUp(t, s.upOn("data"), func(string) {
		r := s.run(t.Context(), "", "repair", "--data", "data", "--execute")
		check(t, wrong{exit: 9, code: "OMB-0905", says: "holds the data directory", advice: "omnibus down"}, r)
	})
}

// TestOneByteChangedIsRefusedByTheBinary changes one byte at each of ten places of a directory that was left in order.
func TestOneByteChangedIsRefusedByTheBinary(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("OMNIBUS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("run again with OMNIBUS_SEED=%d", seed)
	s := newShell(t)
	s.keepSome(t, "data")
	root := filepath.Join(s.dir, "data", "kafka")
	var names []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err != nil || info.Size() == 0 {
			return err
		}
		names = append(names, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "broker.lock" }) // who was there last
	rnd := rand.New(rand.NewPCG(seed, 0))
	records := []string{"log/groups.log", "log/topics.json", "log/partitions/" + snapshot + "-0/0.dat", "log/partitions/" + snapshot + "-0/0.idx"}
	for i := range 10 {
		name := names[rnd.IntN(len(names))]
		if i < len(records) {
			name = records[i]
		}
		path := filepath.Join(root, filepath.FromSlash(name))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		at, by := rnd.IntN(int(info.Size())), byte(1+rnd.IntN(255))
		spoil(t, path, at, by)
		code, out := binary(t, s, append(s.upOn("data"), "-o", "json")...)
		var doc struct {
			Error struct {
				Code, Cause string
				Where       map[string]string
			}
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Errorf("%s at byte %d: %v\n%s", name, at, err, out)
		}
		if code != 7 || doc.Error.Code != "OMB-0707" || doc.Error.Where["file"] != name || doc.Error.Where["byte"] == "" || doc.Error.Cause == "" {
			t.Errorf("%s at byte %d by %#x: exit %d, %+v; want a refusal that names it", name, at, by, code, doc.Error)
		}
		spoil(t, path, at, by)
	}
	if got := s.seen(t, "data"); strings.Count(got, `"quality_score"`)+strings.Count(got, "0.4") == 0 {
		t.Errorf("with every byte in place there is\n%s", got)
	}
}
