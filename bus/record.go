package bus

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/omninode-ai/omnibus/event"
)

// Record is what lies in the log, byte for byte. A nil Key or Value is Kafka's null.
type Record struct {
	Topic      event.Topic
	Partition  int32
	Offset     int64
	Timestamp  time.Time
	Key, Value []byte
	Headers    []Header
}

// Header is one Kafka header. Names may repeat; order is kept.
type Header struct {
	Name  string
	Value []byte
}

// Header is the value of the first header called name, or nil.
func (r Record) Header(name string) []byte {
	for _, h := range r.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return nil
}

// Coordinates are where r lies.
func (r Record) Coordinates() Coordinates { return Coordinates{r.Topic, r.Partition, r.Offset} }

func fromKafka(r *kgo.Record) Record {
	rec := Record{
		Topic: event.Topic(r.Topic), Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UTC(), Key: r.Key, Value: r.Value,
	}
	if len(r.Headers) > 0 {
		rec.Headers = make([]Header, len(r.Headers))
		for i, h := range r.Headers {
			rec.Headers[i] = Header{Name: h.Key, Value: h.Value}
		}
	}
	return rec
}

func toKafkaHeaders(hs []Header) []kgo.RecordHeader {
	out := make([]kgo.RecordHeader, len(hs))
	for i, h := range hs {
		out[i] = kgo.RecordHeader{Key: h.Name, Value: h.Value}
	}
	return out
}
