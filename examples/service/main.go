// Service answers requests until it is told to stop, then finishes what it has begun. All of its configuration comes from
// KAFKA_* variables; "omnibus config show" lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/contracts/codegen"
	"github.com/omninode-ai/omnibus/contracts/intelligence"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	cfg, err := bus.ConfigFromEnv("validator", contracts.Catalog())
	if err != nil {
		return err
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	b, err := bus.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()

	consumer, err := bus.ConsumerFromEnv(bus.Consumer{Group: "validator"})
	if err != nil {
		return err
	}
	// Consume returns when ctx has ended and the running handlers are through.
	return b.Consume(ctx, consumer, bus.Handle(validator{b}.validate))
}

type validator struct{ bus *bus.Bus }

// validate answers, and says so to everybody. ctx carries the request: both events belong to its flow, and a redelivery
// publishes them under the same ids.
func (v validator) validate(ctx context.Context, e bus.Event[codegen.ValidateRequest]) error {
	score := 0.5
	if strings.Contains(e.Payload.CodeContent, "class ") {
		score = 0.9
	}
	_, err := v.bus.PublishAll(
		ctx,
		bus.Outgoing{Payload: codegen.ValidateResponse{QualityScore: score, ONEXCompliance: score}},
		bus.Outgoing{Payload: intelligence.QualityAssessed{EntityID: string(e.Envelope.CorrelationID), QualityScore: score}},
	)
	return err
}
