package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type schemaUsageOptions struct {
	types      []string
	since      string
	failIfUsed bool
}

type schemaUsageDoc struct {
	Schema string        `json:"schema"`
	At     string        `json:"at"`
	Since  string        `json:"since,omitzero"`
	Types  []versionItem `json:"types"`
}

type versionItem struct {
	Type         event.Topic     `json:"event_type"`
	Topic        event.Topic     `json:"topic"`
	Exists       bool            `json:"exists"`
	Version      string          `json:"version"`
	Later        event.Topic     `json:"later,omitzero"` // the newest version; none: it is the newest
	Deprecated   bool            `json:"deprecated"`
	Sunset       string          `json:"sunset,omitzero"` // the last day on which it may be used
	DaysToSunset *int            `json:"days_to_sunset"`  // null: no day is named
	Needed       bool            `json:"needed"`          // somebody publishes it by choice, or reads it and no later version
	NotEvents    int64           `json:"not_events"`
	Producers    []versionWriter `json:"producers"`
	Groups       []versionReader `json:"groups"`
}

type versionWriter struct {
	Service  string           `json:"service"`
	Events   int64            `json:"events"`
	Duals    int64            `json:"duals"`
	Versions map[string]int64 `json:"versions"`
	Last     string           `json:"last"`
}

type versionReader struct {
	Group      string `json:"group"`
	Members    int    `json:"members"`
	Messages   *int64 `json:"messages"` // null: not known
	ReadsLater bool   `json:"reads_later"`
}

