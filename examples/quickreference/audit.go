package main

import (
	"context"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/audit"
)

func auditExecution(ctx context.Context, b *bus.Bus) error {
	_, err := b.Publish(ctx, audit.AgentExecution{
		AgentName:  "agent-code-quality",
		Task:       map[string]any{"file": "model_user.py"},
		Result:     map[string]any{"quality_score": 0.92},
		DurationMS: new(1234.0),
	})
	return err
}
