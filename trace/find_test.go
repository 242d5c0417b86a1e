package trace_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/bus/bustest"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/trace"
)

// bubble runs a test with a broker with the topics of these tests, in a bubble.
func bubble(t *testing.T, run func(t *testing.T, b *bustest.Bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var specs []event.Spec
		for _, topic := range []event.Topic{validate, validated, assessed, indexed, "omninode.audit.operator_action.v1"} {
			specs = append(specs, event.Spec{Topic: topic, Schema: []byte(`{"type":"object"}`), Partitions: 2})
		}
		c, err := event.NewCatalog(specs...)
		if err != nil {
			t.Fatal(err)
		}
		run(t, bustest.Start(t, c))
	})
}

type payload struct {
	topic event.Topic
	Text  string `json:"text"`
}

func (p payload) EventTopic() event.Topic { return p.topic }

// say publishes an event of a flow, and moves the clock on.
func say(t *testing.T, b *bustest.Bench, topic event.Topic, flow event.CorrelationID, opts ...bus.PublishOption) event.Envelope {
	t.Helper()
	e, err := b.Publish(t.Context(), payload{topic, `a "quoted" text`}, append(opts, bus.WithCorrelation(flow))...)
	if err != nil {
		t.Fatal(err)
	}
	b.Elapse(time.Second)
	return e
}

func raw(t *testing.T, b *bustest.Bench, topic event.Topic, value string) bus.Result {
	t.Helper()
	results, err := b.PublishAll(t.Context(), bus.Outgoing{Topic: topic, Raw: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func find(t *testing.T, b *bustest.Bench, q trace.Query) *trace.Found {
	t.Helper()
	found, err := trace.Find(t.Context(), b.Bus, q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFindReadsEveryTopicAndEveryDeadLetter(t *testing.T) {
	bubble(t, func(t *testing.T, b *bustest.Bench) {
		a := say(t, b, validate, "flow-1")
		say(t, b, assessed, "flow-1", bus.WithCausation(a.ID))
		say(t, b, assessed, "flow-2")
		say(t, b, indexed, "flow-10")
		b.Go(bus.Consumer{Group: "g"}, bus.HandleType(validate, func(context.Context, bus.Delivery) error {
			return bus.Permanent(errors.New("no"))
		}))
		b.Settle()
		found := find(t, b, trace.Query{ID: "flow-1"})
		f := trace.Build(found.CorrelationID, found.Records)
		if found.Read != 5 || found.Topics != 10 || len(found.Records) != 3 || f.Events != 2 || f.Failed != 1 || found.Partial {
			t.Errorf("found %d records of %d in %d topics: %d events, %d failed", len(found.Records), found.Read, found.Topics, f.Events, f.Failed)
		}
		byEvent := find(t, b, trace.Query{ID: strings.ToUpper(a.ID.String())})
		if byEvent.CorrelationID != "flow-1" || byEvent.EventID != a.ID {
			t.Errorf("by the event: %s, %s", byEvent.CorrelationID, byEvent.EventID)
		}
		if diff := cmp.Diff(found.Records, byEvent.Records); diff != "" {
			t.Errorf("by the event (-correlation +event):\n%s", diff)
		}
	})
}

func TestFindReadsWhatOthersWrite(t *testing.T) {
	bubble(t, func(t *testing.T, b *bustest.Bench) {
		raw(t, b, assessed, `{"correlation_id":"flow\u002d1","payload":{}}`)
		raw(t, b, assessed, `{"correlation_id":"other","payload":{"text":"flow-1"}}`)
		raw(t, b, assessed, `flow-1`)
		if found := find(t, b, trace.Query{ID: "flow-1"}); len(found.Records) != 1 {
			t.Errorf("%d records", len(found.Records))
		}
		at := raw(t, b, indexed, `{"payload":{}}`)
		id := event.IDAt(indexed, at.Partition, at.Offset)
		if found := find(t, b, trace.Query{ID: id.String()}); len(found.Records) != 1 {
			t.Errorf("%d records by the id that its place gives", len(found.Records))
		}
		at = raw(t, b, indexed, `{"correlation_id":"flow-1","payload":{}}`)
		id = event.IDAt(indexed, at.Partition, at.Offset)
		if found := find(t, b, trace.Query{ID: id.String()}); len(found.Records) != 2 || found.CorrelationID != "flow-1" {
			t.Errorf("%d records of %s by an event", len(found.Records), found.CorrelationID)
		}
	})
}

func TestFindKeepsToItsTimeAndSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, b *bustest.Bench) {
		say(t, b, validate, "flow-1")
		since := time.Now()
		say(t, b, assessed, "flow-2")
		found, err := trace.Find(t.Context(), b.Bus, trace.Query{ID: "flow-1", Since: since})
		if !errors.Is(err, trace.ErrNotFound) || found.Read != 1 || found.Topics != 10 {
			t.Errorf("%v, read %d records of %d topics", err, found.Read, found.Topics)
		}
		find(t, b, trace.Query{ID: "flow-1", Since: since.Add(-time.Second)})
		if _, err := trace.Find(t.Context(), b.Bus, trace.Query{ID: event.NewID().String()}); !errors.Is(err, trace.ErrNotFound) {
			t.Errorf("an event that is not there: %v", err)
		}
	})
}

func TestFindGivesWhatItHasWhenItIsStopped(t *testing.T) {
	bubble(t, func(t *testing.T, b *bustest.Bench) {
		var events []bus.Outgoing
		for range 3000 {
			e := event.New(event.WithCorrelation(t.Context(), "flow-1"), assessed, []byte(`{}`), event.Source{Service: "s", Instance: "i"}, time.Now())
			events = append(events, bus.Outgoing{Envelope: &e})
		}
		if _, err := b.PublishAll(t.Context(), events...); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		found, err := trace.Find(ctx, b.Bus, trace.Query{ID: "flow-1", Progress: func(read int, upTo time.Time) {
			if read != 1000 || upTo.IsZero() {
				t.Errorf("progress %d, %v", read, upTo)
			}
			stop()
		}})
		if !errors.Is(err, context.Canceled) || !found.Partial || len(found.Records) < 1000 || len(found.Records) == 3000 {
			t.Errorf("%v, partial %t, %d records", err, found.Partial, len(found.Records))
		}
	})
}

func TestNewestIsOfWhatServicesDoForOthers(t *testing.T) {
	bubble(t, func(t *testing.T, b *bustest.Bench) {
		if _, err := trace.Newest(t.Context(), b.Bus); !errors.Is(err, trace.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		newest := func(want event.CorrelationID) {
			t.Helper()
			if got, err := trace.Newest(t.Context(), b.Bus); err != nil || got != want {
				t.Errorf("%s, %v; want %s", got, err, want)
			}
		}
		say(t, b, "omninode.audit.operator_action.v1", "audited")
		newest("audited")
		say(t, b, assessed, "flow-1")
		newest("flow-1")
		say(t, b, indexed, "flow-2")
		say(t, b, "omninode.audit.operator_action.v1", "audited")
		newest("flow-2")
	})
}
