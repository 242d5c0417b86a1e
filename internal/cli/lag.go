package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

type lagOptions struct{ failOver string }

type lagDoc struct {
	Schema     string         `json:"schema"`
	Groups     []groupLag     `json:"groups"`
	Partitions []partitionLag `json:"partitions"`
}

// groupLag sums up a group. Where one of its partitions is not known, the group is not.
type groupLag struct {
	Group      string   `json:"group"`
	Messages   *int64   `json:"messages"` // null: not known
	Seconds    *float64 `json:"seconds"`
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
		Long: "Seconds are the age of the oldest event that the group has not settled. Where a position is not known, the lag is " +
			"\"unknown\", never 0.",
		Example: `omnibus lag
omnibus lag bridge
omnibus lag bridge --fail-over 5s
omnibus lag bridge --fail-over 10000 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error { return runLag(cmd.Context(), a, o, args) },
	}, formatTable, formatJSON)
	cmd.Flags().StringVar(&o.failOver, "fail-over", "", "exit 10 above this `lag`: a duration (5s) or a number of messages")
	return cmd
}

func runLag(ctx context.Context, a *app, o lagOptions, names []string) error {
	over, err := parseThreshold(o.failOver)
	if err != nil {
		return err
	}
	doc := lagDoc{Schema: schemaOf("lag"), Groups: []groupLag{}, Partitions: []partitionLag{}}
	err = a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.within(ctx, func(ctx context.Context) error {
			infos, err := b.Groups(ctx, names...)
			if err != nil {
				return unknownGroup(ctx, b, names, err)
			}
			lags, err := b.Lag(ctx, names...)
			if err != nil {
				return unknownGroup(ctx, b, names, err)
			}
			for _, l := range lags {
				doc.Partitions = append(doc.Partitions, partitionLagOf(l))
			}
			for _, g := range infos {
				doc.Groups = append(doc.Groups, sumLag(g.Name, doc.Partitions))
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	err = a.print(doc, func() error {
		t := newTable("GROUP", "MESSAGES#", "SECONDS#", "PARTITIONS#", "WHY")
		for _, g := range doc.Groups {
			t.add(g.Group, known(g.Messages), secondsText(g.Seconds), strconv.Itoa(g.Partitions), g.Why)
		}
		return a.printTable(t)
	})
	if err != nil || over == nil {
		return err
	}
	return over.judge(doc.Groups)
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
		messages += *l.Messages
		seconds = max(seconds, *l.Seconds)
	}
	switch {
	case g.Partitions == 0:
		g.Why = "it holds no partition and has committed nothing"
	case g.Unknown > 0:
		g.Why = fmt.Sprintf("%d of %s: %s", g.Unknown, count(g.Partitions, "partition", "partitions"), g.Why)
	default:
		g.Messages, g.Seconds = &messages, &seconds
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

// judge fails where a group is above the threshold, or where nobody knows: a check that cannot see must not pass.
func (t *threshold) judge(groups []groupLag) error {
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
