package bus

import (
	"math"
	"time"
)

// retryDelay is how long the event waits after its attempt-th attempt (1 is the first), or ok = false where attempts are used
// up. random in [0, 1) adds up to a fifth, so that what failed together does not come back together; never early.
func retryDelay(schedule []time.Duration, attempt int, atLeast time.Duration, random float64) (d time.Duration, ok bool) {
	if attempt > len(schedule) {
		return 0, false
	}
	d = schedule[attempt-1]
	if atLeast > 0 {
		d = atLeast
	}
	return d + min(time.Duration(float64(d)*0.2*random), math.MaxInt64-d), true
}
