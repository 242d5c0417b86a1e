package targets

import (
	"testing"
	"time"
)

func TestPercentilesAreExactValues(t *testing.T) {
	var values []time.Duration
	for i := 1; i <= 100; i++ {
		values = append(values, time.Duration(i)*time.Millisecond)
	}
	for p, want := range map[float64]time.Duration{0.5: 50 * time.Millisecond, 0.95: 95 * time.Millisecond, 0.99: 99 * time.Millisecond, 1: 100 * time.Millisecond, 0: time.Millisecond} {
		if got := percentileOf(values, p); got != want {
			t.Errorf("percentile %v of 1…100 ms is %v, want %v", p, got, want)
		}
	}
	if got := percentileOf(values[:1], 0.95); got != time.Millisecond {
		t.Errorf("percentile of one value is %v", got)
	}
	if got := percentileOf(nil, 0.95); got != 0 {
		t.Errorf("percentile of none is %v", got)
	}
}

func TestATargetIsMetBelowItsLimitOnly(t *testing.T) {
	for _, c := range []struct {
		name string
		got  Result
		held bool
	}{
		{"49 ms", latency("x", []time.Duration{49 * time.Millisecond}, 0.95, publishLimit), true},
		{"50 ms", latency("x", []time.Duration{50 * time.Millisecond}, 0.95, publishLimit), false},
		{"one in 20 slow", latency("x", append(make([]time.Duration, 19), time.Second), 0.95, publishLimit), true},
		{"two in 20 slow", latency("x", append(make([]time.Duration, 18), time.Second, time.Second), 0.95, publishLimit), false},
		{"no value", latency("x", nil, 0.95, publishLimit), false},
		{"10,000/s", throughput(10_000, time.Second), false},
		{"10,001/s", throughput(10_001, time.Second), true},
		{"no time", throughput(0, 0), false},
		{"one dead in a thousand", deadLetters(1, 1000), false},
		{"one dead in two thousand", deadLetters(1, 2000), true},
		{"no events", deadLetters(0, 0), false},
	} {
		if c.got.Held != c.held {
			t.Errorf("%s: held is %v, want %v: %+v", c.name, c.got.Held, c.held, c.got)
		}
	}
}
