package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// readyTopic takes one record at each start, so that ready means that an event went in and came out.
const readyTopic event.Topic = "_omnibus.ready"

// roundTrip publishes a record and reads it again.
func roundTrip(ctx context.Context, b *bus.Bus) error {
	id := event.NewID().String()
	sent, err := b.PublishAll(ctx, bus.Outgoing{Topic: readyTopic, Key: []byte(b.Service()), Raw: []byte(`{"id":"` + id + `"}`)})
	if err != nil {
		return fmt.Errorf("readiness round trip: %w", err)
	}
	at := sent[0]
	r := bus.Range{
		Topics: []event.Glob{event.Glob(readyTopic)}, Partitions: []int32{at.Partition},
		From: bus.AtOffset(at.Offset), To: bus.AtOffset(at.Offset + 1),
	}
	for rec, err := range b.Scan(ctx, r) {
		if err != nil {
			return fmt.Errorf("readiness round trip: %w", err)
		}
		if string(rec.Value) == `{"id":"`+id+`"}` {
			return nil
		}
	}
	return errors.New("readiness round trip: what was published did not come out again")
}
