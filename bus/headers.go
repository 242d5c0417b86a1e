package bus

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

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
	headerTargetGroup = "omnibus-target-group" // of an event that was sent again to one group: others pass over it
	headerDualOf      = "omnibus-dual-of"      // of an event that was published as an older version too: the type and id of the event itself
	dlqPrefix         = "omnibus-dlq-"

	contentType = "application/json"
)

// headersOf derives the headers from the envelope, and adds the caller's own; a reserved name among those is dropped. The
// values of ours share one piece of memory.
func headersOf(e event.Envelope, own []Header) []kgo.RecordHeader {
	hs := make([]kgo.RecordHeader, 0, 5+len(own))
	values := make([]byte, 0, len(contentType)+36+len(e.Type)+len(e.CorrelationID)+55)
	add := func(name string, value []byte) {
		hs = append(hs, kgo.RecordHeader{Key: name, Value: value[len(values):len(value):len(value)]})
		values = value
	}
	add(headerContentType, append(values, contentType...))
	id, _ := e.ID.AppendText(values) // never fails
	add(headerEventID, id)
	add(headerEventType, append(values, e.Type...))
	add(headerCorrelation, append(values, e.CorrelationID...))
	if len(e.Metadata.TraceID) == 32 && len(e.Metadata.SpanID) == 16 {
		add(headerTraceParent, append(values, "00-"+e.Metadata.TraceID+"-"+e.Metadata.SpanID+"-01"...))
	}
	for _, h := range own {
		if !strings.HasPrefix(h.Name, headerPrefix) {
			hs = append(hs, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
	}
	return hs
}
