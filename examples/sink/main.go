// Sink writes every record of a domain to standard output in batches, as it would to a database: what fails alone is named
// alone, and the rest of the batch is settled.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	cfg, err := bus.ConfigFromEnv("sink", contracts.Catalog())
	if err != nil {
		return err
	}
	b, err := bus.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	batch := bus.Batch{Max: 1000, Linger: 200 * time.Millisecond}
	return b.Consume(ctx, bus.Consumer{Group: "sink"}, bus.HandleBatch("omninode.bridge.*", batch, write))
}

func write(_ context.Context, rs []bus.Record) error {
	failed := bus.BatchError{}
	for i, r := range rs {
		if _, err := fmt.Println(r.Topic, r.Partition, r.Offset, len(r.Value)); err != nil {
			failed[i] = err
		}
	}
	if len(failed) > 0 {
		return failed
	}
	return nil
}
