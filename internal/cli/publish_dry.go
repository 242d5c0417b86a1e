package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
)

// dryRunDoc is what would be published; the value is in one of three members, as in a record that is consumed.
type dryRunDoc struct {
	Schema    string          `json:"schema"`
	Topic     event.Topic     `json:"topic"`
	Partition *int32          `json:"partition"` // null: not known
	Key       *string         `json:"key"`
	KeyB64    *string         `json:"key_b64,omitzero"`
	Headers   []headerDoc     `json:"headers"`
	SchemaID  *uint32         `json:"schema_id,omitzero"`
	Value     json.RawMessage `json:"value,omitzero"`
	ValueText *string         `json:"value_text,omitzero"`
	ValueB64  *string         `json:"value_b64,omitzero"`
}

// dryRun checks what would be published and prints it. A broker is asked for the topic where one answers.
func (a *app) dryRun(ctx context.Context, cfg bus.Config, out bus.Outgoing) error {
	enc, err := bus.NewEncoder(cfg)
	if err != nil {
		return err
	}
	rec, err := enc.Encode(ctx, out)
	if err != nil {
		return err
	}
	partitions, err := a.partitionsOf(ctx, rec.Topic)
	if err != nil {
		return err
	}
	as := recordDocOf(rec)
	doc := dryRunDoc{
		Schema: schemaOf("publish.dry-run"), Topic: rec.Topic, Key: as.Key, KeyB64: as.KeyB64, Headers: as.Headers,
		SchemaID: as.SchemaID, Value: as.Value, ValueText: as.ValueText, ValueB64: as.ValueB64,
	}
	where := "not known"
	switch {
	case partitions > 0 && rec.Key != nil:
		doc.Partition = new(bus.PartitionOf(rec.Key, partitions))
		where = strconv.Itoa(int(*doc.Partition))
	case rec.Key == nil:
		where = "any: there is no key"
	}
	return a.print(doc, func() error {
		fields := []field{{"would publish to", string(rec.Topic)}, {"partition", where}, {"key", keyText(rec.Key)}}
		for _, h := range rec.Headers {
			fields = append(fields, field{"header " + h.Name, keyText(h.Value)})
		}
		body, id, prefixed := event.CutSchemaID(rec.Value)
		if prefixed {
			fields = append(fields, field{"schema id", strconv.FormatUint(uint64(id), 10)})
		}
		if err := a.printFields(fields...); err != nil {
			return err
		}
		return a.printValue(body)
	})
}

// partitionsOf is how many partitions a topic has; 0 where no broker answers, which a dry run can do without.
func (a *app) partitionsOf(ctx context.Context, topic event.Topic) (n int, err error) {
	err = a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.within(ctx, func(ctx context.Context) error {
			infos, err := b.Topics(ctx, event.Glob(topic))
			if err == nil && len(infos) == 0 {
				return a.unknownTopic(topic)
			}
			if err == nil {
				n = len(infos[0].Partitions)
			}
			return err
		})
	})
	if errors.Is(err, bus.ErrUnreachable) {
		a.hint("note: no broker answers, so that nothing is known of the topic there")
		return 0, nil
	}
	return n, err
}
