package bus_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/omninode-ai/omnibus/bus"
)

func TestGroupIsDeletedAsPlanned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := resets(t)
		if _, err := r.PlanGroupDeletion(t.Context(), "nobody"); !errors.Is(err, bus.ErrUnknownGroup) {
			t.Errorf("a group that is not there: %v", err)
		}
		p, err := r.PlanGroupDeletion(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		want := bus.GroupDeletion{Group: "g", Positions: []bus.Coordinates{{Topic: "t", Partition: 0, Offset: 4}, {Topic: "t", Partition: 1, Offset: 10}}}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		r.commit("g", "t", 0, 5)
		var stale *bus.StalePlanError
		if err := r.RunGroupDeletion(t.Context(), p); !errors.As(err, &stale) || len(stale.Changed) != 1 {
			t.Errorf("it went on meanwhile: %v", err)
		}
		if p, err = r.PlanGroupDeletion(t.Context(), "g"); err != nil {
			t.Fatal(err)
		}
		member := r.join("g", "t")
		var active *bus.ActiveGroupError
		if err := r.RunGroupDeletion(t.Context(), p); !errors.As(err, &active) {
			t.Errorf("with a member: %v", err)
		}
		member.Close()
		gone, err := r.admin.LeaveGroup(t.Context(), kadm.LeaveGroup("g").InstanceIDs("one")) // it is static: closing does not leave
		if err := errors.Join(err, gone.Error()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Groups(t.Context(), "g"); err != nil {
			t.Fatalf("before it is deleted: %v", err)
		}
		left, err := r.PlanGroupDeletion(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.RunGroupDeletion(t.Context(), left); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Groups(t.Context(), "g"); !errors.Is(err, bus.ErrUnknownGroup) {
			t.Errorf("deleted, it is there: %v", err)
		}
	})
}
