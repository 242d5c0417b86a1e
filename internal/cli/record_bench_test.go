package cli

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/omninode-ai/omnibus/bus"
)

// BenchmarkRecordNDJSON is what one record of 600 bytes costs on its way out, without the bus.
func BenchmarkRecordNDJSON(b *testing.B) {
	r := sample()
	r.Headers = []bus.Header{
		{Name: "content-type", Value: []byte("application/json")},
		{Name: "omnibus-event-id", Value: []byte("0199c4de-7c3a-7000-8000-000000000001")},
		{Name: "omnibus-event-type", Value: []byte(r.Topic)},
		{Name: "omnibus-correlation-id", Value: []byte("flow-1")},
	}
	r.Value = []byte(strings.Replace(string(r.Value), `"x"`, `"`+strings.Repeat("x", 600-len(r.Value))+`"`, 1))
	a := &app{out: &latched{w: io.Discard}, format: formatNDJSON, now: time.Now, zone: time.UTC}
	p, err := printOptions{}.printer(a)
	if err != nil {
		b.Fatal(err)
	}
	if err := p.begin(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(r.Value)))
	b.ReportAllocs()
	for b.Loop() {
		if err := p.print(b.Context(), viewOf(r)); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.end(); err != nil {
		b.Fatal(err)
	}
}
