package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

type publishOptions struct {
	target      string
	payload     string // as written: JSON, @file, - or empty
	batch       bool
	key         *string
	headers     []string
	correlation string
}

type publishDoc struct {
	Schema        string      `json:"schema"`
	EventID       string      `json:"event_id"`
	EventType     event.Topic `json:"event_type"`
	CorrelationID string      `json:"correlation_id"`
	Topic         event.Topic `json:"topic"`
	Partition     int32       `json:"partition"`
	Offset        int64       `json:"offset"`
}

func newPublishCmd(a *app) *cobra.Command {
	var o publishOptions
	var key, topic, payload string
	cmd := prints(&cobra.Command{
		Use:     "publish EVENT_TYPE [PAYLOAD|@file|-]",
		Aliases: []string{"pub"},
		Short:   "Publish an event, or many",
		Long: "The payload is checked against its schema and wrapped in an envelope; the command ends once all in-sync replicas have it.\n" +
			"Without a payload, or with -, it is read from standard input. With --batch every line of standard input is an event:\n" +
			`either {"topic","payload"} with "key", "headers" and "correlation_id" as you like, or what "consume -o ndjson" prints.`,
		Example: `omnibus publish omninode.intelligence.event.quality_assessed.v1 '{"entity_id":"doc-123","quality_score":0.92}'
omnibus publish omninode.intelligence.event.quality_assessed.v1 @payload.json --correlation flow-7
omnibus publish --batch < events.ndjson
omnibus consume some.topic.v1 -o ndjson | omnibus publish --batch -b other:9092`,
		Args: a.wantArgs(0, 2, "an EVENT_TYPE and a PAYLOAD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("key") {
				o.key = &key
			}
			if topic != "" || payload != "" {
				a.hint("note: omnibus publish %s PAYLOAD is the short form of --topic and --payload", topic)
			}
			o.target, o.payload = topic, payload
			if len(args) > 0 {
				if topic != "" {
					args = append([]string{topic}, args...)
				}
				o.target = args[0]
			}
			if len(args) > 1 {
				o.payload = args[1]
			}
			if o.batch {
				return runPublishBatch(cmd.Context(), a, o)
			}
			return runPublish(cmd.Context(), a, o)
		},
	}, formatTable, formatJSON)
	f := cmd.Flags()
	f.StringVarP(&key, "key", "k", "", "record `key`, in place of the catalogue's choice")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "Kafka header, `name=value`; may be repeated")
	f.StringVarP(&o.correlation, "correlation", "c", "", "correlation `id`; default: a new one")
	f.BoolVar(&o.batch, "batch", false, "publish every line of standard input")
	f.StringVar(&o.correlation, "correlation-id", "", "")
	f.StringVar(&topic, "topic", "", "")
	f.StringVar(&payload, "payload", "", "")
	for _, hidden := range []string{"correlation-id", "topic", "payload"} {
		f.Lookup(hidden).Hidden = true
	}
	return cmd
}

func runPublish(ctx context.Context, a *app, o publishOptions) error {
	if o.target == "" {
		return fail(codeArgs, "omnibus publish needs an EVENT_TYPE and a PAYLOAD").
			fix(`omnibus publish omninode.intelligence.event.quality_assessed.v1 '{"entity_id":"doc-123","quality_score":0.92}'`).fix("omnibus catalog list")
	}
	if o.correlation != "" && !event.CorrelationID(o.correlation).Valid() {
		return fail(codeFlagValue, "the correlation id is not 1 to 128 printable characters").fix("--correlation flow-7")
	}
	headers, err := parseHeaders(o.headers)
	if err != nil {
		return err
	}
	cfg, err := a.busConfig(service)
	if err != nil {
		return err
	}
	typ, err := a.eventType(cfg, event.Topic(o.target))
	if err != nil {
		return err
	}
	payload, err := a.readPayload(ctx, o.payload)
	if err != nil {
		return err
	}
	e, err := a.newEvent(ctx, cfg, typ, payload, event.CorrelationID(o.correlation))
	if err != nil {
		return err
	}
	out := bus.Outgoing{Envelope: &e, Headers: headers}
	if o.key != nil {
		out.Key = []byte(*o.key)
	}
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
	doc := publishDoc{
		Schema: schemaOf("publish"), EventID: e.ID.String(), EventType: e.Type, CorrelationID: string(e.CorrelationID),
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
	}
	return a.print(doc, func() error {
		at := bus.Coordinates{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
		return a.printFields(field{"published", at.String()}, field{"event_id", doc.EventID}, field{"correlation_id", doc.CorrelationID})
	})
}

// newEvent wraps a payload, which is made compact first.
func (a *app) newEvent(ctx context.Context, cfg bus.Config, typ event.Topic, payload []byte, correlation event.CorrelationID) (event.Envelope, error) {
	if err := checkPayload(payload); err != nil {
		return event.Envelope{}, err
	}
	payload, err := jsonx.Compact(payload)
	if err != nil {
		return event.Envelope{}, err
	}
	host, _ := os.Hostname() // optional on the wire
	from := event.Source{Service: cfg.Service, Instance: cfg.Instance, Host: host}
	if from.Instance == "" {
		from.Instance = "shell"
	}
	e := event.New(event.WithCorrelation(ctx, correlation), typ, payload, from, a.now())
	if spec, ok := cfg.Catalog.Lookup(typ); ok {
		e.Version = spec.Version
	}
	return e, nil
}

// checkPayload refuses what is not strict JSON or not an object, before anything is sent.
func checkPayload(payload []byte) error {
	if err := jsonx.Check(payload, jsonx.Limits{}); err != nil {
		return err
	}
	if jsonx.Value(payload).Kind() != '{' {
		return violates(&schema.Invalid{Violation: schema.Violation{Rule: "type", Message: "must be an object"}})
	}
	return nil
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

// readPayload reads JSON as written, a file, or standard input.
func (a *app) readPayload(ctx context.Context, from string) ([]byte, error) {
	switch {
	case strings.HasPrefix(from, "@"):
		path := from[1:]
		b, err := os.ReadFile(a.path(path))
		if err != nil {
			return nil, cannotRead(path, err)
		}
		return b, nil
	case from != "" && from != "-":
		return []byte(from), nil
	}
	if isTerminal(a.in) && (from == "" || a.flags.noInput) {
		return nil, fail(codeArgs, "omnibus publish needs a PAYLOAD").because("standard input is a terminal").
			fix("give it as an argument, as @file, or as - to type it and end with Ctrl-D")
	}
	b, err := a.readAll(ctx, a.in)
	if err == nil && len(strings.TrimSpace(string(b))) == 0 {
		return nil, fail(codeArgs, "omnibus publish needs a PAYLOAD").because("the argument is missing, and standard input is empty").
			fix("give it as an argument, as @file, or on standard input")
	}
	return b, err
}

// readAll reads r to its end, or until ctx ends: a terminal or a pipe may never end.
func (a *app) readAll(ctx context.Context, r io.Reader) ([]byte, error) {
	type read struct {
		b   []byte
		err error
	}
	got := make(chan read, 1) // one value, so that a reader whom nobody waits for can end
	go func() {
		b, err := io.ReadAll(r)
		got <- read{b, err}
	}()
	select {
	case g := <-got:
		return g.b, g.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// path is where a file that the user named lies.
func (a *app) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.dir, name)
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

// isInterrupted reports whether err only says that the user ended the command.
func isInterrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}
