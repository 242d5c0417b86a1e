package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/omninode-ai/omnibus/event"
)

// ErrUnknownGroup means that the cluster has no such consumer group.
var ErrUnknownGroup = errors.New("unknown group")

// GroupInfo is a consumer group as its coordinator sees it.
type GroupInfo struct {
	Name        string
	State       string // Stable, Empty, PreparingRebalance, ...
	Protocol    string // how partitions are assigned
	Members     []Member
	Coordinator int32
}

// Member is one consumer of a group.
type Member struct {
	ID, InstanceID, ClientID, Host string // InstanceID: of static members
	Assigned                       map[event.Topic][]int32
}

// Groups describes the groups called names, or all, in the order of their names. It is an error, ErrUnknownGroup, where one of
// names does not exist.
func (b *Bus) Groups(ctx context.Context, names ...string) ([]GroupInfo, error) {
	const within, every = 10 * time.Second, 250 * time.Millisecond
	for waited := time.Duration(0); ; waited += every {
		infos, err := b.groupsNow(ctx, names)
		if !isCoordinatorAway(err) || waited >= within {
			return infos, err
		}
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
	}
}

// isCoordinatorAway reports whether the groups have nobody to answer for them yet: a cluster that has just started makes the
// topic that it keeps groups in when the first of them joins.
func isCoordinatorAway(err error) bool {
	return errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.NotCoordinator)
}

func (b *Bus) groupsNow(ctx context.Context, names []string) ([]GroupInfo, error) {
	listed, err := b.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("groups: %w", b.reach(err))
	}
	all := len(names) == 0
	if all {
		names = listed.Groups()
	}
	if len(names) == 0 {
		return nil, nil
	}
	described := make(map[string]GroupInfo, len(names))
	if err := b.describeClassic(ctx, names, described); err != nil {
		return nil, err
	}
	var newer []string // the classic protocol does not know groups of the newer one, but the list does
	for _, name := range names {
		if _, ok := described[name]; !ok && listed[name].State != "" && listed[name].State != "Dead" {
			newer = append(newer, name)
		}
	}
	if err := b.describeNewer(ctx, newer, described); err != nil {
		return nil, err
	}
	var missing []error
	for _, name := range names {
		if _, ok := described[name]; !ok && !all { // one that went away since it was listed is no error
			missing = append(missing, fmt.Errorf("group %q: %w", name, ErrUnknownGroup))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	var out []GroupInfo
	for _, name := range slices.Sorted(maps.Keys(described)) {
		out = append(out, described[name])
	}
	return out, nil
}

func (b *Bus) describeClassic(ctx context.Context, names []string, into map[string]GroupInfo) error {
	groups, err := b.admin.DescribeGroups(ctx, names...)
	if err != nil {
		return fmt.Errorf("groups: %w", b.reach(err))
	}
	for _, g := range groups.Sorted() {
		switch {
		case errors.Is(g.Err, kerr.GroupIDNotFound), g.Err == nil && g.State == "Dead":
			continue // the classic protocol calls a group that does not exist dead
		case g.Err != nil:
			return fmt.Errorf("group %q: %w", g.Group, b.reach(g.Err))
		}
		info := GroupInfo{Name: g.Group, State: g.State, Protocol: g.Protocol, Coordinator: g.Coordinator.NodeID}
		for _, m := range g.Members {
			member := Member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, Assigned: map[event.Topic][]int32{}}
			if m.InstanceID != nil {
				member.InstanceID = *m.InstanceID
			}
			if a, ok := m.Assigned.AsConsumer(); ok {
				for _, t := range a.Topics {
					member.Assigned[event.Topic(t.Topic)] = slices.Sorted(slices.Values(t.Partitions))
				}
			}
			info.Members = append(info.Members, member)
		}
		into[g.Group] = info
	}
	return nil
}

// describeNewer describes groups of the protocol of KIP-848.
func (b *Bus) describeNewer(ctx context.Context, names []string, into map[string]GroupInfo) error {
	if len(names) == 0 {
		return nil
	}
	groups, err := b.admin.DescribeConsumerGroups(ctx, names...)
	if err != nil {
		return fmt.Errorf("groups: %w", b.reach(err))
	}
	for _, g := range groups.Sorted() {
		switch {
		case errors.Is(g.Err, kerr.GroupIDNotFound), g.Err == nil && g.State == "Dead":
			continue
		case g.Err != nil:
			return fmt.Errorf("group %q: %w", g.Group, b.reach(g.Err))
		}
		info := GroupInfo{Name: g.Group, State: g.State, Protocol: g.AssignorName, Coordinator: g.Coordinator.NodeID}
		for _, m := range g.Members {
			member := Member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, Assigned: map[event.Topic][]int32{}}
			if m.InstanceID != nil {
				member.InstanceID = *m.InstanceID
			}
			for t, ps := range m.Assignment {
				member.Assigned[event.Topic(t)] = slices.Sorted(maps.Keys(ps))
			}
			info.Members = append(info.Members, member)
		}
		into[g.Group] = info
	}
	return nil
}
