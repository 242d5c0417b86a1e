package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/omninode-ai/omnibus/bus"
)

// publishTimes publishes what next makes as often as --count says.
func (a *app) publishTimes(ctx context.Context, o publishOptions, next func() bus.Outgoing) error {
	made := 0
	m := &many{
		unit: "event",
		resume: func(n int) string {
			return fmt.Sprintf("omnibus publish %s --count %d, with the payload and the flags as before", shellQuote(o.target), o.count-n+1)
		},
		next: func(ctx context.Context, most int) ([]item, error) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if made == o.count {
				return nil, io.EOF
			}
			items := make([]item, min(most, o.count-made))
			for i := range items {
				made++
				items[i] = item{number: made, out: next()}
			}
			return items, nil
		},
		told: a.startProgress("published", int64(o.count)),
	}
	return a.publishMany(ctx, o, m)
}
