package trace

import (
	"slices"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

const (
	foreign = `{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","event_type":"omninode.shop.event.sold.v1","correlation_id":"0c7bd8c6-6a3e-4a79-8a41-8d6f4c0b2a11","timestamp":"2025-10-18T10:00:00.000Z","version":"1.0.0","source":{"service":"shop","instance_id":"shop-1"},"metadata":{},"payload":{"article":"A1","name":"gr\u00f6\u00dfe","of":"9b2f1e1a-3c4d-4e5f-8a7b-6c5d4e3f2a1b"}}`
	wanted  = "9b2f1e1a-3c4d-4e5f-8a7b-6c5d4e3f2a1b"
)

func TestEventsOfOtherFlowsAreNotDecoded(t *testing.T) {
	if !ofAnother([]byte(foreign), []string{wanted}) {
		t.Error("an event that only mentions the id is decoded")
	}
	for _, own := range []string{"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d", "0c7bd8c6-6a3e-4a79-8a41-8d6f4c0b2a11"} {
		if ofAnother([]byte(foreign), []string{wanted, own}) {
			t.Errorf("%s is taken for another's", own)
		}
	}
	value, ids := []byte(foreign), []string{wanted}
	allocated := testing.AllocsPerRun(100, func() { ofAnother(value, ids) })
	if allocated > 0 {
		t.Errorf("%v allocations", allocated)
	}
	look, decode := time.Hour, time.Hour
	r := bus.Record{Topic: "omninode.shop.event.sold.v1", Value: value}
	for range 100 {
		began := time.Now()
		for range 20 {
			ofAnother(r.Value, ids)
		}
		look = min(look, time.Since(began)/20)
		began = time.Now()
		for range 20 {
			read(r)
		}
		decode = min(decode, time.Since(began)/20)
	}
	t.Logf("%v to look, %v to decode", look, decode)
}

// FuzzOfAnother: what is taken for another flow's has neither the id nor the correlation when it is decoded.
func FuzzOfAnother(f *testing.F) {
	for _, value := range []string{
		`{"event_id":"00000000-0000-0000-0000-000000000000","correlation_id":"a","payload":{}}`, foreign, `{}`, `{"payload":{}}`, `{"event_id":"` + wanted + `","correlation_id":"x","payload":{}}`, `{"event_id":"{5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d}","correlation_id":"","payload":{}}`,
		`{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","correlation_id":"a","payload":` + foreign + `}`, `{"event_id":"9B2F1E1A-3c4d-4e5f-8a7b-6c5d4e3f2a1b","correlation_id":"b","payload":{}}`,
		`{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","correlation_id":"\u0061","payload":{}}`, `{"event_id":"5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d","correlation_id":"a","payload":[]}`,
	} {
		f.Add([]byte(value), wanted)
		f.Add([]byte(value), "5f0c8a52-6f0e-4f43-9c1f-0e2a1d3b4c5d")
		f.Add([]byte(value), "a")
	}
	f.Fuzz(func(t *testing.T, value []byte, id string) {
		if !ofAnother(value, []string{id}) {
			return
		}
		e := read(bus.Record{Topic: "omninode.shop.event.sold.v1", Value: value}).envelope
		if slices.Contains([]string{e.ID.String(), string(e.CorrelationID)}, id) {
			t.Errorf("%s is of %s", value, id)
		}
	})
}
