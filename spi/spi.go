// Package spi holds the contracts of the ONEX protocol as Go interfaces. It imports nothing but the standard library, so that
// code may be written against the event bus without depending on it. Package bus implements the bus's side; services
// implement [EventHandler].
package spi

import "context"

// EventEnvelope is an event as its readers see it: which one it is, and what it says.
type EventEnvelope interface {
	EventIdentity
	EventContent
}

// EventIdentity says which event it is and what it belongs to.
type EventIdentity interface {
	// EventID is the UUID that names the event for ever.
	EventID() string
	// CorrelationID links the events of one flow.
	CorrelationID() string
	// CausationID is the id of the event that caused this one, or "".
	CausationID() string
}

// EventContent says what happened.
type EventContent interface {
	// EventType is the full name of the event's topic.
	EventType() string
	// SchemaVersion is the semantic version of the payload's schema.
	SchemaVersion() string
	// PayloadJSON is the payload, a JSON object. It must not be changed.
	PayloadJSON() []byte
}

// EventPublisher publishes events. A nil error means that the event is in the log and will stay there.
type EventPublisher interface {
	// PublishEvent publishes payload, a JSON object, under the event type named by topic. Where correlationID is "", the
	// context's is used, or a new one.
	PublishEvent(ctx context.Context, topic string, payload []byte, correlationID string) error
	// PublishBatch publishes the payloads in their order and returns one error per payload, nil where it is in the log.
	PublishBatch(ctx context.Context, topic string, payloads [][]byte) []error
}

// EventSubscriber delivers events to handlers.
type EventSubscriber interface {
	// Subscribe hands every event of topics, names or globs, to handler, until ctx is done. Members of one group share the
	// events; what the group has acknowledged does not come again.
	Subscribe(ctx context.Context, group string, topics []string, handler EventHandler) error
}

// EventHandler handles events.
type EventHandler interface {
	// CanHandle reports whether the handler takes events of this type.
	CanHandle(eventType string) bool
	// HandleEvent handles one event, given as its envelope in JSON. True acknowledges it; false has it tried again and in the
	// end set aside as a dead letter. An error does the same as false and says why.
	HandleEvent(ctx context.Context, envelope []byte) (ack bool, err error)
}

// SchemaRegistry keeps the schemas of event types by subject, "<topic>-value".
type SchemaRegistry interface {
	// RegisterSchema adds a version of the subject's schema and returns its id, the same id where it is there already.
	RegisterSchema(ctx context.Context, subject string, schema []byte) (id int, err error)
	// Validate checks value against the subject's latest schema.
	Validate(ctx context.Context, subject string, value []byte) error
	// GetSchema returns the schema with that id.
	GetSchema(ctx context.Context, id int) ([]byte, error)
}
