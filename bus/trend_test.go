package bus_test

import (
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

func TestTrendOfALag(t *testing.T) {
	for _, tt := range []struct {
		name        string
		before, now int64
		between     time.Duration
		want        bus.LagTrend
	}{
		{"grows", 10, 30, 2 * time.Second, bus.LagTrend{PerSecond: 10, Left: -1}},
		{"stays", 10, 10, time.Second, bus.LagTrend{Left: -1}},
		{"shrinks", 100, 80, 2 * time.Second, bus.LagTrend{PerSecond: -10, Left: 8 * time.Second}},
		{"is gone", 10, 0, time.Second, bus.LagTrend{PerSecond: -10}},
		{"was never there", 0, 0, time.Second, bus.LagTrend{}},
		{"no time between", 10, 5, 0, bus.LagTrend{Left: -1}},
	} {
		if got := bus.TrendOf(tt.before, tt.now, tt.between); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if got := bus.TrendOf(1<<62, 1<<62-1, time.Hour); got.Left != -1 {
		t.Errorf("so slow that no duration holds it: %v", got.Left)
	}
}
