package cli

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
	"github.com/omninode-ai/omnibus/event"
)

// BenchmarkBatchLine is what a line costs before it is published: a record as "consume -o ndjson" prints it, and an event.
func BenchmarkBatchLine(b *testing.B) {
	const topic = "omninode.intelligence.event.quality_assessed.v1"
	payload := `{"entity_id":"doc-123","quality_score":0.92,"dimensions":{"a":0.1,"b":0.2,"c":0.3}}`
	const id = "8c3f2f5e-0b1c-4c7e-9d4b-1f2e3d4c5b6a"
	a := &app{err: io.Discard, now: time.Now, log: slog.New(slog.DiscardHandler)}
	cfg := bus.Config{Brokers: []string{"x:1"}, Service: service, Catalog: contracts.Catalog()}
	for _, c := range []struct{ name, line string }{
		{"event", fmt.Sprintf(`{"topic":%q,"key":"k","payload":%s}`, topic, payload)},
		{"record", fmt.Sprintf(`{"topic":%q,"partition":3,"offset":12345,"timestamp":"2026-11-24T12:00:00.123Z","key":"doc-123","headers":[`+
			`{"name":"content-type","value":"application/json"},{"name":"omnibus-event-id","value":%q},{"name":"omnibus-event-type","value":%q},`+
			`{"name":"omnibus-correlation-id","value":%q}],"value":{"event_id":%q,"event_type":%q,"correlation_id":%q,"timestamp":"2026-11-24T12:00:00.123Z",`+
			`"version":"1.0.0","source":{"service":"omnibus-cli","instance_id":"shell"},"payload":%s}}`, topic, id, topic, id, id, topic, id, payload)},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := []byte(strings.Clone(c.line))
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				l, err := parseBatchLine(text)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := a.outgoingLine(b.Context(), cfg, event.Source{Service: service, Instance: "shell"}, l, publishOptions{}, nil, event.ID{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
