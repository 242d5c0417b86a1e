package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func (e *exam) allLags(ctx context.Context) ([]bus.PartitionLag, error) {
	if e.lags == nil {
		b, err := e.open(ctx)
		if err != nil {
			return nil, err
		}
		lags, err := b.Lag(ctx)
		if err != nil {
			return nil, err
		}
		e.lags = append([]bus.PartitionLag{}, lags...)
	}
	return e.lags, nil
}

func checkGroups(ctx context.Context, e *exam) []Finding {
	b, err := e.open(ctx)
	if err != nil {
		return broken(ctx, "connect", err)
	}
	groups, err := b.Groups(ctx)
	if err != nil {
		return broken(ctx, "list groups", err)
	}
	lags, err := e.allLags(ctx)
	if err != nil {
		return broken(ctx, "measure lag", err)
	}
	return judgeGroups(groups, lags)
}

// judgeGroups finds groups whose events nobody handles now.
func judgeGroups(groups []bus.GroupInfo, lags []bus.PartitionLag) []Finding {
	var found []Finding
	for _, g := range groups {
		var behind int64
		var oldest time.Duration
		unknown, unknowns := "", 0
		for _, l := range lags {
			switch {
			case l.Group != g.Name:
			case !l.Known && l.Committed < 0 && l.End == 0: // there has never been anything to commit
			case !l.Known:
				unknown = l.Why
				unknowns++
			default:
				behind += l.Messages
				oldest = max(oldest, l.Age)
			}
		}
		show := "omnibus groups show " + g.Name
		switch {
		case g.State == "Stable":
		case g.State == "Empty" && behind > 0:
			found = append(found, Finding{
				Warn, fmt.Sprintf("group %s has no member, and %s wait, the oldest for %s", g.Name, count(int(behind), "event", "events"), span(oldest)),
				"start its service; if nobody uses the group any more: omnibus groups delete " + g.Name,
			})
		case g.State == "Empty":
		default:
			found = append(found, Finding{Warn, fmt.Sprintf("group %s is in state %s: its partitions are being given out, and nobody handles events", g.Name, g.State), show + ", again in a few seconds: one that stays so has members that come and go"})
		}
		if unknowns > 0 && g.State != "Empty" {
			found = append(found, Finding{Warn, fmt.Sprintf("the lag of group %s is unknown in %s: %s", g.Name, count(unknowns, "partition", "partitions"), unknown), "omnibus lag " + g.Name})
		}
	}
	if len(found) == 0 {
		found = append(found, Finding{OK, count(len(groups), "group", "groups") + ", and none leaves events lying", ""})
	}
	return found
}

func checkRetention(ctx context.Context, e *exam) []Finding {
	lags, err := e.allLags(ctx)
	if err != nil {
		return broken(ctx, "measure lag", err)
	}
	topics, err := e.allTopics(ctx)
	if err != nil {
		return broken(ctx, "list topics", err)
	}
	return judgeRetention(lags, topics)
}

// Of its retention, how old the oldest unread event may be: at half there is time to act, beyond nine tenths hardly any.
const (
	retentionWarn = 0.5
	retentionFail = 0.9
)

// judgeRetention finds groups that lose events, or soon will: what they have not read is nearly as old as what is removed.
func judgeRetention(lags []bus.PartitionLag, topics []bus.TopicInfo) []Finding {
	type pair struct {
		group string
		topic event.Topic
	}
	worst := map[pair]Finding{}
	var order []pair
	nearest := 0.0
	for _, l := range lags {
		i := slices.IndexFunc(topics, func(t bus.TopicInfo) bool { return t.Name == l.Topic })
		if i < 0 || l.Committed < 0 {
			continue
		}
		t := topics[i]
		var f Finding
		switch share, gone := ageShare(l, t), removed(l, t); {
		case gone > 0:
			f = Finding{
				Fail, fmt.Sprintf("group %s has lost up to %s of %s[%d]: they were removed before it read them", l.Group, count(int(gone), "event", "events"), l.Topic, l.Partition),
				fmt.Sprintf("omnibus groups reset %s --to earliest --topic %s, and omnibus topics config %s --set retention.ms=14d", l.Group, l.Topic, l.Topic),
			}
		case share >= retentionWarn:
			nearest = max(nearest, share)
			f = Finding{
				Warn, fmt.Sprintf("group %s is %s behind in %s, which keeps events for %s: at %.0f %% of that, they are about to be removed unread", l.Group, span(l.Age), l.Topic, span(t.Retention), 100*share),
				fmt.Sprintf("omnibus topics config %s --set retention.ms=14d, then see why the group is slow: omnibus groups show %s", l.Topic, l.Group),
			}
			if share >= retentionFail {
				f.Status = Fail
			}
		default:
			nearest = max(nearest, share)
			continue
		}
		at := pair{l.Group, l.Topic}
		old, twice := worst[at]
		if !twice {
			order = append(order, at)
		}
		if f.Status.rank() > old.Status.rank() {
			worst[at] = f
		}
	}
	if len(order) == 0 {
		return []Finding{{OK, fmt.Sprintf("the slowest group has used %.0f %% of the time before events are removed", 100*nearest), ""}}
	}
	var found []Finding
	for _, at := range order {
		found = append(found, worst[at])
	}
	return found
}

// ageShare is the age of the first unread event as a share of the topic's retention.
func ageShare(l bus.PartitionLag, t bus.TopicInfo) float64 {
	if !l.Known || t.Retention <= 0 || t.Configs == nil || t.Configs["cleanup.policy"] == "compact" {
		return 0
	}
	return l.Age.Seconds() / t.Retention.Seconds()
}

// removed is how many offsets the log has given up beyond the group's position.
func removed(l bus.PartitionLag, t bus.TopicInfo) int64 {
	for _, p := range t.Partitions {
		if p.Partition == l.Partition && p.Start > l.Committed {
			return p.Start - l.Committed
		}
	}
	return 0
}
