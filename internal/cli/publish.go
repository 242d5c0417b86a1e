package cli

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

type publishOptions struct {
	target        string
	payload       *string // as written: JSON, @file or -; nil: not given
	raw           bool
	batch         bool
	dryRun        bool
	count         int
	rate          string
	key           *string
	nullKey       bool
	nullValue     bool
	keepPartition bool
	headers       []string
	correlation   string
	causation     string
}

type publishDoc struct {
	Schema        string      `json:"schema"`
	EventID       string      `json:"event_id,omitzero"` // these three are of events; raw bytes have none
	EventType     event.Topic `json:"event_type,omitzero"`
	CorrelationID string      `json:"correlation_id,omitzero"`
	Topic         event.Topic `json:"topic"`
	Partition     int32       `json:"partition"`
	Offset        int64       `json:"offset"`
}

func newPublishCmd(a *app) *cobra.Command {
	var o publishOptions
	var key, topic, payload string
	cmd := prints(&cobra.Command{
		Use:     "publish EVENT_TYPE|TOPIC [PAYLOAD|@file|-]",
		Aliases: []string{"pub"},
		Short:   "Publish an event, or many",
		Long: "The payload is checked against its schema and wrapped in an envelope; the command ends once all in-sync replicas have it.\n" +
			"Without a payload, or with -, it is read from standard input. With --batch every line of standard input is an event:\n" +
			`either {"topic","payload"} with "key", "headers", "correlation_id" and "causation_id" as you like, or what` + "\n" +
			`"consume -o ndjson" prints: that is published byte for byte. --raw publishes bytes as they are, to any topic.`,
		Example: `omnibus publish omninode.intelligence.event.quality_assessed.v1 '{"entity_id":"doc-123","quality_score":0.92}'
omnibus publish omninode.intelligence.event.quality_assessed.v1 @payload.json --correlation flow-7 --dry-run
omnibus consume some.topic.v1 -o ndjson | omnibus publish --batch - -b other:9092
omnibus publish omninode.intelligence.event.quality_assessed.v1 @payload.json --count 10000 --rate 500/s`,
		Args: a.wantArgs(0, 2, "an EVENT_TYPE and a PAYLOAD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("key") {
				o.key = &key
			}
			if topic != "" || payload != "" {
				a.hint("note: omnibus publish %s PAYLOAD is the short form of --topic and --payload", topic)
			}
			if topic != "" {
				args = slices.Insert(args, 0, topic)
			}
			if payload != "" {
				o.payload = &payload
			}
			if len(args) > 0 {
				o.target = args[0]
			}
			if len(args) > 1 {
				o.payload = &args[1]
			}
			if err := o.conflicts(); err != nil {
				return err
			}
			if o.batch {
				return runPublishBatch(cmd.Context(), a, o)
			}
			return runPublish(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVarP(&key, "key", "k", "", "record `key`, in place of the catalogue's choice; '' is the empty key")
	f.BoolVar(&o.nullKey, "null-key", false, "no record key at all")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "Kafka header, `name=value`; may be repeated")
	f.StringVarP(&o.correlation, "correlation", "c", "", "correlation `id`; default: a new one")
	f.StringVar(&o.causation, "causation", "", "event `id` of the event that caused this one")
	f.BoolVar(&o.raw, "raw", false, "publish the bytes as they are, without an envelope, to any topic; without --key there is no key")
	f.BoolVar(&o.nullValue, "null-value", false, "with --raw: no value at all (a tombstone)")
	f.BoolVar(&o.batch, "batch", false, "publish every line of standard input")
	f.BoolVar(&o.keepPartition, "keep-partition", false, "with --batch: records go into the partition that their line names")
	f.IntVar(&o.count, "count", 1, "publish it `n` times, each with ids of its own")
	f.StringVar(&o.rate, "rate", "max", "how many at most: `n/s`, n/m or max")
	f.BoolVar(&o.dryRun, "dry-run", false, "check it and print what would be published; send nothing")
	f.StringVar(&o.correlation, "correlation-id", "", "")
	f.StringVar(&topic, "topic", "", "")
	f.StringVar(&payload, "payload", "", "")
	for _, hidden := range []string{"correlation-id", "topic", "payload"} {
		f.Lookup(hidden).Hidden = true
	}
	return cmd
}

// conflicts refuses flags that contradict each other, and values that are none.
func (o publishOptions) conflicts() error {
	for _, c := range []struct {
		set       bool
		x, y, why string
		fix       string
	}{
		{o.key != nil && o.nullKey, "--key", "--null-key", "one is a key, the other is none", "use one of them; --key '' is the empty key"},
		{o.batch && o.payload != nil && *o.payload != "-", "--batch", "a PAYLOAD", "a batch is read from standard input", "omnibus publish --batch < FILE"},
		{o.batch && o.raw, "--batch", "--raw", "each line says itself what it is", `"value_text" in a line is published as it is`},
		{o.batch && (o.key != nil || o.nullKey), "--batch", "--key", "each line has a key of its own", `"key" in each line`},
		{o.batch && o.count != 1, "--batch", "--count", "each line is published once", "leave out --count"},
		{o.raw && o.correlation != "", "--raw", "--correlation", "without an envelope there is no place for it", "leave one of them out"},
		{o.raw && o.causation != "", "--raw", "--causation", "without an envelope there is no place for it", "leave one of them out"},
		{o.nullValue && o.payload != nil, "--null-value", "a PAYLOAD", "one is a value, the other is none", "leave one of them out"},
	} {
		if c.set {
			return fail(codeConflict, "%s and %s exclude each other", c.x, c.y).because("%s", c.why).fix("%s", c.fix)
		}
	}
	switch {
	case o.nullValue && !o.raw:
		return fail(codeConflict, "--null-value needs --raw").because("an event has a payload").fix("omnibus publish --raw TOPIC --null-value --key KEY")
	case o.keepPartition && !o.batch:
		return fail(codeConflict, "--keep-partition needs --batch").because("only the lines of a batch name a partition").fix("--key decides the partition of a single event")
	case o.count < 1:
		return fail(codeFlagValue, "--count must be 1 or more").fix("--count 100")
	case o.correlation != "" && !event.CorrelationID(o.correlation).Valid():
		return fail(codeFlagValue, "the correlation id is not 1 to 128 printable characters").fix("--correlation flow-7")
	}
	if _, err := event.ParseID(o.causation); o.causation != "" && err != nil {
		return fail(codeFlagValue, "the causation id is not a UUID").because("it is the event_id of the event that caused this one").
			fix("--causation with that event_id: omnibus consume TOPIC shows it")
	}
	if _, err := parseRate(o.rate); err != nil {
		return err
	}
	_, err := parseHeaders(o.headers)
	return err
}

// runPublish publishes one event or record, once or many times.
func runPublish(ctx context.Context, a *app, o publishOptions) error {
	if o.target == "" {
		return fail(codeArgs, "omnibus publish needs an EVENT_TYPE and a PAYLOAD").
			fix(`omnibus publish omninode.intelligence.event.quality_assessed.v1 '{"entity_id":"doc-123","quality_score":0.92}'`).fix("omnibus catalog list")
	}
	cfg, err := a.busConfig(service)
	if err != nil {
		return err
	}
	next, err := a.outgoing(ctx, cfg, o)
	if err != nil {
		return err
	}
	switch {
	case o.dryRun:
		return a.dryRun(ctx, cfg, next())
	case o.count > 1:
		return a.publishTimes(ctx, o, next)
	}
	out := next()
	var r bus.Result
	err = a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		return a.within(ctx, func(ctx context.Context) error {
			results, _ := b.PublishAll(ctx, out) // its one result has the error
			r = results[0]
			return r.Err
		})
	})
	if err != nil {
		return err
	}
	doc := publishDoc{Schema: schemaOf("publish"), Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	if e := out.Envelope; e != nil {
		doc.EventID, doc.EventType, doc.CorrelationID = e.ID.String(), e.Type, string(e.CorrelationID)
	}
	return a.print(doc, func() error {
		at := bus.Coordinates{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
		err := a.printFields(field{"published", at.String()}, field{"event_id", doc.EventID}, field{"correlation_id", doc.CorrelationID})
		if a.terminal && err == nil && doc.CorrelationID != "" { // a script that publishes need not be told
			a.hint("what comes of it: %s", a.commandLine("trace", doc.CorrelationID))
		}
		return err
	})
}

// outgoing reads and checks what the command line says. Each call of what it returns makes one to publish: an event with ids and a
// time of its own, or the same record again.
func (a *app) outgoing(ctx context.Context, cfg bus.Config, o publishOptions) (next func() bus.Outgoing, err error) {
	headers, err := parseHeaders(o.headers)
	if err != nil {
		return nil, err
	}
	var key []byte
	if o.key != nil {
		key = []byte(*o.key)
	}
	if o.raw {
		rec := &bus.Record{Topic: event.Topic(o.target), Key: key, Headers: headers}
		if !o.nullValue {
			if rec.Value, err = a.readPayload(ctx, o.payload, true); err != nil {
				return nil, err
			}
		}
		return func() bus.Outgoing { return bus.Outgoing{Record: rec} }, nil
	}
	typ, err := a.eventType(cfg, event.Topic(o.target))
	if err != nil {
		return nil, err
	}
	payload, err := a.readPayload(ctx, o.payload, false)
	if err != nil {
		return nil, err
	}
	if payload, err = compactPayload(payload); err != nil {
		return nil, err
	}
	from := a.source(cfg)
	causation, _ := event.ParseID(o.causation) // zero where there is none; conflicts has refused others
	return func() bus.Outgoing {
		e := a.newEvent(ctx, cfg, from, typ, payload, event.CorrelationID(o.correlation), causation)
		return bus.Outgoing{Envelope: &e, Key: key, NullKey: o.nullKey, Headers: headers}
	}, nil
}

// newEvent wraps a payload that has been checked.
func (a *app) newEvent(
	ctx context.Context, cfg bus.Config, from event.Source, typ event.Topic, payload []byte, correlation event.CorrelationID, causation event.ID,
) event.Envelope {
	e := event.New(event.WithCorrelation(ctx, correlation), typ, payload, from, a.now())
	e.CausationID = causation
	if spec, ok := cfg.Catalog.Lookup(typ); ok {
		e.Version = spec.Version
	}
	return e
}

// source is what the command line says about itself in what it publishes.
func (a *app) source(cfg bus.Config) event.Source {
	host, _ := os.Hostname() // optional on the wire
	from := event.Source{Service: cfg.Service, Instance: cfg.Instance, Host: host}
	if from.Instance == "" {
		from.Instance = "shell"
	}
	return from
}

// compactPayload refuses what is not strict JSON or not an object, before anything is sent.
func compactPayload(payload []byte) ([]byte, error) {
	if err := jsonx.Check(payload, jsonx.Limits{}); err != nil {
		return nil, err
	}
	if jsonx.Value(payload).Kind() != '{' {
		return nil, violates(&schema.Invalid{Violation: schema.Violation{Rule: "type", Message: "must be an object"}})
	}
	return jsonx.Compact(payload)
}

// eventType finds the event type that target means: one of the catalogue's, or one whose topic the settings moved there.
func (a *app) eventType(cfg bus.Config, target event.Topic) (event.Topic, error) {
	if target.IsDLQ() {
		return "", fail(codeArgs, "%s is for dead letters", clip(string(target), 120)).because("only a consumer that gives an event up writes there").
			fix("omnibus publish %s", target.Source())
	}
	for typ, topic := range cfg.Topics {
		if topic == target {
			return typ, nil
		}
	}
	if _, ok := cfg.Catalog.Lookup(target); ok || cfg.Undeclared == bus.Warn || cfg.Undeclared == bus.Allow {
		return target, nil
	}
	return "", a.unknownTopic(event.Topic(clip(string(target), 249)))
}

func parseHeaders(pairs []string) ([]bus.Header, error) {
	var out []bus.Header
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, fail(codeFlagValue, "%q is not a header", clip(p, 60)).fix("--header name=value")
		}
		if strings.HasPrefix(name, "omnibus-") {
			return nil, fail(codeFlagValue, "header %s is reserved", clip(name, 60)).because("names that begin with omnibus- are the bus's own").
				fix("choose another name")
		}
		out = append(out, bus.Header{Name: name, Value: []byte(value)})
	}
	return slices.Clip(out), nil
}
