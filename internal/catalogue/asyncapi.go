package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
	"github.com/omninode-ai/omnibus/schema"
)

// About is what an AsyncAPI document says beside the events.
type About struct {
	Title    string
	Brokers  []string // host:port
	Protocol string   // kafka, or kafka-secure for TLS
	Registry string   // URL of the schema registry; empty: none is named
}

type object = map[string]any

const (
	bindingVersion = "0.5.0"
	payloadFormat  = "application/schema+json;version=draft-07"
	// replicas is what the bus gives a topic where nobody says otherwise, on clusters that have as many brokers.
	replicas = 3
)

// AsyncAPI describes entries as an AsyncAPI 3.0.0 document: a channel for each topic, an operation for each service that publishes or
// reads it, a reply for each request. The payload of a message is the whole event: the envelope as it is written, and the payload's
// schema open, so that types which are made from it survive a later minor version. Its version changes when a schema does.
func AsyncAPI(entries []Entry, about About) ([]byte, error) {
	d := &document{channels: object{}, operations: object{}, messages: object{}, schemas: object{}, entries: entries}
	sum := sha256.New()
	for _, e := range entries {
		_, _ = fmt.Fprintf(sum, "%s %d\n%s\n", e.Topic, len(e.Schema), e.Schema) // a hash takes everything
		if err := d.add(e); err != nil {
			return nil, fmt.Errorf("describe %s: %w", e.Topic, err)
		}
	}
	return jsonx.MarshalIndent(object{
		"asyncapi": "3.0.0",
		"info": object{
			"title":       about.Title,
			"version":     "1.0.0+" + hex.EncodeToString(sum.Sum(nil)[:6]),
			"description": fmt.Sprintf("The %d event types of the catalogue, with who publishes and who reads each of them.", len(entries)),
			"tags":        d.tags(),
		},
		"defaultContentType": "application/json",
		"servers":            servers(about),
		"channels":           d.channels,
		"operations":         d.operations,
		"components": object{
			"messages": d.messages,
			"schemas":  d.schemas,
			"messageTraits": object{"event": object{
				"contentType":   "application/json",
				"correlationId": object{"description": "Links the events of one flow; a response echoes that of its request.", "location": "$message.payload#/correlation_id"},
				"headers":       headers(),
			}},
		},
	})
}

type document struct {
	entries                                 []Entry
	channels, operations, messages, schemas object
}

func (d *document) add(e Entry) error {
	name := string(e.Topic)
	body, err := payloadOf(e)
	if err != nil {
		return err
	}
	d.schemas[name] = body
	d.messages[name] = message(e)
	d.channels[name] = channel(e)
	for _, service := range e.Producers {
		o := operation(e, "send", service)
		if e.Replies != "" {
			d.reply(o, e.Replies)
		}
		d.operations[operationName(e, "send", service)] = o
	}
	for _, service := range e.Consumers {
		o := operation(e, "receive", service)
		if e.Replies != "" {
			d.reply(o, e.Replies)
		}
		d.operations[operationName(e, "receive", service)] = o
	}
	return nil
}

// reply adds where the answer goes, unless the catalogue lacks it.
func (d *document) reply(operation object, t event.Topic) {
	if slices.ContainsFunc(d.entries, func(e Entry) bool { return e.Topic == t }) {
		operation["reply"] = object{"channel": ref("channels", string(t)), "messages": []any{ref("channels", string(t), "messages", "event")}}
	}
}

func servers(about About) object {
	all := object{}
	for i, host := range about.Brokers {
		kafka := object{"bindingVersion": bindingVersion}
		if about.Registry != "" {
			kafka["schemaRegistryUrl"], kafka["schemaRegistryVendor"] = about.Registry, "confluent"
		}
		name := "kafka"
		if i > 0 {
			name = fmt.Sprintf("kafka-%d", i+1)
		}
		all[name] = object{
			"host": host, "protocol": about.Protocol, "description": "Kafka, where the topics are.", "bindings": object{"kafka": kafka},
		}
	}
	return all
}

func (d *document) tags() []any {
	var names []string
	for _, e := range d.entries {
		names = append(names, e.Domain)
	}
	slices.Sort(names)
	var tags []any
	for _, name := range slices.Compact(names) {
		tags = append(tags, object{"name": name})
	}
	return tags
}

func channel(e Entry) object {
	c := object{
		"address":     string(e.Topic),
		"title":       e.Title,
		"description": e.Doc,
		"messages":    object{"event": ref("components", "messages", string(e.Topic))},
		"tags":        []any{object{"name": e.Domain}},
		"bindings": object{"kafka": object{
			"topic":      string(e.Topic),
			"partitions": e.Partitions,
			"replicas":   replicas,
			"topicConfiguration": object{
				"cleanup.policy": []any{"delete"},
				"retention.ms":   e.Retention.Milliseconds(),
			},
			"bindingVersion": bindingVersion,
		}},
		"x-dead-letters": string(e.Topic.DLQ()),
	}
	if e.Owner != "" {
		c["x-owner"] = e.Owner
	}
	return c
}

