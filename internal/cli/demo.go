package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/demo"
)

type demoOptions struct{ ordering bool }

// demoWithin is how long a demonstration may take: joining a group takes a few seconds on a large cluster.
const demoWithin = 30 * time.Second

type demoDoc struct {
	Schema   string        `json:"schema"`
	Flows    []demoFlow    `json:"flows"`
	Ordering *demoOrdering `json:"ordering,omitzero"`
	Next     []string      `json:"next"` // commands to be pasted
}

type demoFlow struct {
	CorrelationID string      `json:"correlation_id"`
	Works         bool        `json:"works"`
	Events        []demoEvent `json:"events"`
}

type demoEvent struct {
	AfterMS    int64       `json:"after_ms"`
	EventType  event.Topic `json:"event_type"`
	Service    string      `json:"service"`
	Topic      event.Topic `json:"topic"`
	Partition  int32       `json:"partition"`
	Offset     int64       `json:"offset"`
	DeadLetter string      `json:"dead_letter,omitzero"` // its id
	Group      string      `json:"group,omitzero"`
	Attempts   int         `json:"attempts,omitzero"`
	Error      string      `json:"error,omitzero"`
}

type demoOrdering struct {
	Topic      event.Topic `json:"topic"`
	Partitions []int32     `json:"partitions"`
	Published  []string    `json:"published"`
	Turns      []demoTurn  `json:"turns"`
}

type demoTurn struct {
	AfterMS int64  `json:"after_ms"`
	Key     string `json:"key"`
	Number  int    `json:"number"`
	Attempt int    `json:"attempt"`
	Handled bool   `json:"handled"`
}

func newDemoCmd(a *app) *cobra.Command {
	var o demoOptions
	cmd := prints(&cobra.Command{
		Use:   "demo",
		Short: "See a flow that works and one that fails, and what to do about it",
		Long: "Starts two toy services in this process, and publishes what makes one flow that works and one that ends as a dead letter. Groups are\n" +
			"called demo-…; events of others are passed over; topics that are missing are created. It can be run again and again.\n\n" +
			"With --ordering it shows that an event that fails holds up later events of its key, and no others.",
		Example: `omnibus demo
omnibus demo --ordering
omnibus demo -b redpanda-0:9092 -o json`,
		Args: a.wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), a, o) },
	}, formatTable, formatJSON)
	cmd.Flags().BoolVar(&o.ordering, "ordering", false, "one partition, three keys, and one of them fails")
	return cmd
}

func runDemo(ctx context.Context, a *app, o demoOptions) error {
	showing, cancel := context.WithTimeoutCause(ctx, max(demoWithin, a.flags.timeout), errDemoTime)
	defer cancel()
	show := a.demoFlows
	if o.ordering {
		show = a.demoOrdering
	}
	err := show(showing)
	if errors.Is(err, errDemoTime) || ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fail(codeTimeout, "the demonstration did not come to its end within %s", max(demoWithin, a.flags.timeout)).
			because("its groups did not get their partitions, or another reader of their name has the events").
			fix("%s", a.commandLine("lag", demo.Validator, demo.Indexer)).fix("%s", a.commandLine("demo", "--timeout", "2m"))
	}
	return err
}

var errDemoTime = errors.New("the time of the demonstration is over")

// openAs opens the bus in the name of a service.
func (a *app) openAs(ctx context.Context, service string, hooks *bus.Trace) (*bus.Bus, error) {
	cfg, err := a.busConfig(service)
	if err != nil {
		return nil, err
	}
	cfg.Trace = hooks
	return a.open(ctx, cfg)
}

func (a *app) demoFlows(ctx context.Context) error {
	byFlow := map[event.CorrelationID][]demo.Seen{}
	flows, err := demo.Run(ctx, a.openAs, func(s demo.Seen) { byFlow[s.Flow] = append(byFlow[s.Flow], s) })
	if err != nil {
		return err
	}
	good, bad := demoFlowOf(flows.Good, byFlow[flows.Good]), demoFlowOf(flows.Bad, byFlow[flows.Bad])
	doc := demoDoc{Schema: schemaOf("demo"), Flows: []demoFlow{good, bad}, Next: []string{
		a.commandLine("trace", bad.CorrelationID), a.commandLine("dlq", "show", bad.deadLetter()),
		a.commandLine("dlq", "retry", "--correlation", bad.CorrelationID),
	}}
	return a.print(doc, func() error {
		if err := a.printDemoFlow("a flow that works", good); err != nil {
			return err
		}
		if err := a.printDemoFlow("a flow that fails", bad); err != nil {
			return err
		}
		return a.printNext(doc.Next)
	})
}

