package broker

import "time"

// room decides which writes a disk still has room for. It is pure: what is free, and when that was seen, come in.
//
// Between two looks at the disk it counts what it has let pass, so that no burst outruns it.
type room struct {
	floor int64 // bytes to keep free

	free   int64 // at the last look
	spent  int64 // let pass since then, at most
	looked time.Time
	full   bool
}

// lookEvery is how long a look is good for: others write to the disk too.
const lookEvery = 100 * time.Millisecond

// defaultFloor is what is kept free of a disk with total bytes: 5 %, but at least 16 MiB, which a stop in order may need, and
// no more than 256 MiB.
func defaultFloor(total int64) int64 { return min(max(total/20, 16<<20), 256<<20) }

// stale says whether it takes another look to decide about a write of cost bytes.
func (r *room) stale(cost int64, now time.Time) bool {
	return now.Sub(r.looked) >= lookEvery || !r.full && r.free-r.spent-cost < r.floor
}

// saw takes what a look found.
func (r *room) saw(free int64, now time.Time) { r.free, r.spent, r.looked = free, 0, now }

// take lets a write of cost bytes pass, or says that the disk is full. Once it was, it takes an eighth more than the floor to
// go on, so that it does not change with every write.
func (r *room) take(cost int64) bool {
	floor := r.floor
	if r.full {
		floor += r.floor / 8
	}
	r.full = r.free-r.spent-cost < floor
	if r.full {
		return false
	}
	r.spent += cost
	return true
}
