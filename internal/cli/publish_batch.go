package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/jsonx"
)

const (
	batchLines = 500     // published at once
	maxLine    = 8 << 20 // bytes
)

type batchDoc struct {
	Schema    string         `json:"schema"`
	Published int            `json:"published"`
	Failed    int            `json:"failed"`
	Failures  []batchFailure `json:"failures"`
}

type batchFailure struct {
	Line    int    `json:"line"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Cause   string `json:"cause,omitzero"`
}

// batchLine is one line: an event to make, or a record to make again.
type batchLine struct {
	Topic         event.Topic     `json:"topic"`
	EventType     event.Topic     `json:"event_type"`
	Payload       json.RawMessage `json:"payload"`
	CorrelationID string          `json:"correlation_id"`
	Key           *string         `json:"key"`
	KeyB64        *string         `json:"key_b64"`
	Headers       json.RawMessage `json:"headers"`
	Value         json.RawMessage `json:"value"`
	ValueText     *string         `json:"value_text"`
	ValueB64      *string         `json:"value_b64"`
}

// batchNames are the members of a line; some of them say where a record was, which does not matter any more.
func batchNames() []string {
	return []string{
		"topic", "event_type", "payload", "correlation_id", "key", "key_b64", "headers", "value", "value_text", "value_b64",
		"partition", "offset", "timestamp",
	}
}

type numbered struct {
	number int
	text   []byte
}

func runPublishBatch(ctx context.Context, a *app, o publishOptions) error {
	if o.payload != "" && o.payload != "-" {
		return fail(codeConflict, "--batch and a PAYLOAD exclude each other").because("a batch is read from standard input").fix("omnibus publish --batch < FILE")
	}
	if o.target == "-" {
		o.target = ""
	}
	if isTerminal(a.in) && a.flags.noInput {
		return fail(codeArgs, "--batch needs lines on standard input").because("standard input is a terminal").fix("omnibus publish --batch < FILE")
	}
	headers, err := parseHeaders(o.headers)
	if err != nil {
		return err
	}
	doc := batchDoc{Schema: schemaOf("publish.batch"), Failures: []batchFailure{}}
	worst := code(0)
	told := a.startProgress("published", -1)
	defer told.hide()
	failed := func(line int, err error) {
		f := a.explain(err)
		doc.Failed++
		if worst == 0 {
			worst = f.code
		}
		if len(doc.Failures) < 1000 {
			doc.Failures = append(doc.Failures, batchFailure{line, f.code.String(), f.message, f.cause})
		}
		if a.format != formatJSON && doc.Failed <= 20 {
			a.note("line %d: %s: %s", line, f.code, f.message)
		}
	}
	err = a.withBus(ctx, func(ctx context.Context, b *bus.Bus) error {
		cfg, err := a.busConfig(service)
		if err != nil {
			return err
		}
		chunks := make(chan []numbered)
		var readErr error
		go func() { // ends with its input, or with the process where a terminal never ends
			defer close(chunks)
			readErr = readChunks(ctx, a.in, chunks)
		}()
		for {
			var chunk []numbered
			select {
			case c, ok := <-chunks:
				if !ok {
					return readErr
				}
				chunk = c
			case <-ctx.Done():
				return ctx.Err()
			}
			var out []bus.Outgoing
			var lines []int
			for _, l := range chunk {
				one, err := a.outgoing(ctx, cfg, l.text, o, headers)
				if err != nil {
					failed(l.number, err)
					continue
				}
				out, lines = append(out, one), append(lines, l.number)
			}
			results, _ := b.PublishAll(ctx, out...) // each result has its own error
			for i, r := range results {
				if r.Err != nil {
					failed(lines[i], r.Err)
					continue
				}
				doc.Published++
			}
			told.at(int64(doc.Published))
		}
	})
	if err != nil {
		if doc.Published > 0 {
			a.note("%s published before that", count(doc.Published, "event was", "events were"))
		}
		return err
	}
	err = a.print(doc, func() error { return a.printf("published %d, failed %d\n", doc.Published, doc.Failed) })
	switch {
	case err != nil || doc.Failed == 0:
		return err
	case doc.Published == 0:
		return fail(worst, "no event was published: %s", count(doc.Failed, "line is wrong", "lines are wrong")).
			at("first", "line %d", doc.Failures[0].Line).because("%s", doc.Failures[0].Message).fix("correct the lines and run it again")
	}
	return fail(codePartial, "%d of %d lines could not be published", doc.Failed, doc.Failed+doc.Published).
		at("first", "line %d", doc.Failures[0].Line).because("%s", doc.Failures[0].Message).fix("correct those lines and publish them alone")
}

// readChunks sends the lines of r, as many at once as are there already.
func readChunks(ctx context.Context, r io.Reader, chunks chan<- []numbered) error {
	in := bufio.NewReaderSize(r, 256<<10)
	var chunk []numbered
	for n := 1; ; n++ {
		text, err := readLine(in)
		if len(bytes.TrimSpace(text)) > 0 {
			chunk = append(chunk, numbered{n, text})
		}
		ready, _ := in.Peek(in.Buffered()) // what is buffered can be peeked at
		if len(chunk) > 0 && (err != nil || len(chunk) == batchLines || !bytes.Contains(ready, []byte("\n"))) {
			select {
			case chunks <- chunk:
				chunk = nil
			case <-ctx.Done():
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads one line without its end; the error may come with a last line.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fail(codeTooLarge, "a line is longer than %s", sizeText(maxLine)).because("no broker takes an event of that size").fix("one event a line (NDJSON)")
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(line, "\r\n"), err
		}
	}
}

// outgoing makes what one line says.
func (a *app) outgoing(ctx context.Context, cfg bus.Config, text []byte, o publishOptions, headers []bus.Header) (bus.Outgoing, error) {
	if err := jsonx.Check(text, jsonx.Limits{}); err != nil {
		return bus.Outgoing{}, err
	}
	var names map[string]json.RawMessage
	if err := jsonx.Unmarshal(text, &names); err != nil {
		return bus.Outgoing{}, fail(codeEvent, "the line is not a JSON object").fix(`{"topic":"…","payload":{…}}`)
	}
	for name := range sorted(names) {
		if known := batchNames(); !slices.Contains(known, name) {
			return bus.Outgoing{}, fail(codeEvent, "unknown member %s", strconv.Quote(clip(name, 60))).meant(name, known)
		}
	}
	var l batchLine
	if err := jsonx.Unmarshal(text, &l); err != nil {
		return bus.Outgoing{}, fail(codeEvent, "a member of the line has the wrong type").fix(`{"topic":"…","payload":{…},"key":"…"}`)
	}
	target := l.Topic
	if target == "" {
		target = l.EventType
	}
	if target == "" {
		target = event.Topic(o.target)
	}
	if target == "" {
		return bus.Outgoing{}, fail(codeEvent, `the line has no "topic"`).fix(`{"topic":"…","payload":{…}}`)
	}
	own, err := parseHeaderDocs(l.Headers)
	if err != nil {
		return bus.Outgoing{}, err
	}
	key, err := jsonx.FromTextOrBase64(l.Key, l.KeyB64)
	if err != nil {
		return bus.Outgoing{}, fail(codeEvent, `"key_b64" %s`, err)
	}
	if o.key != nil {
		key = []byte(*o.key)
	}
	out := bus.Outgoing{Key: key, Headers: append(own, headers...)}
	if l.Payload != nil {
		typ, err := a.eventType(cfg, target)
		if err != nil {
			return bus.Outgoing{}, err
		}
		correlation := l.CorrelationID
		if correlation == "" {
			correlation = o.correlation
		}
		if correlation != "" && !event.CorrelationID(correlation).Valid() {
			return bus.Outgoing{}, fail(codeEvent, "the correlation id is not 1 to 128 printable characters")
		}
		e, err := a.newEvent(ctx, cfg, typ, l.Payload, event.CorrelationID(correlation))
		if err != nil {
			return bus.Outgoing{}, err
		}
		out.Envelope = &e
		return out, nil
	}
	out.Topic, out.NullKey = target, key == nil
	if l.Value != nil && string(l.Value) != "null" {
		out.Raw = l.Value
		return out, nil
	}
	if out.Raw, err = jsonx.FromTextOrBase64(l.ValueText, l.ValueB64); err != nil {
		return bus.Outgoing{}, fail(codeEvent, `"value_b64" %s`, err)
	}
	if out.Raw == nil {
		return bus.Outgoing{}, fail(codeEvent, `the line has neither "payload" nor a value`).because("null values (tombstones) are not published").
			fix(`{"topic":"…","payload":{…}}`)
	}
	return out, nil
}

// parseHeaderDocs reads headers as "consume -o ndjson" writes them, or as {"name":"value"}.
func parseHeaderDocs(b json.RawMessage) ([]bus.Header, error) {
	if len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	wrong := fail(codeEvent, `"headers" cannot be read`).fix(`"headers":{"name":"value"}`)
	var out []bus.Header
	if b[0] == '{' {
		var m map[string]string
		if err := jsonx.Unmarshal(b, &m); err != nil {
			return nil, wrong
		}
		for name, value := range sorted(m) {
			out = append(out, bus.Header{Name: name, Value: []byte(value)})
		}
		return out, nil
	}
	var docs []headerDoc
	if err := jsonx.Unmarshal(b, &docs); err != nil {
		return nil, wrong
	}
	for _, d := range docs {
		h, _, err := d.header()
		if err != nil {
			return nil, wrong
		}
		out = append(out, h)
	}
	return out, nil
}