func demoFlowOf(id event.CorrelationID, seen []demo.Seen) demoFlow {
	f := demoFlow{CorrelationID: string(id), Works: true, Events: []demoEvent{}}
	slices.SortFunc(seen, func(x, y demo.Seen) int { // they come by partition; within a millisecond their names have the right order
		return cmp.Or(x.Record.Timestamp.Compare(y.Record.Timestamp), cmp.Compare(x.Record.Topic, y.Record.Topic))
	})
	for _, s := range seen {
		e := demoEvent{
			AfterMS: s.Record.Timestamp.Sub(seen[0].Record.Timestamp).Milliseconds(), EventType: s.Type, Service: s.Service,
			Topic: s.Record.Topic, Partition: s.Record.Partition, Offset: s.Record.Offset,
		}
		if d := s.Dead; d != nil {
			f.Works = false
			e.DeadLetter, e.Group, e.Attempts, e.Error = deadletter.IdentityOf(*d).ID(), d.Group, d.Retries+1, d.Message
		}
		f.Events = append(f.Events, e)
	}
	return f
}

// deadLetter is the id of the one that the flow ends with.
func (f demoFlow) deadLetter() string {
	for _, e := range f.Events {
		if e.DeadLetter != "" {
			return e.DeadLetter
		}
	}
	return ""
}

func (a *app) printDemoFlow(title string, f demoFlow) error {
	if err := a.printf("%s: %s\n", a.paint(bold, title), f.CorrelationID); err != nil {
		return err
	}
	var lines []twig
	for _, e := range f.Events {
		line := twig{when: relative(time.Duration(e.AfterMS) * time.Millisecond), text: shortType(e.EventType), right: fmt.Sprintf("%s → p%d@%d", e.Service, e.Partition, e.Offset)}
		if e.DeadLetter != "" {
			line.text, line.right, line.style = fmt.Sprintf("✗ group %s · attempt %d: %s", e.Group, e.Attempts, e.Error), "dead letter "+e.DeadLetter, red
		}
		lines = append(lines, line)
	}
	if err := a.printTwigs(lines); err != nil {
		return err
	}
	return a.printf("\n")
}

// printNext writes the commands to try.
func (a *app) printNext(commands []string) error {
	return a.printf("Try next:\n  %s\n", strings.Join(commands, "\n  "))
}

func (a *app) demoOrdering(ctx context.Context) error {
	var turns []demoTurn
	order, err := demo.Ordering(ctx, a.openAs, func(t demo.Turn) {
		turns = append(turns, demoTurn{AfterMS: t.After.Milliseconds(), Key: t.Key, Number: t.Number, Attempt: t.Attempt, Handled: t.Handled})
	})
	if err != nil {
		return err
	}
	doc := demoDoc{Schema: schemaOf("demo"), Flows: []demoFlow{}, Next: []string{}, Ordering: &demoOrdering{order.Topic, order.Partitions, order.Published, turns}}
	return a.print(doc, func() error {
		if err := a.printf("published to %s: %s\n", onHowMany(order.Partitions), strings.Join(order.Published, ", ")); err != nil {
			return err
		}
		var lines []twig
		for _, t := range turns {
			line := twig{when: relative(time.Duration(t.AfterMS) * time.Millisecond), text: fmt.Sprintf("%s %d  ✓ handled", t.Key, t.Number)}
			switch {
			case !t.Handled:
				line.text, line.style = fmt.Sprintf("%s %d  ✗ fails, and later events of %s wait", t.Key, t.Number, t.Key), red
			case t.Attempt > 1:
				line.text += fmt.Sprintf(" at attempt %d", t.Attempt)
			}
			lines = append(lines, line)
		}
		return a.printTwigs(lines)
	})
}

func onHowMany(ps []int32) string {
	if len(ps) == 1 {
		return "one partition"
	}
	return count(len(ps), "partition", "partitions")
}
