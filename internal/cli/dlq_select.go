package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

// selectOptions choose dead letters, by arguments and flags that all have to fit.
type selectOptions struct {
	args                                                               []string
	topics, groups, fingerprints, classes, types, correlations, states []string
	since, until                                                       string
	max                                                                int
}

// selectorUse is what the arguments may be, for usage lines and errors.
const selectorUse = "ID|FINGERPRINT|TOPIC|PATTERN"

func (o *selectOptions) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.topics, "topic", nil, "of this `topic` or pattern; may be repeated, as all that follow")
	f.StringSliceVarP(&o.groups, "group", "g", nil, "that this consumer `group` could not handle")
	f.StringSliceVar(&o.fingerprints, "fingerprint", nil, "with this `fingerprint`, see \"dlq groups\"")
	f.StringSliceVar(&o.classes, "class", nil, "of this `class`: invalid, permanent, retries_exhausted, ...")
	f.StringSliceVar(&o.types, "event-type", nil, "of this event `type` or pattern")
	f.StringSliceVar(&o.correlations, "correlation", nil, "of the flow with this `id`")
	f.StringSliceVar(&o.states, "state", nil, "in this `state`: pending, draft, sent, resolved, purged, quarantined")
	f.StringVar(&o.since, "since", "", "that failed at this `time` or later")
	f.StringVar(&o.until, "until", "", "that failed before this `time`")
	f.IntVar(&o.max, "max", 0, "only the first `n`, in the order of their failure")
}

