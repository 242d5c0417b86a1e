package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/omninode-ai/omnibus/bus"
	"github.com/omninode-ai/omnibus/event"
	"github.com/omninode-ai/omnibus/internal/oneline"
)

// How lines are read: ahead of what is being published, and never so many that memory would be short.
const (
	chunkLines  = 500
	chunkBytes  = 1 << 20
	chunksAhead = 16
	maxLine     = 64 << 20 // bytes
)

// readLine is a line as it was read: its number, and what it says or why that is nothing.
type readLine struct {
	number int
	line   batchLine
	err    error
}

// runPublishBatch publishes the lines of standard input. One goroutine reads and parses them, ahead of what is being published.
func runPublishBatch(ctx context.Context, a *app, o publishOptions) error {
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
	cfg, err := a.busConfig(service)
	if err != nil {
		return err
	}
	l := &lines{chunks: make(chan []readLine, chunksAhead)}
	causation, _ := event.ParseID(o.causation) // zero where there is none; conflicts has refused others
	from := a.source(cfg)
	m := &many{
		unit:   "line",
		resume: func(next int) string { return fmt.Sprintf("tail -n +%d FILE | omnibus publish --batch -", next) },
		next: func(ctx context.Context, most int) ([]item, error) {
			read, err := l.next(ctx, most)
			items := make([]item, len(read))
			for i, r := range read {
				items[i] = item{number: r.number, err: r.err}
				if r.err == nil {
					items[i].out, items[i].err = a.outgoingLine(ctx, cfg, from, r.line, o, headers, causation)
				}
			}
			return items, err
		},
		told: a.startProgress("published", -1),
	}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	go l.read(reading, a.in) // ends with its input, or with the process where a terminal never ends
	return a.publishMany(ctx, o, m)
}

// lines are what was read and not yet published.
type lines struct {
	chunks chan []readLine
	rest   []readLine
	err    error // of reading; set before chunks is closed
}

// next waits for lines, and gives at most so many of those that are there.
func (l *lines) next(ctx context.Context, most int) ([]readLine, error) {
	if len(l.rest) == 0 {
		select {
		case chunk, ok := <-l.chunks:
			if !ok && l.err != nil {
				return nil, fail(codeFile, "cannot read standard input").because("%s", oneline.Cause(l.err))
			}
			if !ok {
				return nil, io.EOF
			}
			l.rest = chunk
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	for len(l.rest) < most {
		select {
		case chunk, ok := <-l.chunks:
			if ok {
				l.rest = append(l.rest, chunk...)
				continue
			}
		default:
		}
		break
	}
	n := min(most, len(l.rest))
	out := l.rest[:n:n]
	l.rest = l.rest[n:]
	return out, nil
}

// read sends the lines of r, as many at once as are there already.
func (l *lines) read(ctx context.Context, r io.Reader) {
	defer close(l.chunks)
	in := bufio.NewReaderSize(r, 256<<10)
	var chunk []readLine
	size := 0
	for n := 1; ; n++ {
		text, err := nextLine(in)
		if tooLong, ok := asFailure(err); ok {
			chunk, err = append(chunk, readLine{number: n, err: tooLong}), nil
		} else if len(bytes.TrimSpace(text)) > 0 {
			one := readLine{number: n}
			one.line, one.err = parseBatchLine(text)
			chunk, size = append(chunk, one), size+len(text)
		}
		ready, _ := in.Peek(in.Buffered()) // what is buffered can be peeked at
		if len(chunk) > 0 && (err != nil || len(chunk) == chunkLines || size >= chunkBytes || !bytes.Contains(ready, []byte("\n"))) {
			select {
			case l.chunks <- chunk:
				chunk, size = nil, 0
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				l.err = err
			}
			return
		}
	}
}

// nextLine reads one line without its end; the error may come with a last line. A line that is too long is read over.
func nextLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	size := 0
	for {
		part, err := in.ReadSlice('\n')
		if size += len(part); size <= maxLine {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case size > maxLine && (err == nil || errors.Is(err, io.EOF)):
			return nil, fail(codeTooLarge, "the line is longer than %s", sizeText(maxLine)).because("no broker takes an event of that size").fix("one event a line (NDJSON)")
		default:
			return bytes.TrimRight(line, "\r\n"), err
		}
	}
}

// outgoingLine makes what one line says.
func (a *app) outgoingLine(
	ctx context.Context, cfg bus.Config, from event.Source, l batchLine, o publishOptions, headers []bus.Header, causation event.ID,
) (bus.Outgoing, error) {
	if l.topic == "" {
		l.topic = event.Topic(o.target)
	}
	if l.topic == "" {
		return bus.Outgoing{}, fail(codeEvent, `the line has no "topic"`).fix(`{"topic":"…","payload":{…}}`)
	}
	l.headers = append(l.headers, headers...)
	if l.payload == nil {
		if o.keepPartition && l.partition < 0 {
			return bus.Outgoing{}, fail(codeEvent, `the line has no "partition"`).because("--keep-partition puts it where it says").fix(`"partition":0`)
		}
		rec := &bus.Record{Topic: l.topic, Partition: l.partition, Timestamp: l.time, Key: l.key, Value: l.value, Headers: l.headers}
		return bus.Outgoing{Record: rec, KeepTime: true, KeepPartition: o.keepPartition}, nil
	}
	typ, err := a.eventType(cfg, l.topic)
	if err != nil {
		return bus.Outgoing{}, err
	}
	payload, err := compactPayload(l.payload)
	if err != nil {
		return bus.Outgoing{}, err
	}
	if l.correlation == "" {
		l.correlation = event.CorrelationID(o.correlation)
	}
	if l.causation.IsZero() {
		l.causation = causation
	}
	e := a.newEvent(ctx, cfg, from, typ, payload, l.correlation, l.causation)
	return bus.Outgoing{Envelope: &e, Key: l.key, NullKey: l.keyed && l.key == nil, Headers: l.headers}, nil
}
