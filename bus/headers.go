package bus

import (
	"strings"

	"github.com/omninode-ai/omnibus/event"
)

// Names of the headers that Omnibus writes. The prefix is reserved.
const (
	headerPrefix      = "omnibus-"
	headerContentType = "content-type"
	headerEventID     = "omnibus-event-id"
	headerEventType   = "omnibus-event-type"
	headerCorrelation = "omnibus-correlation-id"
	headerTraceParent = "traceparent"
	dlqPrefix         = "omnibus-dlq-"
)

// headersOf derives the headers from the envelope, and adds the caller's own; a reserved name among those is dropped.
func headersOf(e event.Envelope, own []Header) []Header {
	hs := make([]Header, 0, 5+len(own))
	hs = append(hs,
		Header{headerContentType, []byte("application/json")},
		Header{headerEventID, []byte(e.ID.String())},
		Header{headerEventType, []byte(e.Type)},
		Header{headerCorrelation, []byte(e.CorrelationID)})
	if len(e.Metadata.TraceID) == 32 && len(e.Metadata.SpanID) == 16 {
		hs = append(hs, Header{headerTraceParent, []byte("00-" + e.Metadata.TraceID + "-" + e.Metadata.SpanID + "-01")})
	}
	for _, h := range own {
		if !strings.HasPrefix(h.Name, headerPrefix) {
			hs = append(hs, h)
		}
	}
	return hs
}
