package bus

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
)

// SchemaID says how a published event names the schema that it was held against. All forms are read, whatever is set.
type SchemaID string

// The forms. "x-omnibus.wire" of an event type goes before what the bus is set to.
const (
	NoSchemaID     SchemaID = "none"   // the topic and the version say it
	HeaderSchemaID SchemaID = "header" // a header of 17 bytes, the GUID of its content; the value stays plain JSON
	PrefixSchemaID SchemaID = "prefix" // five bytes before the value, with the id of a registry, which is asked once for each type
)

// The header of the GUID form: a byte that says which form, and the GUID.
const (
	headerValueSchema = "__value_schema_id"
	guidForm          = 1
	guidHeaderSize    = 17
)

func (f SchemaID) legal() error {
	switch f {
	case "", NoSchemaID, HeaderSchemaID, PrefixSchemaID:
		return nil
	}
	return fmt.Errorf("config: SchemaID %q: want none, header or prefix", string(f))
}

// namedSchema is the schema that a record says it follows. The header goes before the prefix.
func namedSchema(rec *kgo.Record) (ref SchemaRef, ok bool) {
	ref.Subject = event.Topic(rec.Topic).Source().Subject()
	for _, h := range rec.Headers {
		if h.Key == headerValueSchema && len(h.Value) == guidHeaderSize && h.Value[0] == guidForm {
			ref.GUID = [16]byte(h.Value[1:])
			return ref, true
		}
	}
	_, ref.ID, ok = event.CutSchemaID(rec.Value)
	return ref, ok
}

// stamp makes a record name its schema, in the form that is set for its type. What names one already is left as it is.
func (b *Bus) stamp(ctx context.Context, spec event.Spec, rec *kgo.Record) error {
	form := b.cfg.SchemaID
	if spec.Wire != "" {
		form = SchemaID(spec.Wire)
	}
	if form != HeaderSchemaID && form != PrefixSchemaID {
		return nil
	}
	if _, named := namedSchema(rec); named {
		return nil
	}
	if form == HeaderSchemaID {
		guid, err := b.schemas.guid(ctx, spec, event.Topic(rec.Topic))
		if err != nil {
			return err
		}
		rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: headerValueSchema, Value: append([]byte{guidForm}, guid[:]...)})
		return nil
	}
	id, err := b.schemas.id(ctx, spec, event.Topic(rec.Topic))
	if err != nil {
		return err
	}
	rec.Value = append(event.AppendSchemaID(make([]byte, 0, len(rec.Value)+5), id), rec.Value...)
	return nil
}
