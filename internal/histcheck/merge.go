package histcheck

import (
	"container/heap"
	"errors"
	"iter"
)

// step is one step through all ledgers at once.
type step struct {
	source int
	line   Line
	last   bool // the source has no further line
}

// merge goes through all ledgers by time; lines of one source keep their order. torn is called for a source whose last line is
// incomplete.
func merge(sources []Source, torn func(name string)) iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		var h heads
		defer func() {
			for _, r := range h {
				r.stop()
			}
		}()
		advance := func(r *head) error {
			line, err, ok := r.next()
			switch {
			case errors.Is(err, ErrTorn):
				torn(sources[r.source].Name)
				r.over = true
			case err != nil:
				return err
			case !ok:
				r.over = true
			default:
				r.wall = max(r.wall, line.Wall) // a clock that was set back does not reorder a ledger
				r.line = line
			}
			return nil
		}
		for i, s := range sources {
			next, stop := iter.Pull2(s.Lines())
			r := &head{source: i, next: next, stop: stop}
			h = append(h, r)
			if err := advance(r); err != nil {
				yield(step{}, err)
				return
			}
		}
		open := h[:0]
		for _, r := range h {
			if !r.over {
				open = append(open, r)
			} else {
				r.stop()
			}
		}
		h = open
		heap.Init(&h)
		for len(h) > 0 {
			r := h[0]
			now := step{source: r.source, line: r.line}
			if err := advance(r); err != nil {
				yield(step{}, err)
				return
			}
			now.last = r.over
			if r.over {
				r.stop()
				heap.Pop(&h)
			} else {
				heap.Fix(&h, 0)
			}
			if !yield(now, nil) {
				return
			}
		}
	}
}

type head struct {
	source int
	next   func() (Line, error, bool)
	stop   func()
	line   Line
	wall   int64
	over   bool
}

// heads is a heap by time, and by source where the time is the same.
type heads []*head

func (h heads) Len() int { return len(h) }

func (h heads) Less(i, j int) bool {
	if h[i].wall != h[j].wall {
		return h[i].wall < h[j].wall
	}
	return h[i].source < h[j].source
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*head)) } //nolint:forcetypeassert // the heap holds heads only

func (h *heads) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}
