package bus

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// plansTopic keeps plans, compacted: one record for each, by its id.
const plansTopic = event.Topic("_omnibus.plans")

// ErrUnknownPlan means that no plan of this id is kept.
var ErrUnknownPlan = errors.New("unknown plan")

// KeptPlan is a plan that was put away, so that exactly it can be carried out later and from anywhere.
type KeptPlan struct {
	ID     string          `json:"id"`
	Kind   string          `json:"kind"` // what it does, as its maker calls it: "groups reset"
	By     string          `json:"by"`
	At     time.Time       `json:"at"`
	DoneBy string          `json:"done_by,omitzero"` // empty: not carried out
	DoneAt time.Time       `json:"done_at,omitzero"`
	Plan   json.RawMessage `json:"plan"`
}

// StalePlanError means that the cluster is not any more what it was when a plan was made, so that it would do something else
// than it says.
type StalePlanError struct{ Changed []string }

func (e *StalePlanError) Error() string {
	return "the plan is out of date: " + strings.Join(e.Changed, "; ")
}

// KeepPlan keeps plan, whatever it is, as JSON under an id of eight letters and digits.
func (b *Bus) KeepPlan(ctx context.Context, kind, by string, plan any) (KeptPlan, error) {
	body, err := jsonx.Marshal(plan)
	if err != nil {
		return KeptPlan{}, fmt.Errorf("keep plan: %w", err)
	}
	k := KeptPlan{ID: newPlanID(), Kind: kind, By: by, At: time.Now().UTC().Truncate(time.Millisecond), Plan: body}
	if err := b.EnsureState(ctx, plansTopic); err != nil {
		return KeptPlan{}, fmt.Errorf("keep plan: %w", err)
	}
	return k, b.putPlan(ctx, k)
}

// KeptPlan finds the plan with this id, or ErrUnknownPlan.
func (b *Bus) KeptPlan(ctx context.Context, id string) (KeptPlan, error) {
	var found KeptPlan
	for r, err := range b.Scan(ctx, Range{Topics: []event.Glob{event.Glob(plansTopic)}}) {
		if errors.Is(err, ErrUnknownTopic) {
			break // no plan was ever kept
		}
		if err != nil {
			return KeptPlan{}, fmt.Errorf("plan %s: %w", id, err)
		}
		if string(r.Key) == id {
			if err := jsonx.Unmarshal(r.Value, &found); err != nil {
				return KeptPlan{}, fmt.Errorf("plan %s: %w", id, err)
			}
		}
	}
	if found.ID == "" {
		return KeptPlan{}, fmt.Errorf("plan %q: %w", id, ErrUnknownPlan)
	}
	return found, nil
}

// PlanDone notes that by carried k out.
func (b *Bus) PlanDone(ctx context.Context, k KeptPlan, by string) error {
	k.DoneBy, k.DoneAt = by, time.Now().UTC().Truncate(time.Millisecond)
	return b.putPlan(ctx, k)
}

func (b *Bus) putPlan(ctx context.Context, k KeptPlan) error {
	value, err := jsonx.Marshal(k)
	if err == nil {
		_, err = b.Append(ctx, Record{Topic: plansTopic, Key: []byte(k.ID), Value: value})
	}
	if err != nil {
		return fmt.Errorf("keep plan %s: %w", k.ID, err)
	}
	return nil
}

// newPlanID is 8 letters and digits at random; none of them can be mistaken for another.
func newPlanID() string {
	var random [5]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	return base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").EncodeToString(random[:])
}