func newSchemaUsageCmd(a *app) *cobra.Command {
	var o schemaUsageOptions
	cmd := prints(&cobra.Command{
		Use:   "usage [EVENT_TYPE…]",
		Short: "Say who still writes and reads older versions of event types",
		Long: "Without EVENT_TYPE it looks at every event type that is deprecated or has several versions, else at all versions of those. It reads what\n" +
			"was written since --since. A version is needed while a service publishes it by choice (not only as the dual of a later version), or a\n" +
			"group has a position in its topic and in that of no later version.",
		Example: `omnibus schema usage
omnibus schema usage omninode.codegen.request.validate.v1 --since 7d
omnibus schema usage --fail-if-used -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.types = args
			return runSchemaUsage(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "1d", "count what was written at this `time` or later; earliest counts all there is")
	f.BoolVar(&o.failIfUsed, "fail-if-used", false, "exit 10 while an older or deprecated version is needed")
	return cmd
}

func runSchemaUsage(ctx context.Context, a *app, o schemaUsageOptions) error {
	from, err := parsePosition(o.since, a.now(), a.zone)
	if err != nil || from.kind != atTime && from.kind != earliest {
		return noTime("--since", o.since)
	}
	q := bus.VersionQuery{Since: from.time} // of the earliest, none
	for _, name := range o.types {
		s, err := a.declared(name)
		if err != nil {
			return err
		}
		q.Types = append(q.Types, s.Topic)
	}
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		told := a.startProgress("read", -1)
		q.Progress = scanProgress(told, q.Since, a.now())
		uses, err := b.VersionUses(ctx, q)
		told.hide()
		if err != nil {
			return err
		}
		doc := schemaUsageDoc{Schema: schemaOf("schema.usage"), At: jsonTime(a.now()), Since: jsonTime(q.Since), Types: []versionItem{}}
		for _, u := range uses {
			doc.Types = append(doc.Types, versionItemOf(u, a.now()))
		}
		if err := a.print(doc, func() error { return a.printTable(versionTable(uses, a)) }); err != nil {
			return err
		}
		if len(uses) == 0 {
			a.hint("note: no event type of the catalogue is deprecated or has several versions")
		}
		if o.failIfUsed {
			return stillUsed(uses)
		}
		return nil
	})
}

func versionItemOf(u bus.VersionUse, now time.Time) versionItem {
	v := versionItem{
		Type: u.Topic, Topic: u.Carrier, Exists: u.There, Version: u.Version, Later: u.Later, Deprecated: u.Deprecated != nil,
		Needed: u.Needed(), NotEvents: u.NoEvents, Producers: []versionWriter{}, Groups: []versionReader{},
	}
	if days, ok := daysToSunset(u, now); ok {
		v.DaysToSunset, v.Sunset = &days, u.Deprecated.Sunset.Format(time.DateOnly)
	}
	for _, p := range u.Producers {
		v.Producers = append(v.Producers, versionWriter{p.Service, p.Events, p.Duals, p.Versions, jsonTime(p.Last)})
	}
	for _, g := range u.Groups {
		v.Groups = append(v.Groups, versionReader{g.Group, g.Members, lagOf(g), g.Later})
	}
	return v
}

// daysToSunset is how many days are left after today; below zero: since the last one.
func daysToSunset(u bus.VersionUse, now time.Time) (int, bool) {
	if u.Deprecated == nil || u.Deprecated.Sunset.IsZero() {
		return 0, false
	}
	return int(u.Deprecated.Sunset.Sub(now.UTC().Truncate(24*time.Hour)) / (24 * time.Hour)), true
}

func lagOf(g bus.GroupUse) *int64 {
	if g.Messages < 0 {
		return nil
	}
	return &g.Messages
}

// versionTable has a line for everybody who writes or reads a type, and one for a type that nobody does.
func versionTable(uses []bus.VersionUse, a *app) *table {
	t := newTable("EVENT TYPE", "STATE", "WHO", "DOES", "EVENTS#", "LAG#", "LAST", "NOTE")
	for _, u := range uses {
		typ, state := string(u.Topic), versionState(u, a.now())
		for _, p := range u.Producers {
			t.add(typ, state, p.Service, "writes", strconv.FormatInt(p.Events, 10), "-", a.timeText(p.Last), writerNote(p))
		}
		for _, g := range u.Groups {
			t.add(typ, state, g.Group, "reads", "-", known(lagOf(g)), "-", readerNote(u, g))
		}
		if len(u.Producers)+len(u.Groups) == 0 {
			t.add(typ, state, "nobody", "-", "-", "-", "-", map[bool]string{false: "the broker has no such topic"}[u.There])
		}
	}
	return t
}

func versionState(u bus.VersionUse, now time.Time) string {
	days, dated := daysToSunset(u, now)
	switch {
	case dated && days < 0:
		return fmt.Sprintf("sunset %s ago", count(-days, "day", "days"))
	case dated:
		return fmt.Sprintf("deprecated, %s left", count(days, "day", "days"))
	case u.Deprecated != nil:
		return "deprecated"
	case u.Later != "":
		return "older"
	}
	return "newest"
}

func writerNote(p bus.ProducerUse) string {
	var versions []string
	for v, n := range sorted(p.Versions) {
		if len(p.Versions) > 1 {
			v += " (" + strconv.FormatInt(n, 10) + ")"
		}
		versions = append(versions, v)
	}
	note := "as " + strings.Join(versions, ", ")
	switch {
	case p.Duals == p.Events:
		note += "; only duals of a later version"
	case p.Duals > 0:
		note += fmt.Sprintf("; %d of them duals of a later version", p.Duals)
	}
	return note
}

func readerNote(u bus.VersionUse, g bus.GroupUse) string {
	note := count(g.Members, "member", "members")
	if u.Later != "" && g.Later {
		note += "; reads a later version too"
	}
	return note
}

// stillUsed fails where an outdated version is needed.
func stillUsed(uses []bus.VersionUse) error {
	var types []string
	var f *failure
	for _, u := range uses {
		if !u.Outdated() || !u.Needed() {
			continue
		}
		if f == nil {
			f = fail(codeOldVersion, "")
		}
		types = append(types, string(u.Topic))
		var writers, readers []string
		for _, p := range u.Producers {
			if p.Events > p.Duals {
				writers = append(writers, p.Service)
			}
		}
		for _, g := range u.Groups {
			if !g.Later {
				readers = append(readers, g.Group)
			}
		}
		for name, who := range sorted(map[string][]string{"written by": writers, "read by": readers}) {
			if len(who) > 0 {
				f.at(name, "%s: %s", u.Topic, strings.Join(who, ", "))
			}
		}
	}
	if f == nil {
		return nil
	}
	slices.Sort(types)
	f.message = count(len(types), "outdated version is", "outdated versions are") + " still needed"
	return f.because("--fail-if-used is given").fix("move who is named to the later version, see docs/how-to/migrate-to-a-new-version.md").
		fix("omnibus groups delete GROUP, of one that will never read again")
}
