package bus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

func TestDeletedTopicsAndGroupsAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newStage(t, "")
		handled := make(chan struct{})
		stop := r.Go(r.group("g"), bus.HandleType(r.topic, func(context.Context, bus.Delivery) error {
			close(handled)
			return nil
		}))
		r.note("a", 1)
		<-handled
		group := r.group("g").Group
		if err := r.DeleteGroups(t.Context(), group); err == nil {
			t.Error("a group that has a member was deleted")
		}
		stop()
		for range 2 { // what is gone is no error
			if err := r.DeleteGroups(t.Context(), group); err != nil {
				t.Fatal(err)
			}
			if err := r.DeleteTopics(t.Context(), r.topic, r.topic.DLQ()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Groups(t.Context(), group); !errors.Is(err, bus.ErrUnknownGroup) {
			t.Errorf("group: %v, want ErrUnknownGroup", err)
		}
		if _, err := r.Topics(t.Context(), event.Glob(r.topic)); !errors.Is(err, bus.ErrUnknownTopic) {
			t.Errorf("topic: %v, want ErrUnknownTopic", err)
		}
		if _, err := r.Topics(t.Context(), event.Glob(r.other)); err != nil {
			t.Errorf("the other topic: %v", err)
		}
	})
}
