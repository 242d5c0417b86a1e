// Middleware wraps every handler of a consumer: here it counts and times them.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

func main() {
	handler := bus.HandlePattern("omninode.*", func(context.Context, bus.Delivery) error { return nil }, bus.Use(timed))
	if err := handler.Deliver(context.Background(), bus.Delivery{Attempt: 1}); err != nil {
		fmt.Println("error:", err)
	}
}

// timed says how long each event took.
func timed(next bus.HandlerFunc) bus.HandlerFunc {
	return func(ctx context.Context, d bus.Delivery) error {
		began := time.Now()
		err := next(ctx, d)
		fmt.Printf("attempt %d took %v: %v\n", d.Attempt, time.Since(began).Truncate(time.Second), bus.Judge(err))
		return err
	}
}
