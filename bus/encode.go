package bus

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/schema"
)

// Encoder makes the records that a bus would publish, without a broker.
type Encoder struct{ bus *Bus }

// NewEncoder returns the encoder of a bus that is configured so.
func NewEncoder(cfg Config) (*Encoder, error) {
	b, err := newBus(cfg)
	if err != nil {
		return nil, fmt.Errorf("new encoder: %w", err)
	}
	b.end()
	return &Encoder{b}, nil
}

// Encode gives the record that [Bus.PublishAll] would write for o: normalised, validated, keyed. It fails as that would, as far
// as that can be known without a broker. Partition and Offset are -1, unless the record keeps its partition.
func (e *Encoder) Encode(ctx context.Context, o Outgoing) (Record, error) {
	var (
		r   Result
		rec kgo.Record
	)
	err := e.bus.encode(ctx, &o, &r, &rec)
	if err == nil && o.Record == nil {
		err = e.bus.small(&rec)
	}
	if err != nil {
		return Record{}, &Error{Op: "encode", Topic: r.Topic, Partition: -1, Offset: -1, Err: err}
	}
	out := fromKafka(&rec)
	out.Partition, out.Offset = -1, -1
	if o.KeepPartition {
		out.Partition = o.Record.Partition
	}
	return out, nil
}

// encode makes the record of an event: normalised, validated, keyed, encoded. No broker is asked.
func (b *Bus) encode(ctx context.Context, o *Outgoing, r *Result, rec *kgo.Record) error {
	if from := o.Record; from != nil {
		r.Topic = from.Topic
		rec.Topic, rec.Key, rec.Value, rec.Headers = string(r.Topic), from.Key, from.Value, toKafkaHeaders(from.Headers)
		if o.KeepTime {
			rec.Timestamp = from.Timestamp
		}
		if o.KeepPartition {
			rec.Context = keptPartition{b.life, from.Partition}
		}
		return nil
	}
	if o.Raw != nil {
		r.Topic = o.Topic
		rec.Topic, rec.Key, rec.Value, rec.Headers = string(o.Topic), o.Key, o.Raw, toKafkaHeaders(o.Headers)
		return nil
	}
	if o.Envelope == nil {
		if o.Payload == nil {
			return fmt.Errorf("%w: an Outgoing without Payload, Envelope or Raw", ErrInvalid)
		}
		e, err := b.wrap(ctx, o.Payload)
		if err != nil {
			return err
		}
		if !o.ID.IsZero() {
			e.ID = o.ID
		}
		o.Envelope = &e
	}
	e := *o.Envelope
	r.Envelope, r.Topic = e, o.Topic
	if r.Topic == "" {
		r.Topic = b.topicOf(e.Type)
	}
	spec, declared := b.cfg.Catalog.Lookup(e.Type)
	if !declared && b.cfg.Undeclared != Allow {
		if b.cfg.Undeclared != Warn {
			return fmt.Errorf("%w: the catalogue has no event type %s", ErrUnknownTopic, e.Type)
		}
		b.log.WarnContext(ctx, "publish of an undeclared event type", slog.String("event_type", string(e.Type)))
	}
	if declared {
		payload, err := spec.Normalize(e.Payload)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		e.Payload = payload
		if b.cfg.Validation == Validate {
			if err := b.schemas.check(spec, schema.Producer, payload); err != nil {
				return err
			}
		}
	}
	value, err := e.AppendJSON(make([]byte, 0, 512+len(e.Payload)))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !declared && b.foreign(r.Topic) {
		if err := b.schemas.registered.holdOutgoing(ctx, r.Topic, value); err != nil {
			return err
		}
	}
	r.Envelope = e
	rec.Topic, rec.Value, rec.Headers = string(r.Topic), value, headersOf(e, o.Headers)
	if err := b.stamp(ctx, spec, rec); err != nil {
		return err
	}
	rec.Timestamp = e.Time
	switch {
	case o.NullKey:
	case o.Key != nil:
		rec.Key = o.Key
	default:
		rec.Key = keyOf(spec, e)
	}
	return nil
}
