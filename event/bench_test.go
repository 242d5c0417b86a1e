package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

func benchEnvelope(b *testing.B) (event.Envelope, []byte) {
	b.Helper()
	payload := `{"entity_id":"key-0000001","quality_score":0.92,"dimensions":{"complexity":0.5},"note":"` + strings.Repeat("x", 150) + `"}`
	e := event.New(b.Context(), "omninode.intelligence.event.quality_assessed.v1", []byte(payload), event.Source{Service: "intelligence", Instance: "intelligence-7f9c"}, time.Now())
	e.Metadata.TraceID = strings.Repeat("ab", 16)
	value, err := e.AppendJSON(nil)
	if err != nil {
		b.Fatal(err)
	}
	return e, value
}

func BenchmarkDecode(b *testing.B) {
	_, value := benchEnvelope(b)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Decode(value); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e, value := benchEnvelope(b)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = e.AppendJSON(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
