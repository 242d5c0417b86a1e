package event_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/event"
)

var noon = time.Date(2025, 10, 18, 12, 0, 0, 123456789, time.FixedZone("", 3600))

// publishes runs what a handler does: three events of two types.
func publishes(ctx context.Context) []event.Envelope {
	from := event.Source{Service: "shop", Instance: "shop-1"}
	var out []event.Envelope
	for _, typ := range []event.Topic{"omninode.shop.event.sold.v1", "omninode.shop.event.sold.v1", "omninode.shop.event.paid.v1"} {
		out = append(out, event.New(ctx, typ, []byte(`{}`), from, noon))
	}
	return out
}

func TestHandlersPublishTheSameIDsOnARedelivery(t *testing.T) {
	cause := envelopes(t)["full"]
	first := publishes(event.WithCause(t.Context(), cause, "stock"))
	again := publishes(event.WithCause(t.Context(), cause, "stock"))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("-first +again\n%s", diff)
	}
	seen := map[event.ID]bool{}
	for _, other := range [][]event.Envelope{first, publishes(event.WithCause(t.Context(), cause, "billing")), publishes(event.WithCause(t.Context(), envelopes(t)["least"], ""))} {
		for _, e := range other {
			seen[e.ID] = e.ID.String()[14] == '5'
		}
	}
	cause.ID = event.NewID()
	for _, e := range publishes(event.WithCause(t.Context(), cause, "stock")) {
		seen[e.ID] = e.ID.String()[14] == '5'
	}
	if len(seen) != 12 {
		t.Errorf("%d different ids, want 12", len(seen))
	}
	for id, v5 := range seen {
		if !v5 {
			t.Errorf("%s is not a UUIDv5", id)
		}
	}
}

// TestDerivedIDsNeverChange freezes them: a later release must recognise what this one has published. The values are those of
// Python's uuid5.
func TestDerivedIDsNeverChange(t *testing.T) {
	cause := envelopes(t)["least"]
	for want, got := range map[string]event.ID{
		"531a07e1-ffbf-5ce7-af5b-1971078c4b7a": publishes(event.WithCause(t.Context(), cause, "stock"))[0].ID,
		"e51b350c-2be5-537d-b57f-4a2932be81b5": publishes(event.WithCause(t.Context(), cause, "stock"))[1].ID,
		"d899e69a-bc9e-5137-bf82-b7b21ae5f213": event.IDAt("omninode.shop.event.sold.v1", 3, 42),
	} {
		if got.String() != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEventsFollowTheirCause(t *testing.T) {
	cause := envelopes(t)["full"]
	got := publishes(event.WithCause(event.WithCorrelation(t.Context(), "other"), cause, "stock"))[0]
	want := event.Envelope{
		ID: got.ID, Type: "omninode.shop.event.sold.v1", CorrelationID: cause.CorrelationID, CausationID: cause.ID,
		Time: time.Date(2025, 10, 18, 11, 0, 0, 123e6, time.UTC), Version: "1.0.0",
		Source: event.Source{Service: "shop", Instance: "shop-1"}, Metadata: cause.Metadata, Payload: []byte(`{}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestCauseOf(t *testing.T) {
	if e, ok := event.CauseOf(t.Context()); ok {
		t.Errorf("a bare context has the cause %+v", e)
	}
	cause := envelopes(t)["full"]
	got, ok := event.CauseOf(event.WithCause(t.Context(), cause, "g"))
	if diff := cmp.Diff(cause, got); !ok || diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestEventsWithoutACauseAreNew(t *testing.T) {
	seen := map[event.ID]bool{}
	correlations := map[event.CorrelationID]bool{}
	for _, e := range append(publishes(t.Context()), publishes(t.Context())...) {
		seen[e.ID], correlations[e.CorrelationID] = true, true
		if e.ID.String()[14] != '4' || !e.CausationID.IsZero() || !e.CorrelationID.Valid() {
			t.Errorf("%+v", e)
		}
	}
	if len(seen) != 6 || len(correlations) != 6 {
		t.Errorf("%d ids and %d correlations, want 6 of each", len(seen), len(correlations))
	}
	for _, e := range publishes(event.WithCorrelation(t.Context(), "order-7")) {
		if e.CorrelationID != "order-7" {
			t.Errorf("correlation %q, want order-7", e.CorrelationID)
		}
	}
}
