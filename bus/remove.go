package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/omninode-ai/omnibus/event"
)

// DeleteTopics deletes the topics with everything in them, dead-letter topics only where they are named. A topic that does not
// exist is no error.
func (b *Bus) DeleteTopics(ctx context.Context, topics ...event.Topic) error {
	if len(topics) == 0 {
		return nil
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = string(t)
	}
	answers, err := b.admin.DeleteTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("delete topics: %w", b.reach(err))
	}
	var errs []error
	for _, a := range answers.Sorted() {
		b.known.Delete(a.Topic)
		if a.Err != nil && !errors.Is(a.Err, kerr.UnknownTopicOrPartition) {
			errs = append(errs, &Error{Op: "delete topic", Topic: event.Topic(a.Topic), Partition: -1, Offset: -1, Err: b.reach(a.Err)})
		}
	}
	return errors.Join(errs...)
}

// DeleteGroups deletes consumer groups with their committed positions. A group that does not exist is no error; one that still
// has members is.
func (b *Bus) DeleteGroups(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	answers, err := b.admin.DeleteGroups(ctx, names...)
	if err != nil {
		return fmt.Errorf("delete groups: %w", b.reach(err))
	}
	var errs []error
	for _, a := range answers.Sorted() {
		if a.Err != nil && !errors.Is(a.Err, kerr.GroupIDNotFound) {
			errs = append(errs, fmt.Errorf("delete group %q: %w", a.Group, b.reach(a.Err)))
		}
	}
	return errors.Join(errs...)
}
