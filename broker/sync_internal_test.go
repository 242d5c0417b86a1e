package broker

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestSyncerStartsAFlushAfterTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flushes atomic.Int64
		step := make(chan error)
		s := &syncer{flush: func() error { flushes.Add(1); return <-step }, fail: func(error) {}}
		var back atomic.Int64
		wait := func() {
			if err := s.wait(); err != nil {
				t.Error(err)
			}
			back.Add(1)
		}
		s.saw(kmsg.NewPtrProduceRequest())
		go wait()
		synctest.Wait()
		go wait() // these two came while a flush ran, and share the next
		go wait()
		synctest.Wait()
		step <- nil
		synctest.Wait()
		if back.Load() != 1 || flushes.Load() != 2 {
			t.Errorf("after the first flush %d are back and %d flushes began, want 1 and 2", back.Load(), flushes.Load())
		}
		if s.clean() {
			t.Error("the last produce request is not known to have been handled when the flush began")
		}
		step <- nil
		synctest.Wait()
		if back.Load() != 3 || flushes.Load() != 2 {
			t.Errorf("after the second flush %d are back and %d flushes began, want 3 and 2", back.Load(), flushes.Load())
		}
		s.saw(kmsg.NewPtrFetchRequest())
		go wait()
		synctest.Wait()
		step <- nil
		synctest.Wait()
		if !s.clean() {
			t.Error("a request after it was begun, so the produce request had been handled, and a flush followed")
		}
	})
}

func TestSyncerStaysBroken(t *testing.T) {
	broken := errors.New("broken")
	results := []error{broken, nil}
	failures := 0
	s := &syncer{
		flush: func() error { err := results[0]; results = results[1:]; return err },
		fail:  func(error) { failures++ },
	}
	for range 2 {
		if err := s.wait(); !errors.Is(err, broken) {
			t.Errorf("wait: %v", err)
		}
	}
	if failures != 1 || len(results) != 1 {
		t.Errorf("%d failures told and %d flushes, want 1 and 1", failures, 2-len(results))
	}
}

func FuzzRequests(f *testing.F) {
	frame := func(key kmsg.Key, correlation uint32, rest int) []byte {
		b := make([]byte, 12+rest)
		binary.BigEndian.PutUint32(b, uint32(8+rest))
		binary.BigEndian.PutUint16(b[4:], uint16(key))
		binary.BigEndian.PutUint32(b[8:], correlation)
		return b
	}
	f.Add(append(frame(kmsg.Produce, 1, 700), frame(kmsg.Fetch, 2, 0)...), uint8(3))
	f.Add(append(frame(kmsg.Metadata, 9, 5), 0, 0), uint8(200))
	f.Fuzz(func(t *testing.T, b []byte, chunk uint8) {
		var whole, parts requests
		whole.read(b)
		for rest := b; len(rest) > 0; {
			n := min(int(chunk)+1, len(rest))
			parts.read(rest[:n])
			rest = rest[n:]
		}
		if diff := cmp.Diff(whole.open, parts.open, cmp.AllowUnexported(request{})); diff != "" {
			t.Errorf("read in parts of %d bytes it differs: %s", int(chunk)+1, diff)
		}
		for len(whole.open) > 0 {
			first := whole.open[0]
			answer := binary.BigEndian.AppendUint32(make([]byte, 4), first.correlation)
			if r, ok := whole.answered(answer); !ok || r.key != first.key {
				t.Fatalf("answer to %v: %v %v", first, r, ok)
			}
		}
	})
}
