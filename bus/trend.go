package bus

import "time"

// LagTrend is how a lag moves.
type LagTrend struct {
	PerSecond float64       // messages; below zero: it gets less
	Left      time.Duration // until nothing is left, if it goes on so; below zero: never
}

// TrendOf is how a lag of so many messages moved, between two looks some time apart.
func TrendOf(before, now int64, between time.Duration) LagTrend {
	if between <= 0 {
		return LagTrend{Left: -1}
	}
	t := LagTrend{PerSecond: float64(now-before) / between.Seconds(), Left: -1}
	switch {
	case now == 0:
		t.Left = 0
	case t.PerSecond < 0:
		if left := float64(now) / -t.PerSecond; left < float64(1<<63-1)/float64(time.Second) {
			t.Left = time.Duration(left * float64(time.Second))
		}
	}
	return t
}
