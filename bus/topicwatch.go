package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/omninode-ai/omnibus/event"
)

const (
	doubtEvery = 500 * time.Millisecond // how often doubts may make it ask
	lookEvery  = 5 * time.Second        // how often a consumer asks whether its topics are still those that it began with
	goneAfter  = 10 * time.Second       // a topic that is missing for so long is gone: one broker of several may be late to hear of one
)

// topicIDs knows under which id each topic is read. A topic that was deleted and made again under its name has another id: its
// offsets have nothing to do with the old ones.
type topicIDs struct {
	mu    sync.Mutex
	known map[string]knownTopic
}

type knownTopic struct {
	id           kadm.TopicID // zero: the broker has no ids
	missingSince time.Time    // zero: it is there
}

// learn notes the id of a topic that is not known yet.
func (t *topicIDs) learn(topic string, id kadm.TopicID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.known[topic]; !ok {
		if t.known == nil {
			t.known = map[string]knownTopic{}
		}
		t.known[topic] = knownTopic{id: id}
	}
}

func (t *topicIDs) of(topic string) (id kadm.TopicID, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.known[topic]
	return k.id, ok
}

func (t *topicIDs) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, topic)
}

func (t *topicIDs) names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.known))
}

// missing are the topics that are gone.
func (t *topicIDs) missing() []Missing {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Missing
	for _, name := range slices.Sorted(maps.Keys(t.known)) {
		if since := t.known[name].missingSince; !since.IsZero() {
			out = append(out, Missing{event.Topic(name), since})
		}
	}
	return out
}

// topicChange is what became of a topic.
type topicChange struct {
	topic    string
	remade   bool // it is there under another id; else it is missing
	old, now kadm.TopicID
	since    time.Time // when it was first missing; zero: it never was
	first    bool      // this is the first look that misses it
}

// compare holds what the cluster says against what is known.
func (t *topicIDs) compare(found kadm.TopicDetails, at time.Time) []topicChange {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []topicChange
	for _, name := range slices.Sorted(maps.Keys(t.known)) {
		k := t.known[name]
		d, there := found[name]
		switch {
		case !there || errors.Is(d.Err, kerr.UnknownTopicOrPartition):
			first := k.missingSince.IsZero()
			if first {
				k.missingSince = at
			}
			out = append(out, topicChange{topic: name, old: k.id, since: k.missingSince, first: first})
		case d.Err != nil: // nobody can tell now
		case d.ID != k.id && d.ID != (kadm.TopicID{}) && k.id != (kadm.TopicID{}):
			out = append(out, topicChange{topic: name, remade: true, old: k.id, now: d.ID, since: k.missingSince})
		default:
			k.missingSince = time.Time{}
		}
		t.known[name] = k
	}
	return out
}

// watch looks after what nobody would be told of otherwise, until ctx ends: handlers that are stuck, and topics that are not
// what they were.
func (c *consumer) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.nameStuck(ctx, time.Now())
			c.lookAtTopics(ctx)
		case <-c.doubt:
			c.lookAtTopics(ctx)
			waitFor(ctx, doubtEvery)
		}
	}
}

// doubtTopics asks for a look now: an answer of the broker can only mean that a topic is not what it was.
func (c *consumer) doubtTopics() {
	select {
	case c.doubt <- struct{}{}:
	default:
	}
}

func isTopicDoubt(err error) bool {
	return errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.InconsistentTopicID)
}

func (c *consumer) lookAtTopics(ctx context.Context) {
	names := c.topics.names()
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	found, _, err := clusterMetadata(ctx, c.bus.client, names...)
	if err != nil {
		return // nobody can tell now; who needs the broker says so
	}
	now := time.Now()
	for _, change := range c.topics.compare(found, now) {
		c.changedTopic(ctx, change, now)
	}
}

// changedTopic decides what a change means. A topic that handlers name is needed: without it the consumer ends. One that only a
// pattern matches may go; its new self is read from its beginning, as every new topic is. What the consumer holds of a topic
// that was made anew ends it in any case: the offsets in hand belong to the old one.
func (c *consumer) changedTopic(ctx context.Context, change topicChange, now time.Time) {
	t := event.Topic(change.topic)
	names, _ := c.dispatch.topics()
	switch {
	case change.remade && !slices.Contains(names, t) && !c.cfg.Broadcast && !change.since.IsZero() && !c.holds(change.topic):
		c.topics.forget(change.topic)
		c.topics.learn(change.topic, change.now)
		c.bus.log.LogAttrs(ctx, slog.LevelWarn, "a topic that was gone is there again: it is read from its beginning",
			slog.String("group", c.cfg.Group), slog.String("topic", change.topic))
	case change.remade:
		c.endTopic(t, fmt.Errorf("%w: the topic was deleted and made anew (id %s, now %s) under %s: its offsets mean other events now, and what was unread of the old one is gone; start again to read the new one",
			ErrTruncated, uuidText(change.old), uuidText(change.now), c.who()))
	case slices.Contains(names, t) && now.Sub(change.since) >= goneAfter:
		c.endTopic(t, fmt.Errorf("%w: the topic was deleted under %s, and what was unread in it is gone; create it again, or leave it out", ErrUnknownTopic, c.who()))
	case change.first:
		c.bus.log.LogAttrs(ctx, slog.LevelError, "a topic is gone from the cluster",
			slog.String("group", c.cfg.Group), slog.String("topic", change.topic))
	}
}

// endTopic ends the consumer because of a topic. What is in hand of it is given up first, so that nothing of it is committed.
func (c *consumer) endTopic(t event.Topic, why error) {
	c.mu.Lock()
	var ids []partitionID
	for id := range c.lanes.parts {
		if id.topic == string(t) {
			ids = append(ids, id)
		}
	}
	c.mu.Unlock()
	if len(ids) > 0 {
		c.forget(ids, errLost)
	}
	c.fatal(&Error{Op: "consume", Topic: t, Partition: -1, Offset: -1, Err: why})
}

func (c *consumer) holds(topic string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.lanes.parts {
		if id.topic == topic {
			return true
		}
	}
	return false
}

// who is the consumer in a sentence.
func (c *consumer) who() string {
	if c.cfg.Broadcast {
		return "a broadcast consumer of " + c.bus.cfg.Service
	}
	return fmt.Sprintf("group %q", c.cfg.Group)
}

// learnTopics makes sure that the ids of topics are known before they are read. One that was gone and of which nothing is in hand
// is there again: what is read is its new self.
func (c *consumer) learnTopics(ctx context.Context, topics []string) error {
	missing := c.topics.missing()
	topics = slices.DeleteFunc(topics, func(t string) bool {
		if slices.ContainsFunc(missing, func(m Missing) bool { return string(m.Topic) == t }) && !c.holds(t) {
			return false
		}
		_, known := c.topics.of(t)
		return known
	})
	if len(topics) == 0 {
		return nil
	}
	found, _, err := clusterMetadata(ctx, c.bus.client, topics...)
	if err != nil {
		return c.bus.reach(err)
	}
	for _, t := range topics {
		if d, ok := found[t]; ok && d.Err == nil {
			c.topics.forget(t)
			c.topics.learn(t, d.ID)
		}
	}
	return nil
}
