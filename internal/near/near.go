// Package near finds what somebody who mistyped a name may have meant.
package near

import (
	"cmp"
	"slices"
	"strings"
)

// Names returns at most two of choices that are so near to got that it may be a slip of the finger, or that begin with it; the
// nearest first.
func Names(got string, choices []string) []string {
	type scored struct {
		name string
		d    int
	}
	limit := min(max(2, len([]rune(got))/4), 6)
	var near []scored
	for _, c := range choices {
		switch d := distance(got, c); {
		case d <= limit && d < len([]rune(c)):
			near = append(near, scored{c, d})
		case len(got) > 2 && strings.HasPrefix(c, got):
			near = append(near, scored{c, limit})
		}
	}
	slices.SortFunc(near, func(a, b scored) int { return cmp.Or(cmp.Compare(a.d, b.d), cmp.Compare(a.name, b.name)) })
	near = slices.Compact(near)
	var out []string
	for _, n := range near[:min(2, len(near))] {
		if n.d > near[0].d+1 {
			break
		}
		out = append(out, n.name)
	}
	return out
}

// distance is the number of insertions, deletions, substitutions and swaps of neighbours that turn a into b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			substitute := last[j-1]
			if x[i-1] != y[j-1] {
				substitute++
			}
			row[j] = min(substitute, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
