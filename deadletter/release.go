package deadletter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts/audit"
	"github.com/omninode-ai/omnibus/event"
)

// ErrOpen means that dead letters of a key wait for somebody: to let later events of the key run before them would break its order.
var ErrOpen = errors.New("dead letters of the key are open")

// Release lets the events of a parked key run again, which followed into the dead letters until now: see [bus.ParkKey]. Send its
// dead letters again first, in their order; where some are still pending, drafted or quarantined it is an ErrOpen, unless
// leaveOpen says that later events may overtake them. Where another event followed meanwhile, the key stays parked, and that is a
// [bus.StillParkedError]. It waits for the group to come to it, until ctx ends.
func (d *Desk) Release(ctx context.Context, k bus.ParkedKey, leaveOpen bool) error {
	open, err := d.OpenOf(ctx, k)
	if err != nil {
		return err
	}
	if len(open) > 0 && !leaveOpen {
		return fmt.Errorf("release the key parked at %s[%d]@%d for group %s: %d %w", k.Topic, k.Partition, k.Since, k.Group, len(open), ErrOpen)
	}
	if err := d.ensure(ctx); err != nil {
		return err
	}
	// The key itself may be personal data: where it was parked says which one it is.
	place := fmt.Sprintf("%s/%d@%d", k.Topic, k.Partition, k.Since)
	return d.audited(ctx, audit.OperatorAction{Action: "release", Subject: place, Note: "group " + k.Group}, func() (map[string]int64, error) {
		return map[string]int64{"left_open": int64(len(open))}, d.bus.ReleaseKey(ctx, k)
	})
}

// OpenOf lists the dead letters of a parked key that wait for somebody, in the order of their failure, without their bytes.
func (d *Desk) OpenOf(ctx context.Context, k bus.ParkedKey) ([]Letter, error) {
	copies := map[string][]Letter{}
	for dead, err := range d.bus.DeadLetters(ctx, bus.Range{Topics: []event.Glob{event.Glob(k.Topic)}}) {
		if err != nil {
			return nil, fmt.Errorf("dead letters of %s: %w", k.Topic, err)
		}
		if dead.Group != k.Group || dead.Origin.Partition != k.Partition || !bytes.Equal(dead.Key, k.Key) || (dead.Key == nil) != (k.Key == nil) {
			continue
		}
		l := read(dead).light()
		id := l.Identity.key()
		copies[id] = append(copies[id], l)
	}
	book := newLedger()
	if err := d.catchUp(ctx, book); err != nil {
		return nil, err
	}
	var open []Letter
	for id, of := range copies {
		if l := book.judge(book.current(id, of)); l.State == Pending || l.State == Drafted || l.State == Quarantined {
			open = append(open, l)
		}
	}
	slices.SortFunc(open, byFailure)
	return open, nil
}
