package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/schema"
)

// SchemaSource is a schema registry, as far as the bus asks it: about the types that the catalogue does not have, and for the ids
// of those that it has where they are to be published with one. An error that is not an ErrNoSchema means that nothing is known
// now: what depends on it waits. It is asked for the same thing again and should remember what cannot change.
type SchemaSource interface {
	FindSchema(ctx context.Context, ref SchemaRef) (FoundSchema, error)
}

// SchemaRef names a schema: by GUID or ID, whichever is not zero; else it is the version of Subject that says Text, or without a
// Text the newest one. With a GUID the Subject is where it most likely is.
type SchemaRef struct {
	GUID    [16]byte
	ID      uint32
	Subject string
	Text    []byte
}

func (r SchemaRef) String() string {
	switch {
	case r.GUID != [16]byte{}:
		return "schema " + schema.GUIDText(r.GUID)
	case r.ID != 0:
		return fmt.Sprintf("schema %d", r.ID)
	case r.Text != nil:
		return "the catalogue's schema under " + r.Subject
	}
	return "the newest schema of " + r.Subject
}

// FoundSchema is what a registry has.
type FoundSchema struct {
	ID   uint32
	GUID [16]byte
	Text []byte // nil: not JSON Schema, or nothing that events can be held against; they pass
}

// registered keeps what a registry said, compiled. What has a name of its own never changes; what is the newest is asked for again
// after a while, and the last answer holds while nobody answers.
type registered struct {
	source SchemaSource // nil: there is none
	log    *slog.Logger

	mu     sync.Mutex
	byRef  map[refKey]known
	byType map[event.Topic]FoundSchema // of the catalogue's types: what they are registered as
}

type refKey struct {
	guid    [16]byte
	id      uint32
	subject string // of the newest
}

type known struct {
	schema *schema.Schema // nil: events pass
	found  FoundSchema
	until  time.Time // zero: for ever
}

const (
	newestFor = time.Minute // how long the newest version of a subject is taken for it
	maxKnown  = 2_000       // schemas that are kept compiled; more than that and they are all made anew
)

// rememberedAbsent is how soon a registry is asked again for a schema that it does not have: one event may overtake its schema.
const rememberedAbsent = 2 * time.Second

// foreign tells whether a registry, where there is one, is to say what the events of a topic are: the catalogue knows its own.
func (b *Bus) foreign(t event.Topic) bool {
	_, declared := b.cfg.Catalog.Lookup(b.typeOf(t.Source()))
	return !declared && b.cfg.Schemas != nil && b.cfg.Validation == Validate && t[0] != '_'
}

// holdForeign holds a record of a type that the catalogue lacks against what the registry says of it.
func (r *registered) holdForeign(ctx context.Context, rec *kgo.Record) error {
	ref, named := namedSchema(rec)
	k, err := r.find(ctx, ref)
	switch {
	case errors.Is(err, ErrNoSchema) && !named:
		return nil // nobody ever said what it should be
	case errors.Is(err, ErrNoSchema):
		return RetryAfter(rememberedAbsent, &contentError{ClassUnknownSchema, fmt.Errorf("the event says that it follows %s: %w", ref, err)})
	case err != nil:
		return Unavailable(err)
	case k.schema == nil:
		return nil
	}
	body, _, _ := event.CutSchemaID(rec.Value)
	switch err := holdAgainst(k.schema, body); {
	case errors.Is(err, ErrInvalid):
		return &contentError{ClassInvalid, fmt.Errorf("by %s: %w", ref, err)}
	case err != nil:
		return Unavailable(err) // nobody can tell now
	}
	return nil
}

// holdOutgoing holds a value of a type that the catalogue lacks against the newest schema of its topic.
func (r *registered) holdOutgoing(ctx context.Context, topic event.Topic, value []byte) error {
	k, err := r.find(ctx, SchemaRef{Subject: topic.Source().Subject()})
	if errors.Is(err, ErrNoSchema) || err == nil && k.schema == nil {
		return nil
	}
	if err != nil {
		return err
	}
	return holdAgainst(k.schema, value)
}

