package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// otherTopic stands for every topic that there is no room for.
const otherTopic = "_other"

// maxSeries bounds how many kinds of series one cache makes, so that no caller's input can fill the memory.
const maxSeries = 5_000

// cache finds the series of a kind with one map lookup and no lock: the metrics library would hash every label each time. The map is
// replaced when it grows, which is rare.
type cache[K comparable, V any] struct {
	make  func(K) V
	other func(K) K // the kind that stands for k where there is no room

	found atomic.Pointer[map[K]V]
	mu    sync.Mutex
}

func (c *cache[K, V]) get(k K) V {
	if found := c.found.Load(); found != nil {
		if v, ok := (*found)[k]; ok {
			return v
		}
	}
	return c.add(k)
}

func (c *cache[K, V]) add(k K) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	grown := map[K]V{}
	if found := c.found.Load(); found != nil {
		if len(*found) >= maxSeries {
			k = c.other(k)
		}
		if v, ok := (*found)[k]; ok {
			return v
		}
		grown = maps.Clone(*found)
	}
	v := c.make(k)
	grown[k] = v
	c.found.Store(&grown)
	return v
}
