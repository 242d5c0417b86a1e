package broker

import (
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// controls are the functions that see requests before the broker inside handles them. While one of them runs, that broker also
// takes the order to shut down: it would then save its state and handle the request afterwards, whose records would lie in the log
// with nobody knowing their producer's sequence. So before the order is given no request may be between its function and its
// handling.
type controls struct {
	inner *kfake.Cluster

	mu      sync.Mutex
	handled *sync.Cond
	closing bool
	between kmsg.Request // passed its function; nil: it is being handled, or was
}

// closeWithin bounds the wait for a request that the broker inside refuses before it comes to handling it.
const closeWithin = time.Second

var errClosing = errors.New("the broker closes")

func newControls(inner *kfake.Cluster) *controls {
	c := &controls{inner: inner}
	c.handled = sync.NewCond(&c.mu)
	return c
}

// add shows fn every request of a kind. It stays also after it has answered one.
func (c *controls) add(key kmsg.Key, fn func(kmsg.Request) (kmsg.Response, error, bool)) {
	c.inner.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.inner.KeepControl()
		c.mu.Lock()
		if c.closing {
			c.mu.Unlock()
			return nil, errClosing, true
		}
		c.between = r // whatever was before it has been handled: there is one at a time
		c.mu.Unlock()
		resp, err, answered := fn(r)
		if answered {
			c.begins()
		}
		return resp, err, answered
	})
}

// begins notes that the broker inside handles a request, and takes no order until it has.
func (c *controls) begins() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.between = nil
	c.handled.Broadcast()
}

// close lets no further request pass.
func (c *controls) close() {
	late := false
	timer := time.AfterFunc(closeWithin, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		late = true
		c.handled.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	for c.between != nil && !late {
		c.handled.Wait()
	}
}

// observe calls fn, from where requests are handled, at least once for each that is about to be: before anything is written.
func observe(c *kfake.Cluster, fn func(kmsg.Request)) {
	when := func(r kmsg.Request) bool {
		fn(r)
		return false
	}
	c.Fault(kfake.Fault{Count: -1, When: when}, kfake.Fault{Count: -1, TopLevel: true, When: when})
}
