package selftest

import (
	"cmp"
	"fmt"
	"slices"
)

// The rules that ledgers are held against. Each returns one sentence per fault.

// lost names the sent events that nobody handled.
func lost(sent map[mark]bool, times map[mark]int) []string {
	var out []string
	for _, m := range inOrder(sent) {
		if times[m] == 0 {
			out = append(out, fmt.Sprintf("%v was never handled", m))
		}
	}
	return out
}

// twice names the events that were handled more than once.
func twice(times map[mark]int) []string {
	var out []string
	for _, m := range inOrder(times) {
		if times[m] > 1 {
			out = append(out, fmt.Sprintf("%v was handled %d times", m, times[m]))
		}
	}
	return out
}

// disordered names the events that were handled when a later one of their key had been, or before an earlier one was through.
// Attempts of one event stand one behind the other, so that a later event between two of them shows as well.
func disordered(ended []entry) []string {
	var out []string
	last := map[string]entry{}
	for _, e := range ended {
		before, ok := last[e.key]
		switch {
		case ok && e.n < before.n:
			out = append(out, fmt.Sprintf("%v was handled after event %d", e.mark, before.n))
		case ok && e.n > before.n+1, !ok && e.n > 0:
			out = append(out, fmt.Sprintf("%v was handled before the one in front of it", e.mark))
		}
		last[e.key] = e
	}
	return out
}

func inOrder[V any](set map[mark]V) []mark {
	out := make([]mark, 0, len(set))
	for m := range set {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b mark) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.n, b.n)) })
	return out
}

func setOf(marks []mark) map[mark]bool {
	set := make(map[mark]bool, len(marks))
	for _, m := range marks {
		set[m] = true
	}
	return set
}
