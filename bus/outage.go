package bus

import "time"

// An outage is not poison. When one error fingerprint hits outageKeys different keys within outageWindow and nothing succeeds
// between, what the handler needs is down: its partitions pause and one event at a time probes.
const (
	outageKeys   = 5
	outageWindow = 5 * time.Second
	probeFirst   = 100 * time.Millisecond
	probeMax     = time.Second
)

// outages recognises an outage from the failures of one consumer.
type outages struct {
	hits map[string]map[laneID]time.Time // fingerprint → key → when it failed last
}

type laneID struct {
	topic     string
	partition int32
	key       uint64
}

// succeeded forgets: something works.
func (o *outages) succeeded() {
	if len(o.hits) > 0 {
		clear(o.hits)
	}
}

// failed notes a failure and reports whether this fingerprint is an outage now. Once it is, it stays one until something
// succeeds, however long the probes take: forgetting it would turn the next probes into dead letters.
func (o *outages) failed(fingerprint string, id laneID, now time.Time) bool {
	if o.hits == nil {
		o.hits = map[string]map[laneID]time.Time{}
	}
	keys := o.hits[fingerprint]
	if keys == nil {
		keys = map[laneID]time.Time{}
		o.hits[fingerprint] = keys
	}
	if len(keys) >= outageKeys {
		return true
	}
	keys[id] = now
	for k, at := range keys {
		if now.Sub(at) > outageWindow {
			delete(keys, k)
		}
	}
	return len(keys) >= outageKeys
}

// outage is the state of a paused partition.
type outage struct {
	fingerprint string
	since       time.Time
	message     string
	delay       time.Duration
	probing     *lane
}

func (o *outage) next() time.Duration {
	o.delay = min(max(2*o.delay, probeFirst), probeMax)
	return o.delay
}
