package bus

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"path"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/omninode-ai/omnibus/event"
)

// StuckHandler is a handler that has been running for longer than Consumer.StuckAfter. Nothing commits past its event, and its key
// waits for it.
type StuckHandler struct {
	Coordinates
	Key     string    // in quotes, or as hex where it is not text; cut after 64 bytes; empty: no key
	Since   time.Time // when the handler began
	Attempt int
	Where   []string // what its goroutine is doing, innermost call first: "sync.(*Mutex).Lock mutex.go:46"; nil: cannot be told
}

const (
	workerLabel = "omnibus_worker" // the profiler label that tells the goroutine of one worker from all others
	maxFrames   = 12
	maxKey      = 64
)

// worker is a goroutine that runs handlers. What it is doing is guarded by the consumer's mu. Workers that ended are used again.
type worker struct {
	name   string
	labels context.Context //nolint:containedctx // carries the profiler label, which is made once
	lane   *lane           // what it runs; nil: nothing
	logged time.Time       // the start of the run that was logged as stuck
	where  []string        // what it was doing when it was last looked at
	looked time.Time       // when that was
}

// hire starts a worker. Under mu.
func (c *consumer) hire() {
	var w *worker
	if n := len(c.idle); n > 0 {
		w, c.idle = c.idle[n-1], c.idle[:n-1]
	} else {
		if c.name == "" {
			c.name = rand.Text()
		}
		w = &worker{name: c.name + "-" + strconv.Itoa(len(c.staff))}
		w.labels = pprof.WithLabels(c.bus.life, pprof.Labels(workerLabel, w.name))
		c.staff = append(c.staff, w)
	}
	c.workers++
	c.wg.Go(func() { c.work(w) })
}

// lookAgain is after how long the goroutine of a stuck handler is looked at again.
const lookAgain = 10 * time.Second

// stuck lists the handlers that run for too long. Where they are is found out by a goroutine profile, which is only taken when
// there are some that nobody has looked at lately.
func (c *consumer) stuck(now time.Time) []StuckHandler {
	c.mu.Lock()
	var unseen []string
	for _, w := range c.staff {
		if c.isStuck(w, now) && (w.looked.Before(w.lane.runAt) || now.Sub(w.looked) >= lookAgain) {
			unseen = append(unseen, w.name)
		}
	}
	c.mu.Unlock()
	var stacks map[string][]string
	if len(unseen) > 0 {
		stacks = stacksOf(unseen)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []StuckHandler
	for _, w := range c.staff {
		if !c.isStuck(w, now) {
			continue
		}
		if slices.Contains(unseen, w.name) {
			w.where, w.looked = stacks[w.name], now
		}
		out = append(out, w.stuck())
	}
	slices.SortFunc(out, func(x, y StuckHandler) int { return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.Offset, y.Offset)) })
	return out
}

// isStuck reports whether w runs a handler for too long. One whose dead letter cannot be written is through: that is a fault of
// its own. Under mu.
func (c *consumer) isStuck(w *worker, now time.Time) bool {
	return c.cfg.StuckAfter > 0 && w.lane != nil && len(w.lane.run) > 0 && !w.lane.burying.Load() && now.Sub(w.lane.runAt) >= c.cfg.StuckAfter
}

func (w *worker) stuck() StuckHandler {
	l := w.lane
	first := l.run[0]
	h := StuckHandler{
		Coordinates: Coordinates{event.Topic(l.part.id.topic), l.part.id.partition, first.offset},
		Since:       l.runAt, Attempt: l.attempt, Where: w.where,
	}
	if first.record != nil && first.record.Key != nil {
		h.Key = printable(first.record.Key)
	}
	return h
}

// nameStuck logs each stuck handler once.
func (c *consumer) nameStuck(ctx context.Context, now time.Time) {
	stuck := c.stuck(now)
	if len(stuck) == 0 {
		return
	}
	fresh := map[Coordinates]bool{}
	c.mu.Lock()
	for _, w := range c.staff {
		if c.isStuck(w, now) && !w.logged.Equal(w.lane.runAt) {
			w.logged = w.lane.runAt
			fresh[w.stuck().Coordinates] = true
		}
	}
	c.mu.Unlock()
	for _, h := range stuck {
		if fresh[h.Coordinates] {
			c.bus.log.LogAttrs(ctx, slog.LevelWarn, "handler is stuck: nothing commits past its event",
				slog.String("group", c.cfg.Group), slog.String("topic", string(h.Topic)), slog.Int("partition", int(h.Partition)),
				slog.Int64("offset", h.Offset), slog.String("key", h.Key), slog.Time("since", h.Since), slog.Int("attempt", h.Attempt),
				slog.Any("where", h.Where))
		}
	}
}

// printable is a key as people can read it.
func printable(key []byte) string {
	text := string(key[:min(len(key), maxKey)])
	more := ""
	if len(key) > maxKey {
		text, more = cut(text, maxKey-1), "…"
	}
	if !utf8.Valid(key) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		const digits = "0123456789abcdef"
		hex := []byte("0x")
		for _, b := range key[:min(len(key), maxKey/2)] {
			hex = append(hex, digits[b>>4], digits[b&15])
		}
		if len(key) > maxKey/2 {
			return string(hex) + "…"
		}
		return string(hex)
	}
	return strconv.Quote(text + more)
}

// stacksOf says what the workers are doing now, by their names. The goroutine profile carries labels; nothing else tells one
// goroutine from another without slowing down every event. A handler that runs under profiler labels of its own cannot be found
// and has no entry.
func stacksOf(names []string) map[string][]string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil // a buffer takes everything
	}
	return readStacks(profile.String(), names)
}

// readStacks reads a goroutine profile in its text form: blocks of one stack each, with the labels in their second line.
func readStacks(profile string, names []string) map[string][]string {
	out := map[string][]string{}
	for block := range strings.SplitSeq(profile, "\n\n") {
		for _, name := range names {
			if !strings.Contains(block, strconv.Quote(workerLabel)+":"+strconv.Quote(name)) {
				continue
			}
			// Goroutines that the handler started carry its label too: the worker's own has our frames at its bottom.
			if frames, own := readFrames(block); own {
				out[name] = frames
			}
		}
	}
	return out
}

// readFrames reads the calls of one stack down to ours, and whether it came there.
func readFrames(block string) (frames []string, own bool) {
	for line := range strings.Lines(block) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "#" || !strings.HasPrefix(f[1], "0x") {
			continue
		}
		name := f[2]
		if i := strings.LastIndex(name, "+0x"); i > 0 {
			name = name[:i]
		}
		if strings.Contains(name, "/bus.(*consumer).") {
			return frames, true
		}
		if len(frames) < maxFrames {
			frames = append(frames, name+" "+path.Base(f[len(f)-1]))
		}
	}
	return nil, false
}
