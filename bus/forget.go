package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// GroupDeletion is what a group would lose. It can be kept as JSON.
type GroupDeletion struct {
	Group     string        `json:"group"`
	Positions []Coordinates `json:"positions"` // in the order of topic and partition
}

// PlanGroupDeletion says what is lost with a group, and changes nothing. A group with members is an [ActiveGroupError]; one that
// does not exist is an error, ErrUnknownGroup.
func (b *Bus) PlanGroupDeletion(ctx context.Context, group string) (GroupDeletion, error) {
	failed := func(err error) (GroupDeletion, error) {
		return GroupDeletion{}, fmt.Errorf("delete group %q: %w", group, err)
	}
	exists, err := b.idle(ctx, group)
	if err == nil && !exists {
		err = ErrUnknownGroup
	}
	if err != nil {
		return failed(err)
	}
	committed, err := b.positions(ctx, group)
	if err != nil {
		return failed(err)
	}
	p := GroupDeletion{Group: group, Positions: []Coordinates{}}
	for at, o := range committed {
		p.Positions = append(p.Positions, Coordinates{at.topic, at.partition, o.At})
	}
	slices.SortFunc(p.Positions, func(x, y Coordinates) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return p, nil
}

// RunGroupDeletion deletes the group, and returns once it is gone. Where it has members by now it is an [ActiveGroupError], and
// where its positions are not those of p a [StalePlanError]; nothing is changed then.
func (b *Bus) RunGroupDeletion(ctx context.Context, p GroupDeletion) error {
	now, err := b.PlanGroupDeletion(ctx, p.Group)
	if err != nil {
		return err
	}
	var changed []string
	for _, c := range now.Positions {
		if !slices.Contains(p.Positions, c) {
			changed = append(changed, fmt.Sprintf("%s[%d] is at %d now", c.Topic, c.Partition, c.Offset))
		}
	}
	if changed == nil && len(now.Positions) != len(p.Positions) {
		changed = append(changed, fmt.Sprintf("it has %d positions now, and had %d", len(now.Positions), len(p.Positions)))
	}
	if changed != nil {
		return fmt.Errorf("delete group %q: %w", p.Group, &StalePlanError{changed})
	}
	if err := b.DeleteGroups(ctx, p.Group); err != nil {
		if _, active := b.idle(ctx, p.Group); active != nil { // somebody joined meanwhile
			return fmt.Errorf("delete group %q: %w", p.Group, active)
		}
		return err
	}
	if _, err := b.Groups(ctx, p.Group); !errors.Is(err, ErrUnknownGroup) {
		return fmt.Errorf("delete group %q: it was deleted, and is there again: %w", p.Group, err)
	}
	return nil
}
