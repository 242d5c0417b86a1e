package bus

import (
	"cmp"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
)

// Validations says how the events of one type were held against its schema so far.
type Validations struct {
	Type      event.Topic
	Publisher bool          // by publishing, where the schema is closed; else by consuming
	Counts    schema.Counts // since the type's first event
	Slow      []string      // pointers to the rules that are left to the slower library; see [schema.Schema.Slow]
}

// Validations are the event types that were validated so far, in the order of their names.
func (b *Bus) Validations() []Validations { return b.schemas.validations() }

func (s *schemas) validations() []Validations {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Validations
	for publisher, compiled := range map[bool]map[event.Topic]*schema.Schema{true: s.closed, false: s.open} {
		for typ, one := range compiled {
			all = append(all, Validations{Type: typ, Publisher: publisher, Counts: one.Counts(), Slow: one.Slow()})
		}
	}
	slices.SortFunc(all, func(a, b Validations) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), strings.Compare(a.side(), b.side()))
	})
	return all
}

func (v Validations) side() string {
	if v.Publisher {
		return "publish"
	}
	return "consume"
}
