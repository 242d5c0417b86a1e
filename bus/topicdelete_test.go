package bus_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/omninode-ai/omnibus/bus"
)

func TestTopicsAreDeletedAsPlanned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newLogRig(t)
		r.create(2, nil, "t", "t.dlq", "other")
		r.write("t", 1, "a", "b")
		if _, err := r.PlanTopicDeletion(t.Context(), "nope"); !errors.Is(err, bus.ErrUnknownTopic) {
			t.Errorf("a topic that is not there: %v", err)
		}
		p, err := r.PlanTopicDeletion(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]bus.DoomedTopic{{Name: "t", Records: 2}}, p.Topics, cmpopts.IgnoreFields(bus.DoomedTopic{}, "ID")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		member := r.join("g", "t", "other")
		_, planned := r.PlanTopicDeletion(t.Context(), "t")
		for _, err := range []error{planned, r.RunTopicDeletion(t.Context(), p)} {
			var used *bus.TopicInUseError
			if !errors.As(err, &used) || len(used.Groups) != 1 || used.Groups[0].Name != "g" {
				t.Errorf("while it is read: %v", err)
			}
		}
		member.Close()
		gone, err := r.admin.LeaveGroup(t.Context(), kadm.LeaveGroup("g").InstanceIDs("one"))
		if err := errors.Join(err, gone.Error()); err != nil {
			t.Fatal(err)
		}
		if err := r.RunTopicDeletion(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		left, err := r.Topics(t.Context())
		if err != nil || len(left) != 2 {
			t.Errorf("%d topics are left, %v; want other and t.dlq", len(left), err)
		}
		r.create(2, nil, "t")
		var stale *bus.StalePlanError
		if err := r.RunTopicDeletion(t.Context(), p); !errors.As(err, &stale) {
			t.Errorf("it was made anew: %v", err)
		}
	})
}
