package bus

import (
	"maps"
	"slices"
	"sync"
)

// health is what keeps the bus from being ready, by what it is about.
type health struct {
	mu     sync.Mutex
	faults map[string]string
}

func (h *health) fault(what, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.faults == nil {
		h.faults = map[string]string{}
	}
	h.faults[what] = why
}

func (h *health) clear(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.faults, what)
}

// Faults says what keeps the bus from working now, in plain words; none means that it works as far as it knows.
func (b *Bus) Faults() []string {
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	var out []string
	for _, what := range slices.Sorted(maps.Keys(b.health.faults)) {
		out = append(out, what+": "+b.health.faults[what])
	}
	return out
}
