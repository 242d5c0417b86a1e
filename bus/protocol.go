package bus

import (
	"context"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/spi"
)

// The bus keeps the contracts of the ONEX protocol.
var (
	_ spi.EventPublisher  = (*Bus)(nil)
	_ spi.EventSubscriber = (*Bus)(nil)
	_ spi.EventEnvelope   = Delivery{}
)

// PublishEvent publishes payload, a JSON object, as an event of the type that topic names; see [Bus.Publish] for its errors.
func (b *Bus) PublishEvent(ctx context.Context, topic string, payload []byte, correlationID string) error {
	e := b.raw(ctx, topic, payload)
	if correlationID != "" {
		e.CorrelationID = event.CorrelationID(correlationID)
	}
	_, err := b.PublishAll(ctx, Outgoing{Envelope: &e})
	return err
}

// PublishBatch publishes the payloads in their order and returns one error per payload.
func (b *Bus) PublishBatch(ctx context.Context, topic string, payloads [][]byte) []error {
	out := make([]Outgoing, len(payloads))
	for i, p := range payloads {
		e := b.raw(ctx, topic, p)
		out[i].Envelope = &e
	}
	results, _ := b.PublishAll(ctx, out...) // the error joins those of the results
	errs := make([]error, len(results))
	for i, r := range results {
		errs[i] = r.Err
	}
	return errs
}

func (b *Bus) raw(ctx context.Context, topic string, payload []byte) event.Envelope {
	e := event.New(ctx, event.Topic(topic), payload, b.source, time.Now())
	if spec, ok := b.cfg.Catalog.Lookup(e.Type); ok {
		e.Version = spec.Version
	}
	return e
}

// Subscribe hands every event of topics, names or globs, to handler, until ctx ends: [Bus.Consume] with [HandleObject].
func (b *Bus) Subscribe(ctx context.Context, group string, topics []string, handler spi.EventHandler) error {
	hs := make([]Handler, len(topics))
	for i, t := range topics {
		hs[i] = HandleObject(event.Glob(t), handler)
	}
	return b.Consume(ctx, Consumer{Group: group}, hs...)
}

// EventID implements [spi.EventEnvelope].
func (d Delivery) EventID() string { return d.Envelope.ID.String() }

// CorrelationID implements [spi.EventEnvelope].
func (d Delivery) CorrelationID() string { return string(d.Envelope.CorrelationID) }

// CausationID implements [spi.EventEnvelope].
func (d Delivery) CausationID() string {
	if d.Envelope.CausationID.IsZero() {
		return ""
	}
	return d.Envelope.CausationID.String()
}

// EventType implements [spi.EventEnvelope].
func (d Delivery) EventType() string { return string(d.Envelope.Type) }

// SchemaVersion implements [spi.EventEnvelope].
func (d Delivery) SchemaVersion() string { return d.Envelope.Version }

// PayloadJSON implements [spi.EventEnvelope].
func (d Delivery) PayloadJSON() []byte { return d.Envelope.Payload }
