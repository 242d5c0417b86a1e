package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// schemas compiles the catalogue's schemas when they are first needed, closed for publishing and open for consuming.
type schemas struct {
	mu     sync.RWMutex
	closed map[event.Topic]*schema.Schema
	open   map[event.Topic]*schema.Schema

	registered registered // for the types that the catalogue lacks
}

func (s *schemas) init(source SchemaSource, log *slog.Logger) {
	s.closed, s.open = map[event.Topic]*schema.Schema{}, map[event.Topic]*schema.Schema{}
	s.registered = registered{source: source, log: log, byRef: map[refKey]known{}, byType: map[event.Topic]FoundSchema{}}
}

func (s *schemas) get(spec event.Spec, role schema.Role) (*schema.Schema, error) {
	m := s.open
	if role == schema.Producer {
		m = s.closed
	}
	s.mu.RLock()
	compiled := m[spec.Topic]
	s.mu.RUnlock()
	if compiled != nil {
		return compiled, nil
	}
	value, err := schema.Compose(spec.Schema, role)
	if err != nil {
		return nil, fmt.Errorf("schema of %s (%s): %w", spec.Topic, spec.File, err)
	}
	compiled, err = schema.Parse(value)
	if err != nil {
		return nil, fmt.Errorf("schema of %s (%s): %w", spec.Topic, spec.File, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := m[spec.Topic]; first != nil {
		return first, nil // and its counts go on
	}
	m[spec.Topic] = compiled
	return compiled, nil
}

// check holds a payload against the schema of its type. An error that is not an ErrInvalid is about the schema, not the event.
func (s *schemas) check(spec event.Spec, role schema.Role, payload []byte) error {
	compiled, err := s.get(spec, role)
	if err != nil {
		return err
	}
	if err := compiled.ScanPayload(payload); err != nil {
		if _, invalid := errors.AsType[*schema.Invalid](err); invalid {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return err
	}
	return nil
}

// decodePayload turns a payload into its Go type.
func decodePayload(payload []byte, into any) error {
	if err := jsonx.Unmarshal(payload, into); err != nil {
		return &contentError{class: ClassInvalid, err: fmt.Errorf("payload does not fit %T: %w", into, err)}
	}
	return nil
}