// holdAgainst checks a value. An error that is not an ErrInvalid is about the schema, not the event.
func holdAgainst(s *schema.Schema, value []byte) error {
	_, err := s.Scan(value)
	if _, invalid := errors.AsType[*schema.Invalid](err); invalid {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}

// find gives what ref names, compiled.
func (r *registered) find(ctx context.Context, ref SchemaRef) (known, error) {
	key := refKey{guid: ref.GUID, id: ref.ID}
	if key == (refKey{}) {
		key.subject = ref.Subject
	}
	r.mu.Lock()
	k, ok := r.byRef[key]
	r.mu.Unlock()
	if ok && (k.until.IsZero() || time.Now().Before(k.until)) {
		return k, nil
	}
	found, err := r.source.FindSchema(ctx, ref)
	if err != nil {
		if ok && !errors.Is(err, ErrNoSchema) {
			return k, nil
		}
		return known{}, err
	}
	fresh := known{found: found}
	if found.Text != nil {
		if fresh.schema, err = schema.Parse(found.Text); err != nil {
			r.log.WarnContext(ctx, "a schema of the registry cannot be used: its events are not validated",
				slog.String("schema", ref.String()), slog.String("error", cut(err.Error(), maxMessage)))
		}
	}
	if key.subject != "" {
		fresh.until = time.Now().Add(newestFor)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.byRef) >= maxKnown {
		clear(r.byRef)
	}
	r.byRef[key] = fresh
	return fresh, nil
}

// guid is the GUID of what the events of a type follow: for those of the catalogue it is known without asking anyone.
func (s *schemas) guid(ctx context.Context, spec event.Spec, topic event.Topic) ([16]byte, error) {
	if spec.Schema == nil {
		k, err := s.named(ctx, topic)
		return k.GUID, err
	}
	text, err := s.text(spec)
	return text.GUID, err
}

// id is the id that the registry gave to what the events of a type follow.
func (s *schemas) id(ctx context.Context, spec event.Spec, topic event.Topic) (uint32, error) {
	if s.registered.source == nil {
		return 0, fmt.Errorf("%w: %s is to be published with an id, and there is no registry to ask for it; set SCHEMA_REGISTRY_URL", ErrNoSchema, topic)
	}
	if spec.Schema == nil {
		k, err := s.named(ctx, topic)
		return k.ID, err
	}
	t, err := s.text(spec)
	if err != nil || t.ID != 0 {
		return t.ID, err
	}
	ref := SchemaRef{Subject: topic.Source().Subject(), Text: t.Text}
	found, err := s.registered.source.FindSchema(ctx, ref)
	if err != nil {
		return 0, fmt.Errorf("the id to publish %s with: %w", topic, err)
	}
	t.ID = found.ID
	s.registered.mu.Lock()
	s.registered.byType[spec.Topic] = t
	s.registered.mu.Unlock()
	return t.ID, nil
}

// named is what an event of a type that the catalogue lacks can be published as.
func (s *schemas) named(ctx context.Context, topic event.Topic) (FoundSchema, error) {
	if s.registered.source == nil {
		return FoundSchema{}, fmt.Errorf("%w: neither the catalogue nor a registry says what %s is", ErrNoSchema, topic)
	}
	k, err := s.registered.find(ctx, SchemaRef{Subject: topic.Source().Subject()})
	return k.found, err
}

// text is what a type of the catalogue is registered as, and its GUID; its id too, once that is known.
func (s *schemas) text(spec event.Spec) (FoundSchema, error) {
	r := &s.registered
	r.mu.Lock()
	t, ok := r.byType[spec.Topic]
	r.mu.Unlock()
	if ok {
		return t, nil
	}
	text, err := schema.Registrable(spec.Schema)
	if err != nil {
		return FoundSchema{}, fmt.Errorf("schema of %s (%s): %w", spec.Topic, spec.File, err)
	}
	t = FoundSchema{Text: text, GUID: schema.GUID(string(text), nil, nil, nil)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.byType[spec.Topic]; ok {
		return other, nil // with an id, perhaps
	}
	r.byType[spec.Topic] = t
	return t, nil
}
