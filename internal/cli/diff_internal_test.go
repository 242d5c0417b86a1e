package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiffShowsWhatGoesAndWhatComes(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		want                []string
	}{
		{"nothing", "a\nb\n", "a\nb\n", nil},
		{"one line", "1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\nfour\n5\n6\n7\n", []string{"  2", "  3", "- 4", "+ four", "  5", "  6"}},
		{"added", "a\nc\n", "a\nb\nc\n", []string{"  a", "+ b", "  c"}},
		{"removed at the end", "a\nb\n", "a\n", []string{"  a", "- b"}},
		{"all", "a\n", "b\n", []string{"- a", "+ b"}},
	} {
		if diff := cmp.Diff(c.want, diffLines(c.before, c.after)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
