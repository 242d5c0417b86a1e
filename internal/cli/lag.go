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
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

type lagOptions struct {
	groups   []string
	topics   []string
	failOver string
	watch    bool
	every    time.Duration
}

type lagDoc struct {
	Schema     string         `json:"schema"`
	At         string         `json:"at"`
	Groups     []groupLag     `json:"groups"`
	Partitions []partitionLag `json:"partitions"`

	at time.Time
}

// groupLag sums up a group. Where one of its partitions is not known, the group is not.
type groupLag struct {
	Group      string   `json:"group"`
	Messages   *int64   `json:"messages"` // null: not known
	Seconds    *float64 `json:"seconds"`
	Trend      *float64 `json:"trend_per_second"` // messages; null: not known, as at the first look
	ETA        *float64 `json:"eta_seconds"`      // until it has caught up; null: not known, or never
	Partitions int      `json:"partitions"`
	Unknown    int      `json:"unknown_partitions"`
	Why        string   `json:"why,omitzero"`
}

type partitionLag struct {
	Group     string      `json:"group"`
	Topic     event.Topic `json:"topic"`
	Partition int32       `json:"partition"`
	Committed *int64      `json:"committed"`
	End       *int64      `json:"end"`
	Messages  *int64      `json:"messages"`
	Seconds   *float64    `json:"seconds"`
	Why       string      `json:"why,omitzero"`
}

