package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

func checkDLQ(ctx context.Context, e *exam) []Finding {
	b, err := e.open(ctx)
	if err != nil {
		return broken(ctx, "connect", err)
	}
	topics, err := e.allTopics(ctx)
	if err != nil {
		return broken(ctx, "list topics", err)
	}
	var filled []event.Glob // empty ones need not be read
	for _, t := range topics {
		if t.Name.IsDLQ() && slices.ContainsFunc(t.Partitions, func(p bus.PartitionInfo) bool { return p.End > p.Start }) {
			filled = append(filled, event.Glob(t.Name))
		}
	}
	if len(filled) == 0 {
		return judgeDLQ(nil, e.cfg.Now(), e.cfg.Since)
	}
	snap, err := deadletter.Open(b, "doctor").List(ctx, deadletter.Selector{Topics: filled, States: []deadletter.State{deadletter.Pending}})
	if err != nil {
		return broken(ctx, "read the dead letters", err)
	}
	return judgeDLQ(snap.Letters, e.cfg.Now(), e.cfg.Since)
}

// judgeDLQ tells of dead letters that nobody has decided about, by topic: failures of the last hour need somebody now.
func judgeDLQ(letters []deadletter.Letter, now time.Time, since time.Duration) []Finding {
	type pile struct {
		n, fresh int
		oldest   time.Time
	}
	piles := map[event.Topic]*pile{}
	for _, l := range letters {
		topic := l.Topic.Source()
		p := piles[topic]
		if p == nil {
			p = &pile{oldest: l.FailedAt}
			piles[topic] = p
		}
		p.n++
		if l.FailedAt.Before(p.oldest) {
			p.oldest = l.FailedAt
		}
		if now.Sub(l.FailedAt) <= since {
			p.fresh++
		}
	}
	var found []Finding
	for _, topic := range slices.Sorted(maps.Keys(piles)) {
		p := piles[topic]
		found = append(found, Finding{
			Warn, fmt.Sprintf("%s: %s, the oldest for %s, %d in the last %s", topic, waiting(p.n), span(now.Sub(p.oldest)), p.fresh, span(since)),
			"omnibus dlq groups " + string(topic) + " says why; omnibus dlq retry " + string(topic),
		})
	}
	if len(found) == 0 {
		found = append(found, Finding{OK, "no dead letter waits for a decision", ""})
	}
	return found
}

func waiting(n int) string {
	if n == 1 {
		return "1 dead letter waits"
	}
	return fmt.Sprintf("%d dead letters wait", n)
}
