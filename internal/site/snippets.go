package site

import (
	"strconv"
	"strings"

	"github.com/omninode-ai/omnibus/internal/catalogue"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

// snippet is a piece of a program to be copied.
type snippet struct{ ID, Name, Language, Text string }

const localRegistry = "http://127.0.0.1:8084"

// snippets are what publishes and reads events of e; the brokers and the registry are those of about.
func snippets(e catalogue.Entry, about catalogue.About) []snippet {
	payload := "{}"
	if len(e.Events) > 0 {
		payload = string(e.Events[0].Payload)
	}
	brokers := strings.Join(about.Brokers, ",")
	registry := about.Registry
	if registry == "" {
		registry = localRegistry
	}
	fill := strings.NewReplacer(
		"TOPIC", string(e.Topic), "SUBJECT", e.Subject, "REGISTRY", strings.TrimSuffix(registry, "/"), "BROKERS", brokers,
		"GO_BROKERS", goStrings(about.Brokers), "SHELL_PAYLOAD", shellQuote(payload), "GO_PAYLOAD", goText(payload), "PYTHON_PAYLOAD", pythonLiteral(payload),
		"PYTHON_KEY", pythonKey(e), "VERSION", e.Version,
	)
	return []snippet{
		{"shell", "Command line", "sh", fill.Replace(shellSnippet)},
		{"curl", "Schema from the registry, with curl", "sh", fill.Replace(curlSnippet)},
		{"go-publish", "Go: publish", "go", fill.Replace(goPublish)},
		{"go-read", "Go: read", "go", fill.Replace(goRead)},
		{"python-publish", "Python: publish with aiokafka", "python", fill.Replace(pythonPublish)},
		{"python-read", "Python: read with confluent-kafka", "python", fill.Replace(pythonRead)},
	}
}

const shellSnippet = `omnibus publish TOPIC SHELL_PAYLOAD
omnibus consume TOPIC --last 1
`

// The schema of the whole event is what the registry has; its answer to the second is the schema itself.
const curlSnippet = `curl -s REGISTRY/subjects/SUBJECT/versions/latest
curl -s REGISTRY/subjects/SUBJECT/versions/latest/schema
`

const goPublish = `package main

import (
	"context"
	"log"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
)

func main() {
	ctx := context.Background()
	b, err := bus.Open(ctx, bus.Config{
		Brokers: []string{GO_BROKERS},
		Service: "my-service",
		Catalog: contracts.Catalog(),
	})
	if err != nil {
		log.Fatal(err)
	}
	payload := []byte(GO_PAYLOAD)
	if err := b.PublishEvent(ctx, "TOPIC", payload, ""); err != nil {
		log.Fatal(err)
	}
	if err := b.Close(); err != nil {
		log.Fatal(err)
	}
}
`

const goRead = `package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/contracts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	b, err := bus.Open(ctx, bus.Config{
		Brokers: []string{GO_BROKERS},
		Service: "my-service",
		Catalog: contracts.Catalog(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	err = b.Consume(ctx, bus.Consumer{Group: "my-service"}, bus.HandlePattern("TOPIC",
		func(ctx context.Context, d bus.Delivery) error {
			log.Printf("%s %s", d.EventID(), d.PayloadJSON())
			return nil
		}))
	if err != nil {
		log.Print(err)
	}
}
`

const pythonPublish = `import asyncio
import json
import uuid
from datetime import datetime, timezone

from aiokafka import AIOKafkaProducer

payload = PYTHON_PAYLOAD


async def main():
    correlation_id = str(uuid.uuid4())
    event = {
        "event_id": str(uuid.uuid4()),
        "event_type": "TOPIC",
        "correlation_id": correlation_id,
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "version": "VERSION",
        "source": {"service": "my-service", "instance_id": "my-service-1"},
        "metadata": {},
        "payload": payload,
    }
    producer = AIOKafkaProducer(bootstrap_servers="BROKERS", enable_idempotence=True)
    await producer.start()
    try:
        key = PYTHON_KEY  # events of one key stay in order
        await producer.send_and_wait("TOPIC", key=key.encode(), value=json.dumps(event).encode())
    finally:
        await producer.stop()


asyncio.run(main())
`

const pythonRead = `import json

from confluent_kafka import Consumer, KafkaException

consumer = Consumer({
    "bootstrap.servers": "BROKERS",
    "group.id": "my-service",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
})
consumer.subscribe(["TOPIC"])
try:
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        event = json.loads(message.value())
        print(event["event_id"], event["payload"], flush=True)
        consumer.commit(message, asynchronous=False)
except KeyboardInterrupt:
    pass
finally:
    consumer.close()
`

func goStrings(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = strconv.Quote(s)
	}
	return strings.Join(quoted, ", ")
}

// goText is text as a Go string: as it stands where that can be.
func goText(text string) string {
	if strconv.CanBackquote(text) {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}

// shellQuote quotes text for a shell.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func pythonKey(e catalogue.Entry) string {
	if e.Key == "" {
		return "correlation_id"
	}
	return "payload[" + strconv.Quote(e.Key) + "]"
}

// pythonLiteral is JSON as Python writes it. A JSON string is one of Python too, but for surrogates, which our examples have none of.
func pythonLiteral(text string) string {
	var b strings.Builder
	if err := writePython(&b, []byte(text), "\n"); err != nil {
		return "json.loads(" + strconv.Quote(text) + ")"
	}
	return b.String()
}

func writePython(b *strings.Builder, text []byte, indent string) error {
	switch text[0] {
	case 't':
		b.WriteString("True")
	case 'f':
		b.WriteString("False")
	case 'n':
		b.WriteString("None")
	case '{', '[':
		return writePythonGroup(b, text, indent)
	default:
		b.Write(text)
	}
	return nil
}

// writePythonGroup writes an object or an array, an element a line.
func writePythonGroup(b *strings.Builder, text []byte, indent string) error {
	var first error
	inner, begun := indent+"    ", b.Len()+1
	element := func(name string, from, to int) {
		b.WriteString(inner + name)
		if first == nil {
			first = writePython(b, text[from:to], inner)
		}
		b.WriteString(",")
	}
	b.WriteByte(text[0])
	var err error
	if text[0] == '[' {
		err = jsonx.Elements(text, func(from, to int) { element("", from, to) })
	} else {
		err = jsonx.Each(text, func(name []byte, from, to int) { element(string(jsonx.AppendQuote(nil, name))+": ", from, to) })
	}
	if err != nil {
		return err
	}
	if b.Len() > begun {
		b.WriteString(indent)
	}
	b.WriteByte(text[len(text)-1])
	return first
}