func newLagCmd(a *app) *cobra.Command {
	var o lagOptions
	cmd := prints(&cobra.Command{
		Use:   "lag [GROUP…]",
		Short: "Say how far consumer groups are behind, in messages and seconds",
		Long: "Seconds are the age of the oldest event that the group has not settled. Where a position is not known, the lag is \"unknown\",\n" +
			"never 0, and --fail-over fails. The trend and the time left come with the second look of --watch. On a terminal --watch draws\n" +
			"anew; elsewhere, and with -o ndjson, it adds lines. It goes on until Ctrl-C, or until --fail-over fails.",
		Example: `omnibus lag
omnibus lag bridge --watch
omnibus lag bridge --fail-over 5s
omnibus lag --topic 'omninode.codegen.*' --fail-over 10000 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.groups = args
			return runLag(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON, formatNDJSON)
	f := cmd.Flags()
	f.StringVar(&o.failOver, "fail-over", "", "exit 10 above this `lag`: a duration (5s) or a number of messages")
	f.StringSliceVar(&o.topics, "topic", nil, "only in this `topic` or pattern; may be repeated")
	f.BoolVarP(&o.watch, "watch", "w", false, "look again and again")
	f.DurationVar(&o.every, "every", 2*time.Second, "with --watch: how `often`")
	return cmd
}

func runLag(ctx context.Context, a *app, o lagOptions) error {
	over, err := parseThreshold(o.failOver)
	switch {
	case err != nil:
		return err
	case o.every < 100*time.Millisecond:
		return fail(codeFlagValue, "--every must be 100ms or more").fix("--every 2s")
	case o.watch && a.format == formatJSON:
		return fail(codeConflict, "--watch and -o json exclude each other").because("it would be many documents").fix("-o ndjson: one a line")
	}
	return a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		doc, err := o.look(ctx, a, b)
		if err != nil {
			return err
		}
		if !o.watch {
			if err := a.printLag(doc); err != nil {
				return err
			}
			return over.judge(doc.Groups)
		}
		return o.watchLag(ctx, a, b, doc, over)
	})
}

// watchLag looks again and again.
func (o lagOptions) watchLag(ctx context.Context, a *app, b *bus.Bus, doc lagDoc, over *threshold) error {
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	screen := lagScreen{app: a}
	var before []lagDoc
	for {
		doc.trends(before)
		if err := screen.show(doc, o.every); err != nil {
			return err
		}
		if err := over.judge(doc.Groups); err != nil {
			return err
		}
		before = append(before[max(0, len(before)-trendLooks+1):], doc)
		for again := true; again; {
			select {
			case <-ctx.Done():
				return context.Canceled
			case <-tick.C:
			}
			var err error
			doc, err = o.look(ctx, a, b)
			switch {
			case ctx.Err() != nil:
				return context.Canceled
			case err != nil && over != nil:
				return err // a check that cannot see must not pass
			case err != nil:
				a.note("%s: unknown: %s", a.timeText(a.now()), a.explain(err).message)
			default:
				again = false
			}
		}
	}
}

// trendLooks is how many looks a trend goes back, so that it does not jump with every batch.
const trendLooks = 5

// trends says how the lags moved since the oldest of the looks before.
func (d lagDoc) trends(before []lagDoc) {
	if len(before) == 0 {
		return
	}
	for i, g := range d.Groups {
		was := slices.IndexFunc(before[0].Groups, func(o groupLag) bool { return o.Group == g.Group })
		if g.Messages == nil || was < 0 || before[0].Groups[was].Messages == nil {
			continue
		}
		t := bus.TrendOf(*before[0].Groups[was].Messages, *g.Messages, d.at.Sub(before[0].at))
		d.Groups[i].Trend = &t.PerSecond
		if t.Left >= 0 {
			d.Groups[i].ETA = new(t.Left.Seconds())
		}
	}
}

// look measures once.
func (o lagOptions) look(ctx context.Context, a *app, b *bus.Bus) (lagDoc, error) {
	doc := lagDoc{Schema: schemaOf("lag"), Groups: []groupLag{}, Partitions: []partitionLag{}}
	err := a.within(ctx, func(ctx context.Context) error {
		infos, err := b.Groups(ctx, o.groups...)
		if err != nil {
			return unknownGroup(ctx, b, o.groups, err)
		}
		lags, err := b.Lag(ctx, o.groups...)
		if err != nil {
			return unknownGroup(ctx, b, o.groups, err)
		}
		for _, l := range lags {
			if len(o.topics) == 0 || matches(globs(o.topics), l.Topic) {
				doc.Partitions = append(doc.Partitions, partitionLagOf(l))
			}
		}
		for _, g := range infos {
			sum := sumLag(g.Name, doc.Partitions)
			if len(o.topics) > 0 && sum.Partitions == 0 {
				if len(o.groups) == 0 {
					continue // it has nothing to do with these topics
				}
				sum.Why = "it has no position in such a topic"
			}
			doc.Groups = append(doc.Groups, sum)
		}
		return nil
	})
	if err == nil && len(o.topics) > 0 && len(doc.Groups) == 0 {
		err = fail(codeEmpty, "no group has a position in %s", quoted(o.topics)).because("nobody reads such a topic, so no lag is known").
			fix("omnibus topics list %s", quoted(o.topics)).fix("omnibus groups list")
	}
	doc.at = a.now()
	doc.At = jsonTime(doc.at)
	return doc, err
}

func (a *app) printLag(doc lagDoc) error {
	if a.format == formatNDJSON {
		b, err := jsonx.Marshal(doc)
		if err != nil {
			return err
		}
		return a.printf("%s\n", b)
	}
	return a.print(doc, func() error { return a.printTable(lagTable(doc, nil)) })
}

// lagTable has a column for the time where at is there.
func lagTable(doc lagDoc, at func(time.Time) string) *table {
	heads := []string{"GROUP", "MESSAGES#", "SECONDS#", "TREND#", "ETA#", "PARTITIONS#", "WHY"}
	if at != nil {
		heads = append([]string{"TIME"}, heads...)
	}
	t := newTable(heads...)
	for _, g := range doc.Groups {
		row := []string{g.Group, known(g.Messages), secondsText(g.Seconds), trendText(g.Trend), etaText(g), strconv.Itoa(g.Partitions), g.Why}
		if at != nil {
			row = append([]string{at(doc.at)}, row...)
		}
		t.add(row...)
	}
	return t
}

func trendText(perSecond *float64) string {
	switch {
	case perSecond == nil:
		return "-"
	case *perSecond == 0:
		return "steady"
	}
	return fmt.Sprintf("%+.1f/s", *perSecond)
}

func etaText(g groupLag) string {
	switch {
	case g.ETA != nil:
		return durationText(time.Duration(*g.ETA * float64(time.Second)))
	case g.Trend != nil:
		return "never"
	}
	return "-"
}

// lagScreen shows one look after the other: drawn anew on a terminal, else as lines that are added.
type lagScreen struct {
	*app

	width []int // of the columns so far; nil: the heading was not printed
}

func (s *lagScreen) show(doc lagDoc, every time.Duration) error {
	if s.format == formatNDJSON {
		return s.printLag(doc)
	}
	if s.terminal && s.env["TERM"] != "dumb" {
		if err := s.printf("\x1b[H\x1b[2J%s\n\n", s.paint(dim, s.timeText(doc.at)+", every "+durationText(every)+", Ctrl-C ends it")); err != nil {
			return err
		}
		return s.printLag(doc)
	}
	t := lagTable(doc, s.timeText)
	first := s.width == nil
	t.width = s.width
	lines := t.lines()
	if s.width = t.width; !first {
		lines = lines[1:]
	}
	return s.printf("%s\n", strings.Join(lines, "\n"))
}

func partitionLagOf(l bus.PartitionLag) partitionLag {
	out := partitionLag{Group: l.Group, Topic: l.Topic, Partition: l.Partition, Why: l.Why}
	if l.Committed >= 0 {
		out.Committed = &l.Committed
	}
	if l.End >= 0 {
		out.End = &l.End
	}
	if l.Known {
		seconds := l.Age.Seconds()
		out.Messages, out.Seconds = &l.Messages, &seconds
	}
	return out
}

func sumLag(group string, all []partitionLag) groupLag {
	g := groupLag{Group: group}
	var messages int64
	var seconds float64
	var gone string // of partitions that are known
	for _, l := range all {
		if l.Group != group {
			continue
		}
		g.Partitions++
		if l.Messages == nil {
			g.Unknown++
			g.Why = l.Why
			continue
		}
		if l.Why != "" {
			gone = l.Why
		}
		messages += *l.Messages
		seconds = max(seconds, *l.Seconds)
	}
	switch {
	case g.Partitions == 0:
		g.Why = "it holds no partition and has committed nothing"
	case g.Unknown > 0:
		g.Why = fmt.Sprintf("%d of %s: %s", g.Unknown, count(g.Partitions, "partition", "partitions"), g.Why)
	default:
		g.Messages, g.Seconds, g.Why = &messages, &seconds, gone
	}
	return g
}

// threshold is the lag above which a check fails.
type threshold struct {
	text     string
	messages int64
	age      time.Duration
}

func parseThreshold(s string) (*threshold, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no threshold is a valid choice
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return &threshold{text: s + " messages", messages: n}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return &threshold{text: s, age: d}, nil
	}
	return nil, fail(codeFlagValue, "%q is not a value of --fail-over", clip(s, 60)).fix("a duration such as 5s, or a number of messages")
}

// judge fails where a group is above the threshold, or where nobody knows: a check that cannot see must not pass. No threshold
// never fails.
func (t *threshold) judge(groups []groupLag) error {
	if t == nil {
		return nil
	}
	var above []string
	for _, g := range groups {
		if g.Messages == nil || t.age > 0 && *g.Seconds > t.age.Seconds() || t.age == 0 && *g.Messages > t.messages {
			above = append(above, g.Group)
		}
	}
	if len(above) == 0 {
		return nil
	}
	return fail(codeThreshold, "%s above %s, or unknown", count(len(above), "group is", "groups are"), t.text).
		at("groups", "%s", strings.Join(above, ", ")).because("--fail-over is %s", t.text).fix("omnibus groups show %s", above[0])
}

func secondsText(s *float64) string {
	if s == nil {
		return "unknown"
	}
	return strconv.FormatFloat(*s, 'f', 1, 64)
}
