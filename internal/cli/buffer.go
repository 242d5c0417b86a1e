package cli

import (
	"io"
	"sync"
	"time"
)

const (
	bufferBytes = 64 << 10
	bufferTime  = 25 * time.Millisecond // how long something may lie in a buffer: nobody sees that
)

// buffered gathers what comes in quick succession into few writes. What is in it is written once it is much, or has been in it
// for bufferTime.
type buffered struct {
	w io.Writer

	mu    sync.Mutex
	buf   []byte
	err   error       // of a write, for good
	timer *time.Timer // runs while something is in buf
}

func newBuffered(w io.Writer) *buffered {
	b := &buffered{w: w}
	b.timer = time.AfterFunc(time.Hour, b.now)
	b.timer.Stop()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && len(b.buf) == 0 {
		b.timer.Reset(bufferTime)
	}
	b.buf = append(b.buf, p...)
	if len(b.buf) >= bufferBytes {
		b.flush()
	}
	if b.err != nil {
		return 0, b.err
	}
	return len(p), nil
}

// now writes what is there. An error is that of the next Write.
func (b *buffered) now() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
}

func (b *buffered) flush() {
	b.timer.Stop()
	if b.err == nil && len(b.buf) > 0 {
		_, b.err = b.w.Write(b.buf)
	}
	b.buf = b.buf[:0]
}

// Close writes what is left. Nothing may be written afterwards.
func (b *buffered) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
	return b.err
}
