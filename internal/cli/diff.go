package cli

import (
	"slices"
	"strings"
)

// diffLines compares two texts line by line: "-" goes, "+" comes, and what stays is shown two lines around them.
func diffLines(before, after string) []string {
	const around, most = 2, 3000 // above that many lines a comparison would take too much memory: all goes, all comes
	x, y := strings.Split(strings.TrimSuffix(before, "\n"), "\n"), strings.Split(strings.TrimSuffix(after, "\n"), "\n")
	var all []string
	if len(x) > most || len(y) > most {
		for _, line := range x {
			all = append(all, "- "+line)
		}
		for _, line := range y {
			all = append(all, "+ "+line)
		}
		return all
	}
	// common[i][j] is how many lines x[i:] and y[j:] have in common, in order.
	common := make([][]int32, len(x)+1)
	for i := range common {
		common[i] = make([]int32, len(y)+1)
	}
	for i, gone := range slices.Backward(x) {
		for j, come := range slices.Backward(y) {
			if gone == come {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(x) || j < len(y); {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			all = append(all, "  "+x[i])
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && common[i+1][j] >= common[i][j+1]:
			all = append(all, "- "+x[i])
			i++
		default:
			all = append(all, "+ "+y[j])
			j++
		}
	}
	var out []string
	for i, line := range all {
		for k := max(0, i-around); k <= min(len(all)-1, i+around); k++ {
			if all[k][0] != ' ' {
				out = append(out, line)
				break
			}
		}
	}
	return out
}

// printDiff writes what diffLines found, and an empty line.
func (a *app) printDiff(lines []string) error {
	for _, line := range lines {
		switch line[:1] {
		case "-":
			line = a.paint(red, line)
		case "+":
			line = a.paint(green, line)
		}
		if err := a.printf("%s\n", line); err != nil {
			return err
		}
	}
	return a.printf("\n")
}
