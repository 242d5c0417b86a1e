package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/trace"
)

type traceOptions struct {
	id       string
	last     bool
	since    string
	depth    int
	collapse int
	watch    bool
}

func newTraceCmd(a *app) *cobra.Command {
	var o traceOptions
	cmd := prints(&cobra.Command{
		Use:   "trace CORRELATION_ID|EVENT_ID",
		Short: "Show what came of an event: a tree of cause and effect, with what failed",
		Long: "It reads every topic and every dead-letter topic, from --since on, and shows the events of one correlation below their causes. An\n" +
			"event's id stands for the correlation of that event. What a group did with an event that did not fail is not known.\n\n" +
			"Times: " + positionGrammar + ".",
		Example: `omnibus trace --last
omnibus trace flow-7
omnibus trace 5b0e8a8e-4b0f-4d4c-9c53-0f0a3d1f6f11 --since 7d -o table
omnibus trace flow-7 -o dot | dot -Tsvg > flow-7.svg`,
		Args: a.wantArgs(0, 1, "a CORRELATION_ID or an EVENT_ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.id = args[0]
			}
			return runTrace(cmd.Context(), a, o)
		},
	}, formatTree, formatTable, formatJSON, formatDOT, formatMermaid)
	f := cmd.Flags()
	f.BoolVar(&o.last, "last", false, "the flow of the newest event")
	f.BoolVarP(&o.watch, "watch", "w", false, "go on with what comes of the flow, line by line, until Ctrl-C")
	f.StringVar(&o.since, "since", "1d", "read what was written at this `time` or later; earliest reads all there is")
	f.IntVar(&o.depth, "depth", 0, "show `n` levels only")
	f.IntVar(&o.collapse, "collapse", 200, "above `n` events, show those of one type and service as one; 0 never does. Not in tables and JSON")
	return cmd
}

func runTrace(ctx context.Context, a *app, o traceOptions) error {
	q, err := o.query(a)
	if err != nil {
		return err
	}
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		if o.last {
			newest, err := trace.Newest(ctx, b)
			if errors.Is(err, trace.ErrNotFound) {
				return fail(codeNoFlow, "there is no event to trace").because("no topic holds one").
					fix("%s", a.commandLine("demo")).fix("%s", a.commandLine("publish", "--help"))
			}
			if err != nil {
				return err
			}
			q.ID = string(newest)
		}
		asked := a.now()
		told := a.startProgress("read", -1)
		q.Progress = scanProgress(told, q.Since, a.now())
		found, err := trace.Find(ctx, b, q)
		told.hide()
		switch {
		case errors.Is(err, trace.ErrNotFound):
			return a.noSuchFlow(q, found)
		case err != nil && (found == nil || len(found.Records) == 0 || ctx.Err() == nil):
			return err
		}
		t := traced{flow: trace.Build(found.CorrelationID, found.Records), found: found, since: q.Since}
		if err == nil {
			if err := t.judge(ctx, b); err != nil {
				return err
			}
		}
		if printed := a.printTrace(t, o); printed != nil {
			return printed
		}
		if err != nil {
			a.hint("note: interrupted after %s: there may be more", count(found.Read, "record", "records"))
			return context.Canceled
		}
		a.traceNotes(t)
		if o.watch {
			return a.watchTrace(ctx, b, t, asked)
		}
		return nil
	})
}

// query is what to look for.
func (o traceOptions) query(a *app) (trace.Query, error) {
	q := trace.Query{ID: o.id}
	switch {
	case o.last && o.id != "":
		return q, fail(codeConflict, "--last and %s both say which flow", clip(o.id, 60)).because("--last is the flow of the newest event").fix("use one of them")
	case !o.last && o.id == "":
		return q, fail(codeArgs, "omnibus trace needs a CORRELATION_ID or an EVENT_ID").fix("omnibus trace --last").
			because("every event has both: publish prints them, and so does consume")
	case !o.last && !event.CorrelationID(o.id).Valid():
		return q, fail(codeArgs, "%q is neither a correlation id nor an event id", clip(o.id, 60)).because("both are 1 to 128 printable characters").fix("omnibus trace --last")
	case o.watch && a.format != formatTree:
		return q, fail(codeConflict, "--watch and -o %s exclude each other", a.format).because("one goes on line by line, the other is a whole").fix("leave one out")
	case o.depth < 0:
		return q, fail(codeFlagValue, "--depth must be 0 or more").fix("--depth 3")
	case o.collapse < 0:
		return q, fail(codeFlagValue, "--collapse must be 0 or more").fix("--collapse 200")
	}
	from, err := parsePosition(o.since, a.now(), a.zone)
	if err != nil || from.kind == latest {
		return q, noTime("--since", o.since)
	}
	q.Since = from.time // of the earliest, none
	return q, nil
}

