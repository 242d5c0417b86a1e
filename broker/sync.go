package broker

import (
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// syncer brings to the disk what the broker inside has written. Answers that come while one flush runs share the next, so that
// the disk sees one flush after the other and not one for every partition of every request.
//
// What it does not do is to say when a flush is needed. An answer to a request that writes always needs one that begins after
// the answer was made. An answer that may show records needs one where records were taken that are not on the disk yet; for
// that the produce requests are counted, which the broker inside handles one after the other.
type syncer struct {
	flush func() error
	fail  func(error) // called once

	current kmsg.Request // for saw alone

	begun   atomic.Int64 // produce requests
	handled atomic.Int64 // of them, surely
	synced  atomic.Int64 // of them, on the disk

	mu   sync.Mutex
	next *flushing // which those who come now share
	last *flushing // the latest that began
}

type flushing struct {
	done chan struct{}
	err  error
}

// saw notes that the broker inside is handling a request. It is called from there, for one request after the other, and may be
// called more than once for each.
func (s *syncer) saw(r kmsg.Request) {
	if r == s.current {
		return
	}
	s.current = r
	n := s.begun.Load()
	s.handled.Store(n)
	if r.Key() == int16(kmsg.Produce) {
		s.begun.Store(n + 1)
	}
}

// clean reports whether every record that anybody can see is on the disk.
func (s *syncer) clean() bool { return s.synced.Load() >= s.begun.Load() }

// wait returns after a flush that began after the call. Once one has failed, all do: what the system said was lost then is not
// written by a later flush that succeeds.
func (s *syncer) wait() error {
	s.mu.Lock()
	f, before := s.next, s.last
	first := f == nil
	if first {
		f = &flushing{done: make(chan struct{})}
		s.next = f
	}
	s.mu.Unlock()
	if !first {
		<-f.done
		return f.err
	}
	if before != nil {
		<-before.done // one after the other; others join meanwhile
		f.err = before.err
	}
	s.mu.Lock()
	s.next, s.last = nil, f
	s.mu.Unlock()
	upTo := s.handled.Load()
	if f.err == nil {
		if f.err = s.flush(); f.err != nil {
			s.fail(f.err)
		}
	}
	if f.err == nil {
		s.synced.Store(upTo)
	}
	close(f.done)
	return f.err
}

// onlyReads reports whether a request of this kind never makes the broker inside write.
func onlyReads(key kmsg.Key) bool {
	switch key { //nolint:exhaustive // of all others, also of those to come, it is assumed that they write
	case kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.OffsetFetch, kmsg.FindCoordinator, kmsg.Heartbeat, kmsg.DescribeGroups,
		kmsg.ListGroups, kmsg.SASLHandshake, kmsg.SASLAuthenticate, kmsg.ApiVersions, kmsg.DescribeConfigs, kmsg.DescribeCluster,
		kmsg.OffsetForLeaderEpoch, kmsg.DescribeLogDirs, kmsg.DescribeProducers:
		return true
	}
	return false
}