var (
	fingerprintForm = regexp.MustCompile(`^[0-9a-f]{12}$`)
	letterForm      = regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{10}$`)
	printedPlace    = regexp.MustCompile(`^(.+)\[(\d+)\]@(\d+)$`) // as other commands print it
)

// empty reports whether nothing at all was said about which.
func (o selectOptions) empty() bool {
	return len(o.args)+len(o.topics)+len(o.groups)+len(o.fingerprints)+len(o.classes)+len(o.types)+len(o.correlations)+len(o.states)+o.max == 0 &&
		o.since+o.until == ""
}

// selector is what the options choose. Event ids are looked up, as a selector does not know them.
func (o selectOptions) selector(ctx context.Context, a *app, d *deadletter.Desk) (deadletter.Selector, error) {
	if o.max < 0 {
		return deadletter.Selector{}, fail(codeFlagValue, "--max must be 0 or more").fix("--max 100")
	}
	s := deadletter.Selector{Groups: o.groups, Fingerprints: slices.Clone(o.fingerprints), Classes: o.classes, Max: o.max}
	for _, t := range o.topics {
		s.Topics = append(s.Topics, event.Glob(t))
	}
	for _, t := range o.types {
		s.EventTypes = append(s.EventTypes, event.Glob(t))
	}
	for _, c := range o.correlations {
		s.Correlations = append(s.Correlations, event.CorrelationID(c))
	}
	for _, state := range o.states {
		if !slices.Contains(deadletter.States(), deadletter.State(state)) {
			var names []string
			for _, known := range deadletter.States() {
				names = append(names, string(known))
			}
			return s, fail(codeFlagValue, "%q is not a state of a dead letter", state).meant(state, names).fix("--state %s", strings.Join(names, "|"))
		}
		s.States = append(s.States, deadletter.State(state))
	}
	var err error
	if o.since != "" {
		if s.FailedFrom, err = parseTime(o.since, a.now(), a.zone); err != nil {
			return s, noTime("--since", o.since)
		}
	}
	if o.until != "" {
		if s.FailedTo, err = parseTime(o.until, a.now(), a.zone); err != nil {
			return s, noTime("--until", o.until)
		}
	}
	var unknown []string
	for _, arg := range o.args {
		if m := printedPlace.FindStringSubmatch(arg); m != nil {
			arg = m[1] + "/" + m[2] + "@" + m[3]
		}
		_, isPlace := deadletter.ParseCoordinates(arg)
		switch {
		case isPlace, letterForm.MatchString(arg):
			s.IDs = append(s.IDs, arg)
		case fingerprintForm.MatchString(arg):
			s.Fingerprints = append(s.Fingerprints, arg)
		case strings.ContainsAny(arg, ".*"):
			s.Topics = append(s.Topics, event.Glob(arg))
		default:
			unknown = append(unknown, arg)
		}
	}
	for _, arg := range unknown {
		ids, err := a.byEvent(ctx, d, arg)
		if err != nil {
			return s, err
		}
		s.IDs = append(s.IDs, ids...)
	}
	return s, nil
}

// byEvent are the dead letters of one event.
func (a *app) byEvent(ctx context.Context, d *deadletter.Desk, id string) (ids []string, err error) {
	wanted, err := event.ParseID(id)
	if err != nil {
		return nil, a.noSuchLetter(ctx, d, id)
	}
	snap, err := d.List(ctx, deadletter.Selector{})
	if err != nil {
		return nil, err
	}
	for _, l := range snap.Letters {
		if l.EventID == wanted {
			ids = append(ids, l.ID)
		}
	}
	if len(ids) == 0 {
		return nil, a.noSuchLetter(ctx, d, id)
	}
	return ids, nil
}

// letters are those that the options choose.
func (a *app) letters(ctx context.Context, d *deadletter.Desk, o selectOptions) (*deadletter.Snapshot, error) {
	s, err := o.selector(ctx, a, d)
	if err != nil {
		return nil, err
	}
	snap, err := d.List(ctx, s)
	if err != nil {
		return nil, a.notFound(ctx, d, o, err)
	}
	a.tellProblems(snap.Problems)
	return snap, nil
}

// notFound names what is not there, in place of an error that only says so.
func (a *app) notFound(ctx context.Context, d *deadletter.Desk, o selectOptions, err error) error {
	if !errors.Is(err, deadletter.ErrNotFound) {
		return err
	}
	for _, arg := range o.args {
		if _, isPlace := deadletter.ParseCoordinates(arg); isPlace || letterForm.MatchString(arg) {
			if _, err := d.List(ctx, deadletter.Selector{IDs: []string{arg}}); errors.Is(err, deadletter.ErrNotFound) {
				return a.noSuchLetter(ctx, d, arg)
			}
		}
	}
	return err
}

// noSuchLetter says that nothing is called name, and what is called nearly so.
func (a *app) noSuchLetter(ctx context.Context, d *deadletter.Desk, name string) error {
	snap, err := d.List(ctx, deadletter.Selector{})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, l := range snap.Letters {
		known[l.ID], known[l.Fingerprint] = true, true
	}
	f := fail(codeDeadLetter, "no dead letter %s", clip(name, 120)).because("no dead letter, fingerprint or event has this name; retention may have taken it")
	return f.meant(name, names(known)).fix("%s", a.commandLine("dlq", "groups")).fix("%s", a.commandLine("dlq", "list"))
}

// nothingFits says that a choice is empty, and what it would hold in other states.
func (a *app) nothingFits(ctx context.Context, d *deadletter.Desk, o selectOptions) error {
	f := fail(codeDeadLetter, "no dead letter fits")
	all := o
	all.states = nil
	for _, s := range deadletter.States() {
		all.states = append(all.states, string(s))
	}
	snap, err := a.letters(ctx, d, all)
	if err != nil {
		return err
	}
	if n := len(snap.Letters); n > 0 {
		states := map[string]int{}
		for _, l := range snap.Letters {
			states[string(l.State)]++
		}
		var have []string
		for state, n := range sorted(states) {
			have = append(have, count(n, state, state))
		}
		f.because("%s: %s", count(n, "fits but for its state", "fit but for their state"), strings.Join(have, ", "))
		return f.fix("--state %s", names(asSet(states))[0]).fix("omnibus dlq restore makes what was resolved or purged pending again")
	}
	if o.empty() {
		return f.because("there are none").fix("%s", a.commandLine("dlq", "list"))
	}
	for _, name := range append(slices.Clone(o.args), o.fingerprints...) {
		if fingerprintForm.MatchString(name) {
			return a.noSuchLetter(ctx, d, name)
		}
	}
	return f.because("none is of what was asked for").fix("%s", a.commandLine("dlq", "groups"))
}

func asSet[V any](m map[string]V) map[string]bool {
	set := make(map[string]bool, len(m))
	for name := range m {
		set[name] = true
	}
	return set
}

func names(set map[string]bool) []string {
	out := []string{}
	for n := range sorted(set) {
		if n != "" {
			out = append(out, n)
		}
	}
	return out
}

func noTime(flag, value string) error {
	return fail(codeTime, "%q is not a value of %s", clip(value, 60), flag).because("it is none of: %s", positionGrammar).fix("%s 10m", flag)
}

// place is how the desk names where a copy lies.
func place(c bus.Coordinates) string { return fmt.Sprintf("%s/%d@%d", c.Topic, c.Partition, c.Offset) }
