package main

import (
	"context"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/bridge"
	"github.com/omninode-ai/omnibus/event"
)

func request(ctx context.Context, b *bus.Bus) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	asked, err := b.Publish(ctx, bridge.StampRequest{Content: "class Test: pass"}, bus.WithCorrelation("abc-123"))
	if err != nil {
		return err
	}
	answers := bus.Range{Topics: []event.Glob{"omninode.bridge.response.stamp.v1"}, From: bus.AtTime(asked.Time), Follow: true}
	for rec, err := range b.Scan(ctx, answers) {
		if err != nil {
			return err
		}
		answer, err := event.Decode(rec.Value)
		if err == nil && answer.CausationID == asked.ID {
			fmt.Println(answer.CorrelationID, string(answer.Payload)) // → abc-123 {"blake3_hash":"
			return nil
		}
	}
	return context.Cause(ctx)
}
