// Quickreference is the Go code of docs/quick-reference.md: one file is one block. Run it against "omnibus up" with what to do:
//
//	KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 go run ./examples/quickreference publish
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickreference:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	blocks := map[string]func(context.Context, *bus.Bus) error{
		"publish": publish, "broadcast": broadcast, "batch": batch, "audit": auditExecution, "consume": consume, "register": register, "request": request, "settings": settings, "fail": fail,
	}
	if len(args) != 1 || blocks[args[0]] == nil {
		return fmt.Errorf("say what to do: one of %v", slices.Sorted(maps.Keys(blocks)))
	}
	cfg, err := bus.ConfigFromEnv("quickreference", contracts.Catalog())
	if err != nil {
		return err
	}
	b, err := bus.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return blocks[args[0]](ctx, b)
}
