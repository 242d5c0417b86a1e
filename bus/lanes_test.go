package bus

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// TestLanesScripts runs the scripts in testdata/lanes. A block is commands, a line of dashes and what the lanes decided, which
// -update writes anew. The commands:
//
//	lanes MAX                             begin anew
//	assign NAME COMMITTED [METADATA] [batch=N] [linger=D] [start=N]
//	add NAME OFFSET:KEY ...               OFFSET alone: the null key
//	next                                  all runs that begin now
//	finish NAME KEY [retry=I,J] [after=D] [pause] [stop] [error=TEXT]
//	after D                               time passes, and the timekeeper looks
//	position NAME [clean]                 what is committed, at the end of a process clean, and is acknowledged
//	watch NAME                            from the assignment on, the crash-loop guard
//	revoke NAME, drop NAME
//	show                                  the state of everything
//
// u' is another assignment of u.
func TestLanesScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "lanes", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := script{now: time.Unix(0, 0), parts: map[string]*partition{}}
			var out []string
			for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
				commands, _, _ := strings.Cut(block, "\n----\n")
				var said []string
				for line := range strings.Lines(commands) {
					if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line == "----" {
						continue
					}
					lines, err := s.do(strings.Fields(line))
					if err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					said = append(said, lines...)
				}
				if len(said) > 0 {
					commands += "\n----\n" + strings.Join(said, "\n")
				}
				out = append(out, commands)
			}
			got := strings.Join(out, "\n\n") + "\n"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // a golden
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(b), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

type script struct {
	now     time.Time
	lanes   *lanes
	parts   map[string]*partition
	running []*lane
}

func (s *script) do(f []string) ([]string, error) {
	var args []string
	opts := map[string]string{}
	for _, a := range f[1:] {
		k, v, ok := strings.Cut(a, "=")
		if ok || a == "pause" || a == "clean" || a == "stop" {
			opts[k] = v
		} else {
			args = append(args, a)
		}
	}
	switch f[0] {
	case "lanes":
		n, err := strconv.Atoi(args[0])
		s.lanes = newLanes(n)
		return nil, err
	case "next":
		return s.next(), nil
	case "after":
		d, err := time.ParseDuration(args[0])
		s.now = s.now.Add(d)
		s.lanes.due(s.now)
		return nil, err
	case "show":
		return s.show(), nil
	case "assign":
		return s.assign(args, opts)
	}
	p := s.parts[args[0]]
	if p == nil {
		return nil, fmt.Errorf("no partition %s", args[0])
	}
	switch f[0] {
	case "add":
		for _, a := range args[1:] {
			off, key, _ := strings.Cut(a, ":")
			n, err := strconv.ParseInt(off, 10, 64)
			if err != nil {
				return nil, err
			}
			s.lanes.add(p, delivered{offset: n, key: laneKeyOf(key)}, s.now)
		}
	case "finish":
		return nil, s.finish(p, laneKeyOf(args[1]), opts)
	case "position":
		_, clean := opts["clean"]
		pos, moved := p.position(clean)
		if pos.part != nil {
			s.lanes.acknowledged(pos)
		}
		return []string{fmt.Sprintf("%s: %d %q moved %v", args[0], pos.offset, pos.metadata, moved)}, nil
	case "watch":
		s.lanes.watch(p)
	case "revoke":
		s.lanes.revoke(p)
	case "drop":
		s.lanes.drop(p)
	default:
		return nil, fmt.Errorf("unknown command %s", f[0])
	}
	return nil, nil
}

// A key is one letter; none is the null key.
func laneKeyOf(s string) uint64 {
	if s == "" || s == "-" {
		return 0
	}
	return uint64(s[0])
}

func keyName(k uint64) string {
	if k == 0 {
		return "-"
	}
	return string(rune(k)) //nolint:gosec // a letter
}

func (s *script) assign(args []string, opts map[string]string) ([]string, error) {
	var batch Batch
	start := int64(-1)
	committed, err := strconv.ParseInt(args[1], 10, 64)
	for k, v := range opts {
		switch k {
		case "batch":
			batch.Max, err = strconv.Atoi(v)
		case "linger":
			batch.Linger, err = time.ParseDuration(v)
		case "start":
			start, err = strconv.ParseInt(v, 10, 64)
		}
		if err != nil {
			return nil, err
		}
	}
	p := s.lanes.assign(partitionID{strings.TrimRight(args[0], "'"), 0}, batch, committed, strings.Join(args[2:], ""), start)
	s.parts[args[0]] = p
	return nil, err
}

func (s *script) next() []string {
	var said []string
	for {
		l := s.lanes.next(s.now)
		if l == nil {
			break
		}
		s.running = append(s.running, l)
		line := fmt.Sprintf("run %s %s %v attempt %d", l.part.id.topic, keyName(l.key), offsetsOf(l.run), l.attempt)
		if l.suspect > 0 {
			line += fmt.Sprintf(" suspect after %d", l.suspect)
		}
		said = append(said, line)
	}
	if said == nil {
		said = []string{"nothing to run"}
	}
	return said
}

func offsetsOf(ds []delivered) []int64 {
	out := []int64{}
	for _, d := range ds {
		out = append(out, d.offset)
	}
	return out
}

func (s *script) finish(p *partition, key uint64, opts map[string]string) error {
	i := slices.IndexFunc(s.running, func(l *lane) bool { return l.part == p && l.key == key })
	if i < 0 {
		return fmt.Errorf("%s does not run", keyName(key))
	}
	l := s.running[i]
	s.running = slices.Delete(s.running, i, i+1)
	var r result
	_, r.pause = opts["pause"]
	_, r.stop = opts["stop"]
	r.fingerprint = opts["error"]
	if text := opts["retry"]; text != "" {
		for n := range strings.SplitSeq(text, ",") {
			index, err := strconv.Atoi(n)
			if err != nil {
				return err
			}
			r.retry = append(r.retry, index)
		}
	}
	if text := opts["after"]; text != "" {
		var err error
		if r.after, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	s.lanes.finish(l, r, s.now)
	return nil
}

func (s *script) show() []string {
	wake := "never"
	if at := s.lanes.wake(); !at.IsZero() {
		wake = "in " + at.Sub(s.now).String()
	}
	said := []string{fmt.Sprintf("running %d, waiting %d, wakes %s", s.lanes.running, s.lanes.waiting, wake)}
	for _, name := range slices.Sorted(maps.Keys(s.parts)) {
		p := s.parts[name]
		if p.gone {
			continue
		}
		line := []string{name + ":"}
		for _, key := range slices.Sorted(maps.Keys(p.lanes)) {
			l := p.lanes[key]
			state := [...]string{"idle", "ready", "running", "parked", "held", "barred"}[l.state]
			if p.outage != nil && p.outage.probing == l {
				state += " as probe"
			}
			line = append(line, fmt.Sprintf("%s %s %v", keyName(key), state, offsetsOf(l.queue.items[l.queue.head:])))
		}
		if p.stalled() {
			line = append(line, "stalled")
		}
		said = append(said, strings.Join(line, " "))
	}
	return said
}
