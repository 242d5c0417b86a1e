package event

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// Normalize applies the spec's aliases and defaults to the top level of payload. It returns payload itself where nothing
// changes. An alias beside the member that it stands for is an error: nobody can tell which is meant.
func (s Spec) Normalize(payload []byte) ([]byte, error) {
	if !s.mayChange(payload) {
		return payload, nil
	}
	var m map[string]json.RawMessage
	if err := jsonx.Unmarshal(payload, &m); err != nil {
		return nil, fmt.Errorf("read payload: %w", err)
	}
	changed := false
	for _, alias := range slices.Sorted(maps.Keys(s.Aliases)) {
		v, ok := m[alias]
		if !ok {
			continue
		}
		name := s.Aliases[alias]
		if _, both := m[name]; both {
			return nil, fmt.Errorf("payload has %q and its alias %q: send one of them", name, alias)
		}
		delete(m, alias)
		m[name] = v
		changed = true
	}
	for name, v := range s.Defaults {
		if _, ok := m[name]; !ok {
			m[name] = v
			changed = true
		}
	}
	if !changed {
		return payload, nil
	}
	return jsonx.Marshal(m)
}

// mayChange is a cheap look that spares most events the decoding.
func (s Spec) mayChange(payload []byte) bool {
	if len(s.Defaults) > 0 {
		return true
	}
	for alias := range s.Aliases {
		if mentions(payload, alias) {
			return true
		}
	}
	return false
}
