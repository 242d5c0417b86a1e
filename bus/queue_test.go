package bus

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestQueueAgreesWithSlice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q queue[int]
		var want []int
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if q.len() != len(want) {
					t.Fatalf("length %d, want %d", q.len(), len(want))
				}
				if len(want) > 0 && q.peek() != want[0] {
					t.Fatalf("first is %d, want %d", q.peek(), want[0])
				}
			},
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 60).Draw(t, "many") {
					n++
					q.push(n)
					want = append(want, n)
				}
			},
			"pushFront": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "many") {
					n++
					q.pushFront(n)
					want = slices.Insert(want, 0, n)
				}
			},
			"pop": func(t *rapid.T) {
				for range min(len(want), rapid.IntRange(1, 60).Draw(t, "many")) {
					if got := q.pop(); got != want[0] {
						t.Fatalf("popped %d, want %d", got, want[0])
					}
					want = want[1:]
				}
			},
		})
		var rest []int
		for q.len() > 0 {
			rest = append(rest, q.pop())
		}
		if diff := cmp.Diff(want, rest); len(want)+len(rest) > 0 && diff != "" {
			t.Fatalf("rest (-want +got):\n%s", diff)
		}
	})
}

// TestQueueLetsGo: what was popped is not kept alive by the queue.
func TestQueueLetsGo(t *testing.T) {
	t.Parallel()
	var q queue[*int]
	for range 100 {
		q.push(new(int))
	}
	for q.len() > 1 {
		q.pop()
		if q.len()%7 == 0 {
			q.push(new(int))
			q.pop()
		}
	}
	kept := 0
	for _, v := range q.items[:cap(q.items)] {
		if v != nil {
			kept++
		}
	}
	if kept != q.len() {
		t.Errorf("%d are kept, %d are in the queue", kept, q.len())
	}
}
