package cli

import (
	"context"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/trace"
)

// watchTrace goes on with what is written of a flow after it was read, one line for each record, until ctx ends. Clocks of producers
// may be behind ours: what a minute before would have shown is read again, and left out where it was shown.
func (a *app) watchTrace(ctx context.Context, b *bus.Bus, t traced, asked time.Time) error {
	shown := map[bus.Coordinates]bool{}
	for _, r := range t.found.Records {
		shown[r.Coordinates()] = true
	}
	records := t.found.Records
	for r, err := range trace.Follow(ctx, b, t.flow.CorrelationID, asked.Add(-time.Minute)) {
		if err != nil {
			return err
		}
		if shown[r.Coordinates()] {
			continue
		}
		shown[r.Coordinates()] = true
		records = append(records, r)
		t.flow = trace.Build(t.flow.CorrelationID, records)
		line := t.twigOf(r.Coordinates())
		if line.text == "" { // a dead letter that its group wrote twice
			continue
		}
		if err := a.printTwigs([]twig{line}); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// twigOf is the line of the record at c, wherever in the flow it is.
func (t *traced) twigOf(c bus.Coordinates) (line twig) {
	began := t.flow.Began
	t.flow.All(func(n, _ *trace.Node, _ int) {
		if n.At != nil && *n.At == c {
			line = eventTwig(n, began)
		}
		for _, d := range n.Dead {
			if d.Coordinates() == c {
				line = t.deadTwig(d, began)
			}
		}
		for _, again := range n.Copies {
			if again.At == c {
				line = copyTwig(again, n.Type, began)
				line.text += ": " + shortType(n.Type)
			}
		}
	})
	return line
}
