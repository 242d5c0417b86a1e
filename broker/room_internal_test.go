package broker

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestRoomKeepsTheFloorWhateverTheBurst(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := room{floor: 1000}
		disk, now := int64(rnd.IntN(100_000)+2000), time.Unix(0, 0)
		refused := 0
		for range 2000 {
			now = now.Add(time.Duration(rnd.IntN(20)) * time.Millisecond)
			cost := int64(rnd.IntN(500))
			if r.stale(cost, now) {
				r.saw(disk, now)
			}
			if r.take(cost) {
				disk -= cost - int64(rnd.IntN(int(cost)+1)) // what is written is never more than promised
			} else {
				refused++
			}
			if disk < r.floor {
				t.Fatalf("seed %d: %d bytes are left, below the floor", seed, disk)
			}
		}
		if refused == 0 && disk < 1500 {
			t.Errorf("seed %d: nothing was refused with %d bytes left", seed, disk)
		}
	}
}

func TestRoomGoesOnOnceThereIsSpace(t *testing.T) {
	r, now := room{floor: 800}, time.Unix(0, 0)
	ask := func(free, cost int64) bool {
		now = now.Add(lookEvery)
		if !r.stale(cost, now) {
			t.Error("an old look counts")
		}
		r.saw(free, now)
		return r.take(cost)
	}
	for i, step := range []struct {
		free, cost int64
		want       bool
	}{
		{1000, 200, true}, {1000, 201, false}, {899, 0, false}, {900, 0, true}, {810, 10, true}, {799, 0, false},
	} {
		if got := ask(step.free, step.cost); got != step.want {
			t.Errorf("step %d: with %d free a write of %d passes: %t, want %t", i, step.free, step.cost, got, step.want)
		}
	}
	if r.stale(0, now.Add(lookEvery-1)) {
		t.Error("a full disk is looked at before the last look is old")
	}
}

func TestDefaultFloor(t *testing.T) {
	for total, want := range map[int64]int64{64 << 20: 16 << 20, 1 << 30: 53687091, 1 << 40: 256 << 20} {
		if got := defaultFloor(total); got != want {
			t.Errorf("of %d bytes %d are kept free, want %d", total, got, want)
		}
	}
}
