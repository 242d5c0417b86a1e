package bus

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOutageIsRecognised(t *testing.T) {
	t.Parallel()
	type hit struct {
		after time.Duration // since the hit before
		error string        // "": something succeeded
		key   uint64
	}
	at := func(failure string, keys ...uint64) (hits []hit) {
		for _, k := range keys {
			hits = append(hits, hit{time.Millisecond, failure, k})
		}
		return hits
	}
	for name, c := range map[string]struct {
		hits []hit
		want []bool
	}{
		"five keys":               {at("a", 1, 2, 3, 4, 5, 6), []bool{false, false, false, false, true, true}},
		"one key five times":      {at("a", 1, 1, 1, 1, 1, 1), make([]bool, 6)},
		"five errors":             {[]hit{{0, "a", 1}, {0, "b", 2}, {0, "c", 3}, {0, "d", 4}, {0, "e", 5}}, make([]bool, 5)},
		"a success between":       {append(append(at("a", 1, 2, 3, 4), hit{}), at("a", 5, 6)...), make([]bool, 7)},
		"too slowly":              {[]hit{{0, "a", 1}, {0, "a", 2}, {0, "a", 3}, {0, "a", 4}, {outageWindow + 1, "a", 5}}, make([]bool, 5)},
		"just in time":            {[]hit{{0, "a", 1}, {0, "a", 2}, {0, "a", 3}, {0, "a", 4}, {outageWindow, "a", 5}}, []bool{false, false, false, false, true}},
		"lasts through probes":    {append(at("a", 1, 2, 3, 4, 5), hit{time.Hour, "a", 1}), []bool{false, false, false, false, true, true}},
		"ends with a success":     {append(at("a", 1, 2, 3, 4, 5), hit{time.Second, "", 0}, hit{0, "a", 1}), []bool{false, false, false, false, true, false, false}},
		"is of its own error":     {append(at("a", 1, 2, 3, 4, 5), hit{0, "b", 6}), []bool{false, false, false, false, true, false}},
		"the same key comes back": {[]hit{{0, "a", 1}, {0, "a", 2}, {0, "a", 3}, {4 * time.Second, "a", 1}, {2 * time.Second, "a", 4}, {0, "a", 5}}, make([]bool, 6)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var o outages
			now := time.Unix(0, 0)
			var got []bool
			for _, h := range c.hits {
				now = now.Add(h.after)
				if h.error == "" {
					o.succeeded()
					got = append(got, false)
					continue
				}
				got = append(got, o.failed(h.error, laneID{"t", 0, h.key}, now))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Errors whose text differs from event to event must not fill the memory, nor make an outage forgotten.
func TestOutagesAreBounded(t *testing.T) {
	t.Parallel()
	var o outages
	now := time.Unix(0, 0)
	for k := range uint64(outageKeys) {
		o.failed("down", laneID{"t", 0, k}, now)
	}
	for i := range uint64(5_000) {
		now = now.Add(time.Millisecond)
		o.failed(strconv.FormatUint(i, 10), laneID{"t", 0, i}, now)
		if len(o.hits) > maxFingerprints {
			t.Fatalf("%d fingerprints after %d failures", len(o.hits), i)
		}
	}
	if !o.failed("down", laneID{"t", 0, 1}, now) {
		t.Error("the outage was forgotten")
	}
	now = now.Add(2 * outageWindow)
	o.failed("fresh", laneID{"t", 0, 1}, now)
	if o.failed("fresh", laneID{"t", 0, 2}, now); len(o.hits) > 2 {
		t.Errorf("%d fingerprints long after their window, want the outage and the fresh one", len(o.hits))
	}
}

// TestOutageCountsLanes: the same key of two partitions is two lanes.
func TestOutageCountsLanes(t *testing.T) {
	t.Parallel()
	var o outages
	out := false
	for i := range int32(outageKeys) {
		out = o.failed("a", laneID{"t", i, 1}, time.Unix(0, 0))
	}
	if !out {
		t.Error("five partitions with one failing key each are no outage")
	}
}

func TestOutageProbesMoreSlowly(t *testing.T) {
	t.Parallel()
	var o outage
	var got []time.Duration
	for range 6 {
		got = append(got, o.next()/time.Millisecond)
	}
	if diff := cmp.Diff([]time.Duration{100, 200, 400, 800, 1_000, 1_000}, got); diff != "" {
		t.Errorf("milliseconds (-want +got):\n%s", diff)
	}
}
