package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// TopicDeletion is what is lost with some topics. It can be kept as JSON.
type TopicDeletion struct {
	Topics []DoomedTopic `json:"topics"`
}

// DoomedTopic is one of them.
type DoomedTopic struct {
	Name    event.Topic `json:"name"`
	ID      string      `json:"id"`
	Records int64       `json:"records"` // offsets that it holds; -1: not known
}

// TopicInUseError refuses to delete a topic that members of groups hold partitions of.
type TopicInUseError struct {
	Topic  event.Topic
	Groups []GroupInfo
}

func (e *TopicInUseError) Error() string {
	names := make([]string, len(e.Groups))
	for i, g := range e.Groups {
		names[i] = g.Name
	}
	return fmt.Sprintf("topic %s is read by %s", e.Topic, strings.Join(names, ", "))
}

// PlanTopicDeletion says what is lost with the topics, and changes nothing. Dead-letter topics are deleted only where they are
// named. A topic that does not exist is an error, ErrUnknownTopic, and one that is read now a [TopicInUseError].
func (b *Bus) PlanTopicDeletion(ctx context.Context, topics ...event.Topic) (TopicDeletion, error) {
	var globs []event.Glob
	for _, t := range topics {
		globs = append(globs, event.Glob(t))
	}
	failed := func(err error) (TopicDeletion, error) { return TopicDeletion{}, fmt.Errorf("delete topics: %w", err) }
	infos, err := b.Topics(ctx, globs...)
	if err != nil {
		return failed(err)
	}
	if err := b.unread(ctx, topics); err != nil {
		return failed(err)
	}
	var p TopicDeletion
	for _, t := range infos {
		d := DoomedTopic{Name: t.Name, ID: t.ID}
		for _, part := range t.Partitions {
			if part.Start < 0 || part.End < 0 || d.Records < 0 {
				d.Records = -1
				continue
			}
			d.Records += part.End - part.Start
		}
		p.Topics = append(p.Topics, d)
	}
	return p, nil
}

// unread refuses topics that members of groups hold partitions of.
func (b *Bus) unread(ctx context.Context, topics []event.Topic) error {
	groups, err := b.Groups(ctx)
	if err != nil {
		return err
	}
	for _, t := range topics {
		var busy []GroupInfo
		for _, g := range groups {
			if slices.ContainsFunc(g.Members, func(m Member) bool { return len(m.Assigned[t]) > 0 }) {
				busy = append(busy, g)
			}
		}
		if busy != nil {
			return &TopicInUseError{Topic: t, Groups: busy}
		}
	}
	return nil
}

// RunTopicDeletion deletes the topics, and returns once the cluster has them no more. Where one of them was made anew since p was
// made it is a [StalePlanError], and where one is read by now a [TopicInUseError]; nothing is changed then.
func (b *Bus) RunTopicDeletion(ctx context.Context, p TopicDeletion) error {
	failed := func(err error) error { return fmt.Errorf("delete topics: %w", err) }
	var names []event.Topic
	for _, t := range p.Topics {
		names = append(names, t.Name)
	}
	there, _, err := b.topicsThere(ctx, names)
	if err != nil {
		return failed(err)
	}
	var changed []string
	for _, t := range p.Topics {
		switch now, ok := there[t.Name]; {
		case !ok:
			changed = append(changed, string(t.Name)+" is gone already")
		case now.ID != t.ID:
			changed = append(changed, string(t.Name)+" was deleted and made anew")
		}
	}
	if changed != nil {
		return failed(&StalePlanError{changed})
	}
	if err := b.unread(ctx, names); err != nil {
		return failed(err)
	}
	if err := b.DeleteTopics(ctx, names...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, appearWithin)
	defer cancel()
	for {
		there, _, err := b.topicsThere(ctx, names)
		if err == nil && len(there) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return failed(errors.Join(fmt.Errorf("the cluster took it and still shows %v: %w", slices.Sorted(maps.Keys(there)), context.Cause(ctx)), err))
		case <-time.After(appearPoll):
		}
	}
}