// noSuchFlow says where was looked, and how to look further.
func (a *app) noSuchFlow(q trace.Query, found *trace.Found) error {
	f := fail(codeFlow, "no event of %s", clip(q.ID, 130)).at("looked in", "%s", lookedIn(a, found, q.Since)).
		because("no record has it as its correlation id or its event id")
	if !q.Since.IsZero() {
		f.fix("%s", a.commandLine("trace", q.ID, "--since", "7d")).fix("--since earliest, which reads all there is")
	}
	return f.fix("%s", a.commandLine("trace", "--last"))
}

// lookedIn is what was read.
func lookedIn(a *app, found *trace.Found, since time.Time) string {
	text := fmt.Sprintf("%s of %s", count(found.Read, "record", "records"), count(found.Topics, "topic", "topics"))
	if since.IsZero() {
		return text
	}
	return text + ", written since " + a.timeText(since)
}

// scanProgress tells of a scan in the order of time: how much is to come is estimated from how far in time it is.
func scanProgress(p *progress, since, now time.Time) func(read int, upTo time.Time) {
	if p == nil {
		return nil
	}
	return func(read int, upTo time.Time) {
		if part := upTo.Sub(since).Seconds() / now.Sub(since).Seconds(); !since.IsZero() && part > 0 && part <= 1 {
			p.total = int64(float64(read) / part)
		}
		p.at(int64(read))
	}
}

// traced is a flow with what the command line knows beyond it.
type traced struct {
	flow   *trace.Flow
	found  *trace.Found
	since  time.Time
	states map[string]deadletter.State // of dead letters, by their id
}

// judge looks up what was decided about the dead letters of the flow.
func (t *traced) judge(ctx context.Context, b *bus.Bus) error {
	t.states = map[string]deadletter.State{}
	if len(t.flow.DeadLetters()) == 0 {
		return nil
	}
	snap, err := deadletter.Open(b, "").List(ctx, deadletter.Selector{Correlations: []event.CorrelationID{t.flow.CorrelationID}})
	if err != nil {
		return err
	}
	for _, l := range snap.Letters {
		t.states[l.ID] = l.State
	}
	return nil
}

// stateOf is what became of a dead letter, in a word.
func (t *traced) stateOf(d trace.DeadLetter) string {
	if d.Sent != nil {
		return string(deadletter.Sent)
	}
	return string(t.states[letterID(d)])
}

func letterID(d trace.DeadLetter) string { return deadletter.IdentityOf(d.DeadLetter).ID() }

// next are the commands that go on from here.
func (t *traced) next(a *app) []string {
	var next []string
	for _, d := range t.flow.DeadLetters() {
		if s := t.states[letterID(d)]; d.Sent == nil && (s == deadletter.Pending || s == deadletter.Drafted) {
			return append(next, a.commandLine("dlq", "show", letterID(d)), a.commandLine("dlq", "retry", "--correlation", string(t.flow.CorrelationID)))
		}
	}
	return nil
}

// traceNotes says what was not read, and what to do next.
func (a *app) traceNotes(t traced) {
	missing := false
	t.flow.All(func(n, _ *trace.Node, _ int) { missing = missing || n.Missing })
	if missing {
		how := "it may be of another flow, or gone"
		if !t.since.IsZero() {
			how = "--since earliest reads all there is; it may also be of another flow"
		}
		a.hint("note: a cause was not found in %s: %s", lookedIn(a, t.found, t.since), how)
	}
	if next := t.next(a); len(next) > 0 {
		a.hint("next: %s", strings.Join(next, " · "))
	}
}

// printTrace writes the flow in the chosen format.
func (a *app) printTrace(t traced, o traceOptions) error {
	drawn := t.flow.Cut(o.depth).Collapse(o.collapse)
	switch a.format {
	case formatDOT:
		return a.printf("%s", drawn.DOT())
	case formatMermaid:
		return a.printf("%s", drawn.Mermaid())
	case formatTable:
		return a.printTraceTable(t, t.flow.Cut(o.depth))
	case formatJSON:
		return a.print(t.doc(a, t.flow.Cut(o.depth)), nil)
	default:
		return a.printTraceTree(t, drawn)
	}
}
