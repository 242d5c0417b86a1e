package client

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// absentFor is how long it is believed that a schema does not exist: one may be registered at any moment.
const absentFor = 2 * time.Second

// maxKept bounds the text of all schemas kept together.
const maxKept = 64 << 20

// memory keeps the answers that were asked for last: what is there for as long as there is room, as it never changes, and what is
// not there for a moment.
type memory struct {
	mu    *sync.Mutex
	most  int
	bytes int
	byKey map[string]*list.Element
	order *list.List // the last used first
}

type memo struct {
	key   string
	found Registered
	err   error     // nil: found
	until time.Time // of err
}

func newMemory(most int) memory {
	return memory{mu: new(sync.Mutex), most: most, byKey: map[string]*list.Element{}, order: list.New()}
}

// get gives what is remembered under key at the time now.
func (m *memory) get(key string, now time.Time) (Registered, error, bool) { //nolint:revive // the error is what is remembered
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.byKey[key]
	if !ok {
		return Registered{}, nil, false
	}
	kept, _ := at.Value.(*memo)
	if kept.err != nil && now.After(kept.until) {
		m.drop(at)
		return Registered{}, nil, false
	}
	m.order.MoveToFront(at)
	return kept.found, kept.err, true
}

func (m *memory) put(kept memo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.byKey[kept.key]; ok {
		m.drop(at)
	}
	m.byKey[kept.key] = m.order.PushFront(&kept)
	m.bytes += len(kept.found.Text)
	for len(m.byKey) > m.most || m.bytes > maxKept && len(m.byKey) > 1 {
		m.drop(m.order.Back())
	}
}

func (m *memory) drop(at *list.Element) {
	kept, _ := m.order.Remove(at).(*memo)
	delete(m.byKey, kept.key)
	m.bytes -= len(kept.found.Text)
}

// Stats counts what a client did since it was made.
type Stats struct {
	Hits     int64 // schemas that were in memory
	Misses   int64 // schemas that the registry was asked for
	Requests int64 // of HTTP, all of them
	Failed   int64 // requests that no working registry answered
}

type counts struct{ hits, misses, requests, failed atomic.Int64 }

// Stats tells what the client did so far.
func (c *Client) Stats() Stats {
	return Stats{
		Hits: c.counts.hits.Load(), Misses: c.counts.misses.Load(),
		Requests: c.counts.requests.Load(), Failed: c.counts.failed.Load(),
	}
}
