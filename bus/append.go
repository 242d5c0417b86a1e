package bus

import (
	"context"
	"errors"
)

// Append adds records to their topics byte for byte: a nil key or value stays null, and headers go as they are, reserved ones
// too. Where the key puts a record decides its partition; Partition, Offset and Timestamp of what is given are not read, unless an
// [Outgoing] says so. There is one Result per record, in order, as from [Bus.PublishAll]; the error joins those of the failed ones. Records of one key stay
// in order. It is for tools that put back what a bus wrote, such as dead letters sent again; services publish.
func (b *Bus) Append(ctx context.Context, records ...Record) ([]Result, error) {
	events := make([]Outgoing, len(records))
	for i := range records {
		events[i].Record = &records[i]
	}
	results := make([]Result, len(records))
	b.publish(ctx, events, results)
	var errs []error
	for i := range results {
		if err := results[i].Err; err != nil && len(errs) < maxJoined {
			errs = append(errs, err)
		}
	}
	return results, errors.Join(errs...)
}
