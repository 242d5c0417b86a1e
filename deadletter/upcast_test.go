package deadletter_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/deadletter"
	"github.com/omninode-ai/omnibus/event"
)

// orderV2 has what was called n under a name that says what it is.
type orderV2 struct {
	Key   string `json:"key"`
	Count int    `json:"count"`
}

func (orderV2) EventTopic() event.Topic { return "omninode.shop.event.ordered.v2" }

// A dead letter stays what was published: shown, edited and sent again as version 1, and handled as version 2 by a group that has
// moved on meanwhile.
func TestDeadLetterOfAnOldVersionIsHandledAsTheLaterOne(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.kill(2, 2, "no stock")
		cfg := s.cfg
		var err error
		cfg.Catalog, err = event.NewCatalog(append(slices.Collect(s.cfg.Catalog.All()), event.Spec{
			Topic: orderV2{}.EventTopic(), Key: "key",
			Schema: []byte(`{"type":"object","properties":{"key":{"type":"string"},"count":{"type":"integer"}},"required":["key","count"]}`),
		})...)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Upcasts = []bus.Upcaster{bus.Upcast(func(_ context.Context, o order) (orderV2, error) { return orderV2{o.Key, o.N}, nil })}
		moved := bustest.Over(t, cfg)
		var got []bus.Event[orderV2]
		moved.Go(bus.Consumer{Group: failing, MaxInFlight: 1}, bus.Handle(func(_ context.Context, e bus.Event[orderV2]) error {
			got = append(got, e)
			return nil
		}))
		moved.Settle()
		equal(t, "handled before the retry", len(got), 0)

		all := s.list(deadletter.Selector{}).Letters
		equal(t, "dead letters", len(all), 2)
		for _, l := range all {
			equal(t, "type shown", l.EventType, orders)
		}
		var edited, other deadletter.Letter
		for _, l := range all {
			l, err := s.desk.Show(t.Context(), l.ID)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(l.Value, []byte(`"n":1`)) {
				edited = l
			} else {
				other = l
			}
		}
		if _, err := s.desk.Edit(t.Context(), edited.ID, bytes.Replace(edited.Value, []byte(`"n":`), []byte(`"count":`), 1), nil, ""); !errors.Is(err, bus.ErrInvalid) {
			t.Errorf("edit into the later version: %v, want ErrInvalid", err)
		}
		if _, err := s.desk.Edit(t.Context(), edited.ID, bytes.Replace(edited.Value, []byte(`"n":`), []byte(`"n":7`), 1), nil, ""); err != nil {
			t.Fatal(err)
		}
		s.do(deadletter.Retry, deadletter.Selector{}, deadletter.Options{})
		moved.Settle()
		equal(t, "handled", len(got), 2)
		counts := map[int]bool{}
		for _, e := range got {
			counts[e.Payload.Count] = true
			equal(t, "published as", e.UpcastFrom, orders)
			if e.Payload.Count < 70 && !bytes.Equal(e.Value, other.Value) {
				t.Errorf("the record's bytes are %s", e.Value)
			}
		}
		equal(t, "counts", counts, map[int]bool{0: true, 71: true})
		equal(t, "letters that are left", s.states()[deadletter.Pending], 0)
	})
}
