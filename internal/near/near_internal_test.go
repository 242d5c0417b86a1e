package near

import (
	"slices"
	"testing"
)

func TestNamesFindsSlipsOnly(t *testing.T) {
	topics := []string{
		"omninode.codegen.request.validate.v1", "omninode.codegen.response.validate.v1", "omninode.search.request.query.v1",
		"omninode.intelligence.event.quality_assessed.v1",
	}
	for _, c := range []struct {
		got     string
		choices []string
		want    []string
	}{
		{"pubilsh", []string{"publish", "consume", "topics"}, []string{"publish"}},
		{"topic", []string{"topics", "tail"}, []string{"topics"}},
		{"xyzzy", []string{"topics", "tail"}, nil},
		{"omninode.codegen.request.validat.v1", topics, []string{"omninode.codegen.request.validate.v1"}},
		{"omninode.intelligence.event.quality_asessed.v1", topics, []string{"omninode.intelligence.event.quality_assessed.v1"}},
		{"something.else.entirely.v1", topics, nil},
		{"", []string{"a"}, nil},
	} {
		if got := Names(c.got, c.choices); !slices.Equal(got, c.want) {
			t.Errorf("Names(%q) = %q, want %q", c.got, got, c.want)
		}
	}
}

func TestDistanceCountsASwapOnce(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"ab", "ba", 1}, {"kitten", "sitting", 3}, {"größe", "grösse", 2}, {"publish", "pubilsh", 1}} {
		if got, back := distance(c.a, c.b), distance(c.b, c.a); got != c.want || back != c.want {
			t.Errorf("distance(%q, %q) = %d and back %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
}
