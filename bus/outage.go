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
	hits map[string]*hits // by fingerprint
}

// hits are the keys that failed alike, each with when it did so last.
type hits struct {
	keys map[laneID]time.Time
	last time.Time
}

// maxFingerprints bounds how many kinds of failure are looked at together: text that differs from event to event makes many.
const maxFingerprints = 256

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
		o.hits = map[string]*hits{}
	}
	h := o.hits[fingerprint]
	if h == nil {
		if len(o.hits) >= maxFingerprints {
			o.purge(now)
		}
		h = &hits{keys: map[laneID]time.Time{}}
		o.hits[fingerprint] = h
	}
	h.last = now
	if len(h.keys) >= outageKeys {
		return true
	}
	h.keys[id] = now
	for k, at := range h.keys {
		if now.Sub(at) > outageWindow {
			delete(h.keys, k)
		}
	}
	return len(h.keys) >= outageKeys
}

// purge makes room: what is out of the window goes, and if that is not enough, what failed longest ago, outages last.
func (o *outages) purge(now time.Time) {
	var oldest string
	for f, h := range o.hits {
		if len(h.keys) < outageKeys && now.Sub(h.last) > outageWindow {
			delete(o.hits, f)
			continue
		}
		known, out := o.hits[oldest], len(h.keys) >= outageKeys
		if known == nil {
			oldest = f
			continue
		}
		if was := len(known.keys) >= outageKeys; out == was && h.last.Before(known.last) || was && !out {
			oldest = f
		}
	}
	if len(o.hits) >= maxFingerprints {
		delete(o.hits, oldest)
	}
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
