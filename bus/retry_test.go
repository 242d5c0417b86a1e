package bus

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schedule []time.Duration
		attempt  int
		atLeast  time.Duration
		random   float64
		want     time.Duration
		ok       bool
	}{
		"after the first attempt":    {DefaultRetry(), 1, 0, 0, time.Second, true},
		"after the third":            {DefaultRetry(), 3, 0, 0, 4 * time.Second, true},
		"after the last":             {DefaultRetry(), 4, 0, 0, 0, false},
		"one attempt only":           {nil, 1, 0, 0, 0, false},
		"jitter adds":                {DefaultRetry(), 1, 0, 0.5, 1100 * time.Millisecond, true},
		"asked for":                  {DefaultRetry(), 1, time.Minute, 0, time.Minute, true},
		"asked for sooner":           {DefaultRetry(), 3, time.Nanosecond, 0, time.Nanosecond, true},
		"asked for too often":        {DefaultRetry(), 4, time.Minute, 0, 0, false},
		"asked for as late as it is": {DefaultRetry(), 1, math.MaxInt64, 0.9, math.MaxInt64, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := retryDelay(c.schedule, c.attempt, c.atLeast, c.random); got != c.want || ok != c.ok {
				t.Errorf("%v, %v, want %v, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

// TestRetryDelayIsNeverEarly and at most a fifth late.
func TestRetryDelayIsNeverEarly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "base"))
		asked := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "asked"))
		want := base
		if asked > 0 {
			want = asked
		}
		got, ok := retryDelay([]time.Duration{base}, 1, asked, rapid.Float64Range(0, 0.999999).Draw(t, "random"))
		if !ok || got < want || got-want > want/5+1<<12 {
			t.Fatalf("%v, %v for %v", got, ok, want)
		}
	})
}
