package bus

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/omninode-ai/omnibus/event"
)

// foreignClass is the class of a record in a dead-letter topic that nobody of ours put there.
const foreignClass = "foreign"

// DeadLetters reads dead letters as [Bus.Scan] reads records. Globs of r that do not end in ".dlq" mean the dead letters of the
// topics that they match.
func (b *Bus) DeadLetters(ctx context.Context, r Range) iter.Seq2[DeadLetter, error] {
	globs := make([]event.Glob, len(r.Topics))
	for i, g := range r.Topics {
		globs[i] = event.Glob(event.Topic(g).DLQ())
	}
	r.Topics = globs
	return func(yield func(DeadLetter, error) bool) {
		for rec, err := range b.Scan(ctx, r) {
			if err != nil {
				yield(DeadLetter{}, err)
				return
			}
			if !yield(ParseDeadLetter(rec), nil) {
				return
			}
		}
	}
}

// ParseDeadLetter reads the headers of a record in a dead-letter topic. A header that is missing or malformed leaves its zero
// value; a record without any of them is of class "foreign", and its origin is where it lies.
func ParseDeadLetter(r Record) DeadLetter {
	text := func(name string) string { return string(r.Header(dlqPrefix + name)) }
	number := func(name string, bits int, none int64) int64 {
		n, err := strconv.ParseInt(text(name), 10, bits)
		if err != nil {
			return none
		}
		return n
	}
	moment := func(name string) time.Time {
		t, err := time.Parse(time.RFC3339, text(name))
		if err != nil {
			return time.Time{}
		}
		return t.UTC()
	}
	if text("original-topic") == "" && text("error-class") == "" {
		return DeadLetter{Record: r, Origin: r.Coordinates(), OriginTime: r.Timestamp, Class: foreignClass}
	}
	return DeadLetter{
		Record:        r,
		Origin:        Coordinates{Topic: event.Topic(text("original-topic")), Partition: int32(number("original-partition", 32, -1)), Offset: number("original-offset", 64, -1)},
		OriginID:      text("original-topic-id"),
		OriginTime:    moment("original-timestamp"),
		Class:         text("error-class"),
		Type:          text("error-type"),
		Message:       text("error-message"),
		Stack:         text("error-stack-trace"),
		Fingerprint:   text("error-fingerprint"),
		Retries:       int(number("retry-count", 32, 0)),
		FirstFailedAt: moment("first-failed-at"),
		FailedAt:      moment("failed-at"),
		Group:         text("consumer-group"),
		Instance:      text("consumer-instance"),
		Redrives:      int(number("redrive-count", 32, 0)),
	}
}

// OriginalHeaders are the headers that the record had before it became a dead letter.
func (d DeadLetter) OriginalHeaders() []Header {
	var hs []Header
	for _, h := range d.Headers {
		if !strings.HasPrefix(h.Name, dlqPrefix) {
			hs = append(hs, h)
		}
	}
	return hs
}