func message(e Entry) object {
	key := object{"type": "string", "description": "Events of one key stay in order: it is the correlation id."}
	if e.Key != "" {
		key["description"] = "Events of one key stay in order: it is the payload's " + e.Key + "."
	}
	binding := object{"key": key, "bindingVersion": bindingVersion}
	switch e.Wire { // what is left to the bus may be without a schema id
	case "header":
		binding["schemaIdLocation"] = "header"
	case "prefix":
		binding["schemaIdLocation"], binding["schemaIdPayloadEncoding"] = "payload", "confluent"
	}
	m := object{
		"name":        string(e.Topic),
		"title":       e.Title,
		"summary":     e.Doc,
		"contentType": "application/json",
		"payload":     object{"schemaFormat": payloadFormat, "schema": ref("components", "schemas", string(e.Topic))},
		"traits":      []any{ref("components", "messageTraits", "event")},
		"bindings":    object{"kafka": binding},
		"x-version":   e.Version,
	}
	var examples []any
	for i, x := range e.Events {
		examples = append(examples, object{"name": fmt.Sprintf("example-%d", i+1), "payload": x.Event})
	}
	if examples != nil {
		m["examples"] = examples
	}
	if d := e.Deprecated; d != nil {
		m["x-deprecated"] = object{"since": Day(d.Since), "sunset": Day(d.Sunset)}
	}
	if e.Supersedes != "" {
		m["x-supersedes"] = string(e.Supersedes)
	}
	if !e.DualUntil.IsZero() {
		m["x-dual-publish"] = object{"until": LastDay(e.DualUntil)}
	}
	if e.AliasOf != "" {
		m["x-alias-of"] = string(e.AliasOf)
	}
	return m
}

func operation(e Entry, action, service string) object {
	who, does := service, "publishes"
	if service == Any {
		who = "any service"
	}
	if action == "receive" {
		does = "reads"
	}
	o := object{
		"action":   action,
		"channel":  ref("channels", string(e.Topic)),
		"messages": []any{ref("channels", string(e.Topic), "messages", "event")},
		"title":    fmt.Sprintf("%s %s %s", who, does, short(e.Topic)),
		"tags":     []any{object{"name": e.Domain}},
	}
	if service != Any {
		o["x-service"] = service
	}
	return o
}

func operationName(e Entry, action, service string) string {
	if service == Any {
		service = "any"
	}
	return service + "." + action + "." + short(e.Topic)
}

// headers are those that the bus writes beside every event.
func headers() object {
	text := func(description string) object { return object{"type": "string", "description": description} }
	return object{"type": "object", "properties": object{
		"content-type":           object{"type": "string", "const": "application/json"},
		"omnibus-event-id":       text("The envelope's event_id."),
		"omnibus-event-type":     text("The envelope's event_type."),
		"omnibus-correlation-id": text("The envelope's correlation_id."),
		"traceparent":            text("Trace and span of the publisher as W3C Trace Context, where the envelope has both."),
	}}
}

// payloadOf is the schema of the whole event: the envelope that producers write with the payload as consumers read it. References go
// to where it stands in the document.
func payloadOf(e Entry) (object, error) {
	written, err := composed(e, schema.Producer)
	if err != nil {
		return nil, err
	}
	read, err := composed(e, schema.Consumer)
	if err != nil {
		return nil, err
	}
	members, ok := written["properties"].(object)
	readMembers, ok2 := read["properties"].(object)
	if !ok || !ok2 {
		return nil, fmt.Errorf("the composed schema of %s has no members", e.Topic)
	}
	members["payload"] = readMembers["payload"]
	if defs, ok := read["$defs"]; ok {
		written["$defs"] = defs
	}
	if typ, ok := members["event_type"].(object); ok {
		typ["const"] = string(e.Topic)
	}
	delete(written, "$schema") // the message says which format it is in
	move(written, pointer("components", "schemas", string(e.Topic)))
	return written, nil
}

func composed(e Entry, role schema.Role) (object, error) {
	b, err := schema.Compose(e.Schema, role)
	if err != nil {
		return nil, err
	}
	tree, err := jsonx.Tree(b, jsonx.Limits{})
	if err != nil {
		return nil, err
	}
	o, ok := tree.(object)
	if !ok {
		return nil, fmt.Errorf("the composed schema of %s is not an object", e.Topic)
	}
	return o, nil
}

// move makes references that begin at the root of a schema begin at to.
func move(v any, to string) {
	switch v := v.(type) {
	case object:
		if r, ok := v["$ref"].(string); ok && strings.HasPrefix(r, "#") {
			v["$ref"] = to + strings.TrimPrefix(r, "#")
		}
		for _, member := range v {
			move(member, to)
		}
	case []any:
		for _, item := range v {
			move(item, to)
		}
	}
}

func ref(path ...string) object { return object{"$ref": pointer(path...)} }

func pointer(path ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var p strings.Builder
	p.WriteString("#")
	for _, name := range path {
		p.WriteString("/" + escape.Replace(name))
	}
	return p.String()
}
